"""Pooling's "same" and "valid" mean what they mean in a convolution, along images and sequences."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import pynn

KINDS = [pynn.MaxPool2d, pynn.AvgPool2d, pynn.MaxPool1d, pynn.AvgPool1d]


def _built(layer: pynn.Layer, shape: tuple[int, ...]) -> pynn.Sequential:
    model = pynn.Sequential(layer, dtype="float64")
    model.build(shape)
    return model


def _expected(x: np.ndarray, size: int, stride: int, largest: bool) -> np.ndarray:
    """Along axis 1, by the definition: ceil(T / stride) windows, an odd step of padding after the end."""
    length, count = x.shape[1], -(-x.shape[1] // stride)
    before = max((count - 1) * stride + size - length, 0) // 2
    parts = [x[:, max(i * stride - before, 0) : i * stride - before + size] for i in range(count)]
    return np.stack([part.max(axis=1) if largest else part.mean(axis=1) for part in parts], axis=1)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("size", "stride"), [(2, None), (3, 2), (3, 1), (5, 3), (1, 2), (2, 5)])
@pytest.mark.parametrize("length", [1, 2, 5, 8])
def test_same_gives_an_output_for_every_stride(
    kind: Any, size: int, stride: int | None, length: int, rng: np.random.Generator, backend: str
) -> None:
    largest, step = kind.__name__.startswith("Max"), stride or size
    if kind.__name__.endswith("1d"):
        x = rng.standard_normal((3, length, 2))
        found = _built(kind(size, stride, "same"), x.shape[1:]).forward(x)
        np.testing.assert_allclose(found, _expected(x, size, step, largest), rtol=1e-12)
        return
    x = rng.standard_normal((3, length, 4, 2))
    model = _built(kind(size, stride, padding="same"), x.shape[1:])
    convolved = _built(pynn.Conv2d(1, size, stride=step), x.shape[1:])
    assert model.output_shape[:2] == convolved.output_shape[:2]
    if largest:  # the largest of the largest along each axis; means are not, where windows are cut
        rows = _expected(x, size, step, True)
        both = _expected(rows.transpose(0, 2, 1, 3), size, step, True).transpose(0, 2, 1, 3)
        np.testing.assert_array_equal(model.forward(x), both)
    else:
        ones = model.forward(np.ones_like(x))
        np.testing.assert_allclose(ones, 1, rtol=1e-12)  # padded places are not counted


@pytest.mark.parametrize("kind", KINDS)
def test_valid_is_no_padding_and_words_are_saved(kind: Any, tmp_path: Path, rng: np.random.Generator) -> None:
    x = rng.standard_normal((2, 7, 3) if kind.__name__.endswith("1d") else (2, 7, 7, 3))
    plain = _built(kind(3, 2), x.shape[1:]).forward(x)
    np.testing.assert_array_equal(_built(kind(3, 2, "valid"), x.shape[1:]).forward(x), plain)
    model = _built(kind(3, 2, padding="same"), x.shape[1:])
    model.save(tmp_path / "model.safetensors")
    loaded = pynn.load(tmp_path / "model.safetensors")
    assert repr(loaded.layers[0]) == repr(model.layers[0]) == f"{kind.__name__}(size=3, stride=2, padding='same')"
    np.testing.assert_array_equal(loaded.forward(x), model.forward(x))
    with pytest.raises(ValueError, match=r'padding is \'full\', expected "same", "valid" or numbers'):
        kind(3, 2, "full")


@pytest.mark.parametrize("kind", KINDS)
def test_gradients_go_to_the_places_of_the_windows(kind: Any, rng: np.random.Generator, backend: str) -> None:
    x = rng.standard_normal((2, 5, 3) if kind.__name__.endswith("1d") else (2, 5, 5, 3))
    model = _built(kind(3, 2, "same"), x.shape[1:])
    y = model.forward(x, training=True)
    dy = rng.standard_normal(y.shape)
    dx = model.backward(dy, input_gradient=True)
    step = rng.standard_normal(x.shape)
    up, down = (float((model.forward(x + sign * 1e-6 * step) * dy).sum()) for sign in (1, -1))
    assert float((dx * step).sum()) == pytest.approx((up - down) / 2e-6, rel=1e-6)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("value", [2**62, 2**63, 10**30])
def test_a_setting_that_is_too_large_is_told_the_bound(kind: Any, value: int) -> None:
    for name, least in (("size", 1), ("stride", 1), ("padding", 0)):
        expected = f"^{kind.__name__}: {name} is {value}, expected an integer of at least {least} and below 2\\^62"
        with pytest.raises(ValueError, match=expected):
            kind(**{name: value})
