"""What a search has found, as pictures and pages show it: the order and scores of trials, where parameters lie.

Results and spaces are read by attribute. Knows no figures and no HTML.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from .typing import Array

MOST = 3000  # trials that are shown
FINISHED, UNFINISHED = "finished", "unfinished"
EARLY = ("stopped", "pruned")  # trials that ended before their time, with a score
LOST = frozenset(("diverged", "failed"))  # trials without a score
SPREAD = 20  # times the smallest score: so far the largest one needs a logarithmic axis
BESIDE = 0.5  # of the place of a choice's value, within which trials of the same value stand side by side
LESS = 0.2  # the same of integers
FEW = 10  # integers: many trials have the same
GOLDEN = (math.sqrt(5) - 1) / 2


def score(trial: Any) -> float:
    """The score of a trial, NaN where it is of no use: of trials that diverged, failed or have not ended."""
    usable = trial.ended in (FINISHED, *EARLY) and trial.score is not None and math.isfinite(trial.score)
    return float(trial.score) if usable else math.nan


def of_folds(trial: Any, name: str) -> tuple[Array, Array, Array] | None:
    """A measurement by epoch: the mean over folds, the smallest and the largest; of as many epochs as all folds have.

    None if a fold does not have it.
    """
    curves = [fold.get(name) for fold in trial.curves]
    if not curves or not all(curves):
        return None
    length = min(map(len, curves))
    values = np.array([curve[:length] for curve in curves], np.float64)
    values = np.where(np.isfinite(values), values, np.nan)
    return values.mean(0), values.min(0), values.max(0)


def ordered(result: Any) -> list[Any]:
    """The trials, the best first: those that finished, then those that ended early, then the others."""
    ranked = set(map(id, result.ranked))
    sign = -1 if result.mode == "max" else 1
    others = [one for one in result.trials if id(one) not in ranked]
    others.sort(key=lambda one: sign * score(one) if math.isfinite(score(one)) else math.inf)
    return [*result.ranked, *others][:MOST]


def is_wide(result: Any, values: Iterable[float]) -> bool:
    """Whether scores are so far apart that their axis has to be logarithmic."""
    known = np.array([value for value in values if math.isfinite(value)])
    return bool(result.mode == "min" and len(known) and known.min() > 0 and known.max() > SPREAD * known.min())


def parts(result: Any) -> dict[str, list[Any]]:
    """By parameter the ranges and choices that it was taken from, in all stages and options."""
    found: dict[str, list[Any]] = {}
    for space in result.spaces:
        for name, own in space.flat().items():
            found.setdefault(name, []).extend(own)
    return found


class Parameter:
    """A parameter on an axis: a range's own scale, or a place for each value of a choice.

    Parameters
    ----------
    own : list of Range or Choice
        What it was taken from, of `parts`.

    Attributes
    ----------
    values : list
        Of choices, in the order of their places; [] for numbers.
    low, high : float
        The ends of all ranges together.
    log, whole, few : bool
        Whether the scale is logarithmic, all numbers are integers, and so few that many trials have the same.
    """

    def __init__(self, own: Sequence[Any]) -> None:
        ranges = [part for part in own if not hasattr(part, "options")]
        choices = [part for part in own if hasattr(part, "options")]
        self.values = list(dict.fromkeys(value for part in choices for value, _ in part.options))
        self.low = min((part.low for part in ranges), default=0.0)
        self.high = max((part.high for part in ranges), default=1.0)
        self.log = bool(ranges) and all(part.log for part in ranges)
        self.whole = bool(ranges) and all(part.whole for part in ranges)
        self.few = self.whole and not self.log and self.high - self.low < FEW

    @property
    def named(self) -> bool:
        """Whether it has places for values, and no numbers."""
        return bool(self.values)

    def place(self, value: Any) -> float:
        """The number at which a value is drawn; NaN for one that has no place."""
        if self.named:
            return float(self.values.index(value)) if value in self.values else math.nan
        return float(value)

    def beside(self, number: int) -> float:
        """How far beside its place the trial of this number is drawn: not on top of those with the same value."""
        width = BESIDE if self.named else LESS if self.few else 0.0
        return width * ((number * GOLDEN) % 1 - 0.5)

    def three(self) -> list[float]:
        """Both ends of a range, and its middle between them."""
        middle = math.sqrt(self.low * self.high) if self.log else (self.low + self.high) / 2
        return list(dict.fromkeys((self.low, round(middle) if self.whole else middle, self.high)))
