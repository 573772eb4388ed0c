"""Callbacks that write files: the model after an epoch, a table of what was measured."""

from __future__ import annotations

import errno
import os
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from .. import filelocks, files
from ..best import Best, expect_best
from ..checks import expect_count, expect_flag, warn
from ..describe import expect_keys
from ..terminal import printable
from .base import Callback
from .outage import Outage

if TYPE_CHECKING:
    from ..sources import Trainable
    from ..trainer import Trainer


class ModelCheckpoint(Callback):
    """Save the model, as `model.save` does, after each epoch or after those that are the best so far.

    path: of the file, which is replaced; with fields (epoch, and all that the epoch measured) it becomes one of many:
    "runs/{epoch:03d}-{val_loss:.4f}.safetensors". save_best_only: default False; True looks at monitor, a measurement's
    name (default "val_loss"). every: so many epochs (default 1), else. mode: "auto" (default), "min" or "max", as
    of `EarlyStopping`.
    A file appears whole or not at all. Where the first one cannot be written, as on a full disk, training ends with the
    OSError; where a later one cannot, it goes on with a RuntimeWarning, and the older file stays.
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
        self._here, self._outage = "", Outage()

    def on_train_begin(self, trainer: Trainer) -> None:
        folder = Path(self.path).parent
        if "{" not in str(folder) and not folder.is_dir():
            raise FileNotFoundError(f"ModelCheckpoint: the folder {printable(folder)} does not exist; make it first")
        self._here = "" if os.path.isabs(self.path) else os.getcwd()  # the script may change its own folder
        self._outage = Outage()
        if not trainer.resumed:
            self._best.value = None

    def on_epoch_end(self, trainer: Trainer) -> None:
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

    def _expect(self, state: dict[str, Any], model: Trainable) -> None:
        expect_keys("ModelCheckpoint", state, ("best",), ())
        expect_best("ModelCheckpoint", state["best"])

    def restore(self, state: dict[str, Any]) -> None:
        self._best.value = state["best"]


def _expect_our_format(path: str) -> None:
    """Warn where the name promises another library's format."""
    suffix = os.path.splitext(path)[1].lower()
    if suffix in files.FOREIGN_ENDINGS:
        warn(f"ModelCheckpoint: path is {path!r}, but the file is written as safetensors; name it .safetensors")


class CSVLogger(Callback):
    """A table of what each epoch measured: a line an epoch, the first column its number in the model's life.

    path: of the file, which is begun anew; a run that is resumed goes on in it, without the lines of epochs that it
    does again. One run at a time writes there. Lines that find a full disk are written with the next one, after a
    RuntimeWarning. Raises OSError, before it trains, where the file cannot be written.
    """

    writes = True

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = os.fspath(path)
        self._columns: list[str] = []
        self._real, self._waiting = "", b""  # where it is; lines that are not there yet
        self._file: IO[bytes] | None = None  # the locked one, or the device or pipe
        self._outage = Outage()

    def __getstate__(self) -> dict[str, Any]:
        """Without the file: it and its lock are those of one run."""
        return {**self.__dict__, "_file": None}

    def on_train_begin(self, trainer: Trainer) -> None:
        self._columns, self._outage = [], Outage()
        self._real = os.path.realpath(self.path)  # the script may change its own folder while it trains
        self._waiting = b""
        for number in range(trainer.history.epochs):
            values = {name: values[number] for name, values in trainer.history.items() if number < len(values)}
            self._waiting += self._line(trainer.first_epoch + number + 1, values)
        with files.naming(self.path):
            if os.path.exists(self._real) and not os.path.isfile(self._real):
                self._file = open(self._real, "wb", buffering=0)  # noqa: SIM115 (a pipe is closed once, at the end)
                self._append()
                return
            self._file = filelocks.opened(Path(self._real))
            if filelocks.locked(self._file) is False:
                raise RuntimeError(
                    f"{printable(self.path)} is in use by another run; wait for it to end, or take another name"
                )
            _write(self._file, self._waiting)  # over the same lines: a kill or a full disk loses none
            self._file.truncate(len(self._waiting))
            self._waiting = b""

    def on_epoch_end(self, trainer: Trainer) -> None:
        self._waiting += self._line(trainer.epoch, trainer.values)
        lost = f"the line of epoch {trainer.epoch} could not be written"
        with self._outage.bridged(lost, "it is written with the next one"), files.naming(self.path):
            self._append()

    def on_train_end(self, trainer: Trainer) -> None:
        if self._file is not None:
            self._file.close()
            self._file = None

    def _append(self) -> None:
        if self._file is None:
            raise RuntimeError(f"{self.path} belongs to the callback from which this one was copied")
        if self._file.closed:
            raise RuntimeError(f"{printable(self.path)} belongs to the process from which this one was forked")
        if not self._file.seekable():
            _write(self._file, self._waiting)
            self._waiting = b""
            return
        with open(self._real, "ab", buffering=0) as file:
            end = file.tell()
            try:
                _write(file, self._waiting)
            except OSError:
                with suppress(OSError):
                    file.truncate(end)
                raise
            self._waiting = b""

    def _line(self, epoch: int, values: Mapping[str, float]) -> bytes:
        import csv  # here: importing pynn must stay light
        import io

        text = io.StringIO(newline="")
        writer = csv.writer(text, lineterminator="\n")
        if not self._columns:
            self._columns = list(values)
            writer.writerow(["epoch", *self._columns])
        writer.writerow([epoch, *(values.get(name, "") for name in self._columns)])
        return text.getvalue().encode()


def _write(file: IO[bytes], content: bytes) -> None:
    """All of it, or an OSError: what has no buffer may write less where a disk becomes full."""
    if content and file.write(content) < len(content):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
