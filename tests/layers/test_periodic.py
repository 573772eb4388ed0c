"""PeriodicEmbedding: its formula, first weights, accuracy far from 0, training and files."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import pynn
from pynn import kernels


def formula(layer: pynn.PeriodicEmbedding, x: np.ndarray) -> np.ndarray:
    waves = np.cos(2 * np.pi * layer.frequency * x[..., None] + layer.phase)
    mapped = (waves[..., None, :] @ layer.weight)[..., 0, :] + layer.bias
    return np.concatenate([mapped, x[..., None]], axis=-1).reshape(*x.shape[:-1], -1)


@pytest.mark.parametrize("shape", [(5,), (3, 2)])
def test_the_vectors_of_a_feature_stand_together_and_end_with_the_number(shape: tuple[int, ...], backend: str) -> None:
    layer = pynn.PeriodicEmbedding(7, 3, sigma=1)
    layer.context.dtype = np.dtype(np.float64)
    assert layer.build(shape) == (*shape[:-1], 3 * shape[-1])
    x = np.random.default_rng(0).normal(size=(6, *shape))
    y = layer.forward(x, training=False)
    np.testing.assert_allclose(y, formula(layer, x), rtol=1e-9, atol=1e-12)
    np.testing.assert_array_equal(y[..., 2::3], x)


def test_first_parameters_are_those_of_realmlp() -> None:
    layer = pynn.PeriodicEmbedding()
    assert layer.build((400,)) == (1600,)
    assert [one.shape for one in (layer.frequency, layer.phase, layer.weight, layer.bias)] == [
        (400, 16), (400, 16), (400, 16, 3), (400, 3),
    ]  # fmt: skip
    assert float(layer.frequency.std()) == pytest.approx(0.1, rel=0.05)
    for array, limit in ((layer.phase, np.pi), (layer.weight, 0.25), (layer.bias, 0.25)):
        assert 0.97 * limit < float(abs(array).max()) <= limit
        assert float(array.std()) == pytest.approx(limit / 3**0.5, rel=0.05)
    assert all(parameter.penalized for parameter in layer.declared)
    assert repr(layer) == "PeriodicEmbedding()"


@pytest.mark.parametrize(("dtype", "within"), [("float32", 5e-7), ("float64", 2e-15)])
@pytest.mark.parametrize("top", [1.0, 100.0, 1e4, 5e4])
def test_cosine_and_sine_are_accurate_far_from_0(top: float, dtype: str, within: float, backend: str) -> None:
    """Against NumPy's long double; the slope at the input is the sine, but for a factor."""
    n, wide = 100_000, np.longdouble
    x = np.linspace(-1, 1, n)[:, None].astype(dtype)
    frequency = np.array([[np.round(top / (2 * np.pi) * 64) / 64]], dtype)  # few digits: float64 products are exact
    if dtype == "float64":
        x = x.astype(np.float32).astype(np.float64)
    phase, weight = np.array([[0.7]], dtype), np.ones((1, 1, 1), dtype)
    turns = x.astype(wide) * frequency.astype(wide)
    angles = 2 * wide("3.14159265358979323846264338") * (turns - np.rint(turns)) + phase.astype(wide)
    out, dx = np.empty((n, 1, 2), dtype), np.empty_like(x)
    kernels.periodic_forward(x, frequency, phase, weight, np.zeros((1, 1), dtype), out)
    assert float(abs(out[:, 0, 0] - np.cos(angles)[:, 0]).max()) < within
    dy = np.zeros_like(out)
    dy[..., 0] = 1
    kernels.periodic_backward(dy, x, frequency, phase, weight, dx)
    sines = dx.astype(wide) / (-2 * wide("3.14159265358979323846264338") * frequency.astype(wide))
    assert float(abs(sines - np.sin(angles)).max()) < within + np.finfo(dtype).eps


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("size", [1e6, 1e9, 1e15, 1e30])
def test_beyond_its_digits_a_cosine_stays_bounded(size: float, dtype: str, backend: str) -> None:
    x = (np.cos(np.arange(1000.0))[:, None] * size).astype(dtype)
    out = np.empty((1000, 1, 2), dtype)
    one = np.ones((1, 1), dtype)
    kernels.periodic_forward(x, one * dtype_number(dtype, 0.37), one, one[..., None], 0 * one, out)
    assert abs(out[:, 0, 0]).max() < 1.001
    np.testing.assert_array_equal(out[:, :, 1], x)


def dtype_number(dtype: str, value: float) -> Any:
    return np.dtype(dtype).type(value)


def test_not_a_number_stays_one(backend: str) -> None:
    x = np.array([[np.nan, 1.0], [np.inf, 1.0], [-np.inf, 1.0]], np.float32)
    layer = pynn.PeriodicEmbedding(3)
    layer.build((2,))
    y = layer.forward(x, training=False)
    assert np.isnan(y[:, :3]).all()
    assert np.isfinite(y[:, 4:]).all()


def test_a_wave_that_an_affine_layer_cannot_learn_is_learned_saved_and_frozen(backend: str, tmp_path: Path) -> None:
    x = np.random.default_rng(0).uniform(-2, 2, (400, 1))
    y = np.sin(6 * x[:, 0])
    model = pynn.Sequential(pynn.PeriodicEmbedding(sigma=1), pynn.Affine(1), seed=1)
    model.fit(x, y, loss="l2", optimizer=pynn.Adam(0.02), epochs=60, batch_size=50, progress=False)
    assert model.evaluate(x, y)["loss"] < 0.02
    model.save(tmp_path / "model.safetensors")
    loaded = pynn.load(tmp_path / "model.safetensors")
    np.testing.assert_array_equal(loaded.predict(x), model.predict(x))
    loaded.layers[0].freeze("frequency", "bias")
    before = {name: array.copy() for name, array in loaded.tensors().items()}
    loaded.fit(x, y, loss="l2", epochs=1, progress=False)
    changed = {name for name, array in loaded.tensors().items() if (array != before[name]).any()}
    assert changed == {"periodicembedding1.phase", "periodicembedding1.weight", "affine1.weight", "affine1.bias"}


def test_wrong_arguments_and_shapes_are_refused() -> None:
    with pytest.raises(ValueError, match="units is 1, expected an integer of at least 2"):
        pynn.PeriodicEmbedding(units=1)
    with pytest.raises(ValueError, match="sigma is -1"):
        pynn.PeriodicEmbedding(sigma=-1)
    with pytest.raises(ValueError, match="expected inputs with features"):
        pynn.PeriodicEmbedding().build(())


@pytest.mark.parametrize("shape", [(4, 3, 2), (4, 3, 4)])
def test_units_that_do_not_fit_the_weight_are_refused(shape: tuple[int, ...], backend: str) -> None:
    x, waves, weight = np.zeros((4, 3)), np.zeros((3, 5)), np.zeros((3, 5, 2))
    message = rf"periodic_{{}}: {{}} has {shape[2]} units, expected 3, one more than the weight's 2 outputs"
    with pytest.raises(ValueError, match=message.format("forward", "out")):
        kernels.periodic_forward(x, waves, waves, weight, weight[:, 0].copy(), np.zeros(shape))
    with pytest.raises(ValueError, match=message.format("backward", "dy")):
        kernels.periodic_backward(np.zeros(shape), x, waves, waves, weight)


def test_gradients_have_the_same_bits_with_any_number_of_threads(native: None) -> None:
    rng = np.random.default_rng(0)
    x, dy = rng.standard_normal((700, 9)).astype(np.float32), rng.standard_normal((700, 36)).astype(np.float32)
    found = set()
    for threads in (1, 2, 5):
        pynn.set_num_threads(threads)
        layer = pynn.PeriodicEmbedding()
        layer.build((9,))
        y = layer.forward(x, training=True).tobytes()
        dx = layer.backward(dy)
        assert dx is not None
        found.add((y, dx.tobytes(), *(getattr(layer, f"d{one.name}").tobytes() for one in layer.declared)))
    assert len(found) == 1
