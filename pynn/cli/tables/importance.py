"""Permutation importance: how much worse the predictions become when a column is shuffled."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from pynn import random as random_module

from ...typing import Array

ROWS, FEWEST = 2000, 200  # test rows
REPEATS = 3
SECONDS = 20.0  # in all, about
SHUFFLED = 4  # purpose of random numbers
NEARLY = 0.995  # accuracy or R² that is too good to be true
ALL = 0.9  # share of the importance in one column


class Importance(NamedTuple):
    """For each column the mean rise of the error over the repeats, and its standard deviation; from the highest."""

    names: list[str]
    rises: Array
    spreads: Array
    rows: int

    @property
    def share(self) -> float:
        """The part of all importance that the first column has."""
        positive = np.clip(self.rises, 0, None)
        return float(positive[0] / positive.sum()) if len(positive) and positive.sum() > 0 else 0.0


def measured(frame: Any, y: Array, error: Callable[[Any, Array], float], seed: int) -> Importance:
    """The importance of every column.

    error: of predictions for a frame, where y is true: log loss or RMSE.
    """
    random = random_module.generator(seed, 0, SHUFFLED)
    places = np.sort(random.permutation(len(y))[:ROWS])
    began = time.perf_counter()
    sample, true = frame.iloc[places].reset_index(drop=True), y[places]
    usual = error(sample, true)
    spent = max(time.perf_counter() - began, 1e-6)
    repeats = REPEATS if spent * REPEATS * frame.shape[1] < SECONDS else 1
    if spent * frame.shape[1] > SECONDS:  # many columns: fewer rows
        count = min(len(true), max(FEWEST, int(len(true) * SECONDS / (spent * frame.shape[1]))))
        sample, true = sample.iloc[:count], true[:count]
        usual = error(sample, true)
    rises = np.zeros((frame.shape[1], repeats))
    shuffled = sample.copy(deep=False)
    for number, name in enumerate(sample.columns):
        for repeat in range(repeats):
            order = random.permutation(len(true))
            shuffled[name] = sample[name].iloc[order].set_axis(sample.index)
            rises[number, repeat] = error(shuffled, true) - usual
        shuffled[name] = sample[name]
    means = rises.mean(axis=1)
    order = np.argsort(-means, kind="stable")
    names = [str(sample.columns[place]) for place in order]
    return Importance(names, means[order], rises.std(axis=1)[order], len(true))


def leaks(found: Importance, score: float, trivial: float) -> str | None:
    """The column that gives the target away: nearly all importance in it, and a nearly perfect accuracy or R²."""
    if len(found.names) < 2 or score < NEARLY or trivial > 0.98 or found.share < ALL:
        return None
    return found.names[0]
