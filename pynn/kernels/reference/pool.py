"""Pooling of images over regions.

Output row p reads the rows row_start[p]..row_stop[p]-1, column q the columns column_start[q]..column_stop[q]-1 of the
image, without padding.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from ..checks import Floats, checked
from .embedding import EXACT

Integers = NDArray[np.int64]
Region = tuple[int, int, slice, slice]


def _expect_bounds(where: str, names: tuple[str, str], first: Integers, stop: Integers, size: int) -> None:
    least = (0, 0)
    for i, (begin, end) in enumerate(zip(first.tolist(), stop.tolist(), strict=True)):
        if begin < least[0] or end < least[1] or begin >= end or end > size:
            raise ValueError(
                f"{where}: {names[0]}[{i}] and {names[1]}[{i}] are {begin} and {end}, expected 0 <= {names[0]} < "
                f"{names[1]} <= {size}, none of them less than the one before"
            )
        least = (begin, end)


def _expect_regions(
    where: str,
    x: Floats,
    row_start: Integers,
    row_stop: Integers,
    column_start: Integers,
    column_stop: Integers,
    numbered: bool,
) -> None:
    _expect_bounds(where, ("row_start", "row_stop"), row_start, row_stop, x.shape[1])
    _expect_bounds(where, ("column_start", "column_stop"), column_start, column_stop, x.shape[2])
    height, width = int((row_stop - row_start).max(initial=0)), int((column_stop - column_start).max(initial=0))
    if numbered and height * width > EXACT:
        raise ValueError(f"{where}: the largest region has {height} x {width} places, expected at most 2^24")


def _regions(
    row_start: Integers, row_stop: Integers, column_start: Integers, column_stop: Integers
) -> Iterator[Region]:
    for p in range(len(row_start)):
        for q in range(len(column_start)):
            yield p, q, slice(row_start[p], row_stop[p]), slice(column_start[q], column_stop[q])


@checked(
    x="N H W C", row_start="int64 P", row_stop="int64 P", column_start="int64 Q", column_stop="int64 Q",
    winner="out N P Q C", out="out N P Q C",
)  # fmt: skip
def max_pool_forward(
    x: Floats,
    row_start: Integers,
    row_stop: Integers,
    column_start: Integers,
    column_stop: Integers,
    winner: Floats,
    out: Floats,
) -> None:
    """out = the largest number of each channel in each region; winner = its position there, the first of a tie.

    Bounds must not decrease from one region to the next; regions have 1 to 2^24 positions. winner is kept for
    `max_pool_backward`: it counts positions row by row, in x's dtype. NaN wins.
    """
    _expect_regions("max_pool_forward", x, row_start, row_stop, column_start, column_stop, True)
    if out.size == 0:  # any number of images without channels
        return
    for p, q, rows, columns in _regions(row_start, row_stop, column_start, column_stop):
        places = (rows.stop - rows.start) * (columns.stop - columns.start)
        region = x[:, rows, columns].reshape(len(x), places, x.shape[3])
        best = region.argmax(axis=1)[:, None]
        winner[:, p, q] = best[:, 0]
        out[:, p, q] = np.take_along_axis(region, best, axis=1)[:, 0]


@checked(
    dy="N P Q C",
    winner="N P Q C",
    row_start="int64 P",
    row_stop="int64 P",
    column_start="int64 Q",
    column_stop="int64 Q",
    dx="out N H W C",
)
def max_pool_backward(
    dy: Floats,
    winner: Floats,
    row_start: Integers,
    row_stop: Integers,
    column_start: Integers,
    column_stop: Integers,
    dx: Floats,
) -> None:
    """dx = the sum of dy over the regions whose winner is the position. Bounds as in `max_pool_forward`."""
    _expect_regions("max_pool_backward", dx, row_start, row_stop, column_start, column_stop, True)
    dx.fill(0)
    for p, q, rows, columns in _regions(row_start, row_stop, column_start, column_stop):
        region = dx[:, rows, columns]
        number = np.arange(region.shape[1] * region.shape[2]).reshape(1, *region.shape[1:3], 1)
        region += np.where(winner[:, p : p + 1, q : q + 1] == number, dy[:, p : p + 1, q : q + 1], 0)


@checked(
    x="N H W C",
    row_start="int64 P",
    row_stop="int64 P",
    column_start="int64 Q",
    column_stop="int64 Q",
    out="out N P Q C",
)
def avg_pool_forward(
    x: Floats, row_start: Integers, row_stop: Integers, column_start: Integers, column_stop: Integers, out: Floats
) -> None:
    """out = the mean of each channel over each region. Bounds must not decrease; no region is empty."""
    _expect_regions("avg_pool_forward", x, row_start, row_stop, column_start, column_stop, False)
    for p, q, rows, columns in _regions(row_start, row_stop, column_start, column_stop):
        out[:, p, q] = x[:, rows, columns].mean(axis=2).mean(axis=1)


@checked(
    dy="N P Q C",
    row_start="int64 P",
    row_stop="int64 P",
    column_start="int64 Q",
    column_stop="int64 Q",
    dx="out N H W C",
)
def avg_pool_backward(
    dy: Floats, row_start: Integers, row_stop: Integers, column_start: Integers, column_stop: Integers, dx: Floats
) -> None:
    """dx = the sum of dy / size over the regions that contain the position. Bounds as in `avg_pool_forward`."""
    _expect_regions("avg_pool_backward", dx, row_start, row_stop, column_start, column_stop, False)
    dx.fill(0)
    for p, q, rows, columns in _regions(row_start, row_stop, column_start, column_stop):
        region = dx[:, rows, columns]
        region += dy[:, p : p + 1, q : q + 1] / (region.shape[1] * region.shape[2])
