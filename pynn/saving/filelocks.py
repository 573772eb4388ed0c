"""File locks: the system frees them when their process ends, however it ends. Knows no runs.

If the file system has no locks, the text of the lock file about its holder decides.
"""

from __future__ import annotations

import functools
import os
import stat
import sys
import time
import weakref
import zlib
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import IO, Any

from ..messages.terminal import printable

if sys.platform == "win32":
    import msvcrt

    def _lock(file: IO[bytes]) -> None:
        file.seek(2**30)  # far behind the text, because other processes cannot read locked bytes
        try:
            msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
        except PermissionError as cause:
            raise BlockingIOError from cause
else:
    import fcntl

    def _lock(file: IO[bytes]) -> None:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)


NAME = ".pynn.lock"
_FILES: weakref.WeakSet[IO[bytes]] = weakref.WeakSet()  # files that this process has locked, or is about to lock


def opened(path: Path) -> IO[bytes]:
    """A file to lock, open for reading and writing, created if needed; closed in forked processes."""
    file = open(path, "r+b", buffering=0, opener=_open_or_create)  # noqa: SIM115 (open as long as it is locked)
    _FILES.add(file)
    return file


def _open_or_create(name: str, flags: int) -> int:
    """Open or create the file; refuse a symbolic link, whose target would be overwritten."""
    try:
        return os.open(name, flags | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0), 0o666)
    except OSError as cause:
        if os.path.islink(name):
            raise OSError(cause.errno, f"{name} is a symbolic link, expected a file; remove it") from None
        raise


def _close_in_child() -> None:
    """In a forked child, close its copies of the files, which would keep the locks after the parent's end."""
    for file in list(_FILES):
        file.close()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_close_in_child)


def locked(file: IO[bytes]) -> bool | None:
    """Lock a file from `opened` until it is closed: True, False if it is locked already, None if there are no locks."""
    try:
        _lock(file)
    except BlockingIOError:
        return False
    except OSError:
        return None
    finally:
        file.seek(0)  # Windows locks bytes at the file position
    return True


class FolderLock:
    """A folder that a single run writes to, until `release` or the end of this process. A copy holds no lock.

    name: of the folder, for errors. RuntimeError if another run has it, or if a folder, pipe or device has the name of
    the lock file; OSError if no file can be created there. A forked child does not hold the lock, and the lock of a
    dead process is taken over. `release` removes the file.
    """

    def __init__(self, folder: Path, name: str) -> None:
        self._path = folder / NAME
        for _ in range(100):
            _expect_file(self._path)
            self._file = opened(self._path)
            try:
                self._take(name)
                if self.held():  # otherwise its last holder has removed it since it was opened
                    return
            except BaseException:
                self._file.close()
                raise
            self._file.close()
        raise RuntimeError(f"{name} cannot be locked: {self._path} keeps disappearing")

    def __reduce__(self) -> tuple[Any, ...]:
        return type(None), ()

    def _take(self, name: str) -> None:
        import json

        acquired = locked(self._file)
        if acquired is False or (acquired is None and lives(_read(self._file))):
            raise RuntimeError(_refusal(name, self._path, self._file, acquired is None))
        entry = {**signature(), "since": time.strftime("%Y-%m-%d %H:%M:%S"), "run": os.urandom(4).hex()}
        try:
            self._file.truncate(0)
            self._file.seek(0)
            self._file.write(json.dumps(entry).encode())
            self._share()
            if acquired is None:  # another run that starts at the same moment may sign after this one
                time.sleep(0.1)
        except BaseException:
            self._remove()
            raise
        if acquired is None and _read(self._file) != entry:  # the last to sign is the holder
            raise RuntimeError(_refusal(name, self._path, self._file, True))

    def _share(self) -> None:
        """Give everybody who may write in the folder the right to take over the lock of a dead process."""
        if hasattr(os, "fchmod"):
            with suppress(OSError):
                os.fchmod(self._file.fileno(), 0o644 | self._path.parent.stat().st_mode & 0o022)

    def held(self) -> bool:
        """Whether this process holds it: a forked child does not, and no process does once the file is removed."""
        if self._file.closed:
            return False
        with suppress(OSError):
            return os.path.samestat(os.fstat(self._file.fileno()), os.stat(self._path))
        return False

    def release(self) -> None:
        """Release the folder and remove the file."""
        if self._file.closed:
            return
        try:
            self._remove()
        finally:
            self._file.close()
        # Windows cannot remove an open file: not before this, nor if another run has opened it since.
        if sys.platform == "win32":
            with suppress(OSError):
                self._path.unlink()

    def _remove(self) -> None:
        """Remove the file while it is locked: other processes that have opened it see that it is gone."""
        with suppress(OSError):
            if self.held():
                self._path.unlink()


def in_use(folder: Path) -> bool:
    """Whether a run that is still alive has signed the lock of the folder."""
    try:
        with open(folder / NAME, "rb", buffering=0) as file:
            return lives(_read(file))
    except OSError:
        return False


def _expect_file(path: Path) -> None:
    """RuntimeError if something else has the name; `opened` refuses links."""
    with suppress(OSError):
        mode = os.lstat(path).st_mode
        if not stat.S_ISREG(mode) and not stat.S_ISLNK(mode):
            kind = "folder" if stat.S_ISDIR(mode) else "pipe, a device or a socket"
            text = f"{printable(path)} is a {kind}, but a run needs a file of that name: remove it"
            raise RuntimeError(text)


def _read(file: IO[bytes]) -> dict[str, Any]:
    """The file's entry about its holder; empty if the file is damaged or being written."""
    import json

    with suppress(OSError, ValueError, RecursionError):
        file.seek(0)
        entry = json.loads(file.read(1000))
        if isinstance(entry, dict) and type(entry.get("process")) is int:
            return entry
    return {}


def _refusal(name: str, path: Path, file: IO[bytes], unlocked: bool) -> str:
    entry = _read(file)
    for _ in range(20):
        if entry:
            break
        time.sleep(0.005)  # it may have been locked just now
        entry = _read(file)
    where, since = (str(entry.get(key, ""))[:80] for key in ("host", "since"))
    holder = f"process {entry['process']} on {where} since {since}" if entry else "another process"
    if entry and (entry["process"], entry.get("machine")) == (os.getpid(), machine()):
        holder = f"another run of this process, since {since}"
    dead = f"; this file system has no locks: if that run is dead, remove {path}" if unlocked else ""
    return printable(f"{name} is in use by {holder}; wait for it to end, or use another folder{dead}")


# Processes -----------------------------------------------------------------------------------------


def host() -> str:
    """The name of this computer."""
    return os.uname().nodename if hasattr(os, "uname") else os.environ.get("COMPUTERNAME", "")


@functools.cache
def machine() -> str:
    """Eight digits that identify this computer since its start; a container with its own processes has others."""
    text = host()
    with suppress(OSError):
        text += Path("/proc/sys/kernel/random/boot_id").read_text() + os.readlink("/proc/self/ns/pid")
    return f"{zlib.crc32(text.encode(errors='replace')):08x}"


def is_dead(process: int) -> bool:
    """Whether this computer has no process of that number; False if that cannot be known."""
    if os.name == "nt":  # os.kill would end the process
        from . import windows  # here: only Windows needs it

        return windows.is_dead(process)
    try:
        os.kill(process, 0)
    except (ProcessLookupError, OverflowError):
        return True
    except OSError:
        pass
    return False


def _begun(process: int) -> str:
    """When the process was started, where the system tells: its number may have been reused."""
    if os.name == "nt":
        from . import windows

        return windows.begun(process)
    with suppress(OSError, IndexError):
        return Path(f"/proc/{process}/stat").read_text(errors="replace").rpartition(")")[2].split()[19]
    return ""


def signature() -> dict[str, Any]:
    """What tells this process from all others, also after its end: for `lives`."""
    process = os.getpid()
    return {"process": process, "host": host(), "machine": machine(), "begun": _begun(process)}


def lives(holder: Mapping[str, Any]) -> bool:
    """Whether the process of this `signature` may still be running."""
    if not holder:
        return False
    if holder.get("machine") != machine():
        return holder.get("host") != host()  # the same host is this computer before its restart
    process: int = holder["process"]
    return process > 0 and not is_dead(process) and holder.get("begun") == _begun(process)
