"""A callback that sets the learning rate."""

from __future__ import annotations

from collections.abc import Callable

from ..messages.terminal import brief
from ..schedules import Schedule
from .base import Callback, Run


class LearningRateSchedule(Callback):
    """Set the learning rate before each epoch to schedule(epoch), where epoch counts from 0 at the run's beginning.

    Parameters
    ----------
    schedule : callable or Schedule
        For example ``lambda epoch: 0.1 * 0.9**epoch``.

    Raises
    ------
    ValueError
        For schedules that depend on measurements, such as `ReduceOnPlateau`, and if the optimizer already has a
        schedule.

    Notes
    -----
    Usually the schedule is given to the optimizer, ``pynn.Adam(pynn.CosineDecay(1e-3, epochs=10))``, which then follows
    it step by step.
    """

    def __init__(self, schedule: Schedule | Callable[[int], float]) -> None:
        if isinstance(schedule, type) or not callable(schedule):
            raise TypeError(
                f"LearningRateSchedule: schedule is {brief(schedule)}, expected a function or a pynn.Schedule"
            )
        if isinstance(schedule, Schedule) and schedule.listens:
            raise ValueError(f"{schedule!r} listens to measurements; give it to the optimizer: pynn.Adam({schedule!r})")
        self.schedule = schedule

    def on_epoch_begin(self, trainer: Run) -> None:
        if trainer.optimizer.schedule is not None:
            raise ValueError(f"{trainer.optimizer!r} already has a schedule; use only one of the two")
        trainer.optimizer.learning_rate = self.schedule(trainer.epoch - trainer.first_epoch)
