"""Schedules that rise as well: a warmup, cycles, restarts."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from ..checks import NOT_NEGATIVE, POSITIVE, Count, Interval, OrNone, expect_numbers
from ..signatures import takes
from .base import Schedule, half_wave, line, turns


class Warmup(Schedule):
    """Linear warmup from start to schedule(0), then schedule(epoch - epochs).

    Parameters
    ----------
    schedule : Schedule or float
        The schedule or rate after the warmup.
    epochs : float
        Length of the warmup, above 0; added to the epochs of the schedule.
    start : float, default 0
        Initial rate; with 0 the first step has no effect.

    References
    ----------
    .. [1] Goyal et al., "Accurate, Large Minibatch SGD: Training ImageNet in 1 Hour", 2017.
    """

    _takes = takes(epochs=POSITIVE, start=NOT_NEGATIVE)

    def __init__(self, schedule: float | Schedule, epochs: float, *, start: float = 0.0) -> None:
        if not isinstance(schedule, Schedule):
            expect_numbers("Warmup", NOT_NEGATIVE, schedule=schedule)
        self.schedule, self.epochs, self.start = schedule, epochs, start
        self.monitor = schedule.monitor if isinstance(schedule, Schedule) else None

    def at(self, epoch: float) -> float:
        rate = self.schedule(max(epoch - self.epochs, 0.0)) if isinstance(self.schedule, Schedule) else self.schedule
        return line(self.start, rate, epoch / self.epochs)

    def _ended(self, epoch: float) -> bool:
        if isinstance(self.schedule, Schedule) and epoch >= self.epochs:
            return self.schedule._ended(epoch - self.epochs)
        return super()._ended(epoch)

    @property
    def listens(self) -> bool:
        return isinstance(self.schedule, Schedule) and self.schedule.listens

    def claim(self, key: object) -> None:
        if isinstance(self.schedule, Schedule):
            self.schedule.claim(key)

    def observe(self, values: Mapping[str, float]) -> None:
        if isinstance(self.schedule, Schedule):
            self.schedule.observe(values)

    def state(self) -> dict[str, Any]:
        inner = {"inside": self.schedule.state()} if isinstance(self.schedule, Schedule) else {}
        return {**super().state(), **inner}

    def restore(self, state: Mapping[str, Any]) -> None:
        if isinstance(self.schedule, Schedule):
            self.schedule.restore(state["inside"])
        super().restore(state)


class CosineRestarts(Schedule):
    """Cosine decay with restarts: minimum + ½·(rate - minimum)·(1 + cos(π·t)), t = epoch/epochs_per_cycle mod 1.

    Parameters
    ----------
    rate : float
        Rate at the start of each cycle, at least 0.
    epochs_per_cycle : float
        Length of a cycle, above 0.
    minimum : float, default 0
        Rate at the end of each cycle: a good moment for a snapshot.

    References
    ----------
    .. [1] Loshchilov & Hutter, "SGDR: Stochastic Gradient Descent with Warm Restarts", 2016.
    .. [2] Huang et al., "Snapshot Ensembles: Train 1, Get M for Free", 2017.
    """

    _takes = takes(rate=NOT_NEGATIVE, minimum=NOT_NEGATIVE, epochs_per_cycle=POSITIVE)

    def __init__(self, rate: float, epochs_per_cycle: float, *, minimum: float = 0.0) -> None:
        self.rate, self.epochs_per_cycle, self.minimum = rate, epochs_per_cycle, minimum

    def at(self, epoch: float) -> float:
        return half_wave(self.rate, self.minimum, turns(epoch, self.epochs_per_cycle) % 1)


class CosLog(Schedule):
    """Cosine cycles that double in length: ½·rate·(1 - cos(2π·log2(1 + (2^cycles - 1)·t))), t = epoch/epochs; then 0.

    Parameters
    ----------
    rate : float
        Largest rate, in the middle of each cycle, at least 0. It begins and ends at 0.
    epochs : float
        Length of all cycles together, above 0.
    cycles : int, default 4
        Number of cycles, at least 1; each takes twice as long as the one before.

    References
    ----------
    .. [1] Holzmüller et al., "Better by default: Strong pre-tuned MLPs and boosted trees on tabular data", 2024.
    """

    _takes = takes(rate=NOT_NEGATIVE, epochs=POSITIVE, cycles=Count(1, bits=6))  # the first of 64: 10^-19 of all

    def __init__(self, rate: float, epochs: float, cycles: int = 4) -> None:
        self.rate, self.epochs, self.cycles = rate, epochs, cycles

    def at(self, epoch: float) -> float:
        if epoch >= self.epochs:
            return 0.0
        place = math.log2(1 + (2**self.cycles - 1) * (epoch / self.epochs))
        return self.rate * (1 - math.cos(2 * math.pi * place)) / 2

    def _ended(self, epoch: float) -> bool:
        return epoch >= self.epochs


class Cyclic(Schedule):
    """Triangular cycles: linear from lower to upper in half a period, back in the other half.

    Parameters
    ----------
    lower, upper : float
        Smallest and largest rate, 0 <= lower <= upper.
    period : float
        Epochs of a whole cycle, above 0.

    References
    ----------
    .. [1] L. Smith, "Cyclical Learning Rates for Training Neural Networks", 2015, policy "triangular".
    """

    _takes = takes(lower=NOT_NEGATIVE, upper=NOT_NEGATIVE, period=POSITIVE)

    def __init__(self, lower: float, upper: float, period: float) -> None:
        if lower > upper:
            raise ValueError(f"Cyclic: lower is {lower}, expected at most upper, {upper}")
        self.lower, self.upper, self.period = lower, upper, period

    def at(self, epoch: float) -> float:
        place = turns(epoch, self.period) % 1
        return line(self.lower, self.upper, 2 * min(place, 1 - place))

    def _ended(self, epoch: float) -> bool:
        return self.upper == 0


class OneCycle(Schedule):
    """One cycle: a rise from start to rate and a fall to end, both half a period of a cosine; then end.

    Parameters
    ----------
    rate : float
        Largest rate, at least 0.
    epochs : float
        Length of the cycle, above 0.
    rise : float, default 0.3
        Share of the epochs in which the rate rises, 0 < rise < 1.
    start : float, optional
        Initial rate; by default rate/25.
    end : float, optional
        Final rate; by default start/10^4.

    References
    ----------
    .. [1] Smith & Topin, "Super-Convergence", 2017; here with cosines for straight lines, and constant momentum.
    """

    _takes = takes(
        epochs=POSITIVE,
        rise=Interval(0, 1, "()"),
        rate=NOT_NEGATIVE,
        start=OrNone(NOT_NEGATIVE),
        end=OrNone(NOT_NEGATIVE),
    )

    def __init__(
        self, rate: float, epochs: float, *, rise: float = 0.3, start: float | None = None, end: float | None = None
    ) -> None:
        self.rate, self.epochs, self.rise, self.start, self.end = rate, epochs, rise, start, end

    def at(self, epoch: float) -> float:
        start = self.rate / 25 if self.start is None else self.start
        end = start / 1e4 if self.end is None else self.end
        top = self.rise * self.epochs
        if epoch < top:
            return half_wave(start, self.rate, epoch / top)
        return half_wave(self.rate, end, (epoch - top) / (self.epochs - top))
