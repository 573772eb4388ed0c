"""Which rows a network trains on and which it validates on. The order of the rows makes no difference.

Rows that are equal, labels included, stay together: a row that stands twice in the table must not be validated on after
it was trained on.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from ..typing import Array

REPEATED = 3  # rows for each different row: above it the table has few different rows, and they are not grouped
_MULTIPLIER = np.uint64(0x9E3779B97F4A7C15)
_SHIFT = np.uint64(29)


@dataclass(frozen=True)
class Rows:
    """Rows in an order that depends on their content alone, and the groups of equal rows.

    order: (N,) places in the table. starts: (G,) where each group begins in `order`. strata: (G,) the class of each
    group, 0 for numbers.
    """

    order: Array
    starts: Array
    strata: Array

    def parts(self, share: float, seed: int) -> tuple[Array, Array]:
        """Places of the training and the validation rows: that share of each stratum, at least one group stays."""
        held_out = np.zeros(len(self.starts), bool)
        for groups in self._shuffled(seed):
            held_out[groups[: min(round(len(groups) * share), len(groups) - 1)]] = True
        return self._places(~held_out), self._places(held_out)

    def folds(self, count: int, seed: int) -> list[tuple[Array, Array]]:
        """Places of the training and the validation rows of each fold."""
        fold, first = np.zeros(len(self.starts), np.int64), 0
        for groups in self._shuffled(seed):
            fold[groups] = (first + np.arange(len(groups))) % count
            first += len(groups)
        return [(self._places(fold != k), self._places(fold == k)) for k in range(count)]

    def _shuffled(self, seed: int) -> Iterator[Array]:
        random = np.random.default_rng(seed)
        for stratum in np.unique(self.strata):
            yield random.permutation(np.flatnonzero(self.strata == stratum))

    def _places(self, chosen: Array) -> Array:
        """The places of these groups' rows, in the order of their content."""
        sizes = np.diff(np.append(self.starts, len(self.order)))
        return self.order[np.repeat(chosen, sizes)]


def rows(x: Array, y: Array, classes: bool) -> Rows:
    """Group the rows of x (N, D), float32, with targets y (N,) or (N, K); classes: whether y are class numbers."""
    prints = _fingerprints(x, y)
    order = np.argsort(prints, kind="stable")
    new = np.ones(len(order), bool)
    new[1:] = np.diff(prints[order]) != 0
    if len(order) > REPEATED * np.count_nonzero(new):
        new[:] = True
    starts = np.flatnonzero(new)
    strata = y[order[starts]] if classes else np.zeros(len(starts), np.int64)
    return Rows(order, starts, strata)


def _fingerprints(x: Array, y: Array) -> Array:
    """A number of 64 bits for each row; equal rows have equal ones."""
    prints = np.zeros(len(x), np.uint64)
    targets = np.asarray(y, np.float64).reshape(len(x), -1) + 0.0
    for column in range(x.shape[1]):
        _mix(prints, (x[:, column] + np.float32(0)).view(np.uint32).astype(np.uint64))
    for column in range(targets.shape[1]):
        _mix(prints, np.ascontiguousarray(targets[:, column]).view(np.uint64))
    return prints


def _mix(prints: Array, bits: Array) -> None:
    prints += bits
    prints *= _MULTIPLIER
    prints ^= prints >> _SHIFT


def repeated(weights: Array) -> Array | None:
    """Places of the rows, each as often as its weight says; None where weights are not whole or are large."""
    if not np.array_equal(weights, np.floor(weights)) or weights.sum() > REPEATED * np.count_nonzero(weights):
        return None
    return np.repeat(np.arange(len(weights)), weights.astype(np.int64))


def seeds(random_state: int, count: int) -> Sequence[int]:
    """One seed for each member of an ensemble; the first is that of a single network."""
    return [(random_state + 1_000_003 * member) % 2**32 for member in range(count)]
"""Rows of a table, dense or sparse, as batches for a `Trainer`: only the rows of one batch are made dense at a time."""

from __future__ import annotations

import math
from collections.abc import Generator, Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..data import arrays
from ..data.batches import Samples
from ..typing import Array

BATCH = 1024  # rows computed at once outside training

Indices = NDArray[np.int64]


class Rows:
    """The rows of an array or of a SciPy sparse matrix, gathered in the model's dtype.

    ValueError for a number that is finite, but not in this dtype.
    """

    def __init__(self, table: Any, dtype: np.dtype[Any]) -> None:
        self.dtype, self.sparse = dtype, hasattr(table, "tocsr")
        if self.sparse:
            table = table.tocsr()
            if not table.has_canonical_format:  # numbers that share a place are added up in their own dtype
                table = table.copy()
                table.sum_duplicates()
            arrays.check_finite("X.data", table.data, dtype)
            table = table.astype(dtype, copy=False)
        else:
            arrays.check_finite("X", table, dtype)
        self.table, self.shape = table, table.shape

    def __len__(self) -> int:
        return int(self.shape[0])

    def take(self, chosen: Indices, out: Array | None = None) -> Array:
        """These rows as a dense array, in `out` if it has the right shape."""
        if not self.sparse:
            return arrays.gather(self.table, chosen, self.dtype, out)
        part = self.table[chosen]
        if out is None or out.shape != part.shape:
            return np.asarray(part.toarray(order="C"))
        return np.asarray(part.toarray(out=out))

    def parts(self, chosen: Indices | None = None, size: int = BATCH) -> Iterator[Array]:
        """All rows, or the chosen ones, piece by piece."""
        count = len(self) if chosen is None else len(chosen)
        for start in range(0, count, size):
            part = slice(start, min(start + size, count))
            if self.sparse or chosen is not None:
                yield self.take(np.arange(part.start, part.stop) if chosen is None else chosen[part])
            else:
                yield np.ascontiguousarray(self.table[part], self.dtype)


class Shuffled:
    """The source of a training run: batches in an order that follows from scikit-learn's random state.

    The order is shuffled further in every epoch, as in scikit-learn, so that the same random_state gives the same
    batches. Weights are divided by their mean over the batch.

    chosen: the rows to train on. y, weights: of all rows. scale: a factor of the loss. penalty: its strength becomes
    alpha divided by the batch's total weight. drop_single: leave out a last batch of one row.
    """

    accumulate, prefetch, share = 1, 0, (0, 1)
    augment = preprocessing = targets = None

    def __init__(
        self, rows: Rows, y: Array, weights: Array | None, chosen: Indices, batch_size: int,
        random_state: np.random.RandomState | None, *, scale: float = 1.0, alpha: float = 0.0, penalty: Any = None,
        drop_single: bool = False,
    ) -> None:  # fmt: skip
        self.rows, self.y, self.weights, self.chosen = rows, y, weights, chosen
        self.batch_size, self.random_state, self.scale = batch_size, random_state, scale
        self.alpha, self.penalty, self.dtype = alpha, penalty, rows.dtype
        single = drop_single and len(chosen) % batch_size == 1 and len(chosen) > 1
        self.used = len(chosen) - single  # rows of an epoch
        self.batches: int | None = math.ceil(self.used / batch_size)
        self._order = np.arange(len(chosen))
        if not rows.sparse and len(chosen) == len(rows):
            self.samples = Samples(rows.table, y, weights)  # for callbacks that look at the data

    def epoch(self, number: int, first: int = 0) -> Generator[Samples, None, None]:
        """The batches of the next epoch, starting at batch `first`."""
        if self.random_state is not None:
            permutation = np.arange(len(self._order))
            self.random_state.shuffle(permutation)
            self._order = self._order[permutation]
        indices, size, whole = self.chosen[self._order[: self.used]], self.batch_size, None
        constant = np.full(size, self.scale, self.dtype) if self.scale != 1 else None
        for start in range(first * size, self.used, size):
            part = indices[start : start + size]
            x = self.rows.take(part, whole)
            if len(x) == size:
                whole = x
            if self.weights is None:
                weights, total = None if constant is None else constant[: len(part)], float(len(part))
            else:
                own = self.weights[part]
                total = float(own.sum())
                if total == 0:  # there is nothing to learn from these rows
                    continue
                weights = (own * (self.scale * len(part) / total)).astype(self.dtype)
            if self.penalty is not None:
                self.penalty.l2 = self.alpha / total
            yield Samples(x, self.y[part], weights)
