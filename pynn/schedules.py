"""Schedules: the learning rate as a function of training progress, counted in epochs. Know no optimizer and no model.

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
from .saving.state import checked_attributes, is_ours
from .signatures import Constructed, taken_by, takes

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = [
    "CosineDecay", "CosineRestarts", "Cyclic", "ExponentialDecay", "InverseTimeDecay", "LinearDecay", "OneCycle",
    "ReduceOnPlateau", "Schedule", "StepDecay", "Warmup",
]  # fmt: skip


class Schedule(Constructed):
    """Base of all schedules: `schedule(epoch)` is the learning rate after that many epochs of training.

    Raises
    ------
    ValueError
        For settings out of range, and for rates that are not finite numbers of at least 0.

    Notes
    -----
    An optimizer takes a schedule in place of a number: ``pynn.Adam(pynn.CosineDecay(1e-3, epochs=10))``. `fit` then
    sets the rate before every step. A custom schedule overrides `at`. To react to measurements, override `observe` too;
    such a schedule keeps state and serves one optimizer only.

    Examples
    --------
    >>> class SquareRoot(pynn.Schedule):
    ...     def __init__(self, rate):
    ...         self.rate = rate
    ...     def at(self, epoch):
    ...         return self.rate / (1 + epoch) ** 0.5
    """

    monitor: str | None = None  # the measurement that it needs
    _key: object = None  # identifies the optimizer that the state belongs to

    @property
    def listens(self) -> bool:
        """Whether it reads measurements; it then keeps state and serves one optimizer only."""
        return type(self).observe is not Schedule.observe

    def claim(self, key: object) -> None:
        """Tie the schedule to an optimizer.

        Parameters
        ----------
        key : object
            Identifies the optimizer.

        Raises
        ------
        ValueError
            If it keeps state for another optimizer.
        """
        if self.listens and self._key is not None and self._key is not key:
            kind = type(self).__name__
            raise ValueError(f"this {kind} already sets the rate of another optimizer; give each optimizer its own "
                             f"{kind} (schedules of this kind keep state)")  # fmt: skip
        self._key = key

    def __getstate__(self) -> dict[str, Any]:  # a copy is free for another optimizer
        return {name: value for name, value in vars(self).items() if name != "_key"}

    def __call__(self, epoch: float) -> float:
        """Return the learning rate at this point of training.

        Parameters
        ----------
        epoch : float
            Epochs so far, at least 0.

        Returns
        -------
        float
            The rate.
        """
        if not (is_number(epoch) and epoch >= 0):
            raise ValueError(f"{type(self).__name__}: epoch is {brief(epoch)}, expected a finite number of at least 0")
        rate = self.at(epoch)
        if not (is_number(rate) and rate >= 0):
            raise ValueError(
                f"{self!r} gave the learning rate {rate!r} at epoch {epoch:g}, expected a finite number of at least 0"
            )
        return float(rate)

    def at(self, epoch: float) -> float:
        """Return the learning rate, for `schedule(epoch)`.

        Parameters
        ----------
        epoch : float
            At least 0.

        Returns
        -------
        float
            A finite number of at least 0.
        """
        raise NotImplementedError(f"{type(self).__name__} has no at(epoch)")

    def observe(self, values: Mapping[str, float]) -> None:
        """Read the measurements of an epoch; `fit` calls this after each epoch.

        Parameters
        ----------
        values : dict
            Numbers by name: loss, val_loss, ...
        """

    def state(self) -> dict[str, Any]:
        """Return the state, for a checkpoint.

        Returns
        -------
        dict
            The attributes that are numbers, text, True, False or None, by name.
        """
        return plain_attributes(self)

    def restore(self, state: Mapping[str, Any]) -> None:
        """Take over a state.

        Parameters
        ----------
        state : dict
            What `state` returned.

        Raises
        ------
        ValueError
            If it does not fit.
        """
        attributes = checked_attributes(self, plain_attributes(self), state, ("inside",))
        if is_ours(self):  # its constructor checks the ranges
            settings = {**vars(self), **attributes}
            candidate = type(self)(**{name: settings[name] for name in taken_by(type(self)).names})
            vars(candidate).update(attributes)
            candidate(0)
            if candidate.monitor != self.monitor:
                raise ValueError(
                    f"{type(self).__name__}: monitor is {brief(candidate.monitor)}, expected {self.monitor!r}"
                )
        vars(self).update(attributes)

    def plot(self, epochs: float, path: Any = None) -> Figure:
        """Draw the rate over the epochs. Needs matplotlib (extra `plot`).

        Parameters
        ----------
        epochs : float
            Where the curve ends, above 0.
        path : path, optional
            File to save the figure to. By default it is not saved.

        Returns
        -------
        matplotlib.figure.Figure
            The figure.
        """
        expect_numbers(type(self).__name__, POSITIVE, epochs=epochs)
        from .plot import save, schedule

        figure = schedule(self, epochs, repr(self))
        if path is not None:
            save(figure, path)
        return figure

    def __repr__(self) -> str:
        return constructor_text(self)


class StepDecay(Schedule):
    """Step decay: rate · factor^⌊epoch / every⌋.

    Parameters
    ----------
    rate : float
        Initial rate, at least 0.
    every : float
        Epochs between two drops, above 0.
    factor : float, default 0.1
        Between 0 and 1.
    """

    _takes = takes(rate=NOT_NEGATIVE, every=POSITIVE, factor=SHARE)

    def __init__(self, rate: float, every: float, factor: float = 0.1) -> None:
        self.rate, self.every, self.factor = rate, every, factor

    def at(self, epoch: float) -> float:
        return float(self.rate * self.factor ** math.floor(_turns(epoch, self.every)))


class ExponentialDecay(Schedule):
    """Exponential decay: rate · e^(-decay·epoch).

    Parameters
    ----------
    rate : float
        Initial rate, at least 0.
    decay : float
        Per epoch, at least 0; 0.69 halves the rate every epoch.
    """

    _takes = takes(rate=NOT_NEGATIVE, decay=NOT_NEGATIVE)

    def __init__(self, rate: float, decay: float) -> None:
        self.rate, self.decay = rate, decay

    def at(self, epoch: float) -> float:
        return self.rate * math.exp(-self.decay * epoch)


class InverseTimeDecay(Schedule):
    """1/t decay: rate / (1 + decay·epoch).

    Parameters
    ----------
    rate : float
        Initial rate, at least 0.
    decay : float
        Per epoch, at least 0; the rate is halved after 1/decay epochs.
    """

    _takes = takes(rate=NOT_NEGATIVE, decay=NOT_NEGATIVE)

    def __init__(self, rate: float, decay: float) -> None:
        self.rate, self.decay = rate, decay

    def at(self, epoch: float) -> float:
        return self.rate / (1 + self.decay * epoch)


class CosineDecay(Schedule):
    """Cosine decay: minimum + ½·(rate - minimum)·(1 + cos(π·epoch / epochs)), then minimum.

    Parameters
    ----------
    rate : float
        Initial rate, at least 0.
    epochs : float
        When the minimum is reached, above 0.
    minimum : float, default 0
        Final rate.

    References
    ----------
    .. [1] Loshchilov & Hutter, "SGDR: Stochastic Gradient Descent with Warm Restarts", 2016 (here without restarts).
    """

    _takes = takes(rate=NOT_NEGATIVE, minimum=NOT_NEGATIVE, epochs=POSITIVE)

    def __init__(self, rate: float, epochs: float, minimum: float = 0.0) -> None:
        self.rate, self.epochs, self.minimum = rate, epochs, minimum

    def at(self, epoch: float) -> float:
        return _half_wave(self.rate, self.minimum, epoch / self.epochs)


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
        return _half_wave(self.rate, self.minimum, _turns(epoch, self.epochs_per_cycle) % 1)


class LinearDecay(Schedule):
    """Linear decay: rate + (end - rate)·epoch / epochs, then end.

    Parameters
    ----------
    rate : float
        Initial rate, at least 0.
    epochs : float
        When the end is reached, above 0.
    end : float, default 0
        Final rate.
    """

    _takes = takes(rate=NOT_NEGATIVE, end=NOT_NEGATIVE, epochs=POSITIVE)

    def __init__(self, rate: float, epochs: float, end: float = 0.0) -> None:
        self.rate, self.epochs, self.end = rate, epochs, end

    def at(self, epoch: float) -> float:
        return _line(self.rate, self.end, epoch / self.epochs)


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
        place = _turns(epoch, self.period) % 1
        return _line(self.lower, self.upper, 2 * min(place, 1 - place))


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
            return _half_wave(start, self.rate, epoch / top)
        return _half_wave(self.rate, end, (epoch - top) / (self.epochs - top))


class ReduceOnPlateau(Schedule):
    """Plateau decay: rate ← rate · factor whenever a measurement has stopped improving.

    Parameters
    ----------
    rate : float
        Initial rate, at least 0.
    factor : float, default 0.1
        Between 0 and 1.
    patience : int, default 5
        The rate drops after this many consecutive epochs without improvement, at least 1; counted as by
        `EarlyStopping`.
    min_delta : float, default 1e-4
        Smallest change from the best epoch that counts as an improvement.
    cooldown : int, default 0
        Epochs after a drop that are not counted.
    minimum : float, default 0
        Lower limit of the rate.
    monitor : str, optional
        Name of the measurement; by default val_loss with validation, else loss.
    mode : {"auto", "min", "max"}, default "auto"
        Whether smaller or larger is better; "auto" knows losses and pynn's metrics.

    Notes
    -----
    NaN is never an improvement. In a custom loop call ``observe({"val_loss": value})`` after each epoch.
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
        self.best = math.inf  # best measurement, negated if larger is better
        self.waited = self.resting = 0  # epochs without improvement; epochs of cooldown left

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
    """epoch / period, rounded to a whole number if it differs from it only by rounding errors: 0.6 / 0.2 is 3."""
    turns = epoch / period
    if not math.isfinite(turns):
        return turns
    nearest = round(turns)
    return float(nearest) if abs(turns - nearest) <= 1e-12 + turns * 2**-50 else turns


def _line(start: float, end: float, share: float) -> float:
    """A straight line from start to end; exactly start at share 0, and end from share 1 on."""
    share = min(share, 1.0)
    return start * (1 - share) + end * share


def _half_wave(start: float, end: float, share: float) -> float:
    """Half a period of a cosine from start to end; exactly start at share 0, and end from share 1 on."""
    return _line(end, start, (1 + math.cos(math.pi * min(share, 1.0))) / 2)


add_foreign(Schedule, "", "step get_last_lr last_lr")
