"""Reshape and Upsample: values, gradients, what they refuse, model files."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import gradients
import numpy as np
import pytest
from gradients import Projection

import pynn


def run(layer: pynn.Layer, x: np.ndarray) -> np.ndarray:
    return pynn.Sequential(layer, dtype=x.dtype).forward(x)


@pytest.mark.parametrize(
    ("layer", "shape"),
    [
        (pynn.Reshape(2, 3, 4), (2, 3, 4)), (pynn.Reshape((6, 4)), (6, 4)), (pynn.Reshape([-1]), (24,)),
        (pynn.Reshape(3, -1, 2), (3, 4, 2)), (pynn.Reshape(1, 1, -1), (1, 1, 24)), (pynn.Reshape(np.int64(24)), (24,)),
    ],
    ids=str,
)  # fmt: skip
@pytest.mark.parametrize("inputs", [(24,), (4, 6), (2, 2, 6)])
def test_reshape_keeps_the_order_of_the_numbers(
    layer: pynn.Reshape, shape: tuple[int, ...], inputs: tuple[int, ...], backend: str
) -> None:
    x = np.arange(3 * 24, dtype=np.float32).reshape(3, *inputs)
    y = run(pynn.Reshape(layer.shape), x)
    np.testing.assert_array_equal(y, x.reshape(3, *shape))


def test_reshape_lets_vectors_become_images(backend: str, points: Any) -> None:
    x, y = points
    model = pynn.Sequential(
        pynn.Affine(24), pynn.Reshape(3, 2, 4), pynn.ReLU(), pynn.Conv2d(3), pynn.Flatten(), pynn.Affine(3)
    )
    model.fit(x, y, optimizer=pynn.Adam(0.01), epochs=60, progress=False)
    assert model.evaluate(x, y)["accuracy"] > 0.9
    smaller, data = gradients.smooth([pynn.Affine(12), pynn.Reshape(2, 3, 2), pynn.Conv2d(2)], (4,))
    gradients.check(smaller, Projection(), data)


def test_reshape_and_upsample_pass_on_which_activation_follows() -> None:
    for between, shape in ((pynn.Reshape(2, 2, 3), (12,)), (pynn.Upsample(), (2, 2, 3))):
        first: pynn.Layer = pynn.Affine(12) if isinstance(between, pynn.Reshape) else pynn.Conv2d(3)
        model = pynn.Sequential(first, between, pynn.ReLU())
        model.build(shape)
        assert isinstance(first.followed_by, pynn.ReLU)


@pytest.mark.parametrize(
    ("shape", "says"),
    [
        ((), r"Reshape: shape is \(\), expected integers, without the batch axis"),
        ((2.0, 3), "expected integers"),
        ((True, 3), "expected integers"),
        (("same",), "expected integers"),
        ((0, 3), "expected sizes of at least 1, one of which may be -1"),
        ((-2, 3), "expected sizes of at least 1"),
        ((-1, -1), "one of which may be -1"),
    ],
)
def test_reshape_refuses_what_is_no_shape(shape: Any, says: str) -> None:
    with pytest.raises((TypeError, ValueError), match=says):
        pynn.Reshape(*shape)


@pytest.mark.parametrize("shape", [(5, 5), (7, -1), (25, -1)])
def test_reshape_refuses_inputs_of_another_size(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match=r"layer 0 \(Reshape\): cannot make .* of inputs of shape \(4, 6\): .* 24 num"):
        pynn.Sequential(pynn.Reshape(*shape)).build((4, 6))


def larger(x: np.ndarray, rows: int, columns: int) -> np.ndarray:
    return x.repeat(rows, axis=1).repeat(columns, axis=2)


FACTORS = (1, 2, 3, (1, 2), (3, 1), (2, 5))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("shape", [(1, 1, 1), (1, 5, 3), (7, 3, 2), (4, 4, 17)])
@pytest.mark.parametrize("factor", FACTORS, ids=str)
def test_upsample_repeats_every_pixel_and_adds_up_the_gradients(
    factor: Any, shape: tuple[int, ...], dtype: Any, backend: str, rng: np.random.Generator
) -> None:
    rows, columns = factor if isinstance(factor, tuple) else (factor, factor)
    x = rng.standard_normal((3, *shape)).astype(dtype)
    model = pynn.Sequential(pynn.Upsample(factor), dtype=dtype)
    y = model.forward(x, training=True)
    np.testing.assert_array_equal(y, larger(x, rows, columns))
    assert model.output_shape == y.shape[1:]
    dy = rng.standard_normal(y.shape).astype(dtype)
    dx = model.backward(dy, input_gradient=True)
    wanted = dy.reshape(3, shape[0], rows, shape[1], columns, shape[2]).sum(axis=(2, 4))
    np.testing.assert_allclose(dx, wanted, rtol=1e-12 if dtype is np.float64 else 2e-5, atol=1e-5)


def test_upsample_is_that_of_torch(backend: str, rng: np.random.Generator, torch: Any) -> None:
    x = rng.standard_normal((2, 3, 5, 4)).astype(np.float32)
    there = torch.nn.Upsample(scale_factor=(2, 3), mode="nearest")(torch.tensor(x).permute(0, 3, 1, 2))
    np.testing.assert_array_equal(run(pynn.Upsample((2, 3)), x), there.permute(0, 2, 3, 1).numpy())


@pytest.mark.parametrize("factor", [0, 1.5, (2,), (1, 2, 3), "nearest", True, (2, 0)], ids=str)
def test_upsample_refuses_other_factors(factor: Any) -> None:
    with pytest.raises(ValueError, match=r"Upsample: factor is .*, expected an integer of at least 1, or two"):
        pynn.Upsample(factor)


@pytest.mark.parametrize("shape", [(4,), (4, 3), (2, 4, 4, 3)])
def test_upsample_refuses_what_is_no_image(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match=r"layer 0 \(Upsample\): expected images \(H, W, C\), got inputs of shape"):
        pynn.Sequential(pynn.Upsample()).build(shape)


def test_the_same_bits_with_any_number_of_threads(native: None, rng: np.random.Generator) -> None:
    x = rng.standard_normal((40, 33, 17, 9)).astype(np.float32)
    found = []
    for threads in (1, 4, 7):
        pynn.set_num_threads(threads)
        model = pynn.Sequential(pynn.Upsample((3, 2)))
        y = model.forward(x, training=True)
        found.append((y.tobytes(), np.asarray(model.backward(np.sin(y), input_gradient=True)).tobytes()))
    assert found[1:] == found[:1] * 2


def test_both_are_saved_and_shown(backend: str, tmp_path: Path, rng: np.random.Generator) -> None:
    layers = [pynn.Affine(12), pynn.Reshape(2, -1, 2), pynn.Upsample([1, 3]), pynn.Conv2d(2)]
    model = pynn.Sequential(*layers)
    x = rng.standard_normal((3, 5)).astype(np.float32)
    y = model.forward(x).copy()
    model.save(tmp_path / "model.safetensors")
    loaded = pynn.load(tmp_path / "model.safetensors")
    np.testing.assert_array_equal(loaded.forward(x), y)
    assert [repr(layer) for layer in loaded.layers[1:3]] == ["Reshape(2, -1, 2)", "Upsample(factor=[1, 3])"]
