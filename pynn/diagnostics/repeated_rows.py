"""Rows that occur more than once: in both parts of the data, and among those that predict each other."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ..data import arrays, equal_rows
from ..typing import Array

COLUMNS = 6  # that tell candidates for equal rows
FEW_COPIES = 0.1  # of the rows: so many may be in a source twice
MANY, WIDE = 50, 50  # different values of a column, and columns: then equal rows are copies


def shared_rows(x: Any, held: Any) -> float:
    """Share of the rows of validation that are in the training data, beyond what repeats in the data anyway."""
    size = math.prod(x.shape[1:])
    if not size:
        return 0.0
    train, other = x.reshape(len(x), -1), held.reshape(len(held), -1)
    columns = _telling(other)
    if not len(columns):
        return 0.0
    narrow, few = np.ascontiguousarray(train[:, columns]), np.ascontiguousarray(other[:, columns])
    few = few.astype(narrow.dtype)
    keys, candidates = _keys(narrow), _keys(few)
    inside = np.isin(candidates, keys)
    if not inside.any():
        return 0.0
    finest = max(len(np.unique(narrow[: 1 << 17, place])) for place in range(narrow.shape[1]))
    different = len(np.unique(keys[: 1 << 17]))
    repeated = _repeated(train, keys)
    if finest > max(0.3 * different, 50) and repeated > FEW_COPIES:  # of a fine column equal rows are copies
        repeated = 0.0
    if size > len(columns):  # the other columns decide
        wanted = np.flatnonzero(np.isin(keys, candidates[inside]))
        own = {_bytes(train[row].astype(other.dtype)) for row in wanted[: 1 << 15].tolist()}
        chosen = np.flatnonzero(inside)[:2000]
        share = np.mean([_bytes(other[row]) in own for row in chosen.tolist()])
        return max(0.0, float(share * inside.mean()) - 2 * repeated)
    return max(0.0, float(inside.mean()) - 2 * repeated)


def _repeated(train: Array, keys: Array) -> float:
    """Share of training rows that occur again among them by chance, where columns are few and coarse."""
    chosen = arrays.spread(len(train), 300)
    times = []
    for row in chosen.tolist():
        alike = np.flatnonzero(keys == keys[row])[:2000]
        times.append(int((train[alike] == train[row]).all(axis=1).sum()))
    mean, spread = float(np.mean(times)), float(np.std(times))
    if 1.5 < mean < 6 and spread < 0.35 * mean:  # about as often each: not by chance, somebody repeated them
        return 0.0
    return float(np.mean(np.array(times) > 1))


def _telling(rows: Array) -> Array:
    """The columns with the most different values."""
    some = rows[:: max(1, len(rows) // 200)]
    chosen = arrays.spread(some.shape[1], 400)
    different = np.array([len(np.unique(some[:, column])) for column in chosen.tolist()])
    order = np.argsort(-different, kind="stable")[:COLUMNS]
    return chosen[order[different[order] > 1]]


def without_copies(x: Array) -> Array:
    """Places of the rows without repetitions; of all where a table of few values repeats itself."""
    flat = x.reshape(len(x), -1)
    if flat.shape[1] < WIDE and not any(len(np.unique(column)) > MANY for column in flat.T):
        return np.arange(len(x))
    return np.sort(np.unique(_keys(flat), return_index=True)[1])


def _bytes(row: Array) -> bytes:
    return equal_rows.same_bits(row).tobytes()


def _keys(rows: Array) -> Array:
    """A row (N, D) as one value each, equal for equal rows."""
    whole = np.ascontiguousarray(equal_rows.same_bits(rows))
    keys: Array = whole.view(np.dtype((np.void, whole.dtype.itemsize * whole.shape[1]))).ravel()
    return keys
