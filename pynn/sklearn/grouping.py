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
class Groups:
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
        return np.asarray(self.order[np.repeat(chosen, sizes)])


def grouped(x: Array, y: Array, classes: bool) -> Groups:
    """Group the rows of x (N, D), float32, with targets y (N,) or (N, K); classes: whether y are class numbers."""
    prints = _fingerprints(x, y)
    order = np.argsort(prints, kind="stable")
    new = np.ones(len(order), bool)
    new[1:] = np.diff(prints[order]) != 0
    if len(order) > REPEATED * np.count_nonzero(new):
        new[:] = True
    starts = np.flatnonzero(new)
    strata = y[order[starts]] if classes else np.zeros(len(starts), np.int64)
    return Groups(order, starts, strata)


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
