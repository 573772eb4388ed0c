"""ModelCheckpoint: saves the model after an epoch."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from ..checks import FLAG, Count, warn
from ..messages.terminal import printable
from ..monitor import Best, expect_best
from ..saving import files
from ..saving.config import expect_keys
from ..signatures import takes
from .base import Callback, Run
from .outage import Outage


class ModelCheckpoint(Callback):
    """Save the model, as `Sequential.save` does, after each epoch or only after the best so far.

    Parameters
    ----------
    path : path
        The file, which is replaced each time. Fields (epoch, and every measurement of the epoch) make one file per
        epoch: "runs/{epoch:03d}-{val_loss:.4f}.safetensors".
    monitor : str, default "val_loss"
        Measurement that save_best_only compares.
    save_best_only : bool, default False
        Whether to save only if the measurement is the best so far.
    every : int, default 1
        Without save_best_only, save after each `every` epochs.
    mode : {"auto", "min", "max"}, default "auto"
        Which values are better, as for `EarlyStopping`.

    Raises
    ------
    FileNotFoundError
        Before training, if the folder does not exist.
    ValueError
        For an unknown field in path.
    OSError
        If the first file cannot be written, for example on a full disk.

    Notes
    -----
    A file is written completely or not at all. If a later file cannot be written, training continues with a
    RuntimeWarning and the older file is kept. To resume a killed run, use ``fit(checkpoint=...)``: a model file has no
    optimizer state.
    """

    writes = True
    _takes = takes(every=Count(1), save_best_only=FLAG)

    def __init__(
        self,
        path: str | os.PathLike[str],
        monitor: str = "val_loss",
        *,
        save_best_only: bool = False,
        every: int = 1,
        mode: str = "auto",
    ) -> None:
        _expect_our_format(os.fspath(path))
        self.path, self.save_best_only, self.every, self.mode = os.fspath(path), save_best_only, every, mode
        self.monitor = monitor if save_best_only else None
        self._best = Best("ModelCheckpoint", monitor, mode if save_best_only or mode != "auto" else "min")
        self._here, self._outage = "", Outage()

    def on_train_begin(self, trainer: Run) -> None:
        folder = Path(self.path).parent
        if "{" not in str(folder) and not folder.is_dir():
            raise FileNotFoundError(f"ModelCheckpoint: the folder {printable(folder)} does not exist; make it first")
        self._here = "" if os.path.isabs(self.path) else os.getcwd()  # the script may change its working folder
        self._outage = Outage()
        if not trainer.resumed:
            self._best.value = None

    def on_epoch_end(self, trainer: Run) -> None:
        before = self._best.value
        better = self.save_best_only and self._best.improved(trainer.values)
        if better or (not self.save_best_only and (trainer.epoch - trainer.first_epoch) % self.every == 0):
            try:
                path = self.path.format(epoch=trainer.epoch, **trainer.values)
            except (KeyError, IndexError, ValueError) as cause:
                names = ", ".join(["epoch", *trainer.values])
                raise ValueError(f"ModelCheckpoint: path is {self.path!r}; its fields may be {names}") from cause
            with self._outage.bridged(f"the model of epoch {trainer.epoch} could not be saved", "without it"):
                trainer.model.save(path if self._here in ("", os.getcwd()) else os.path.join(self._here, path))
            if self._outage.failing:
                self._best.value = before

    def state(self) -> dict[str, Any]:
        return {"best": self._best.value}

    def _expect(self, state: dict[str, Any], model: Any) -> None:
        expect_keys("ModelCheckpoint", state, ("best",), ())
        expect_best("ModelCheckpoint", state["best"])

    def restore(self, state: dict[str, Any]) -> None:
        self._best.value = state["best"]


def _expect_our_format(path: str) -> None:
    """Warn if the file's name promises another library's format."""
    suffix = os.path.splitext(path)[1].lower()
    if suffix in files.FOREIGN_ENDINGS:
        warn(f"ModelCheckpoint: path is {path!r}, but the file is written as safetensors; name it .safetensors")
