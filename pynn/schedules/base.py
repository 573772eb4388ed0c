"""Schedule: a number, mostly the learning rate, as a function of training progress. Knows no optimizer and no model."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from ..checks import POSITIVE, Interval, expect_numbers, is_number
from ..messages.foreign import add_foreign
from ..messages.terminal import brief
from ..saving.config import constructor_text, plain_attributes
from ..saving.state import checked_attributes, is_ours
from ..signatures import Constructed, taken_by

if TYPE_CHECKING:
    from matplotlib.figure import Figure


class Schedule(Constructed):
    """Base of all schedules: `schedule(epoch)` is a rate, mostly the learning rate, after that many epochs of training.

    Raises
    ------
    ValueError
        For settings out of range, and for rates that are not finite numbers of at least 0.

    Notes
    -----
    An optimizer takes a schedule in place of a number: ``pynn.Adam(pynn.CosineDecay(1e-3, epochs=10))``, also for its
    weight_decay, and so does the rate of `Dropout`, `SpatialDropout` and `DropConnect`. `fit` then sets the rate before
    every step. A custom schedule overrides `at`. To react to measurements, override `observe` too; such a schedule
    keeps state, sets a learning rate only, and serves one optimizer.

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
                f"{self!r} gave the rate {rate!r} at epoch {epoch:g}, expected a finite number of at least 0"
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

    def _ended(self, epoch: float) -> bool:
        """Whether the rate is 0 from here on, as far as this class knows; a cycle that begins at 0 has not ended."""
        return self(epoch) == 0

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
        from ..plot import save, schedule

        figure = schedule(self, epochs, repr(self))
        if path is not None:
            save(figure, path)
        return figure

    def __repr__(self) -> str:
        return constructor_text(self)


class OrSchedule:
    """A number of this kind, or a schedule of such numbers that reads no measurements."""

    def __init__(self, kind: Interval) -> None:
        self.kind = kind

    def __call__(self, where: str, name: str, value: Any) -> Any:
        if not isinstance(value, Schedule):
            return self.kind(where, name, value)
        if value.listens:
            raise ValueError(f"{where}: {name} is {value!r}, which reads measurements: it can set a learning rate only")
        self.at(where, name, value, 0.0)
        return value

    def at(self, where: str, name: str, value: float | Schedule, epoch: float) -> float:
        """The number at this epoch; ValueError if it is not of this kind."""
        if not isinstance(value, Schedule):
            return value
        number = value(epoch)
        if not self.kind.holds(number):
            raise ValueError(
                f"{where}: {value!r} gave the {name} {number!r} at epoch {epoch:g}, expected {self.kind.text(name)}"
            )
        return number

    def text(self, name: str) -> str:
        return f"{self.kind.text(name)}, or a pynn.Schedule object"


def turns(epoch: float, period: float) -> float:
    """epoch / period, rounded to a whole number if it differs from it only by rounding errors: 0.6 / 0.2 is 3."""
    turns = epoch / period
    if not math.isfinite(turns):
        return turns
    nearest = round(turns)
    return float(nearest) if abs(turns - nearest) <= 1e-12 + turns * 2**-50 else turns


def line(start: float, end: float, share: float) -> float:
    """A straight line from start to end; exactly start at share 0, and end from share 1 on."""
    share = min(share, 1.0)
    return start * (1 - share) + end * share


def half_wave(start: float, end: float, share: float) -> float:
    """Half a period of a cosine from start to end; exactly start at share 0, and end from share 1 on."""
    return line(end, start, (1 + math.cos(math.pi * min(share, 1.0))) / 2)


add_foreign(Schedule, "", "step get_last_lr last_lr")
