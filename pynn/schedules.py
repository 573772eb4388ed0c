"""Schedules: the learning rate as a function of training progress, counted in epochs. Knows no optimizer and no model.

Progress is a float: 2.5 is the middle of the third epoch. References: CS231n notes, "Neural Networks Part 3".
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from .checks import NOT_NEGATIVE, POSITIVE, SHARE, Count, Interval, OrNone, expect_numbers, is_number
from .messages.foreign import add_foreign
from .messages.terminal import brief
from .monitor import grows, measured
from .saving.config import constructor_text, plain_attributes
from .saving.state import is_ours, taken_up
from .signatures import Constructed, taken_by, takes

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = [
    "CosineDecay", "CosineRestarts", "Cyclic", "ExponentialDecay", "InverseTimeDecay", "LinearDecay", "OneCycle",
    "ReduceOnPlateau", "Schedule", "StepDecay", "Warmup",
]  # fmt: skip


class Schedule(Constructed):
    """Base of all schedules: `schedule(epoch)` is the learning rate after so many epochs of training.

    An optimizer takes one in place of a number: `pynn.Adam(pynn.CosineDecay(1e-3, epochs=10))`. `fit` then sets the
    rate before every step. An own schedule overrides `at`:

    >>> class SquareRoot(pynn.Schedule):
    ...     def __init__(self, rate):
    ...         self.rate = rate
    ...     def at(self, epoch):
    ...         return self.rate / (1 + epoch) ** 0.5

    A schedule that listens to measurements overrides `observe` too; it keeps state, so make one for each optimizer:
    a second one refuses it.
    Rates are finite numbers of at least 0. Raises ValueError for settings out of their range.
    """

    monitor: str | None = None  # the measurement that it cannot do without
    _key: object = None  # of the optimizer that it keeps state for

    @property
    def listens(self) -> bool:
        """Whether it takes note of measurements: it then keeps state, and is for one optimizer."""
        return type(self).observe is not Schedule.observe

    def claim(self, key: object) -> None:
        """Set the rate of the optimizer of this key; ValueError if it keeps state for another one."""
        if self.listens and self._key is not None and self._key is not key:
            kind = type(self).__name__
            raise ValueError(f"this {kind} already sets the rate of another optimizer; make one {kind} for each "
                             "(they keep state)")  # fmt: skip
        self._key = key

    def __getstate__(self) -> dict[str, Any]:  # a copy is free for another optimizer
        return {name: value for name, value in vars(self).items() if name != "_key"}

    def __call__(self, epoch: float) -> float:
        """The learning rate at this point of training; epoch: a number of at least 0."""
        if not (is_number(epoch) and epoch >= 0):
            raise ValueError(f"{type(self).__name__}: epoch is {brief(epoch)}, expected a finite number of at least 0")
        rate = self.at(epoch)
        if not (is_number(rate) and rate >= 0):
            raise ValueError(
                f"{self!r} gave the learning rate {rate!r} at epoch {epoch:g}, expected a finite number of at least 0"
            )
        return float(rate)

    def at(self, epoch: float) -> float:
        """What `schedule(epoch)` returns; called with a number of at least 0."""
        raise NotImplementedError(f"{type(self).__name__} has no at(epoch)")

    def observe(self, values: Mapping[str, float]) -> None:
        """Take note of what an epoch measured, values by name: loss, val_loss, ...; `fit` calls it after each epoch."""

    def state(self) -> dict[str, Any]:
        """Its memory, for a checkpoint: the attributes that are numbers, text, True, False or None, by name."""
        return plain_attributes(self)

    def restore(self, state: Mapping[str, Any]) -> None:
        """Take up the memory `state` that the method of that name gave; ValueError for anything else."""
        found = taken_up(self, plain_attributes(self), state, ("inside",))
        if is_ours(self):  # its constructor knows the ranges
            whole = {**vars(self), **found}
            tried = type(self)(**{name: whole[name] for name in taken_by(type(self)).names})
            vars(tried).update(found)
            tried(0)
            if tried.monitor != self.monitor:
                raise ValueError(f"{type(self).__name__}: monitor is {brief(tried.monitor)}, expected {self.monitor!r}")
        vars(self).update(found)

    def plot(self, epochs: float, path: Any = None) -> Figure:
        """The rate over so many epochs; saved to `path` where one is given. Needs matplotlib (extra `plot`)."""
        expect_numbers(type(self).__name__, POSITIVE, epochs=epochs)
        from .plot import save, schedule

        figure = schedule(self, epochs, repr(self))
        if path is not None:
            save(figure, path)
        return figure

    def __repr__(self) -> str:
        return constructor_text(self)


class StepDecay(Schedule):
    """rate · factor^⌊epoch / every⌋: falls at once, each time so many epochs have passed.

    every: epochs between two falls, above 0. factor: of 0..1 (default 0.1).
    """

    _takes = takes(rate=NOT_NEGATIVE, every=POSITIVE, factor=SHARE)

    def __init__(self, rate: float, every: float, factor: float = 0.1) -> None:
        self.rate, self.every, self.factor = rate, every, factor

    def at(self, epoch: float) -> float:
        return float(self.rate * self.factor ** math.floor(_turns(epoch, self.every)))


class ExponentialDecay(Schedule):
    """rate · e^(-decay·epoch). decay: per epoch, at least 0; 0.69 halves the rate every epoch."""

    _takes = takes(rate=NOT_NEGATIVE, decay=NOT_NEGATIVE)

    def __init__(self, rate: float, decay: float) -> None:
        self.rate, self.decay = rate, decay

    def at(self, epoch: float) -> float:
        return self.rate * math.exp(-self.decay * epoch)


class InverseTimeDecay(Schedule):
    """rate / (1 + decay·epoch), "1/t decay". decay: per epoch, at least 0; after 1/decay epochs half is left."""

    _takes = takes(rate=NOT_NEGATIVE, decay=NOT_NEGATIVE)

    def __init__(self, rate: float, decay: float) -> None:
        self.rate, self.decay = rate, decay

    def at(self, epoch: float) -> float:
        return self.rate / (1 + self.decay * epoch)


class CosineDecay(Schedule):
    """minimum + ½·(rate - minimum)·(1 + cos(π·epoch / epochs)), and minimum from then on.

    epochs: until the minimum is reached, above 0. minimum: default 0. Source: Loshchilov & Hutter 2016 (without
    restarts).
    """

    _takes = takes(rate=NOT_NEGATIVE, minimum=NOT_NEGATIVE, epochs=POSITIVE)

    def __init__(self, rate: float, epochs: float, minimum: float = 0.0) -> None:
        self.rate, self.epochs, self.minimum = rate, epochs, minimum

    def at(self, epoch: float) -> float:
        return _half_wave(self.rate, self.minimum, epoch / self.epochs)


class CosineRestarts(Schedule):
    """`CosineDecay` again and again: minimum + ½·(rate - minimum)·(1 + cos(π·t)).

    t = epoch/epochs_per_cycle mod 1. epochs_per_cycle: until it starts at `rate` once more, above 0. minimum: default
    0. At the end of each cycle the model has come to rest: a moment for a snapshot.
    Source: Loshchilov & Hutter 2016; Huang et al. 2017.
    """

    _takes = takes(rate=NOT_NEGATIVE, minimum=NOT_NEGATIVE, epochs_per_cycle=POSITIVE)

    def __init__(self, rate: float, epochs_per_cycle: float, *, minimum: float = 0.0) -> None:
        self.rate, self.epochs_per_cycle, self.minimum = rate, epochs_per_cycle, minimum

    def at(self, epoch: float) -> float:
        return _half_wave(self.rate, self.minimum, _turns(epoch, self.epochs_per_cycle) % 1)


class LinearDecay(Schedule):
    """A straight line from rate to `end` (default 0) in so many epochs, and `end` from then on; epochs above 0."""

    _takes = takes(rate=NOT_NEGATIVE, end=NOT_NEGATIVE, epochs=POSITIVE)

    def __init__(self, rate: float, epochs: float, end: float = 0.0) -> None:
        self.rate, self.epochs, self.end = rate, epochs, end

    def at(self, epoch: float) -> float:
        return _line(self.rate, self.end, epoch / self.epochs)


class Warmup(Schedule):
    """A straight line from `start` to schedule(0) in so many epochs, then schedule(epoch - epochs).

    schedule: a Schedule or a number. epochs: above 0; those of the schedule come on top. start: default 0, which makes
    the very first step stand still. Source: Goyal et al. 2017.
    """

    _takes = takes(epochs=POSITIVE, start=NOT_NEGATIVE)

    def __init__(self, schedule: float | Schedule, epochs: float, *, start: float = 0.0) -> None:
        if not isinstance(schedule, Schedule):
            expect_numbers("Warmup", NOT_NEGATIVE, schedule=schedule)
        self.schedule, self.epochs, self.start = schedule, epochs, start
        self.monitor = schedule.monitor if isinstance(schedule, Schedule) else None

    def at(self, epoch: float) -> float:
        rate = self.schedule(max(epoch - self.epochs, 0.0)) if isinstance(self.schedule, Schedule) else self.schedule
        return _line(self.start, rate, epoch / self.epochs)

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


class Cyclic(Schedule):
    """A triangle: from lower to upper in half a period, back in the other half, again and again.

    lower <= upper; period: epochs of a whole cycle, above 0. Source: Smith 2015, policy "triangular".
    """

    _takes = takes(lower=NOT_NEGATIVE, upper=NOT_NEGATIVE, period=POSITIVE)

    def __init__(self, lower: float, upper: float, period: float) -> None:
        if lower > upper:
            raise ValueError(f"Cyclic: lower is {lower}, expected at most upper, {upper}")
        self.lower, self.upper, self.period = lower, upper, period

    def at(self, epoch: float) -> float:
        place = _turns(epoch, self.period) % 1
        return _line(self.lower, self.upper, 2 * min(place, 1 - place))


class OneCycle(Schedule):
    """One rise from `start` to rate and one fall to `end`, both half waves of a cosine; `end` from then on.

    epochs: of the whole cycle, above 0. rise: share of them that it rises, 0 < rise < 1 (default 0.3).
    start: by default rate/25; end: by default start/10^4.
    Source: Smith & Topin 2017, with cosines for their straight lines; the momentum stays as it is.
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
            return _half_wave(start, self.rate, epoch / top)
        return _half_wave(self.rate, end, (epoch - top) / (self.epochs - top))


class ReduceOnPlateau(Schedule):
    """A constant rate that is multiplied by `factor` when a measurement has stopped to improve.

    factor: of 0..1 (default 0.1). patience: the rate falls after so many epochs in a row without improvement, at least
    1 (default 5), as `EarlyStopping` counts them. min_delta: what counts as an improvement on the best epoch is larger
    than this (default 1e-4). cooldown: epochs after a fall in which none are counted (default 0). minimum: the rate
    stays above (default 0). monitor: the measurement's name; by default val_loss where there is validation, else loss.
    mode: "min", "max", or "auto" (default), which knows what losses and pynn's metrics shall do. NaN is no improvement.
    In a hand-written loop call `observe({"val_loss": value})` after each epoch.
    """

    _takes = takes(
        rate=NOT_NEGATIVE,
        min_delta=NOT_NEGATIVE,
        minimum=NOT_NEGATIVE,
        patience=Count(1),
        cooldown=Count(0),
        factor=SHARE,
    )

    def __init__(
        self,
        rate: float,
        *,
        factor: float = 0.1,
        patience: int = 5,
        min_delta: float = 1e-4,
        cooldown: int = 0,
        minimum: float = 0.0,
        monitor: str | None = None,
        mode: str = "auto",
    ) -> None:
        self._sign = -1 if grows("ReduceOnPlateau", "loss" if monitor is None else monitor, mode) else 1
        self.rate, self.factor, self.patience, self.min_delta = rate, factor, patience, min_delta
        self.cooldown, self.minimum, self.monitor, self.mode = cooldown, minimum, monitor, mode
        self.current = float(rate)
        self.best = math.inf  # of the measurement, with its sign changed where it shall grow
        self.waited = self.resting = 0  # epochs without improvement; epochs of the cooldown that are left

    def at(self, epoch: float) -> float:
        return self.current

    def observe(self, values: Mapping[str, float]) -> None:
        name = self.monitor or ("val_loss" if "val_loss" in values else "loss")
        value = self._sign * measured("ReduceOnPlateau", name, values)
        if value < self.best - self.min_delta:
            self.best, self.waited = value, 0
        else:
            self.waited += 1
        if self.resting:
            self.resting, self.waited = self.resting - 1, 0
        elif self.waited >= self.patience:
            self.current = min(self.current, max(self.current * self.factor, self.minimum))
            self.waited, self.resting = 0, self.cooldown


def _turns(epoch: float, period: float) -> float:
    """epoch / period, exactly a whole number where rounding alone keeps it from one: 0.6 / 0.2 is 3."""
    turns = epoch / period
    if not math.isfinite(turns):
        return turns
    whole = round(turns)
    return float(whole) if abs(turns - whole) <= 1e-12 + turns * 2**-50 else turns


def _line(start: float, end: float, share: float) -> float:
    """From start to end in a straight line; exactly both at shares of 0 and of 1 and above."""
    share = min(share, 1.0)
    return start * (1 - share) + end * share


def _half_wave(start: float, end: float, share: float) -> float:
    """From start to end along half a period of a cosine; exactly both at shares of 0 and of 1 and above."""
    return _line(end, start, (1 + math.cos(math.pi * min(share, 1.0))) / 2)


add_foreign(Schedule, "", "step get_last_lr last_lr")
