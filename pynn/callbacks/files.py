"""Callbacks that write files: the model after an epoch, a table of what was measured."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .. import files
from ..best import Best
from ..checks import expect_count, expect_flag, warn
from .base import Callback

if TYPE_CHECKING:
    from ..trainer import Trainer

FOREIGN = (
    ".h5",
    ".hdf5",
    ".keras",
    ".pt",
    ".pth",
    ".ckpt",
    ".pkl",
    ".pickle",
    ".joblib",
    ".npz",
    ".onnx",
    ".tf",
    ".pb",
)


class ModelCheckpoint(Callback):
    """Save the model, as `model.save` does, after each epoch or after those that are the best so far.

    path: of the file, which is replaced; with fields (epoch, and all that the epoch measured) it becomes one of many:
    "runs/{epoch:03d}-{val_loss:.4f}.safetensors". save_best_only: default False; True looks at monitor, a measurement's
    name (default "val_loss"). every: so many epochs (default 1), else. mode: "auto" (default), "min" or "max", as
    of `EarlyStopping`.
    To go on with a run that was killed use `fit(checkpoint=...)` instead: a model file has no optimizer.
    Raises FileNotFoundError, before it trains, where the folder is not there; ValueError for another setting or field.
    """

    writes = True

    def __init__(
        self,
        path: str | os.PathLike[str],
        monitor: str = "val_loss",
        *,
        save_best_only: bool = False,
        every: int = 1,
        mode: str = "auto",
    ) -> None:
        expect_count("ModelCheckpoint", 1, every=every)
        expect_flag("ModelCheckpoint", save_best_only=save_best_only)
        _expect_our_format(os.fspath(path))
        self.path, self.save_best_only, self.every, self.mode = os.fspath(path), save_best_only, every, mode
        self.monitor = monitor if save_best_only else None
        self._best = Best("ModelCheckpoint", monitor, mode if save_best_only or mode != "auto" else "min")

    def on_train_begin(self, trainer: Trainer) -> None:
        folder = Path(self.path).parent
        if "{" not in str(folder) and not folder.is_dir():
            raise FileNotFoundError(f"ModelCheckpoint: the folder {folder} does not exist; make it first")
        if not trainer.resumed:
            self._best.value = None

    def on_epoch_end(self, trainer: Trainer) -> None:
        better = self.save_best_only and self._best.improved(trainer.values)
        if better or (not self.save_best_only and (trainer.epoch - trainer.first_epoch) % self.every == 0):
            try:
                path = self.path.format(epoch=trainer.epoch, **trainer.values)
            except (KeyError, IndexError, ValueError) as cause:
                names = ", ".join(["epoch", *trainer.values])
                raise ValueError(f"ModelCheckpoint: path is {self.path!r}; its fields may be {names}") from cause
            trainer.model.save(path)

    def state(self) -> dict[str, Any]:
        return {"best": self._best.value}

    def restore(self, state: dict[str, Any]) -> None:
        self._best.value = state["best"]


def _expect_our_format(path: str) -> None:
    """Warn where the name promises another library's format."""
    suffix = os.path.splitext(path)[1].lower()
    if suffix in FOREIGN:
        warn(f"ModelCheckpoint: path is {path!r}, but the file is written as safetensors; name it .safetensors")


class CSVLogger(Callback):
    """A table of what each epoch measured: a line an epoch, the first column its number in the model's life.

    path: of the file, which is begun anew; a run that is resumed goes on in it, without the lines of epochs that it
    does again. Raises OSError, before it trains, where the file cannot be written.
    """

    writes = True

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = os.fspath(path)
        self._columns: list[str] = []

    def on_train_begin(self, trainer: Trainer) -> None:
        self._columns = []
        with open(self.path, "w", encoding="utf-8"):
            pass
        for number in range(trainer.history.epochs):
            values = {name: values[number] for name, values in trainer.history.items() if number < len(values)}
            self._write(trainer.first_epoch + number + 1, values)

    def on_epoch_end(self, trainer: Trainer) -> None:
        self._write(trainer.epoch, trainer.values)

    def _write(self, epoch: int, values: dict[str, float]) -> None:
        import csv  # here: importing pynn must stay light

        with files.naming(self.path), open(self.path, "a", encoding="utf-8", newline="") as file:
            writer = csv.writer(file, lineterminator="\n")
            if not self._columns:
                self._columns = list(values)
                writer.writerow(["epoch", *self._columns])
            writer.writerow([epoch, *(values.get(name, "") for name in self._columns)])
