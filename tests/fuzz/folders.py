"""Folders of campaigns: each is removed at the end, also of an interrupted campaign.

What a killed one has left is removed by the next that begins. A lock on the folder, which the system drops with the
last process that holds it, tells which is which.
"""

from __future__ import annotations

import os
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import FrameType

try:
    import fcntl
except ImportError:  # Windows: what killed campaigns have left stays there
    fcntl = None  # type: ignore[assignment]

AGAIN = 3  # seconds


@contextmanager
def temporary(kind: str, where: Path | str | None = None) -> Iterator[Path]:
    """A new folder for a campaign of this kind."""
    prefix, where = f"pynn-fuzz-{kind}-", Path(where or tempfile.gettempdir()).absolute()
    remove_stale(prefix, where)
    folder = Path(tempfile.mkdtemp(prefix=prefix, dir=where))
    held = _lock(folder, wait=True)
    while held is not None and not folder.exists():  # another campaign took it for a stale one before it was locked
        os.close(held)
        folder = Path(tempfile.mkdtemp(prefix=prefix, dir=where))
        held = _lock(folder, wait=True)
    try:
        yield folder
    finally:
        with undisturbed():
            remove(folder)
        if held is not None:
            os.close(held)


def remove_stale(prefix: str, where: Path) -> None:
    """Remove the folders of this prefix that no process holds."""
    for folder in where.glob(f"{prefix}*"):
        with suppress(OSError):  # another user's, or one that another campaign removes now
            held = _lock(folder, wait=False)
            if held is not None:
                remove(folder)
                os.close(held)


def remove(folder: Path) -> None:
    for _ in range(20):  # a file of a child that has just ended may be in the way
        shutil.rmtree(folder, ignore_errors=True)
        if not folder.exists():
            return
        time.sleep(0.05)


def _lock(folder: Path, wait: bool) -> int | None:
    """A descriptor that holds the folder, also in forked children; an OSError where another process does."""
    if fcntl is None:
        return None
    held = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(held, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
    except OSError:
        os.close(held)
        raise
    return held


@contextmanager
def undisturbed() -> Iterator[Callable[[], object]]:
    """Signals that end the campaign wait; a forked child calls what it is handed, which lets them come.

    Python runs functions of its own while it forks, and what a signal raises in one of those is lost.
    """
    if not hasattr(signal, "pthread_sigmask"):
        yield lambda: None
        return
    ends = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGALRM)
    before = signal.pthread_sigmask(signal.SIG_BLOCK, ends)
    try:
        yield lambda: signal.pthread_sigmask(signal.SIG_SETMASK, before)
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


@contextmanager
def ending_in_order() -> Iterator[None]:
    """A signal that ends the campaign lets it clean up; forked children are ended as ever.

    What a signal raises in a callback of the garbage collector is lost, so it is raised again after some seconds.
    """
    if not hasattr(signal, "alarm"):
        yield
        return
    campaign, came = os.getpid(), list[int]()

    def end(number: int, frame: FrameType | None) -> None:
        if os.getpid() == campaign:
            came.append(number)
            signal.alarm(AGAIN)
            sys.exit(128 + came[0])
        signal.signal(number, signal.SIG_DFL)
        os.kill(os.getpid(), number)

    for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGALRM):
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, end)
    try:
        yield
    finally:
        signal.alarm(0)
