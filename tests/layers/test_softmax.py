"""Softmax as a layer."""

from __future__ import annotations

from typing import Any

import gradients
import numpy as np
import pytest
from gradients import PassThrough, Projection

import pynn

SHAPES: list[tuple[int, ...]] = [(5,), (1,), (300,), (3, 2, 5)]


@pytest.mark.parametrize("input_shape", SHAPES, ids=str)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_softmax_and_its_gradient_follow_torch(
    input_shape: tuple[int, ...], dtype: str, backend: str, rng: np.random.Generator, torch: Any
) -> None:
    x, dy = (rng.standard_normal((2, 20, *input_shape)) * 4).astype(dtype)
    model = pynn.Sequential(pynn.Softmax(), dtype=dtype)
    y = model.forward(x, training=True)
    dx = model.backward(dy, input_gradient=True)
    tx = torch.tensor(x.astype(np.float64), requires_grad=True)
    ty = tx.softmax(dim=-1)
    ty.backward(torch.tensor(dy.astype(np.float64)))
    tolerance = 32 * np.finfo(dtype).eps
    np.testing.assert_allclose(y, ty.detach().numpy(), rtol=tolerance, atol=tolerance)
    np.testing.assert_allclose(dx, tx.grad.numpy(), rtol=0, atol=tolerance)
    np.testing.assert_allclose(y.sum(axis=-1), 1, rtol=tolerance)


@pytest.mark.parametrize("input_shape", [(5,), (2, 2, 3)], ids=str)
def test_gradients_match_central_differences(input_shape: tuple[int, ...], backend: str) -> None:
    for layers in (
        [pynn.Softmax()],
        [PassThrough(), pynn.Softmax(), PassThrough()],
        [pynn.BatchNorm(), pynn.Softmax()],
    ):
        model, x = gradients.smooth(layers, input_shape)
        gradients.check(model, Projection(), x)
    model, x = gradients.smooth([pynn.Affine(4), pynn.Softmax(), pynn.Affine(2)], (5,))
    gradients.check(model, Projection(), x)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_extreme_logits_give_shares_and_finite_gradients(dtype: str, backend: str) -> None:
    x = np.array([[1e4, -1e4, 0], [-1e4, -1e4, -1e4], [1e4, 1e4, -1e4], [-1e30, 1e30, 0]], dtype)
    model = pynn.Sequential(pynn.Softmax(), dtype=dtype)
    y = model.forward(x, training=True)
    np.testing.assert_allclose(y, [[1, 0, 0], [1 / 3] * 3, [0.5, 0.5, 0], [0, 1, 0]], rtol=1e-6)
    dx = model.backward(np.array([[1, 2, 3]] * 4, dtype), input_gradient=True)
    np.testing.assert_allclose(dx, [[0, 0, 0], [-1 / 3, 0, 1 / 3], [-0.25, 0.25, 0], [0, 0, 0]], atol=1e-6)


def test_a_softmax_layer_gives_the_probabilities_of_a_classifier(
    points: tuple[np.ndarray, np.ndarray], tmp_path: Any, backend: str
) -> None:
    """The layers of a trained classifier with Softmax behind them."""
    classifier = pynn.Sequential(pynn.Affine(8), pynn.ReLU(), pynn.Affine(3))
    classifier.fit(*points, epochs=5, batch_size=10, progress=False)
    model = pynn.Sequential(pynn.Affine(8), pynn.ReLU(), pynn.Affine(3), pynn.Softmax())
    model.build((4,))
    model.parameters[...] = classifier.parameters
    np.testing.assert_allclose(model.forward(points[0]), classifier.predict_proba(points[0]), rtol=1e-6)
    np.testing.assert_array_equal(model.predict(points[0]), classifier.predict(points[0]))
    model.save(tmp_path / "model.safetensors")
    loaded = pynn.load(tmp_path / "model.safetensors")
    np.testing.assert_array_equal(loaded.forward(points[0]), model.forward(points[0]))
    assert repr(loaded) == repr(model)
    assert "Softmax()" in repr(model)


def test_a_batch_of_no_samples(backend: str) -> None:
    model = pynn.Sequential(pynn.Softmax())
    assert model.forward(np.empty((0, 3), np.float32), training=True).shape == (0, 3)
    assert model.backward(np.empty((0, 3), np.float32), input_gradient=True).shape == (0, 3)


def test_single_numbers_have_no_classes() -> None:
    with pytest.raises(ValueError, match=r"layer 0 \(Softmax\): expected inputs with classes"):
        pynn.Sequential(pynn.Softmax()).build(())
