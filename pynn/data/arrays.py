"""Turns the user's data into NumPy arrays and checks what `numpy.asarray` would drop silently. Knows no models."""

from __future__ import annotations

import math
import sys
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, DTypeLike, NDArray

from .. import kernels
from ..messages.terminal import brief
from ..typing import Array
from . import tables


def as_array(name: str, value: ArrayLike) -> Array:
    """Return `numpy.asarray(value)`; ValueError, which calls the value `name`, for a masked array that hides values."""
    if type(value) is not np.ndarray:
        expect_unmasked(name, value)
    return np.asarray(value)


def expect_unmasked(name: str, value: object) -> None:
    """Raise ValueError for a masked array that hides values, or a list that contains such an array."""
    module = sys.modules.get("numpy.ma")
    if module is None:  # without numpy.ma there are no masked arrays
        return
    parts = value if isinstance(value, (list, tuple)) else (value,)
    masked = [part for part in parts if isinstance(part, module.MaskedArray)]
    hidden = sum(int(module.count_masked(part)) for part in masked)
    if hidden:
        raise ValueError(
            f"{name} is masked: {hidden} of the values in its masked array are hidden, but pynn does not support "
            "missing values; fill them (array.filled(...)) or drop those samples first"
        )


PIXELS = 255


def samples(name: str, x: ArrayLike) -> Array:
    """Return x as a numeric array with at least one axis; TypeError or ValueError for anything else."""
    if type(x) is np.ndarray and x.dtype.kind in "fiub" and x.ndim and len(x):
        return x
    expect_unmasked(name, x)
    x = tables.plain(x, name)
    try:
        array = tables.series(x)
    except ValueError as cause:
        raise ValueError(f"{name} is not an array of numbers: rows of different lengths? ({cause})") from cause
    if array.dtype.kind not in "fiub":
        example = next((item for item in array.reshape(-1).tolist() if not isinstance(item, (int, float))), None)
        raise TypeError(
            f"{name} has dtype {array.dtype}, expected numbers" + (f"; it holds {brief(example)}" if example else "")
        )
    if array.ndim < 1:
        raise ValueError(f"{name} is a single number, expected an array of samples (N, ...)")
    if array.shape[0] < 1:
        raise ValueError(f"{name} is empty: its shape is {array.shape}, expected at least one sample")
    return array


def check_finite(name: str, x: Array, dtype: DTypeLike = np.float64) -> None:
    """Raise ValueError that names the first NaN, infinity, or number too large for the dtype in x."""
    if x.dtype.kind != "f":
        return
    rows = max(1, (1 << 20) // max(1, math.prod(x.shape[1:])))
    for start in range(0, len(x), rows):  # in pieces: no second copy of a large array, whatever its memory order
        part = x[start : start + rows]
        part = part.reshape(len(part), -1)
        bad = (
            ~(np.abs(part) <= np.finfo(dtype).max)
            if x.dtype.itemsize > np.dtype(dtype).itemsize
            else ~np.isfinite(part)
        )
        if bad.any():
            where = np.argwhere(bad)[0]
            index = np.unravel_index(int(where[1]), x.shape[1:]) if x.ndim > 1 else ()
            place = ", ".join(str(int(i)) for i in (start + where[0], *index))
            value = part[where[0], where[1]]
            if np.isfinite(value):
                raise ValueError(
                    f"{name}[{place}] is {value}, too large for {np.dtype(dtype)}; scale {name}, or use a float64 model"
                )
            raise ValueError(
                f"{name}[{place}] is {value}, expected finite numbers; drop such samples or fill the gaps first"
            )


def check_pairs(x_name: str, x: Array, y_name: str, y: Array) -> None:
    """Raise ValueError unless there is one target for each sample."""
    if y.ndim < 1:
        raise ValueError(f"{y_name} is a single value, expected one target for each of the {len(x)} samples")
    if len(x) != len(y):
        raise ValueError(
            f"{x_name} has {len(x)} samples but {y_name} has {len(y)}, expected one target for each sample"
        )


def sample_weights(name: str, weights: ArrayLike, count: int, of: str = "sample") -> Array:
    """Return checked weights (count,) in float64: ValueError for a wrong shape or value, TypeError for text."""
    array = as_array(name, weights)
    if array.dtype.kind not in "fiub":
        raise TypeError(f"{name} has dtype {array.dtype}, expected numbers")
    if array.shape != (count,):
        hint = "; a column (N, 1) becomes (N,) by .ravel()" if array.shape == (count, 1) else ""
        raise ValueError(f"{name} has shape {array.shape}, expected ({count},), one for each {of}{hint}")
    array = array.astype(np.float64)
    bad = ~((array >= 0) & (array < np.inf))
    if bad.any():
        where = int(np.argmax(bad))
        raise ValueError(f"{name}[{where}] is {array[where]}, expected finite numbers of at least 0")
    return array


def are_pixels(x: Array) -> bool:
    """Whether the samples are uint8 images (N, H, W, C), which are scaled to 0..1."""
    return x.dtype == np.uint8 and x.ndim == 4


def spread(count: int, most: int) -> NDArray[np.int64]:
    """Places of at most so many of `count` samples, from the first to the last, equally far from each other."""
    return np.unique(np.linspace(0, count - 1, min(count, most)).astype(np.int64))


def to_model(x: Array, dtype: np.dtype[Any]) -> Array:
    """Return x in the model's dtype, C-contiguous, without a copy if it is that already."""
    if are_pixels(x):
        pixels: Array = np.divide(x, dtype.type(PIXELS), out=np.empty(x.shape, dtype))
        return pixels
    return np.ascontiguousarray(x, dtype)


def kernel_reads(x: Array) -> bool:
    """Whether kernels can read these samples without a conversion."""
    fast = x.dtype in (np.uint8, np.float32, np.float64) and x.dtype.isnative
    return bool(fast and x.flags.c_contiguous and x.flags.aligned and x.size)


Gather = Callable[[NDArray[np.int64], "Array | None"], Array]  # (indices, output array) -> samples


def gathering(x: Array, dtype: np.dtype[Any]) -> Gather:
    """The function that returns x[indices] in this dtype, in `out` if it has as many rows."""
    fast, shape = kernel_reads(x), x.shape[1:]
    rows, divisor = x.reshape(len(x), -1) if fast else x, PIXELS if are_pixels(x) else 1
    flat = x.ndim == 2

    def gather(indices: NDArray[np.int64], out: Array | None) -> Array:
        if out is None or len(out) != len(indices):
            out = np.empty((len(indices), *shape), dtype)
        if not len(indices):  # a process without a share of a small batch
            return out
        if fast:
            kernels.gather(rows, indices, divisor, out if flat else out.reshape(len(indices), -1))
        else:
            out[...] = to_model(x[indices], dtype)
        return out

    return gather
