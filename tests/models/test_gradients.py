"""pynn.gradients: what it is for. That its numbers are right is in test_input_gradient."""

from __future__ import annotations

import doctest
import inspect
import sys
from typing import Any

import numpy as np
import pytest

import pynn


def state(model: pynn.Sequential) -> bytes:
    tensors = b"".join(array.tobytes() for array in model.tensors().values())
    return tensors + model.gradients.tobytes() + bytes(str((model.context.step, model.epoch)), "ascii")


def network(*convolution: pynn.Layer) -> pynn.Sequential:
    return pynn.Sequential(
        *convolution, pynn.Flatten(), pynn.Affine(32), pynn.BatchNorm(), pynn.ReLU(), pynn.Dropout(0.3), pynn.Affine(10)
    )


def trained(model: pynn.Sequential, digits: Any) -> pynn.Sequential:
    x, y = digits.train
    model.fit(x / 255, y, epochs=8, batch_size=32, optimizer=pynn.Adam(5e-3), progress=False)
    return model


def test_a_saliency_map_points_at_the_pixels_that_tell_the_classes_apart(
    backend: str, rng: np.random.Generator
) -> None:
    """The class is in a patch of 2 × 2 pixels; all others are noise of the same size."""
    y = np.arange(600) % 2
    x = rng.standard_normal((600, 8, 8, 1))
    x[:, 5:7, 1:3] += 2.0 * (2 * y - 1)[:, None, None, None]
    model = pynn.Sequential(
        pynn.Flatten(), pynn.Affine(16), pynn.BatchNorm(), pynn.ReLU(), pynn.Dropout(0.5), pynn.Affine(2)
    )
    model.fit(x, y, epochs=20, batch_size=50, optimizer=pynn.Adam(1e-2), penalty=pynn.L2(1e-2), progress=False)
    before = state(model)
    pixels = abs(pynn.gradients(model, x, dy=np.eye(2)[y])).max(axis=-1)
    assert state(model) == before
    assert pixels.shape == (600, 8, 8)
    mean = pixels.mean(axis=0)
    top = {tuple(np.unravel_index(place, (8, 8))) for place in np.argsort(-mean, axis=None)[:4]}
    assert top == {(5, 1), (5, 2), (6, 1), (6, 2)}
    assert mean[5:7, 1:3].mean() > 4 * np.delete(mean.ravel(), [41, 42, 49, 50]).mean()


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["affine", "convolution"])
def test_a_fooling_image_is_found_for_every_class(kind: str, backend: str, digits: Any) -> None:
    """Digits, right at first, that look the same and are taken for any class that is wanted."""
    layers = [pynn.Conv2d(8), pynn.ReLU()] if kind == "convolution" else []
    model = trained(network(*layers), digits)
    x, y = digits.test[0] / 255, digits.test[1]
    x = x[model.predict(x) == y][:1]
    before = state(model)
    for wanted in range(10):
        image = x.copy()
        for _ in range(300):
            if model.predict(image)[0] == wanted:
                break
            slope = pynn.gradients(model, image, np.array([wanted]))
            image = (image - 0.02 * slope / np.abs(slope).max()).clip(0, 1)
        assert model.predict(image)[0] == wanted
        assert np.sqrt(((image - x) ** 2).mean()) < 0.25
    assert state(model) == before


def test_a_picture_of_a_class_raises_its_score(backend: str, digits: Any) -> None:
    """By gradient ascent from grey; a convolution with batch normalization, whose running statistics are used."""
    model = trained(network(pynn.Conv2d(4), pynn.BatchNorm(), pynn.ReLU()), digits)
    before = state(model)
    for wanted in (0, 3):
        picture = np.full((1, 8, 8, 1), 0.5)
        first = model.forward(picture.astype(np.float32))[0].copy()
        for _ in range(60):
            picture += 0.05 * pynn.gradients(model, picture, dy=np.eye(10)[wanted]) - 0.002 * picture
            picture = picture.clip(0, 1)
        last = model.forward(picture.astype(np.float32))[0]
        assert last[wanted] > first[wanted] + 2
        assert last.argmax() == wanted
        assert model.predict_proba(picture)[0, wanted] > 0.9
    assert state(model) == before


def test_dropout_is_off_and_a_sample_does_not_depend_on_the_others(backend: str, digits: Any) -> None:
    model = trained(network(), digits)
    x, y = digits.test[0][:20] / 255, digits.test[1][:20]
    found = pynn.gradients(model, x, y)
    np.testing.assert_array_equal(found, pynn.gradients(model, x, y))
    np.testing.assert_array_equal(found, model.input_gradient(x, y))
    for place in range(0, 20, 7):
        np.testing.assert_allclose(
            pynn.gradients(model, x[place : place + 1], y[place : place + 1])[0], found[place], rtol=2e-4, atol=1e-6
        )


@pytest.mark.slow
@pytest.mark.skipif(sys.flags.optimize > 1, reason="python -OO has no docstrings")
def test_the_examples_in_its_docstring_do_what_they_say(backend: str) -> None:
    text = inspect.getdoc(pynn.gradients) or ""
    names: dict[str, Any] = {"pynn": pynn, "np": np}
    test = doctest.DocTestParser().get_doctest(text, names, "gradients", None, 0)
    assert doctest.DocTestRunner().run(test, clear_globs=False).failed == 0
    names = test.globs
    model, x, y = names["model"], names["x"], names["y"]
    assert names["pixels"].shape == (len(x), 8, 8)
    right = (model.predict(x) == y).mean()
    assert right > 0.9
    assert (names["fooled"] == y).mean() < right - 0.3
    assert (model.predict(names["threes"]) == 3).mean() > 0.95
    assert model.predict(names["picture"])[0] == 3
    assert model.predict_proba(names["picture"])[0, 3] > 0.9


def test_what_it_does_not_take() -> None:
    with pytest.raises(TypeError, match="model is 'model', expected"):
        pynn.gradients("model", np.ones((1, 2)), [0])
    with pytest.raises(RuntimeError, match="the model is not built yet, so it has no gradients"):
        pynn.gradients(pynn.Sequential(pynn.Affine(2)), np.ones((1, 2)), [0])
