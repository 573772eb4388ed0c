"""CSVLogger: a table of what each epoch measured."""

from __future__ import annotations

import errno
import os
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import IO, Any

from ..messages.terminal import printable
from ..saving import filelocks, files
from .base import Callback, Run
from .outage import Outage


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

    def on_train_begin(self, trainer: Run) -> None:
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

    def on_epoch_end(self, trainer: Run) -> None:
        self._waiting += self._line(trainer.epoch, trainer.values)
        lost = f"the line of epoch {trainer.epoch} could not be written"
        with self._outage.bridged(lost, "it is written with the next one"), files.naming(self.path):
            self._append()

    def on_train_end(self, trainer: Run) -> None:
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
