"""Rates: the learning rate and the weight decay of an optimizer, each a number or a schedule."""

from __future__ import annotations

from typing import Any, TypeAlias

import numpy as np

from ..checks import NOT_NEGATIVE, is_number
from ..messages.terminal import brief
from ..schedules import Schedule
from ..schedules.base import OrSchedule
from ..signatures import Constructed

Rate: TypeAlias = float | Schedule
DECAY = OrSchedule(NOT_NEGATIVE)
SCHEDULES = ("schedule", "weight_decay_schedule")  # attributes, and keys of a state


class Rates(Constructed):
    """The learning rate and the weight decay, which a schedule may set."""

    schedule: Schedule | None = None  # of the learning rate
    weight_decay_schedule: Schedule | None = None
    first_epoch: int | None = None  # the model's epoch when `fit` first used this optimizer: its schedules start there
    _learning_rate: float
    _weight_decay: float = 0.0
    _rate_is_set = False  # whether set_epoch was called since the schedules were assigned
    _epoch: float | None = None  # what set_epoch was last called with, for layers that follow schedules

    @property
    def learning_rate(self) -> float:
        """Step size η, a finite number of at least 0; may be set at any time, to a number or a `Schedule`."""
        return self._learning_rate

    @learning_rate.setter
    def learning_rate(self, value: Rate) -> None:
        schedule, rate = (value, value(0)) if isinstance(value, Schedule) else (None, value)
        if not (is_number(rate) and rate >= 0):
            kind = type(self).__name__
            shown = f"an array {value.shape}" if isinstance(value, np.ndarray) else brief(value)
            parameters = isinstance(value, np.ndarray) or (callable(value) and not isinstance(value, (Schedule, type)))
            hint = f"; construct it without parameters, {kind}(1e-3): step(model) passes the model"
            raise ValueError(
                f"{kind}: learning_rate is {shown}, expected a finite number of at least 0 or a pynn.Schedule object"
                f"{hint if parameters else ''}"
            )
        if schedule is not None:
            schedule.claim(vars(self).setdefault("_key", object()))
        self.schedule, self._learning_rate = schedule, float(rate)
        if schedule is not None:
            self._start_anew()

    @property
    def weight_decay(self) -> float:
        """Weight decay λ, a finite number of at least 0; may be set at any time, to a number or a `Schedule`."""
        return self._weight_decay

    @weight_decay.setter
    def weight_decay(self, value: Rate) -> None:
        kind = type(self).__name__
        DECAY(kind, "weight_decay", value)
        self._weight_decay = float(DECAY.at(kind, "weight_decay", value, 0.0))
        self.weight_decay_schedule = value if isinstance(value, Schedule) else None
        if self.weight_decay_schedule is not None:
            self._start_anew()

    def _start_anew(self) -> None:
        """A schedule was assigned: it starts when `fit` next uses this optimizer."""
        self.first_epoch, self._rate_is_set = None, False

    @property
    def scheduled(self) -> bool:
        """Whether a schedule sets the learning rate or the weight decay."""
        return self.schedule is not None or self.weight_decay_schedule is not None

    def epochs_at(self, epoch: int) -> int:
        """Return how many epochs the schedules have been followed.

        Parameters
        ----------
        epoch : int
            The model's epochs so far.

        Returns
        -------
        int
            0 before the first run of `fit`.
        """
        return 0 if self.first_epoch is None else max(epoch - self.first_epoch, 0)

    def set_epoch(self, epoch: float) -> None:
        """Set the learning rate and the weight decay that their schedules have at this epoch.

        Parameters
        ----------
        epoch : float
            Epochs of training so far: 2.5 is the middle of the third.

        Notes
        -----
        `fit` does this before every step, counting from its first run with this optimizer. A custom loop must do it as
        often as a rate should change: `step` raises RuntimeError if there is a schedule and the epoch was never set.
        ``model.train_step`` tells the epoch to the layers too, such as a `Dropout` whose rate is a schedule; a loop
        without it sets ``model.context.epoch``.

        Examples
        --------
        >>> for i, (x_batch, y_batch) in enumerate(batches):
        ...     optimizer.set_epoch(epoch + i / len(batches))
        ...     model.train_step(x_batch, y_batch, loss, optimizer)
        """
        if self.schedule is not None:
            self._learning_rate = self.schedule(epoch)
        if self.weight_decay_schedule is not None:
            self._weight_decay = DECAY.at(type(self).__name__, "weight_decay", self.weight_decay_schedule, epoch)
        self._epoch, self._rate_is_set = epoch, True

    def end_schedule(self) -> None:
        """End a run of `fit`: a custom loop that continues must call `set_epoch` again."""
        self._epoch, self._rate_is_set = None, False

    @property
    def _given(self) -> dict[str, Any]:
        """Constructor arguments that differ from the attributes of their names: the schedules."""
        schedules = {"learning_rate": self.schedule, "weight_decay": self.weight_decay_schedule}
        return {name: schedule for name, schedule in schedules.items() if schedule is not None}
