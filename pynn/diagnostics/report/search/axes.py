"""A parameter of a search on an axis: a range's own scale, or a place for each value of a choice."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from .. import words
from ..scales import Scale
from . import reading

ROOM = 0.04  # of a range, at both ends: so that marks there are whole
BESIDE = 0.5  # of the place of a value, within which trials of the same value stand side by side
LESS = 0.2  # the same of integers
FEW = 10  # integers: many trials have the same
GOLDEN = (math.sqrt(5) - 1) / 2


class Axis:
    """Where the values of a parameter lie, 0..1.

    parts: the ranges and choices that it was taken from, in all stages and options.
    """

    def __init__(self, parts: Sequence[Any]) -> None:
        ranges = [part for part in parts if not hasattr(part, "options")]
        self.values = list(dict.fromkeys(
            value for part in parts if hasattr(part, "options") for value, _ in part.options
        ))  # fmt: skip
        low = min((part.low for part in ranges), default=0.0)
        high = max((part.high for part in ranges), default=1.0)
        self.low, self.high = low, high
        self.log = bool(ranges) and all(part.log for part in ranges)
        self._few = bool(ranges) and not self.log and all(part.whole for part in ranges) and high - low < FEW
        if self.log:
            factor = (high / low) ** ROOM
            self.scale = Scale(low / factor, high * factor, "log")
        else:
            room = max((high - low) * ROOM, 2 * LESS if self._few else 0)
            self.scale = Scale(low - room, high + room)

    @property
    def named(self) -> bool:
        """Whether it has places for values, and no numbers."""
        return bool(self.values)

    def at(self, value: Any) -> float:
        """The place of a value, NaN for one that has none."""
        if self.named:
            return (self.values.index(value) + 0.5) / len(self.values) if value in self.values else math.nan
        return float(self.scale.at([value])[0])

    def beside(self, value: Any, number: int) -> float:
        """The place of a trial of this value: not on top of those with the same."""
        width = 0.0
        if self.named:
            width = BESIDE / len(self.values)
        elif self._few:
            width = LESS / (self.scale.high - self.scale.low)
        return self.at(value) + width * ((number * GOLDEN) % 1 - 0.5)

    def marks(self) -> list[tuple[float, str]]:
        """Places with their values, along the axis."""
        if self.named:
            return [(self.at(value), words.escaped(reading.plain(value), 18)) for value in self.values]
        ticks = [value for value in self.scale.ticks(4) if self.low <= value <= self.high or not self.log]
        ticks = [value for value in ticks if not self._few or value == int(value)]
        return list(zip(map(self.at, ticks), words.ticks(ticks), strict=True))

    def ends(self) -> list[tuple[float, str]]:
        """The values of a choice, or both ends of a range and its middle."""
        if self.named:
            return self.marks()
        middle = math.sqrt(self.low * self.high) if self.log else (self.low + self.high) / 2
        middle = round(middle) if isinstance(self.low, int) and isinstance(self.high, int) else middle
        short = float(f"{middle:.2g}")  # unless it is no middle any more
        middle = short if self.low < short < self.high else middle
        values = list(dict.fromkeys((self.low, middle, self.high)))
        return list(zip(map(self.at, values), words.ticks(values), strict=True))


def of(result: Any) -> dict[str, Axis]:
    """The axis of each parameter."""
    parts: dict[str, list[Any]] = {}
    for space in result.spaces:
        for name, several in space.flat().items():
            parts.setdefault(name, []).extend(several)
    return {name: Axis(several) for name, several in parts.items()}
