"""Rare: checkpoints of long trials. To train a trial of seconds again costs less than to write its checkpoints."""

from __future__ import annotations

import os
import shutil
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ...callbacks.base import Run
from ...saving import filelocks
from ...training.checkpoint import Checkpoint
from .watching import UNFINISHED

if TYPE_CHECKING:
    from ...training.plan import Plan

EVERY = 20.0  # seconds between two checkpoints
PATIENCE = 10.0  # seconds in which a process that was killed has ended


class Rare(Checkpoint):
    """Writes every 20 seconds, and when the trial is interrupted or its time is over."""

    def __init__(self, folder: str | os.PathLike[str]) -> None:
        super().__init__(folder, every_seconds=EVERY, keep=1)

    def open(self, plan: Plan, resuming: bool, quiet: bool) -> dict[str, Any] | None:
        """Lock the folder, and find the state to continue from; begin anew if it is that of another model.

        If a process that was taken for dead still holds the folder, the trial begins anew in another beside it.
        """
        limit = time.monotonic() + PATIENCE
        while filelocks.in_use(Path(self.folder)) and time.monotonic() < limit:
            time.sleep(0.05)
        try:
            return super().open(plan, resuming, quiet)
        except RuntimeError:
            self.folder = f"{os.fspath(self.folder)}-{os.urandom(4).hex()}"
            return super().open(plan, resuming, quiet)
        except ValueError:  # build makes another model than when the trial was interrupted
            shutil.rmtree(self.folder)
            return super().open(plan, resuming, quiet)

    def on_epoch_end(self, trainer: Run) -> None:
        if time.monotonic() - self._time >= EVERY:
            super().on_epoch_end(trainer)

    def on_train_end(self, trainer: Run) -> None:
        goes_on = any(getattr(callback, "ended", "") == UNFINISHED for callback in trainer.callbacks)
        if goes_on or isinstance(trainer.error, KeyboardInterrupt) or time.monotonic() - self._time >= EVERY:
            super().on_train_end(trainer)
