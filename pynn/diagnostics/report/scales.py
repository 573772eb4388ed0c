"""Scales of an axis, linear and logarithmic, and round numbers along it. Knows no charts."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from ...typing import Array

FEWEST = 3  # numbers along an axis, if there are as many round ones


@dataclass(frozen=True)
class Scale:
    """From numbers low..high to 0..1.

    kind: "linear", "log", or "symlog", which is linear below `unit` and logarithmic above it on both sides.
    """

    low: float
    high: float
    kind: str = "linear"
    unit: float = 1.0

    def _bent(self, values: Array) -> Array:
        with np.errstate(all="ignore"):
            if self.kind == "log":
                return np.log10(values)
            if self.kind == "symlog":
                return np.arcsinh(values / self.unit)
        return values

    def at(self, values: Iterable[float] | Array) -> Array:
        """The places of the numbers, NaN where they have none."""
        low, high, bent = (self._bent(np.asarray(one, np.float64)) for one in (self.low, self.high, values))
        with np.errstate(all="ignore"):
            places = (bent - low) / (high - low)
        return np.where(np.isfinite(places), places, np.nan)

    def ticks(self, most: int = 5) -> list[float]:
        """Round numbers between low and high."""
        if self.kind == "linear":
            return _round_numbers(self.low, self.high, most)
        if self.kind == "symlog":
            return self._symmetric()
        first, last = math.ceil(math.log10(self.low) - 1e-9), math.floor(math.log10(self.high) + 1e-9)
        step = max(1, math.ceil((last - first + 1) / most))
        powers = [10.0**power for power in range(first, last + 1, step)]
        for factors in ((1, 2, 5), (1, 3)) if len(powers) < FEWEST else ():
            between = self._between(factors)
            if FEWEST <= len(between) <= most:
                return between
        return powers if len(powers) > 1 else _round_numbers(self.low, self.high, most)

    def _between(self, factors: Sequence[int]) -> list[float]:
        """All powers of 10 between low and high, times these factors."""
        powers = range(math.floor(math.log10(self.low)), math.ceil(math.log10(self.high)) + 1)
        found = [float(f"{factor}e{power}") for power in powers for factor in factors]
        return [value for value in found if self.low <= value <= self.high]

    def _symmetric(self) -> list[float]:
        largest = max(abs(self.low), abs(self.high))
        power = 10.0 ** math.floor(math.log10(largest))
        return [value for value in (-power, 0.0, power) if self.low <= value <= self.high]


def _round_numbers(low: float, high: float, most: int) -> list[float]:
    """Multiples of the smallest round step that gives at most so many."""
    power = 10.0 ** math.floor(math.log10((high - low) / most))
    for factor in (1, 2, 5, 10, 20):
        step = factor * power
        first, last = math.ceil(low / step - 1e-6), math.floor(high / step + 1e-6)
        if last - first < most:
            break
    return [float(f"{number * step:.12g}") for number in range(first, last + 1)]


def around(values: Array, *, log: bool = False, zero: bool = False, room: float = 0.05) -> Scale:
    """A scale that holds the finite numbers, with some room; log: leave out those that are not above 0.

    zero: whether it begins at 0 if no number is below it.
    """
    finite = np.asarray(values, np.float64)
    finite = finite[np.isfinite(finite) & (np.abs(finite) < 1e300)]
    if log:
        finite = finite[finite > 1e-300]
        if not len(finite):
            return Scale(0.1, 1.0, "log")
        low, high = math.log10(float(finite.min())), math.log10(float(finite.max()))
        pad = max((high - low) * room, 0.1)
        return Scale(10 ** (low - pad), 10 ** (high + pad), "log")
    if not len(finite):
        return Scale(0.0, 1.0)
    low, high = float(finite.min()), float(finite.max())
    pad = (high - low) * room or abs(high) * 0.1 or 1.0
    bottom = 0.0 if zero and low >= 0 else low - pad
    if low >= 0:
        bottom = max(bottom, 0.0)
    return Scale(bottom, high + pad)
