"""Batches out of arrays: shuffled by seed, gathered and converted in one kernel; and the checks of user data.

Images of uint8, (N, H, W, C), are pixels: 0..255 is read as 0..1. Everything else is converted to the model's dtype as
it is, tables of uint8 too.
"""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Generator
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, DTypeLike, NDArray

from . import checks, kernels, tables
from .arrays import as_array, expect_unmasked
from .prefetch import prefetched
from .terminal import brief

if TYPE_CHECKING:
    from .augmented import Augmentations

Array = NDArray[Any]

PIXELS = 255
WEIGHTS, ORDER = 0, 1  # purposes of random numbers


def samples(name: str, x: ArrayLike) -> Array:
    """x as a numeric array of at least one axis; TypeError or ValueError says what came instead."""
    expect_unmasked(name, x)
    x = tables.plain(x, name)
    try:
        array = tables.series(x)
    except ValueError as cause:
        raise ValueError(f"{name} is no array of numbers: rows of different lengths? ({cause})") from cause
    if array.dtype.kind not in "fiub":
        held = next((one for one in array.reshape(-1).tolist() if not isinstance(one, (int, float))), None)
        raise TypeError(
            f"{name} has dtype {array.dtype}, expected numbers" + (f"; it holds {brief(held)}" if held else "")
        )
    if array.ndim < 1:
        raise ValueError(f"{name} is a single number, expected an array of samples (N, ...)")
    if array.shape[0] < 1:
        raise ValueError(f"{name} is empty: its shape is {array.shape}, expected at least one sample")
    return array


def check_finite(name: str, x: Array, dtype: DTypeLike = np.float64) -> None:
    """ValueError that names the first NaN or infinity in x, or number too large for the dtype, if there is one."""
    if x.dtype.kind != "f":
        return
    rows = max(1, (1 << 20) // max(1, math.prod(x.shape[1:])))
    for start in range(0, len(x), rows):  # in pieces: no second copy of a large array, in whatever order it stands
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
    """ValueError when there is not one target for each sample."""
    if y.ndim < 1:
        raise ValueError(f"{y_name} is a single value, expected one target for each of the {len(x)} samples")
    if len(x) != len(y):
        raise ValueError(
            f"{x_name} has {len(x)} samples but {y_name} has {len(y)}, expected one target for each sample"
        )


def sample_weights(name: str, weights: ArrayLike, count: int, of: str = "sample") -> Array:
    """Weights (count,) in float64, checked: ValueError for another shape, a negative or a NaN, TypeError for text."""
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
    """Whether these samples are images of uint8 (N, H, W, C), which are read as 0..1."""
    return x.dtype == np.uint8 and x.ndim == 4


def to_model(x: Array, dtype: np.dtype[Any]) -> Array:
    """x in the model's dtype, C-contiguous; the same array where it is that already."""
    if are_pixels(x):
        pixels: Array = np.divide(x, dtype.type(PIXELS), out=np.empty(x.shape, dtype))
        return pixels
    return np.ascontiguousarray(x, dtype)


def kernel_reads(x: Array) -> bool:
    """Whether kernels read these samples as they stand."""
    fast = x.dtype in (np.uint8, np.float32, np.float64) and x.dtype.isnative
    return bool(fast and x.flags.c_contiguous and x.flags.aligned and x.size)


def gather(x: Array, indices: NDArray[np.int64], dtype: np.dtype[Any], out: Array | None) -> Array:
    """x[indices] in the dtype; in `out` where that has their shape."""
    shape = (len(indices), *x.shape[1:])
    if out is None or out.shape != shape:
        out = np.empty(shape, dtype)
    if not len(indices):  # a process that has no part of a small batch
        return out
    if kernel_reads(x):
        divisor = PIXELS if are_pixels(x) else 1
        kernels.gather(x.reshape(len(x), -1), indices, divisor, out.reshape(len(indices), -1))
    else:
        out[...] = to_model(x[indices], dtype)
    return out


def generator(seed: int, number: int, purpose: int) -> np.random.Generator:
    """Random numbers as a function of (seed, number, purpose), with no state between calls."""
    key, counter = np.array([seed, number], np.uint64), np.array([0, 0, 0, purpose], np.uint64)
    return np.random.Generator(np.random.Philox(key=key, counter=counter))


def order(size: int, seed: int | None, epoch: int) -> NDArray[np.int64]:
    """The order of samples in an epoch: a function of (seed, epoch); as they stand for seed None."""
    if seed is None:
        return np.arange(size, dtype=np.int64)
    return generator(seed, epoch, ORDER).permutation(size)


@checks.answering
def batches(
    x: ArrayLike,
    y: ArrayLike,
    batch_size: int,
    seed: int | None = None,
    epoch: int = 0,
    dtype: DTypeLike = np.float32,
    drop_single: bool = False,
    reuse: bool = False,
    weights: ArrayLike | None = None,
    augmentation: Augmentations | None = None,
    prefetch: int = 0,
    first: int = 0,
    share: tuple[int, int] = (0, 1),
    shuffle: bool = True,
) -> Generator[tuple[Array, ...], None, None]:
    """Yield (x, y) batches of one epoch, with weights (x, y, weights); the last one may be smaller.

    x (N, ...): converted to dtype (default float32), pixels (N, H, W, C) of uint8 to 0..1. y (N, ...): as it is.
    batch_size: at least 1; where there are fewer samples, all of them.
    seed: None for the order of the data, else shuffled as a function of (seed, epoch).
    drop_single: True leaves out a last batch of one sample (batch normalization cannot train on it); default False.
    reuse: True gives the same x array again and again, for loops that do not keep it (default False).
    weights (N,): sample weights of at least 0 (`Loss.forward` reads them), converted to dtype.
    augmentation: `pynn.Augment`, an augmentation or a list of them, for images (N, H, W, C); it draws from the seed.
    prefetch: how many batches a thread of its own prepares ahead (default 0: none). Close the iterator where you leave
        it early (contextlib.closing): that ends the thread.
    first: the batch to begin with (default 0); those before it are left out, at no cost.
    share: (rank, size): of each batch the part of this process, one of `size` (default (0, 1): all of it). A part has
        two samples at least, or none: where there are few, the last processes get none.
    shuffle: False keeps the order of the data; the seed is then that of augmentation alone (default True).
    Raises ValueError for empty data, for x and y of different lengths, for a batch_size below 1.
    """
    x, y = samples("x", x), as_array("y", y)
    check_pairs("x", x, "y", y)
    check_count("batch_size", batch_size, 1)
    batch_size = min(batch_size, len(x))
    if seed is not None:
        check_seed(seed)
    checks.expect_flag("", shuffle=shuffle)
    kind = float_dtype(dtype)
    rest = (y,) if weights is None else (y, sample_weights("weights", weights, len(x)).astype(kind))
    check_count("prefetch", prefetch, 0)
    check_count("first", first, 0)
    _check_share(share)
    indices = order(len(x), seed if shuffle else None, epoch)
    fill = _filling(x, indices, kind, augmentation, seed, epoch)
    reused = prefetch + 2 if reuse and prefetch else int(reuse)
    found = _iterate(fill, rest, batch_size, indices, drop_single, reused, first, share)
    return prefetched(found, prefetch) if prefetch else found


def _check_share(share: tuple[int, int]) -> None:
    """ValueError when it is not (rank, size) with 0 <= rank < size."""
    pair = isinstance(share, (tuple, list)) and len(share) == 2 and all(map(checks.is_integer, share))
    if not pair or not 0 <= share[0] < share[1]:
        raise ValueError(f"share is {brief(share)}, expected (rank, size), integers with 0 <= rank < size")


def part_of(count: int, rank: int, size: int) -> slice:
    """Which of the samples of a batch are this process's: one piece, of two samples at least (a variance), or none."""
    parts = max(1, min(size, count // 2))
    return slice(min(rank, parts) * count // parts, min(rank + 1, parts) * count // parts)


Filling = Callable[[slice, "Array | None"], Array]  # (which of the order, where to) -> a batch


def _filling(
    x: Array,
    indices: NDArray[np.int64],
    dtype: np.dtype[Any],
    augmentation: Augmentations | None,
    seed: int | None,
    epoch: int,
) -> Filling:
    if augmentation is None:
        return lambda part, out: gather(x, indices[part], dtype, out)
    from .augmented import Augmented, chain  # here: it stands on this module

    if seed is None:
        raise ValueError("augmentation draws from a seed, which is None; pass one, for example seed=0")
    return Augmented(chain(augmentation).prepared(x), x, indices, seed, epoch, dtype).batch


def check_count(name: str, value: int, least: int) -> None:
    """ValueError when the value is not an integer of at least `least`."""
    checks.expect_count("", least, **{name: value})


def check_seed(seed: int) -> None:
    """ValueError when the seed is not an integer of 0..2^64-1."""
    if not checks.is_integer(seed) or not 0 <= seed < 2**64:
        raise ValueError(f"seed is {brief(seed)}, expected an integer of 0..2^64-1")


def chosen_seed(seed: int | None) -> int:
    """The seed, checked; for None one at random."""
    if seed is None:
        return int.from_bytes(os.urandom(7), "little")  # below 2^56: every file format holds it
    check_seed(seed)
    return int(seed)


def float_dtype(dtype: DTypeLike) -> np.dtype[Any]:
    """float32 or float64 by any of its names; ValueError for another."""
    try:
        kind = np.dtype(dtype)
    except TypeError:
        kind = None
    if dtype is None or kind not in (np.float32, np.float64):
        raise ValueError(f"dtype is {dtype if kind is None else kind}, expected float32 or float64")
    return kind


def _iterate(
    fill: Filling,
    rest: tuple[Array, ...],
    batch_size: int,
    indices: NDArray[np.int64],
    drop_single: bool,
    reused: int,
    first: int,
    share: tuple[int, int],
) -> Generator[tuple[Array, ...], None, None]:
    """reused: how many arrays take turns; 0: every batch is a new one."""
    turns: list[Array] = []
    for number, start in enumerate(range(first * batch_size, len(indices), batch_size)):
        count = min(batch_size, len(indices) - start)
        if drop_single and count == 1 and start > 0:
            return
        own = part_of(count, *share)
        part = slice(start + own.start, start + own.stop)
        chosen = indices[part]
        batch = fill(part, turns[number % reused] if len(turns) == reused > 0 else None)
        if len(turns) < reused:
            turns.append(batch)
        yield batch, *(array[chosen] for array in rest)
