"""Other values for the arguments of a kernel's call: arrays changed in one way, numbers, words and what is neither."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

import numpy as np

from pynn import kernels

HUGE = (2**20, 2**31, 2**33, 2**40, 2**61)
Rng = random.Random


class Refused(Exception):
    """What the objects below raise on their own account."""


class WrongNumber:
    """Says that it can be a number, and cannot."""

    def __float__(self) -> float:
        raise Refused("__float__")

    def __index__(self) -> int:
        raise Refused("__index__")

    def __len__(self) -> int:
        raise Refused("__len__")


class WrongFloat(float):
    def __float__(self) -> float:
        raise Refused("__float__")


class WrongInt(int):
    def __float__(self) -> float:
        raise Refused("__float__")

    def __index__(self) -> int:
        raise Refused("__index__")


class Text(str):
    pass


def total(shape: tuple[int, ...]) -> int:
    found = 1
    for size in shape:
        found *= size
    return found


# Arrays: (array, rng) -> another value


def of_another_dtype(a: np.ndarray, rng: Rng) -> Any:
    kinds = ("f4", "f8", "f2", "g", "i8", "i4", "u1", "u8", "i1", "?", "c8", "c16", "O", "S4", "U2", "M8[s]", "m8[s]")
    kind = rng.choice(kinds)
    if kind in ("S4", "U2", "M8[s]", "m8[s]") or np.dtype(kind).kind == "c":
        return np.zeros(a.shape, kind)
    return np.nan_to_num(a, nan=0).clip(0, 100).astype(kind)


def of_records(a: np.ndarray, rng: Rng) -> Any:
    return np.zeros(a.shape, [("a", a.dtype.newbyteorder("="))])


def with_metadata(a: np.ndarray, rng: Rng) -> Any:
    return a.astype(np.dtype(a.dtype, metadata={"unit": "m"}))


def of_swapped_bytes(a: np.ndarray, rng: Rng) -> Any:
    return a.astype(a.dtype.newbyteorder())


def made_native_by_name(a: np.ndarray, rng: Rng) -> Any:
    """The same numbers under a dtype that spells out the machine's byte order."""
    swapped = a.astype(a.dtype.newbyteorder())
    return swapped.byteswap().view(swapped.dtype.newbyteorder())


def of_one_more_rank(a: np.ndarray, rng: Rng) -> Any:
    return rng.choice((a[None], a[..., None])).copy() if a.ndim < 64 else a


def flat(a: np.ndarray, rng: Rng) -> Any:
    return a.reshape(-1).copy()


def of_one_less_rank(a: np.ndarray, rng: Rng) -> Any:
    return np.array(a[0] if a.ndim and len(a) else 0, a.dtype)


def of_many_ranks(a: np.ndarray, rng: Rng) -> Any:
    return np.zeros((1,) * rng.choice((5, 9, 32, 64)), a.dtype)


def of_another_size(a: np.ndarray, rng: Rng) -> Any:
    if not a.ndim:
        return a.reshape(1)
    shape, axis = list(a.shape), rng.randrange(a.ndim)
    shape[axis] = rng.choice((0, 1, 2, shape[axis] + 1, max(shape[axis] - 1, 0), 2 * shape[axis]))
    if total(tuple(shape)) > 10**6:
        return a
    return np.resize(a, shape) if a.size else np.zeros(shape, a.dtype)


def of_no_bytes(a: np.ndarray, rng: Rng) -> Any:
    """Huge sizes beside a 0."""
    if not 0 < a.ndim < 7:
        return a
    shape = [rng.choice((size, *HUGE)) for size in a.shape]
    shape[rng.randrange(a.ndim)] = 0
    try:
        return np.zeros(shape, a.dtype)
    except ValueError:  # NumPy multiplies the sizes that are not 0, and this is more than it can count
        return np.zeros([min(size, 256) for size in shape], a.dtype)


def special_values(a: np.ndarray, rng: Rng) -> Any:
    a = a.copy()
    if a.size:
        values = (
            np.nan,
            np.inf,
            -np.inf,
            0.0,
            -0.0,
            1e-310,
            1e-40,
            1e-20,
            1e19,
            -1e19,
            1e30,
            1e38,
            -3e38,
            1e150,
            1e308,
        )
        value = a.dtype.type(rng.choice(values))
        if rng.random() < 0.3:
            a[...] = value
        else:
            draws = np.random.default_rng(rng.randrange(2**32))
            a.reshape(-1)[draws.integers(0, a.size, max(1, a.size // rng.choice((2, 10, 1000))))] = value
    return a


def scaled_values(a: np.ndarray, rng: Rng) -> Any:
    return a * a.dtype.type(rng.choice((0, -1, 1e-38, 1e-20, 1e-5, 1e4, 1e10, 1e19, 1e30)))


def constant(a: np.ndarray, rng: Rng) -> Any:
    return np.full_like(a, rng.choice((0, 1, 33.3, -7, 1e5)))


def other_integers(a: np.ndarray, rng: Rng) -> Any:
    a = a.copy()
    if a.size:
        a.reshape(-1)[rng.randrange(a.size)] = rng.choice((-1, 0, 1, 5, 100, 10**6, 2**31, 2**62, 2**63 - 1, -(2**63)))
    return a


def drawn_integers(a: np.ndarray, rng: Rng) -> Any:
    draws = np.random.default_rng(rng.randrange(2**32))
    most = int(a.max(initial=0)) + rng.choice((1, 1, 2))
    return draws.integers(rng.choice((0, 0, -1)), most, a.shape).astype(a.dtype)


def other_pixels(a: np.ndarray, rng: Rng) -> Any:
    return np.full_like(a, rng.choice((0, 255)))


def no_array(a: np.ndarray, rng: Rng) -> Any:
    return rng.choice(
        (None, None, "x", b"x", [], [1.0], (), {}, object(), 1, 1.5, True, WrongNumber(), np.float32(1), range(3), np,
         int, ..., memoryview(b"abcd"), np.array(3.0), a.tolist() if sum(a.shape) < 1000 else [])
    )  # fmt: skip


def changes(a: np.ndarray) -> tuple[Callable[[np.ndarray, Rng], Any], ...]:
    if a.dtype.kind not in "fiu" or a.dtype == np.longdouble:  # changed already
        return (no_array,)
    of_type = (of_another_dtype, of_another_dtype, of_records, with_metadata, of_swapped_bytes, made_native_by_name)
    of_shape = (of_one_more_rank, flat, of_one_less_rank, of_many_ranks, of_another_size, of_another_size, of_no_bytes)
    if a.dtype.kind == "f":
        of_value = (special_values, special_values, special_values, scaled_values, scaled_values, constant)
    elif a.dtype == np.int64:
        of_value = (other_integers, other_integers, drawn_integers, drawn_integers)
    else:
        of_value = (other_pixels,) if a.dtype == np.uint8 else (no_array,)
    return (*of_type, *of_shape, *of_value, *of_value, no_array)


# Numbers, words and yes or no

INTEGERS = (
    0, 1, -1, 2, 3, 7, 255, 256, 2**30, 2**31 - 1, 2**31, -(2**31), 2**32 - 1, 2**32, 2**53, 2**62, 2**63 - 1, 2**63,
    -(2**63), 2**64 - 1, 2**64, 10**40, 10**5000,
)  # fmt: skip
NUMBERS = (
    0.0, -0.0, 1.0, -1.0, 0.5, 0.999, 1e-320, 1e-45, 1e-30, 1e30, 1e39, 1e308, -1e308, float("nan"), float("inf"),
    -float("inf"), 2, np.float16(0.5), np.float32(0.5), np.float64(0.1), np.longdouble(0.25), np.int64(3), np.uint8(1),
)  # fmt: skip
JUNK = (None, "x", b"x", [], (), {}, 1j, np.zeros(1), np.array(1.0), np.zeros(3), True, np.True_, ..., int)


def other_scalar(value: Any, rng: Rng) -> Any:
    if rng.random() < 0.2:
        return rng.choice((*JUNK, WrongNumber(), WrongInt(1), WrongFloat(0.5)))
    if isinstance(value, (bool, np.bool_)):
        return rng.choice((True, False, np.True_, 0, 1, 0.0, 2))
    if isinstance(value, (int, np.integer)):
        near = int(value)
        small = near % 100
        return rng.choice((*INTEGERS, near + 1, near - 1, 2 * near, float(small), np.int64(small), np.int8(small)))
    if isinstance(value, (float, np.floating)):
        return rng.choice((*NUMBERS, *INTEGERS[:8], 10**400, -value, 2 * value))
    if isinstance(value, str):
        words = (*kernels.ACTIVATIONS, "silu", "gelu", "squared", "absolute", "huber", "cross_entropy")
        wrong = ("", "x", "RELU", " relu", "relu\0", "\ud800", "☃", "identity" * 1000, b"relu")
        return rng.choice((*words, *words, *wrong, Text(value), Text("relu"), np.str_(value)))
    return rng.choice((np.zeros(3, np.float32), np.zeros(1), 1.0, 0, 2, "x", *JUNK))  # None or anything else
