"""Batches out of arrays: shuffled by seed, gathered and converted in one kernel; and the checks of user data.

Images of uint8, (N, H, W, C), are pixels: 0..255 is read as 0..1. Everything else is converted to the model's dtype as
it is, tables of uint8 too.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, DTypeLike, NDArray

from .. import checks
from ..checks import check_count, check_seed, float_dtype
from ..messages.terminal import brief
from ..random import order
from ..typing import Array
from .arrays import as_array, check_pairs, gather, sample_weights, samples
from .prefetch import prefetched

if TYPE_CHECKING:
    from .augment import Augmentations


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
    from .augment import Augmented, chain  # here: it stands on this module

    if seed is None:
        raise ValueError("augmentation draws from a seed, which is None; pass one, for example seed=0")
    return Augmented(chain(augmentation).prepared(x), x, indices, seed, epoch, dtype).batch


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
