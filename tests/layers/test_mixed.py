"""Scale, PSELU and PMish: values, gradients, what they learn, what they refuse."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import gradients
import numpy as np
import pytest
from gradients import PassThrough, Projection

import pynn

MIXED: dict[str, tuple[type[pynn.Layer], type[pynn.Layer]]] = {
    "pselu": (pynn.PSELU, pynn.SELU),
    "pmish": (pynn.PMish, pynn.Mish),
}
KINDS: dict[str, tuple[type[pynn.Layer], str]] = {
    "pselu": (pynn.PSELU, "mix"),
    "pmish": (pynn.PMish, "mix"),
    "scale": (pynn.Scale, "scale"),
}
shapes = pytest.mark.parametrize("input_shape", [(5,), (1,), (3, 2, 5), (2, 37)], ids=str)
mixed = pytest.mark.parametrize("name", MIXED)
kinds = pytest.mark.parametrize("name", KINDS)


def built(name: str, input_shape: tuple[int, ...], dtype: str = "float64") -> tuple[pynn.Sequential, Any, np.ndarray]:
    """A model of that layer, the layer, and its parameter."""
    kind, parameter = KINDS[name]
    layer = kind()
    model = pynn.Sequential(layer, dtype=dtype)
    model.build(input_shape)
    return model, layer, getattr(layer, parameter)


@shapes
@mixed
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_a_mix_of_1_is_the_activation_and_of_0_the_input(
    name: str, input_shape: tuple[int, ...], dtype: str, backend: str, rng: np.random.Generator
) -> None:
    model, _, mix = built(name, input_shape, dtype)
    np.testing.assert_array_equal(mix, np.ones(input_shape[-1]))
    x, dy = (rng.standard_normal((2, 300, *input_shape)) * 4).astype(dtype)
    plain = pynn.Sequential(MIXED[name][1](), dtype=dtype)
    y, expected = model.forward(x, training=True), plain.forward(x, training=True)
    tolerance = {"rtol": 8 * np.finfo(dtype).eps, "atol": 8 * np.finfo(dtype).eps}
    np.testing.assert_allclose(y, expected, **tolerance)
    dx = model.backward(dy, input_gradient=True)
    np.testing.assert_allclose(dx, plain.backward(dy, input_gradient=True), rtol=1e-5, atol=tolerance["atol"] * 4)
    mix[...] = 0
    np.testing.assert_array_equal(model.forward(x, training=True), x)
    np.testing.assert_array_equal(model.backward(dy, input_gradient=True), dy)


@shapes
@mixed
def test_each_feature_has_its_own_mix(
    name: str, input_shape: tuple[int, ...], backend: str, rng: np.random.Generator
) -> None:
    model, layer, mix = built(name, input_shape)
    mix[...] = rng.standard_normal(mix.size)
    x, dy = rng.standard_normal((2, 700, *input_shape)) * 2
    bent = pynn.Sequential(MIXED[name][1](), dtype="float64").forward(x)
    y = model.forward(x, training=True)
    np.testing.assert_allclose(y, x + mix * (bent - x), rtol=1e-12, atol=1e-12)
    model.backward(dy)
    expected = (dy * (bent - x)).reshape(-1, mix.size).sum(axis=0)
    np.testing.assert_allclose(layer.dmix, expected, rtol=1e-10, atol=1e-10)


@shapes
def test_scale_multiplies_each_feature(input_shape: tuple[int, ...], backend: str, rng: np.random.Generator) -> None:
    model, layer, scale = built("scale", input_shape)
    x, dy = rng.standard_normal((2, 700, *input_shape))
    np.testing.assert_array_equal(model.forward(x, training=True), x)
    layer.scale = rng.standard_normal(scale.size)
    np.testing.assert_array_equal(model.forward(x, training=True), x * scale)
    np.testing.assert_array_equal(model.backward(dy, input_gradient=True), dy * scale)
    np.testing.assert_allclose(layer.dscale, (dy * x).reshape(-1, scale.size).sum(axis=0), rtol=1e-10, atol=1e-10)


@kinds
@pytest.mark.parametrize("value", [1.0, 0.0, -0.5, 2.0])
def test_gradients_match_central_differences_for_any_value(name: str, value: float, backend: str) -> None:
    layers: dict[str, Callable[[pynn.Layer], list[pynn.Layer]]] = {
        "alone": lambda own: [own],
        "between": lambda own: [pynn.Affine(4), own, pynn.Affine(3)],
        "normalized": lambda own: [pynn.BatchNorm(), own, pynn.Dropout(0.3)],
        "behind an own layer": lambda own: [PassThrough(), own, PassThrough()],
    }
    kind, parameter = KINDS[name]
    for make in layers.values():
        for input_shape in ((5,), (2, 3)):
            layer = kind()
            model, x = gradients.smooth(make(layer), input_shape)
            setattr(layer, parameter, np.full(getattr(layer, parameter).shape, value))
            gradients.check(model, Projection(), x)


@mixed
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_results_are_finite_and_right_far_out(name: str, dtype: str, backend: str) -> None:
    model, layer, _ = built(name, (1,), dtype)
    far = 1e30 if dtype == "float32" else 1e300
    x = np.array([[far], [1e4], [-1e4], [-far]], dtype)
    y = model.forward(x, training=True)
    scale, left = (1.0507009873554805, -1.7580993408473766) if name == "pselu" else (1.0, 0.0)
    np.testing.assert_allclose(y[:, 0], [far * scale, 1e4 * scale, left, left], rtol=1e-6, atol=1e-30)
    dx = model.backward(np.ones_like(y), input_gradient=True)
    assert dx is not None
    np.testing.assert_allclose(dx[:, 0], [scale, scale, 0, 0], rtol=1e-6, atol=1e-6)
    assert np.isfinite(layer.dmix).all()


@kinds
def test_it_learns_and_survives_its_file_but_not_where_it_is_frozen(
    name: str, tmp_path: Path, backend: str, rng: np.random.Generator
) -> None:
    kind, parameter = KINDS[name]
    x = rng.standard_normal((200, 6)).astype(np.float32)
    y = (x[:, 0] * x[:, 1] > 0).astype(np.int64)
    first, second = kind(), kind()
    model = pynn.Sequential(first, pynn.Affine(16), second, pynn.Tanh(), pynn.Affine(2), seed=0)
    model.build((6,))
    first.freeze()
    model.fit(x, y, optimizer=pynn.SGD(0.1, weight_decay=0.1), penalty=pynn.L2(0.1), epochs=5, progress=False)
    np.testing.assert_array_equal(getattr(first, parameter), 1)
    assert (np.abs(getattr(second, parameter) - 1) > 1e-5).all()
    model.save(tmp_path / "m.safetensors")
    loaded = pynn.load(tmp_path / "m.safetensors")
    np.testing.assert_array_equal(getattr(loaded.layers[2], parameter), getattr(second, parameter))
    np.testing.assert_array_equal(loaded.forward(x), model.forward(x))


@kinds
def test_penalties_and_weight_decay_leave_it_out(name: str, rng: np.random.Generator) -> None:
    model, _, value = built(name, (5,), "float32")
    x = rng.standard_normal((20, 5))
    model.fit(x, x * 0, loss=Nothing(), optimizer=pynn.SGD(0.1, weight_decay=0.5), penalty=pynn.L2(1), progress=False)
    np.testing.assert_array_equal(value, 1)


class Nothing(pynn.Loss):
    """A loss without a gradient."""

    def forward(self, outputs: np.ndarray, targets: np.ndarray) -> float:
        self.shape = outputs.shape
        return 0.0

    def backward(self) -> np.ndarray:
        return np.zeros(self.shape, np.float32)


@kinds
def test_inputs_without_features_are_refused(name: str) -> None:
    kind, _ = KINDS[name]
    with pytest.raises(ValueError, match=rf"layer 0 \({kind.__name__}\): expected inputs with features"):
        pynn.Sequential(kind()).build(())


@kinds
def test_a_flattened_image_keeps_its_order_for_torch(name: str, rng: np.random.Generator) -> None:
    kind, parameter = KINDS[name]
    layer = kind()
    model = pynn.Sequential(pynn.Flatten(), layer, pynn.Affine(2))
    model.build((2, 3, 4))
    setattr(layer, parameter, rng.standard_normal(24))
    state = pynn.transfer.to_torch(model)
    ours = getattr(layer, parameter).reshape(2, 3, 4)
    np.testing.assert_array_equal(state[f"{layer.name}.{parameter}"], np.moveaxis(ours, -1, 0).ravel())


def test_kernels_refuse_arrays_that_do_not_fit(backend: str) -> None:
    x, c, wrong = np.ones((3, 4)), np.ones(4), np.ones(3)
    calls: dict[str, Callable[[], None]] = {
        r"scale_forward: scale has shape \(3,\)": lambda: pynn.kernels.scale_forward(x, wrong, x + 1),
        r"scale_backward: dscale has shape": lambda: pynn.kernels.scale_backward(x, x, c, None, wrong),
        r"mixed_forward: mix has shape \(3,\)": lambda: pynn.kernels.mixed_forward(x, wrong, "selu", x + 1),
        r"mixed_backward: dmix has shape": lambda: pynn.kernels.mixed_backward(x, x, c, "mish", None, wrong),
        r"activation is 'relu', expected one of selu, mish": lambda: pynn.kernels.mixed_forward(x, c, "relu", x + 1),
        r"mixed_forward: out overlaps x": lambda: pynn.kernels.mixed_forward(x, c, "selu", x),
    }
    for message, call in calls.items():
        with pytest.raises(ValueError, match=message):
            call()
