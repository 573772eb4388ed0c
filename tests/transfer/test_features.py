"""Features: what a head sees, and heads that are trained on them."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from trained_models import Points, assert_unchanged, convolutional, images, state, trained

import pynn


def test_features_are_what_the_head_sees(points: Points, backend: str) -> None:
    model = trained(points, "float64")
    codes = pynn.transfer.features(model, points[0])
    raw = points[0].astype(np.float64)
    assert (codes.shape, codes.dtype) == ((30, 5), np.float64)
    head = model.layers[-1]
    outputs = model.forward(model.preprocessing.transform(raw))
    np.testing.assert_allclose(codes @ head.weight + head.bias, outputs, rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose(pynn.transfer.features(model, points[0], batch_size=7), codes, rtol=1e-12)
    codes[...] = 0
    assert pynn.transfer.features(model, points[0]).any()  # a new array


def test_features_of_images_and_of_every_layer(rng: np.random.Generator) -> None:
    x, _ = images(rng)
    model = convolutional()
    for layer in model.layers:
        assert pynn.transfer.features(model, x, layer.name).shape == (12, *layer.output_shape)
    np.testing.assert_allclose(pynn.transfer.features(model, x, -1), model.forward(x), rtol=1e-6)
    np.testing.assert_array_equal(pynn.transfer.features(model, (x * 0).astype(np.uint8)).shape, (12, 54))


def test_features_work_on_fewer_samples_where_layers_are_large(monkeypatch: pytest.MonkeyPatch, points: Points) -> None:
    monkeypatch.setattr(pynn.training.evaluate, "LARGEST_OUTPUT", 512)
    model = pynn.Sequential(pynn.Affine(64), pynn.Affine(2))
    model.build((4,))
    seen: list[int] = []
    forward = pynn.Affine.forward

    def spy(self: pynn.Affine, x: np.ndarray, training: bool) -> np.ndarray:
        seen.append(len(x))
        return forward(self, x, training)

    monkeypatch.setattr(pynn.Affine, "forward", spy)
    pynn.transfer.features(model, points[0])
    assert seen == [8, 8, 8, 6]


def test_features_of_a_linear_model_are_its_inputs(points: Points) -> None:
    model = pynn.Sequential(pynn.Affine(3))
    model.fit(*points, epochs=1, preprocessing=pynn.Standardization(), progress=False)
    np.testing.assert_array_equal(
        pynn.transfer.features(model, points[0]), model.preprocessing.transform(points[0]).astype(np.float32)
    )


def test_features_leave_the_model_as_it_is(points: Points) -> None:
    model = trained(points)
    before, outputs = state(model), model.predict_proba(points[0])
    for layer in model.layers:
        pynn.transfer.features(model, points[0], layer.name)
        np.testing.assert_array_equal(model.predict_proba(points[0]), outputs)
    assert_unchanged(model, before)
    with pytest.raises(ValueError, match="x has"):
        pynn.transfer.features(model, points[0][:, :3], "affine2")
    np.testing.assert_array_equal(model.predict_proba(points[0]), outputs)


def test_features_refuse_what_predict_refuses(points: Points) -> None:
    with pytest.raises(RuntimeError, match="not built yet"):
        pynn.transfer.features(pynn.Sequential(pynn.Affine(2)), points[0])
    model = trained(points)
    for x, error in (([[np.nan] * 4], ValueError), ([], ValueError), ("abc", TypeError)):
        with pytest.raises(error):
            pynn.transfer.features(model, x)
    with pytest.raises(ValueError, match="there is no layer 'top'"):
        pynn.transfer.features(model, points[0], "top")
    with pytest.raises(ValueError, match="batch_size"):
        pynn.transfer.features(model, points[0], batch_size=0)
    model.forward(points[0], training=True)
    pynn.transfer.features(model, points[0])
    with pytest.raises(RuntimeError, match="must follow forward"):  # its buffers are others' now
        model.backward(np.zeros((30, 3)))


@pytest.mark.parametrize("kind", ["vectors", "images"])
def test_a_head_trained_on_features_is_the_head_trained_in_the_model(
    kind: str, points: Points, rng: np.random.Generator, backend: str
) -> None:
    """In float64, where rounding does not add up: the same order of samples, the same first weights."""
    if kind == "vectors":
        model, (x, y) = trained(points, "float64"), points
    else:
        (x, y), model = images(rng), convolutional("float64")
        model.fit(x, y, epochs=1, batch_size=6, progress=False)
    model.replace_head(pynn.Affine(4), pynn.ReLU(), pynn.Affine(3)).freeze(up_to=-4)
    head = pynn.Sequential(pynn.Affine(4), pynn.ReLU(), pynn.Affine(3), dtype="float64")
    codes = pynn.transfer.features(model, x, -4)
    head.build(codes.shape[1:])
    for ours, theirs in zip(head.layers, model.layers[-3:], strict=True):
        for parameter in ours.declared:
            getattr(ours, parameter.name)[...] = getattr(theirs, parameter.name)
    start = head.parameters.copy()
    head.fit(codes, y, epochs=10, batch_size=5, optimizer=pynn.Adam(0.01), progress=False)
    model.fit(x, y, epochs=10, batch_size=5, optimizer=pynn.Adam(0.01), progress=False)
    assert np.abs(head.parameters - start).max() > 0.01
    np.testing.assert_allclose(head.forward(codes), pynn.transfer.features(model, x, -1), rtol=1e-8, atol=1e-10)


@pytest.mark.slow
def test_pynn_transfer_is_imported_when_it_is_first_used() -> None:
    code = (
        "import sys, pynn; print('pynn.transfer' in sys.modules); pynn.transfer; print('pynn.transfer' in sys.modules)"
    )
    folder = Path(pynn.__file__).parents[1]
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=folder, timeout=60)
    assert done.stdout.split() == ["False", "True"], done.stderr
