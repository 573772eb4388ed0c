"""Parameters of a search on axes: each on its own scale. Spaces are read by attribute. Knows no figures."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from ...messages.counting import several
from ...messages.numbers import told_apart
from ...messages.terminal import brief, printable

LONGEST = 24  # characters of a name
SPREAD = 20  # times the smallest score: so far the largest one needs a logarithmic axis
EARLY = ("stopped", "pruned")  # trials that ended before their time, with a score


class Scale:
    """The values of a parameter on an axis: a range's own scale, or a place for each value of a choice.

    Parameters
    ----------
    parts : list of Range or Choice
        What the parameter was taken from, in all stages and options.
    """

    def __init__(self, parts: Sequence[Any]) -> None:
        self.ranges = [part for part in parts if not hasattr(part, "options")]
        self.values: list[Any] = []
        for part in parts:
            ends = [value for value, _ in part.options] if hasattr(part, "options") else []
            self.values += [value for value in ends if value not in self.values]
        self.low = min((part.low for part in self.ranges), default=0.0)
        self.high = max((part.high for part in self.ranges), default=1.0)
        self.log = bool(self.ranges) and all(part.log for part in self.ranges)
        self.whole = bool(self.ranges) and all(part.whole for part in self.ranges)

    @property
    def named(self) -> bool:
        """Whether it has places for values, and no numbers."""
        return bool(self.values)

    def place(self, value: Any) -> float:
        """The number at which a value is drawn; NaN for one that has no place."""
        if self.named:
            return float(self.values.index(value)) if value in self.values else math.nan
        return float(value)

    def share(self, value: Any) -> float:
        """Where a value lies from end to end, 0..1."""
        if self.named:
            return 0.5 if len(self.values) == 1 else self.place(value) / (len(self.values) - 1)
        low, high, place = (math.log(one) if self.log else one for one in (self.low, self.high, value))
        return 0.5 if low == high else (place - low) / (high - low)

    def marks(self, longest: int) -> list[tuple[float, str]]:
        """Shares with their texts, for an axis from end to end: the values, or both ends and the middle."""
        if self.named:
            return [(self.share(value), written(value, longest)) for value in self.values]
        middle = math.sqrt(self.low * self.high) if self.log else (self.low + self.high) / 2
        middle = round(middle) if self.whole else middle
        values = list(dict.fromkeys((self.low, middle, self.high)))
        return list(zip(map(self.share, values), told_apart(values, 2), strict=True))


def scales(result: Any) -> dict[str, Scale]:
    """The scale of each parameter of a search."""
    parts: dict[str, list[Any]] = {}
    for space in spaces(result):
        for name, own in space.flat().items():
            parts.setdefault(name, []).extend(own)
    return {name: Scale(own) for name, own in parts.items()}


def spaces(result: Any) -> list[Any]:
    """What each stage chose from; TypeError for anything but the result of a search with trials."""
    if not hasattr(result, "ranked") or not hasattr(result, "spaces"):
        raise TypeError(f"result is {brief(result)}, expected what Search.run or Search.coarse_to_fine returns")
    if not result.trials:
        raise ValueError("the search has no trials, so there is nothing to draw")
    return list(result.spaces)


def chosen(known: Sequence[str], wanted: Sequence[str] | None) -> list[str]:
    """The parameters to draw; ValueError for one that there is not."""
    if wanted is None:
        return list(known)
    names = [wanted] if isinstance(wanted, str) else list(wanted)
    unknown = [name for name in names if name not in known]
    if unknown or not names:
        came = brief(unknown[0]) if unknown else "nothing"
        raise ValueError(f"names has {came}, expected some of {', '.join(map(printable, known))}")
    return names


def score(trial: Any) -> float:
    """The score of a trial, NaN where it is of no use: of trials that diverged, failed or have not ended."""
    usable = trial.ended in ("finished", *EARLY) and trial.score is not None and math.isfinite(trial.score)
    return float(trial.score) if usable else math.nan


def is_wide(result: Any, values: Sequence[float]) -> bool:
    """Whether scores are so far apart that their axis has to be logarithmic."""
    known = np.array([value for value in values if math.isfinite(value)])
    return bool(result.mode == "min" and len(known) and known.min() > 0 and known.max() > SPREAD * known.min())


def counted(trials: Sequence[Any]) -> str:
    """How many trials these are."""
    return several(len(trials), "trial")


def spoken(name: str) -> str:
    """The name of a measurement or a parameter."""
    return short(name, LONGEST)


def short(name: str, longest: int) -> str:
    """A name of no more characters than that; its middle is left out, since ends tell names apart."""
    text = printable(name, 200)
    if len(text) <= longest:
        return text
    tail = (longest - 1) // 3
    return f"{text[: longest - 1 - tail]}…{text[len(text) - tail :]}"


def written(value: Any, longest: int = LONGEST) -> str:
    """A value of a parameter as text."""
    if isinstance(value, (tuple, list)):
        return short(", ".join(written(one) for one in value) or "none", longest)
    return f"{value:.3g}" if isinstance(value, float) else short(str(value), longest)
