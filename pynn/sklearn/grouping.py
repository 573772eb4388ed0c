"""Which rows a network trains on and which it validates on. The order of the rows makes no difference.

Rows that are equal, labels included, stay together, unless the table has few different ones.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from ..data import equal_rows
from ..typing import Array

REPEATED = 3  # mean of whole weights up to which they repeat rows
LARGEST = 2.0**53  # whole numbers that floats hold exactly


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
        """Places of the training and the validation rows: that share of each stratum, at least one group stays.

        Groups that are larger than the share are held out last. Where all strata are too small for the share, it is
        drawn from all together, at most one group of each.
        """
        held_out = np.zeros(len(self.starts), bool)
        sizes, spare = self._sizes, []
        for groups in self._shuffled(seed):
            large = sizes[groups] > max(share * sizes[groups].sum(), 1)
            groups = np.concatenate([groups[~large], groups[large]])
            held_out[groups[: min(round(len(groups) * share), len(groups) - 1)]] = True
            spare += groups[: min(len(groups) - 1, 1)].tolist()
        if spare and share and not held_out.any():
            count = max(round(len(self.starts) * share), 1)
            held_out[np.random.default_rng(seed).permutation(spare)[:count]] = True
        return self._places(~held_out), self._places(held_out)

    def folds(self, count: int, seed: int) -> list[tuple[Array, Array]]:
        """Places of the training and the validation rows of each fold; ValueError for more folds than groups."""
        if count > len(self.starts):
            raise ValueError(
                f"bagging='folds' holds out one of n_ens={count} folds of different rows for each network, but the "
                f"table has {len(self.starts)} different rows: lower n_ens, or set bagging='seeds'"
            )
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
        return np.asarray(self.order[np.repeat(chosen, self._sizes)])

    @property
    def _sizes(self) -> Array:
        """Rows of each group."""
        return np.diff(np.append(self.starts, len(self.order)))


def grouped(x: Array, y: Array, classes: bool) -> Groups:
    """Group the rows of x (N, D), float32, with targets y (N,) or (N, K); classes: whether y are class numbers."""
    order, starts = equal_rows.grouped(_fingerprints(x, y))
    strata = y[order[starts]] if classes else np.zeros(len(starts), np.int64)
    return Groups(order, starts, strata)


def _fingerprints(x: Array, y: Array) -> Array:
    """A number of 64 bits for each row; equal rows have equal ones."""
    prints = np.zeros(len(x), np.uint64)
    targets = equal_rows.same_bits(np.asarray(y, np.float64).reshape(len(x), -1))
    for column in range(x.shape[1]):
        equal_rows.mix(prints, equal_rows.same_bits(x[:, column]).view(np.uint32).astype(np.uint64))
    for column in range(targets.shape[1]):
        equal_rows.mix(prints, np.ascontiguousarray(targets[:, column]).view(np.uint64))
    return prints


def counted(weights: Array) -> tuple[Array | None, Array | None]:
    """Places of the rows of weights above 0, each as often as its weight says; or once, with those weights.

    Places are None for every row once, weights for equal ones. Whole weights are divided by their greatest common
    divisor first, as only proportions count. They remain weights where the table would become more than three times as
    long.
    """
    kept = np.flatnonzero(weights)
    places = None if len(kept) == len(weights) else kept
    weights = weights[kept]
    if (weights == weights[0]).all():
        return places, None
    if weights.max() > LARGEST or not np.array_equal(weights, np.floor(weights)):
        return places, weights
    counts = weights.astype(np.int64)
    counts //= np.gcd.reduce(counts)
    if counts.sum(dtype=np.float64) > REPEATED * len(counts):
        return places, weights
    return np.repeat(kept, counts), None


def seeds(random_state: int, count: int) -> Sequence[int]:
    """One seed for each member of an ensemble; the first is that of a single network."""
    return [(random_state + 1_000_003 * member) % 2**32 for member in range(count)]
