"""A parameter of a search on an axis: a range's own scale, or a place for each value of a choice."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from .... import searched
from ....searched import LESS, Parameter
from .. import words
from ..scales import Scale
from . import reading

ROOM = 0.04  # of a range, at both ends: so that marks there are whole


class Axis(Parameter):
    """Where the values of a parameter lie, 0..1.

    own: the ranges and choices that it was taken from, in all stages and options.
    """

    def __init__(self, own: Sequence[Any]) -> None:
        super().__init__(own)
        low, high = self.low, self.high
        if self.log:
            factor = (high / low) ** ROOM
            self.scale = Scale(low / factor, high * factor, "log")
        else:
            room = max((high - low) * ROOM, 2 * LESS if self.few else 0)
            self.scale = Scale(low - room, high + room)

    def at(self, value: Any) -> float:
        """The place of a value, NaN for one that has none."""
        if self.named:
            return (self.place(value) + 0.5) / len(self.values)
        return float(self.scale.at([value])[0])

    def of_trial(self, value: Any, number: int) -> float:
        """The place of a trial of this value: not on top of those with the same."""
        return self.at(value) + self.beside(number) / (len(self.values) or self.scale.high - self.scale.low)

    def marks(self) -> list[tuple[float, str]]:
        """Places with their values, along the axis."""
        if self.named:
            return [(self.at(value), words.escaped(reading.plain(value), 18)) for value in self.values]
        ticks = [value for value in self.scale.ticks(5) if self.low <= value <= self.high or not self.log]
        ticks = [value for value in ticks if not self.few or value == int(value)]
        return list(zip(map(self.at, ticks), words.ticks(ticks), strict=True))

    def ends(self) -> list[tuple[float, str]]:
        """The values of a choice, or both ends of a range and its middle."""
        if self.named:
            return self.marks()
        values = [self._short(value) for value in self.three()]
        return list(zip(map(self.at, values), words.ticks(values), strict=True))

    def _short(self, value: float) -> float:
        """A number of two digits, unless it is an end, or would be beyond one."""
        short = float(f"{value:.2g}")
        return short if self.low < value < self.high and self.low < short < self.high else value


def of(result: Any) -> dict[str, Axis]:
    """The axis of each parameter."""
    return {name: Axis(own) for name, own in searched.parts(result).items()}
