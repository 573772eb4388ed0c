"""Places of samples in a training and a test part, drawn by a seed."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray


def stratified(labels: NDArray[Any], share: float, seed: int) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Indices of the training and of the test part, each in random order, with the same share of every class.

    Each class of two or more has at least one sample in each part; one alone is in the training part.
    """
    order = _permutation(len(labels), seed)
    in_test = np.zeros(len(labels), bool)
    by_class = np.argsort(labels[order], kind="stable")  # the places of each class, in the drawn order
    for places in np.split(by_class, np.flatnonzero(np.diff(labels[order][by_class])) + 1):
        in_test[places[: _count(len(places), share)]] = True
    return order[~in_test], order[in_test]


def drawn(count: int, share: float, seed: int) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Indices of the training and of the test part, each in random order."""
    order = _permutation(count, seed)
    in_test = _count(count, share)
    return order[in_test:], order[:in_test]


def _count(count: int, share: float) -> int:
    return min(max(round(count * share), 1), count - 1)


def _permutation(count: int, seed: int) -> NDArray[np.intp]:
    return np.random.Generator(np.random.Philox(key=seed)).permutation(count)
