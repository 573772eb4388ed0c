"""PReLU: values, gradients, its learned slopes, what it refuses."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import gradients
import numpy as np
import pytest
from gradients import PassThrough, Projection

import pynn

Shape = tuple[int, ...]
shapes = pytest.mark.parametrize("input_shape", [(5,), (1,), (3, 2, 5), (2, 37)], ids=str)
per_feature = pytest.mark.parametrize("per_feature", [False, True])


def _built(input_shape: Shape, slope: Any = None, **settings: Any) -> tuple[pynn.Sequential, pynn.PReLU]:
    layer = pynn.PReLU(**settings)
    model = pynn.Sequential(layer, dtype="float64")
    model.build(input_shape)
    if slope is not None:
        layer.slope[...] = slope
    return model, layer


@shapes
@per_feature
def test_prelu_and_its_gradients_follow_torch(
    input_shape: Shape, per_feature: bool, backend: str, rng: np.random.Generator, torch: Any
) -> None:
    model, layer = _built(input_shape, per_feature=per_feature)
    assert layer.slope.shape == ((input_shape[-1],) if per_feature else (1,))
    np.testing.assert_array_equal(layer.slope, 0.25)
    layer.slope[...] = rng.standard_normal(layer.slope.size)
    x, dy = rng.standard_normal((2, 700, *input_shape))
    y = model.forward(x, training=True)
    dx = model.backward(dy, input_gradient=True)
    rows = (-1, input_shape[-1])
    tx = torch.tensor(x.reshape(rows), requires_grad=True)
    slope = torch.tensor(layer.slope, requires_grad=True)
    ty = torch.nn.functional.prelu(tx, slope)
    ty.backward(torch.tensor(dy.reshape(rows)))
    np.testing.assert_allclose(y.reshape(rows), ty.detach().numpy(), rtol=1e-15)
    np.testing.assert_allclose(dx.reshape(rows), tx.grad.numpy(), rtol=1e-15)
    np.testing.assert_allclose(layer.dslope, slope.grad.numpy(), rtol=1e-10, atol=1e-10)


@per_feature
@pytest.mark.parametrize("slope", [0.25, 0.0, -0.5, 2.0])
def test_gradients_match_central_differences_for_any_slope(per_feature: bool, slope: float, backend: str) -> None:
    layers: dict[str, Callable[[pynn.Layer], list[pynn.Layer]]] = {
        "alone": lambda own: [own],
        "between": lambda own: [pynn.Affine(4), own, pynn.Affine(3)],
        "normalized": lambda own: [pynn.BatchNorm(), own, pynn.Dropout(0.3)],
        "behind an own layer": lambda own: [PassThrough(), own, PassThrough()],
    }
    for make in layers.values():
        for input_shape in ((5,), (2, 3, 4)) if make is not layers["between"] else ((5,),):
            model, x = gradients.smooth(make(pynn.PReLU(per_feature=per_feature, initial=slope)), input_shape)
            gradients.check(model, Projection(), x)


def test_at_0_it_takes_the_left_slope() -> None:
    model, layer = _built((3,))
    np.testing.assert_array_equal(model.forward(np.array([[0.0, -0.0, 1]]), training=True), [[0, 0, 1]])
    np.testing.assert_array_equal(model.backward(np.ones((1, 3)), input_gradient=True), [[0.25, 0.25, 1]])
    np.testing.assert_array_equal(layer.dslope, 0)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_prelu_is_finite_far_out(dtype: str, backend: str) -> None:
    model = pynn.Sequential(pynn.PReLU(), dtype=dtype)
    x = np.array([[-1e4, 1e4, 0, -1e-30]], dtype)
    np.testing.assert_allclose(model.forward(x, training=True), [[-2500, 1e4, 0, -2.5e-31]], rtol=1e-6)
    dx = model.backward(np.ones((1, 4), dtype), input_gradient=True)
    np.testing.assert_array_equal(dx, [[0.25, 1, 0.25, 0.25]])
    np.testing.assert_array_equal(model.layers[0].dslope, [-1e4])


@per_feature
def test_a_batch_of_no_samples(per_feature: bool, backend: str) -> None:
    model, layer = _built((3,), per_feature=per_feature)
    assert model.forward(np.empty((0, 3)), training=True).shape == (0, 3)
    model.backward(np.empty((0, 3)))
    np.testing.assert_array_equal(layer.dslope, 0)


def test_penalties_leave_the_slope_alone(points: tuple[np.ndarray, np.ndarray]) -> None:
    model = pynn.Sequential(pynn.PReLU(), pynn.Affine(3))
    model.forward(points[0], training=True)
    model.backward(np.zeros((30, 3), np.float32))
    pynn.L2(10).apply(model)
    np.testing.assert_array_equal(model.layers[0].dslope, 0)
    assert np.abs(model.layers[1].dweight).max() > 0


@per_feature
def test_prelu_learns_and_survives_its_file(
    per_feature: bool, points: tuple[np.ndarray, np.ndarray], tmp_path: Any
) -> None:
    model = pynn.Sequential(pynn.Affine(16), pynn.PReLU(per_feature=per_feature, initial=0.1), pynn.Affine(3))
    model.fit(*points, epochs=20, batch_size=10, progress=False)
    slope = model.layers[1].slope
    assert np.abs(slope - 0.1).min() > 1e-4
    assert f"{16 * 4 + 16 + (16 if per_feature else 1) + 16 * 3 + 3:,} parameters" in repr(model)
    assert "fused" not in repr(model)
    model.save(tmp_path / "model.safetensors")
    loaded = pynn.load(tmp_path / "model.safetensors")
    np.testing.assert_array_equal(loaded.layers[1].slope, slope)
    np.testing.assert_array_equal(loaded.predict_proba(points[0]), model.predict_proba(points[0]))
    assert repr(loaded) == repr(model)


def test_the_affine_layer_before_a_prelu_starts_as_he_et_al_derive() -> None:
    by_default, named = pynn.Affine(20), pynn.Affine(20, initializer="he")
    for layer in (by_default, named):
        pynn.Sequential(layer, pynn.BatchNorm(), pynn.PReLU()).build((10,))
    np.testing.assert_array_equal(by_default.weight, named.weight)


def test_bad_settings_are_refused() -> None:
    with pytest.raises(TypeError, match=r"PReLU: per_feature is 1, expected True or False"):
        pynn.PReLU(per_feature=1)
    for initial in (float("nan"), float("inf"), "0.25", None):
        with pytest.raises(ValueError, match=r"PReLU: initial is .*, expected a finite number"):
            pynn.PReLU(initial=initial)
    with pytest.raises(ValueError, match=r"layer 0 \(PReLU\): expected inputs with features"):
        pynn.Sequential(pynn.PReLU(per_feature=True)).build(())


def test_single_numbers_have_one_slope(backend: str) -> None:
    model, layer = _built(())
    np.testing.assert_array_equal(model.forward(np.array([-4.0, 4.0]), training=True), [-1, 4])
    np.testing.assert_array_equal(model.backward(np.ones(2), input_gradient=True), [0.25, 1])
    np.testing.assert_array_equal(layer.dslope, [-4])


def test_the_kernels_name_a_slope_that_does_not_fit(backend: str) -> None:
    x, slope = np.zeros((3, 4)), np.zeros(2)
    for call in (
        lambda: pynn.kernels.prelu_forward(x, slope, np.empty((3, 4))),
        lambda: pynn.kernels.prelu_backward(x, x, slope, None, np.empty(2)),
    ):
        with pytest.raises(ValueError, match=r"slope has shape \(2,\), expected \(1,\) or \(4,\)"):
            call()
