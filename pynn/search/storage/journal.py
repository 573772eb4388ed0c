"""Optuna's journal file, written by processes that may be killed: a trial costs one wait for the disk, not ten.

Optuna waits for the disk after each line, with the lock held. Here lines are in the hands of the system, which a killed
process cannot take them from, and the disk is waited for when a trial ends, at most a few times a second and without
the lock.
"""

from __future__ import annotations

import json
import logging
import os
import random
import time
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import Any

import optuna
from optuna.exceptions import OptunaError
from optuna.pruners import BasePruner
from optuna.storages import BaseStorage, InMemoryStorage, JournalStorage, RDBStorage, get_storage
from optuna.storages.journal import (
    BaseJournalBackend,
    JournalFileBackend,
    JournalFileOpenLock,
    JournalFileSymlinkLock,
)

from ...messages.terminal import brief, printable
from ...saving import files
from . import urls
from .settings import IN_MEMORY

GRACE = 30  # seconds after which the lock of a process that was killed is taken over, as Optuna has it
SYNC = 0.25  # seconds between two waits for the disk
ATTEMPTS = 30  # to make the tables of a database: of each one another process may be faster
PATIENCE = 60.0  # seconds in which another process has written to a file of SQLite
ALREADY = ("already exists", "integrityerror", "is locked")  # in errors, if two processes make the same tables
BEGIN = b'{"op_code":'  # of each line
WRITTEN = "the file in which a search keeps its trials"
SQLITE = b"SQLite format 3\0"


class Journal(BaseJournalBackend):
    """The lines of a journal file, which plain Optuna reads and writes too.

    Parameters
    ----------
    path : path
        The file; it is made if it is not there.
    """

    def __init__(self, path: Path) -> None:
        self._path = os.path.abspath(path)  # the script may change its folder
        kind = JournalFileOpenLock if os.name == "nt" else JournalFileSymlinkLock
        self._lock = kind(self._path, grace_period=GRACE)
        self._file = JournalFileBackend(self._path, self._lock)
        self._synced = 0.0

    def read_logs(self, log_number_from: int) -> Iterable[dict[str, Any]]:
        """The lines from a number on."""
        return self._file.read_logs(log_number_from)

    def append_logs(self, logs: list[dict[str, Any]]) -> None:
        """Add lines. A line of which a killed process has written a part becomes spaces before them."""
        lines = "".join(f"{json.dumps(log, separators=(',', ':'))}\n" for log in logs).encode()
        with open(self._path, "a+b", buffering=0, opener=_open) as file:
            while not self._written(file, lines):
                pass
            if any("state" in log for log in logs) and time.monotonic() - self._synced >= SYNC:
                os.fsync(file.fileno())
                self._synced = time.monotonic()

    def _written(self, file: Any, lines: bytes) -> bool:
        """Whether the lines could be added: not if this process stood still, and another has taken the lock over."""
        self._lock.acquire()
        ours = self._mark()
        try:
            broken = _broken(file)
            if ours is None or self._mark() != ours:
                return False
            if broken:
                _blank(self._path, *broken)
            _append(file, lines)
            return True
        finally:
            if ours is not None and self._mark() == ours:
                self._lock.release()

    def _mark(self) -> tuple[int, int] | None:
        """What tells the lock that there is from others; None if there is none."""
        with suppress(OSError):
            found = os.lstat(f"{self._path}.lock")
            return found.st_ino, found.st_mtime_ns
        return None


def _open(name: str, flags: int) -> int:
    """Open the file; a journal that was removed must not begin anew in the middle."""
    return os.open(name, flags & ~os.O_CREAT)


def _broken(file: Any) -> tuple[int, int] | None:
    """Begin and end of a last line that has no end."""
    size = place = file.seek(0, os.SEEK_END)
    step = 1
    while place:
        step = min(place, step)
        file.seek(place - step)
        found = file.read(step).rfind(b"\n")
        place = place - step + found + 1 if found >= 0 else place - step
        if found >= 0:
            break
        step = 4096
    return (place, size) if place < size else None


def _blank(path: str, begin: int, end: int) -> None:
    """Write spaces over a part of the file: JSON may begin with them, and nothing that follows can be lost."""
    with open(path, "r+b", buffering=0) as file:
        file.seek(begin)
        file.write(b" " * (end - begin))


def _append(file: Any, lines: bytes) -> None:
    """Write at the end. A full disk takes a part, then raises an error."""
    left = memoryview(lines)
    while left:
        left = left[file.write(left) :]


def opened(storage: Any) -> BaseStorage:
    """The storage: in memory for None, of a URL, of Optuna, or the journal file of this path."""
    if storage is None:
        return InMemoryStorage()
    if isinstance(storage, BaseStorage):
        return storage
    if not isinstance(storage, (str, os.PathLike)):
        raise TypeError(f"Search: storage is {brief(storage)}, expected a file, a URL, or a storage of Optuna")
    if is_url(storage):
        return _tables(str(storage))
    path = files.named(storage)
    if path.exists():
        files.expect_file(path, "a journal of Optuna")
        _expect_journal(path)
    elif not path.absolute().parent.is_dir():
        raise FileNotFoundError(f"cannot write {printable(path)}: the folder {printable(path.parent)} does not exist")
    try:
        return JournalStorage(Journal(path))
    except OSError as cause:
        raise type(cause)(
            f"{printable(path)} cannot be opened: {cause.strerror}; take a file in a folder that you may write to"
        ) from cause
    except (ValueError, KeyError, TypeError, AttributeError, AssertionError) as cause:
        raise ValueError(f"{printable(path)} is no journal of Optuna; use another file ({cause})") from cause


def _tables(url: str) -> BaseStorage:
    """The storage at this URL, whose tables are made if they are not there; another process may be just making them."""
    urls.expect_folder(url)
    left = ATTEMPTS
    while True:
        left -= 1
        try:
            return get_storage(RDBStorage(url, {"connect_args": {"timeout": PATIENCE}}) if _is_file(url) else url)
        except Exception as error:
            text = f"{type(error).__name__}: {error}".lower()
            if not left or not any(sign in text for sign in ALREADY):
                raise urls.refused(url, error) from error
        time.sleep(random.uniform(0.01, 0.1))


def _is_file(url: str) -> bool:
    """Whether it is a file of SQLite, and does not say itself how long to wait for other processes."""
    return urls.is_sqlite(url) and "timeout=" not in url


def existing(storage: Any) -> BaseStorage:
    """The storage as for `opened`, to read: it is not made if it is not there, and nothing is written to it."""
    if isinstance(storage, BaseStorage):
        return storage
    if is_url(storage):
        return _database(str(storage))
    if not isinstance(storage, (str, os.PathLike)):
        raise TypeError(f"storage is {brief(storage)}, expected a file, a URL, or a storage of Optuna")
    path = files.named(storage)
    if not path.exists():
        raise FileNotFoundError(f"{printable(path)} does not exist, expected {WRITTEN}")
    files.expect_file(path, "a journal of Optuna")
    _expect_journal(path, f"expected {WRITTEN}")
    return opened(storage)


def _database(url: str) -> BaseStorage:
    """The tables at this URL; ValueError if they are not there, or cannot be reached."""
    from sqlalchemy.engine import make_url

    try:
        parts = make_url(url)
        if parts.get_backend_name() == "sqlite" and not os.path.exists(parts.database or ""):
            file = f"the file {printable(parts.database)} does not exist" if parts.database else urls.SLASHES
            raise FileNotFoundError(f"{urls.shown(url)}: {file}")
        return RDBStorage(url, skip_table_creation=True)
    except FileNotFoundError:
        raise
    except OptunaError as cause:
        raise ValueError(f"{urls.shown(url)} holds no trials of Optuna") from cause
    except Exception as cause:
        raise urls.refused(url, cause, "read") from cause


def _expect_journal(path: Path, hint: str = "use another file") -> None:
    """ValueError for another file: an end without a line break would be overwritten."""
    with open(path, "rb") as file:
        begin = file.read(4096).lstrip(b" ")  # a first line that a kill cut off
    if begin.startswith(SQLITE):
        raise ValueError(f"{printable(path)} is a database; write sqlite:///{printable(path)}")
    if not BEGIN.startswith(begin[: len(BEGIN)]):
        raise ValueError(f"{printable(path)} is no journal of Optuna; {hint}")


def is_url(storage: Any) -> bool:
    """Whether the storage is a server or a database."""
    return isinstance(storage, str) and "://" in storage


def shown(storage: Any) -> str:
    """The storage in messages, without a password: a file, a URL, "memory", or "the storage"."""
    if is_url(storage):
        return urls.shown(str(storage))
    if storage is None or isinstance(storage, InMemoryStorage):
        return IN_MEMORY
    return printable(storage) if isinstance(storage, (str, os.PathLike)) else "the storage"


def study(storage: BaseStorage, name: str, largest: bool, pruner: BasePruner) -> optuna.Study:
    """The study of this name, made if it is not there, without Optuna's line about it."""
    logger = logging.getLogger("optuna")
    level = logger.level
    logger.setLevel(logging.WARNING)
    try:
        return optuna.create_study(
            study_name=name, storage=storage, direction="maximize" if largest else "minimize", pruner=pruner,
            load_if_exists=True,
        )  # fmt: skip
    finally:
        logger.setLevel(level)
