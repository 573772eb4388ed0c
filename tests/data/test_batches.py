"""Batches: what is in them, in which order, and in which form."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import pynn
from pynn import random
from pynn.data import arrays

X = np.arange(24, dtype=np.float32).reshape(12, 2)
Y = np.arange(12)


def order(seed: int | None, epoch: int = 0, size: int = 50) -> list[int]:
    return [
        int(label)
        for _, y in pynn.batches(np.zeros((size, 1)), np.arange(size), min(8, size), seed, epoch)
        for label in y
    ]


@pytest.mark.parametrize("batch_size", [1, 2, 5, 11, 12])
@pytest.mark.parametrize("seed", [None, 0, 7])
def test_every_sample_comes_once_with_its_own_target(batch_size: int, seed: int | None) -> None:
    pairs = list(pynn.batches(X, Y, batch_size, seed))
    assert [len(y) for _, y in pairs] == [batch_size] * (12 // batch_size) + (
        [12 % batch_size] if 12 % batch_size else []
    )
    labels = np.concatenate([y for _, y in pairs])
    assert sorted(labels) == list(Y)
    np.testing.assert_array_equal(np.concatenate([x for x, _ in pairs]), X[labels])


def test_order_is_a_function_of_seed_and_epoch() -> None:
    assert order(None) == list(range(50))
    assert order(3) == order(3)
    assert order(3, epoch=4) == order(3, epoch=4)
    orders = [order(seed, epoch) for seed in (0, 1, 2**32, 2**64 - 1) for epoch in (0, 1, 2)]
    assert len({tuple(one) for one in orders}) == len(orders)
    assert all(one != list(range(50)) for one in orders)


def test_order_is_a_fair_shuffle() -> None:
    """Over 600 epochs each of 6 samples comes first about 100 times (deviation 9)."""
    first = [order(0, epoch, size=6)[0] for epoch in range(600)]
    assert all(60 < first.count(sample) < 140 for sample in range(6))


@pytest.mark.parametrize(("size", "expected"), [(12, [4, 4, 4]), (13, [4, 4, 4]), (14, [4, 4, 4, 2]), (1, [1])])
def test_drop_single_leaves_out_a_last_batch_of_one(size: int, expected: list[int]) -> None:
    batches = pynn.batches(np.zeros((size, 2)), np.zeros(size), min(4, size), drop_single=True)
    assert [len(x) for x, _ in batches] == expected


@pytest.mark.parametrize(
    ("size", "expected"), [(12, [4, 4, 4]), (13, [4, 4, 4]), (15, [4, 4, 4]), (4, [4]), (3, [3]), (1, [1])]
)
@pytest.mark.parametrize("prefetch", [0, 2])
def test_drop_last_leaves_out_a_smaller_last_batch_but_never_all(size: int, expected: list[int], prefetch: int) -> None:
    x, y = np.arange(2 * size).reshape(size, 2), np.zeros(size)
    batches = [x for x, _ in pynn.batches(x, y, 4, 3, drop_last=True, prefetch=prefetch)]
    assert [len(batch) for batch in batches] == expected
    whole = [x for x, _ in pynn.batches(x, y, 4, 3)]
    for batch, same in zip(batches, whole, strict=False):
        np.testing.assert_array_equal(batch, same)
    assert not list(pynn.batches(x, y, 4, 3, drop_last=True, first=len(expected)))
    with pytest.raises(TypeError, match="drop_last is 1, expected True or False"):
        pynn.batches(x, y, 4, drop_last=1)


def test_reuse_gives_the_same_array_again_and_the_same_numbers() -> None:
    fresh = list(pynn.batches(X, Y, 4, 1))
    addresses = set()
    for (x, y), (x_fresh, y_fresh) in zip(pynn.batches(X, Y, 4, 1, reuse=True), fresh, strict=True):
        addresses.add(x.ctypes.data)
        np.testing.assert_array_equal(x, x_fresh)
        np.testing.assert_array_equal(y, y_fresh)
    assert len(addresses) == 1
    assert len({x.ctypes.data for x, _ in fresh}) == 3


def test_batches_may_be_kept_and_changed_without_a_trace_in_the_data() -> None:
    x = X.copy()
    for batch, _ in pynn.batches(x, Y, 12):
        assert not np.shares_memory(batch, x)
        batch.fill(99)
    np.testing.assert_array_equal(x, X)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("shape", [(256,), (16, 16), (2, 8, 4, 4)])
def test_uint8_images_are_read_as_floats_divided_by_255_bit_for_bit(dtype: str, shape: tuple[int, ...]) -> None:
    pixels = np.arange(256, dtype=np.uint8).reshape(shape)
    expected = (pixels / 255 if len(shape) == 4 else pixels).astype(dtype)  # only images are pixels
    variants = {
        "plain": pixels,
        "Fortran": np.asfortranarray(pixels),
        "strided": np.repeat(pixels, 2, axis=0)[::2],
    }
    for name, variant in variants.items():
        (batch, _), *_ = pynn.batches(variant, np.zeros(len(pixels)), len(pixels), dtype=dtype)
        assert batch.dtype == np.dtype(dtype)
        np.testing.assert_array_equal(batch, expected, err_msg=name)
    if len(shape) > 1:
        model = pynn.Sequential(pynn.Flatten(), dtype=dtype)
        np.testing.assert_array_equal(model.forward(pixels), expected.reshape(len(pixels), -1))


def _memory_mapped(x: np.ndarray, folder: Path) -> np.ndarray:
    np.save(folder / "x.npy", x)
    return np.load(folder / "x.npy", mmap_mode="r")


def _read_only(x: np.ndarray) -> np.ndarray:
    x = x.copy()
    x.flags.writeable = False
    return x


def _unaligned(x: np.ndarray) -> np.ndarray:
    raw = np.zeros(x.nbytes + 1, np.uint8)
    raw[1:] = np.frombuffer(x.tobytes(), np.uint8)
    return raw[1:].view(x.dtype).reshape(x.shape)


VARIANTS = {
    "float64": lambda x, _: x.astype(np.float64),
    "float16": lambda x, _: x.astype(np.float16),
    "longdouble": lambda x, _: x.astype(np.longdouble),
    "int64": lambda x, _: x.astype(np.int64),
    "int8": lambda x, _: x.astype(np.int8),
    "uint16": lambda x, _: x.astype(np.uint16),
    "Fortran order": lambda x, _: np.asfortranarray(x),
    "strided": lambda x, _: np.repeat(np.repeat(x, 2, axis=0), 3, axis=1)[::2, ::3],
    "backwards": lambda x, _: x[::-1, ::-1].copy()[::-1, ::-1],
    "broadcast": lambda x, _: np.broadcast_to(x, (1, *x.shape))[0],
    "read-only": lambda x, _: _read_only(x),
    "unaligned": lambda x, _: _unaligned(x),
    "big-endian float32": lambda x, _: x.astype(">f4"),
    "big-endian float64": lambda x, _: x.astype(">f8"),
    "memory-mapped": _memory_mapped,
    "lists": lambda x, _: x.tolist(),
    "tuples": lambda x, _: tuple(map(tuple, x.tolist())),
    "rows of arrays": lambda x, _: list(x),
}


@pytest.mark.parametrize("variant", VARIANTS)
def test_every_form_of_the_data_gives_the_same_batches(variant: str, tmp_path: Path) -> None:
    x = VARIANTS[variant](X, tmp_path)
    for (batch, y), (expected, y_expected) in zip(
        pynn.batches(x, Y.tolist(), 5, 3), pynn.batches(X, Y, 5, 3), strict=True
    ):
        assert batch.dtype == np.float32
        assert batch.flags.c_contiguous
        assert batch.flags.writeable
        np.testing.assert_array_equal(batch, expected)
        np.testing.assert_array_equal(y, y_expected)


def test_bool_arrays_are_read_as_0_and_1() -> None:
    (batch, _), *_ = pynn.batches(X % 3 == 0, Y, 12)
    np.testing.assert_array_equal(batch, (X % 3 == 0).astype(np.float32))


def test_single_numbers_may_be_samples() -> None:
    (batch, _), *_ = pynn.batches([1.0, 2.0, 3.0], [0, 1, 0], 3)
    np.testing.assert_array_equal(batch, np.array([1, 2, 3], np.float32))


@pytest.mark.parametrize(
    ("x", "y", "batch_size", "error", "message"),
    [
        (X, Y[:11], 4, ValueError, r"x has 12 samples but y has 11, expected one target for each sample"),
        (X[:0], Y[:0], 4, ValueError, r"x is empty: its shape is \(0, 2\), expected at least one sample"),
        ([], [], 4, ValueError, r"x is empty: its shape is \(0,\)"),
        (3.0, Y, 4, ValueError, r"x is a single number, expected an array of samples \(N, \.\.\.\)"),
        (X, 3, 4, ValueError, r"y is a single"),
        (X, Y, 0, ValueError, r"batch_size is 0, expected an integer of at least 1"),
        (X, Y, -4, ValueError, r"batch_size is -4, expected an integer of at least 1"),
        (X, Y, 4.0, ValueError, r"batch_size is 4\.0, expected an integer"),
        (X, Y, True, ValueError, r"batch_size is True, expected an integer"),
        (X, Y, "4", ValueError, r"batch_size is '4', expected an integer"),
        (X.astype(complex), Y, 4, TypeError, r"x has dtype complex128, expected numbers"),
        (X.astype(str), Y, 4, TypeError, r"x has dtype <U\d+, expected numbers"),
        (X.astype(str).astype(object), Y, 4, TypeError, r"x has dtype <U\d+, expected numbers; it holds '0"),
        (None, Y, 4, TypeError, r"x has dtype object, expected numbers"),
        ([[1, 2], [3]], [0, 1], 1, ValueError, r"x.*rows of different lengths|x.*inhomogeneous"),
    ],
)  # fmt: skip
def test_data_that_give_no_batches_are_refused_at_once(
    x: Any, y: Any, batch_size: Any, error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        pynn.batches(x, y, batch_size)


@pytest.mark.parametrize("seed", [-1, 2**64, 1.5, "0", True])
def test_a_seed_of_the_order_out_of_range_is_refused_at_once(seed: Any) -> None:
    with pytest.raises(ValueError, match=r"seed is .*, expected"):
        pynn.batches(X, Y, 4, seed)


def test_a_dtype_that_models_lack_is_refused_at_once() -> None:
    with pytest.raises(ValueError, match=r"dtype is int32, expected float32 or float64"):
        pynn.batches(X, Y, 4, dtype="int32")


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("dtype", ["float32", "float64", ">f8", "float16"])
@pytest.mark.parametrize(("place", "text"), [((0, 0, 0), "0, 0, 0"), ((2, 1, 3), "2, 1, 3"), ((7, 4, 3), "7, 4, 3")])
def test_the_first_number_that_is_not_finite_is_named(
    value: float, dtype: str, place: tuple[int, ...], text: str
) -> None:
    x = np.ones((8, 5, 4), dtype)
    arrays.check_finite("x", x)
    x[place] = x[7, 4, 3] = value
    with pytest.raises(ValueError, match=rf"x\[{text}\] is {value}, expected finite numbers"):
        arrays.check_finite("x", x)


def test_a_number_that_is_not_finite_is_found_in_large_arrays() -> None:
    x = np.zeros((3000, 700), np.float32)
    x[2999, 699] = np.nan
    with pytest.raises(ValueError, match=r"x\[2999, 699\] is nan"):
        arrays.check_finite("x", x)
    x = np.zeros(3_000_000, np.float32)
    x[2_500_000] = np.inf
    with pytest.raises(ValueError, match=r"x\[2500000\] is inf"):
        arrays.check_finite("x", x)


def test_the_random_streams_of_weights_and_orders_differ() -> None:
    weights = random.generator(0, 0, random.WEIGHTS).integers(0, 2**32, 100)
    orders = random.generator(0, 0, random.ORDER).integers(0, 2**32, 100)
    assert (weights != orders).all()
