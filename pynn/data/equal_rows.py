"""Rows that stand more than once in a table, targets included, and whether parts of the table keep them together.

A row that stands twice must not be validated on after it was trained on. Where a table has few different rows, as of a
few categories, all that can be told of them is how often each label occurs; to hold out all rows of some would hide
these from the model, so they are parted like others.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ..typing import Array
from . import tables

FEW, MANY = 20, 100  # different rows: with fewer than FEW, equal ones are split; with MANY, they may occur more often
OFTEN, OFTENEST = 3, 10  # mean number of equal rows up to which they are kept together, and where MANY differ
BLOCK = 1 << 22  # bytes of rows that are copied at a time
_MULTIPLIER = np.uint64(0x9E3779B97F4A7C15)
_SHIFT = np.uint64(29)


def grouped(prints: Array) -> tuple[Array, Array]:
    """The places of rows with these fingerprints, equal ones side by side, and where in them each group begins.

    Each row is a group of its own if equal rows may be parted.
    """
    order = np.argsort(prints, kind="stable")
    new = np.ones(len(order), bool)
    new[1:] = np.diff(prints[order]) != 0
    different = np.count_nonzero(new)
    if different < FEW or len(order) > (OFTEN if different < MANY else OFTENEST) * different:
        new[:] = True
    return order, np.flatnonzero(new)


def groups(x: Any, y: Array) -> Array | None:
    """The group of each row of an array or a table, numbers in the order of the first rows; None for a row each."""
    prints = _of_columns(x) if tables.columns(x) is not None else _of_rows(np.asarray(x))
    for column in y.reshape(len(y), -1).T:
        mix(prints, _of_values(column))
    order, starts = grouped(prints)
    if len(starts) == len(order):
        return None
    numbers = np.empty(len(starts), np.int64)
    numbers[np.argsort(order[starts])] = np.arange(len(starts))
    found = np.empty(len(order), np.int64)
    found[order] = np.repeat(numbers, np.diff(np.append(starts, len(order))))
    return found


def mix(prints: Array, bits: Array) -> None:
    """Have the fingerprints of rows depend on a further column, too."""
    prints += bits
    prints *= _MULTIPLIER
    prints ^= prints >> _SHIFT


def same_bits(values: Array) -> Array:
    """The numbers with the same bits where they are equal: without -0.0, and with one kind of NaN."""
    if values.dtype.kind not in "fc":
        return values
    found: Array = values + values.dtype.type(0)
    found[np.isnan(found)] = np.nan
    return found


def _of_rows(x: Array) -> Array:
    """A number for each row of an array, from its bytes."""
    if x.dtype.kind == "O":
        rows = x.reshape(len(x), -1).tolist()
        return np.fromiter((hash(tuple(map(_hash, row))) for row in rows), np.int64, len(x)).view(np.uint64)
    step = max(BLOCK // max(x[:1].nbytes, 1), 1)
    blocks = (same_bits(x[start : start + step]) for start in range(0, len(x), step))
    return np.fromiter((hash(row.tobytes()) for block in blocks for row in block), np.int64, len(x)).view(np.uint64)


def _of_columns(x: Any) -> Array:
    """The same for a table."""
    prints = np.zeros(len(x), np.uint64)
    for name in tables.columns(x) or ():
        mix(prints, _of_values(np.asarray(x[name])))
    return prints


def _of_values(column: Array) -> Array:
    """A number for each value; equal values have equal ones, and so have missing ones."""
    if column.dtype.kind == "f":
        return same_bits(column.astype(np.float64)).view(np.uint64)
    if column.dtype.kind in "iubmM":  # as floating numbers, large ones would lose digits
        return column.astype(np.int64).view(np.uint64)
    return np.fromiter(map(_hash, column.tolist()), np.int64, len(column)).view(np.uint64)


def _hash(value: Any) -> int:
    if tables.absent(value):
        return 0
    try:
        return hash(value)
    except TypeError:  # such as a list
        return hash(str(value))
