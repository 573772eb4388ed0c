"""CSVLogger: writes each epoch's measurements as a table."""

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
    """Write each epoch's measurements to a CSV file, one line per epoch.

    Parameters
    ----------
    path : path
        The file. A new run overwrites it; a resumed run continues it, without the lines of epochs that are repeated.
        Only one run at a time may write to it.

    Raises
    ------
    OSError
        Before training, if the file cannot be written.

    Notes
    -----
    The first column is the number of the epoch, counted over all calls of fit. If the disk is full, the logger issues a
    RuntimeWarning and writes the missing lines together with the next one.
    """

    writes = True

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = os.fspath(path)
        self._columns: list[str] = []
        self._real, self._waiting = "", b""  # its real path; lines not written yet
        self._file: IO[bytes] | None = None  # the locked file, or the device or pipe
        self._outage = Outage()

    def __getstate__(self) -> dict[str, Any]:
        """Leave out the file: it and its lock belong to one run."""
        return {**self.__dict__, "_file": None}

    def on_train_begin(self, trainer: Run) -> None:
        self._columns, self._outage = [], Outage()
        self._real = os.path.realpath(self.path)  # the script may change its working folder while it trains
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
                    f"{printable(self.path)} is in use by another run; wait for it to end, or use another name"
                )
            _write(self._file, self._waiting)  # overwrites the same lines: a kill or a full disk loses none
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
            raise RuntimeError(f"this CSVLogger is a copy; only the original writes to {printable(self.path)}")
        if self._file.closed:
            raise RuntimeError(f"this process is a fork; only its parent writes to {printable(self.path)}")
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
    """Write all of the content, or raise OSError: an unbuffered write may be partial when a disk is full."""
    if content and file.write(content) < len(content):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
