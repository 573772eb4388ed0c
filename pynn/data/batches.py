"""Batches of arrays: shuffled by a seed, gathered and converted by one kernel.

Images of uint8, (N, H, W, C), are pixels and scaled from 0..255 to 0..1. Everything else, tables of uint8 too, is only
converted to the model's dtype.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from contextlib import closing
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, DTypeLike, NDArray

from .. import checks
from ..checks import check_seed, expect_count, float_dtype
from ..messages.terminal import brief
from ..random import order
from ..signatures import answering
from ..typing import Array
from .arrays import as_array, check_pairs, gathering, sample_weights, samples
from .prefetch import prefetched

if TYPE_CHECKING:
    from .augment import Augment, Augmentations


class Samples(NamedTuple):
    """Checked samples: x (N, ...), their targets y (N, ...), and weights (N,) or None."""

    x: Array
    y: Array
    weights: Array | None = None

    def part(self, where: slice) -> Samples:
        """Some of the samples."""
        return Samples(self.x[where], self.y[where], None if self.weights is None else self.weights[where])


@answering
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
    drop_last: bool = False,
) -> Generator[tuple[Array, ...], None, None]:
    """Yield the batches of one epoch as (x, y), or (x, y, weights).

    Parameters
    ----------
    x : array (N, ...)
        Samples, converted to dtype; uint8 images (N, H, W, C) are scaled to 0..1.
    y : array (N, ...)
        Targets, yielded as they are.
    batch_size : int
        Samples in a batch, at least 1; the last batch may be smaller.
    seed : int, optional
        Shuffle as a function of (seed, epoch). By default the order of the data is kept.
    epoch : int, default 0
        The epoch.
    dtype : dtype, default float32
        Of x and weights.
    drop_single : bool, default False
        Whether to omit a last batch of one sample, on which batch normalization cannot train.
    reuse : bool, default False
        Whether to yield the same x array each time, for loops that do not keep it.
    weights : array (N,), optional
        Sample weights, at least 0, as losses take them.
    augmentation : Augment, Augmentation or list of them, optional
        For images (N, H, W, C); draws from the seed.
    prefetch : int, default 0
        Number of batches that a thread prepares in advance; 0 for no thread. If you leave the loop early, close the
        iterator (contextlib.closing): that ends the thread.
    first : int, default 0
        Number of the batch to begin with; skipping costs nothing.
    share : tuple (rank, size), default (0, 1)
        Yield only this process's part of each batch, one of `size`. A part has at least two samples or none: in a small
        batch the last processes have none.
    shuffle : bool, default True
        False keeps the order of the data; the seed is then used by augmentation only.
    drop_last : bool, default False
        Whether to omit a last batch that is smaller than batch_size; a single batch of all samples is kept.

    Returns
    -------
    generator
        Of tuples x (B, ...), y (B, ...) and, if given, weights (B,).

    Raises
    ------
    ValueError
        If the data are empty, x and y have different lengths, or an argument is out of range.
    """
    x, y = samples("x", x), as_array("y", y)
    check_pairs("x", x, "y", y)
    expect_count("", 1, batch_size=batch_size)
    batch_size = min(batch_size, len(x))
    if seed is not None:
        check_seed(seed)
    checks.expect_flag("", shuffle=shuffle, drop_last=drop_last)
    kind = float_dtype(dtype)
    checked = Samples(x, y, None if weights is None else sample_weights("weights", weights, len(x)))
    expect_count("", 0, prefetch=prefetch, first=first)
    _check_share(share)
    augment = None
    if augmentation is not None:
        from .augment import chain  # here: only augmentation needs it

        if seed is None:
            raise ValueError("augmentation needs a seed, but seed is None; pass a number, for example seed=0")
        augment = chain(augmentation).prepared(x)
    least = batch_size if drop_last else 1 + bool(drop_single)
    return _as_tuples(
        epoch_of(
            checked, batch_size, kind, seed, epoch, least=least, reuse=reuse, augment=augment,
            prefetch=prefetch, first=first, share=share, shuffle=shuffle,
        )
    )  # fmt: skip


def _as_tuples(batches: Generator[Samples, None, None]) -> Generator[tuple[Array, ...], None, None]:
    with closing(batches):
        for x, y, weights in batches:
            yield (x, y) if weights is None else (x, y, weights)


def epoch_of(
    samples: Samples, batch_size: int, dtype: np.dtype[Any], seed: int | None = None, epoch: int = 0, *,
    least: int = 1, reuse: bool = False, augment: Augment | None = None, prefetch: int = 0, first: int = 0,
    share: tuple[int, int] = (0, 1), shuffle: bool = True,
) -> Generator[Samples, None, None]:  # fmt: skip
    """The batches of one epoch of checked samples: `batches` without its checks.

    least: a smaller last batch is left out. augment: already fitted to x.
    """
    x, y, weights = samples
    indices = order(len(x), seed if shuffle else None, epoch)
    if augment is None:
        gather = gathering(x, dtype)

        def fill(part: slice, out: Array | None) -> Array:
            return gather(indices[part], out)
    else:
        from .augment import Augmented  # here: only augmentation needs it

        fill = Augmented(augment, x, indices, seed or 0, epoch, dtype).batch
    weights = None if weights is None else weights.astype(dtype)
    reused = prefetch + 2 if reuse and prefetch else int(reuse)
    iterator = _iterate(fill, y, weights, batch_size, indices, least, reused, first, share)
    return prefetched(iterator, prefetch) if prefetch else iterator


def _check_share(share: tuple[int, int]) -> None:
    """Raise ValueError unless it is (rank, size) with 0 <= rank < size."""
    pair = isinstance(share, (tuple, list)) and len(share) == 2 and all(map(checks.is_integer, share))
    if not pair or not 0 <= share[0] < share[1]:
        raise ValueError(f"share is {brief(share)}, expected (rank, size), integers with 0 <= rank < size")


def part_of(count: int, rank: int, size: int) -> slice:
    """Return this process's slice of a batch: at least two samples, which have a variance, or none."""
    parts = max(1, min(size, count // 2))
    return slice(min(rank, parts) * count // parts, min(rank + 1, parts) * count // parts)


Filling = Callable[[slice, "Array | None"], Array]  # (slice of the order, output array) -> batch


def _iterate(
    fill: Filling,
    y: Array,
    weights: Array | None,
    batch_size: int,
    indices: NDArray[np.int64],
    least: int,
    reused: int,
    first: int,
    share: tuple[int, int],
) -> Generator[Samples, None, None]:
    """Yield the batches; reused: how many x arrays take turns, 0 for a new array each time."""
    turns: list[Array] = []
    for number, start in enumerate(range(first * batch_size, len(indices), batch_size)):
        count = min(batch_size, len(indices) - start)
        if count < least and start > 0:
            return
        part = slice(start, start + count)
        if share[1] > 1:
            local = part_of(count, *share)
            part = slice(start + local.start, start + local.stop)
        chosen = indices[part]
        batch = fill(part, turns[number % reused] if len(turns) == reused > 0 else None)
        if len(turns) < reused:
            turns.append(batch)
        yield Samples(batch, y[chosen], None if weights is None else weights[chosen])
