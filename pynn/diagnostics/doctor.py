"""Prints what is wrong with a run at its end: ``fit(..., diagnose=True)``."""

from __future__ import annotations

from ..callbacks.base import Callback, Run
from .diagnosis import of_record
from .monitor import Monitor


class Doctor(Callback):
    """Prints the verdicts on a run at its end: ``fit(..., diagnose=True)``."""

    writes = True
    watches = True

    def on_train_end(self, trainer: Run) -> None:
        if trainer.history.record is not None:
            print(of_record(trainer.history.record))


def diagnosing(callbacks: list[Callback]) -> list[Callback]:
    """The callbacks, with a Monitor if there is none, and one that prints what is wrong."""
    watched = any(isinstance(callback, Monitor) for callback in callbacks)
    # on_train_end is called in reverse order: the Monitor's comes before the Doctor's.
    return [Doctor(), *callbacks] if watched else [Doctor(), Monitor(), *callbacks]
