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
GATHERED = 1 << 19  # bytes of the batches that are gathered at once where a call costs much
COPIED = 1 << 28  # bytes of a table in column-major order up to which it is copied: its rows are slow to gather

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
            if not arrays.kernel_reads(table) and table.size * dtype.itemsize <= COPIED:
                table = np.ascontiguousarray(table, dtype)
        self.table, self.shape = table, table.shape
        self.fast = not self.sparse and arrays.kernel_reads(table)  # a batch takes one call of a kernel
        if not self.sparse:
            self._gather = arrays.gathering(table, dtype)

    def __len__(self) -> int:
        return int(self.shape[0])

    def take(self, chosen: Indices, out: Array | None = None) -> Array:
        """These rows as a dense array, in `out` if it has the right shape."""
        if not self.sparse:
            return self._gather(chosen, out)
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
        self._gathered: Array | None = None
        if not rows.sparse and len(chosen) == len(rows):
            self.samples = Samples(rows.table, y, weights)  # for callbacks that look at the data

    def epoch(self, number: int, first: int = 0) -> Generator[Samples, None, None]:
        """The batches of the next epoch, starting at batch `first`."""
        if self.random_state is not None:
            permutation = np.arange(len(self._order))
            self.random_state.shuffle(permutation)
            self._order = self._order[permutation]
        indices, size = self.chosen[self._order[: self.used]], self.batch_size
        constant = np.full(size, self.scale, self.dtype) if self.scale != 1 else None
        for chosen, x in self._batches(indices, first * size):
            y, count = self.y[chosen], len(chosen)
            if self.weights is None:
                weights, total = None if constant is None else constant[:count], float(count)
            else:
                own = self.weights[chosen]
                total = float(own.sum())
                if total == 0:  # there is nothing to learn from these rows
                    continue
                weights = (own * (self.scale * count / total)).astype(self.dtype)
            if self.penalty is not None:
                self.penalty.l2 = self.alpha / total
            yield Samples(x, y, weights)

    def _batches(self, indices: Indices, first: int) -> Iterator[tuple[Indices, Array]]:
        """The rows and x of each batch, in memory that the next ones fill again."""
        size, width = self.batch_size, int(self.rows.shape[1]) * self.dtype.itemsize
        # A core should find in its cache the rows that it gathered; where a call costs more, it is for several batches.
        several = 1 if self.rows.fast else max(1, GATHERED // max(size * width, 1))
        for begin in range(first, len(indices), size * several):
            some = indices[begin : begin + size * several]
            x = self.rows.take(some, self._gathered)
            if len(x) == size * several:
                self._gathered = x
            for start in range(0, len(some), size):
                yield some[start : start + size], x[start : start + size]
