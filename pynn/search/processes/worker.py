"""What a worker process runs: trials that the main process sends. It ends with that process, however that ends."""

from __future__ import annotations

import _thread
import os
import pickle
import queue
import runpy
import sys
import threading
import traceback
import types
import warnings
from collections.abc import Callable
from contextlib import suppress
from multiprocessing.connection import Connection
from typing import Any, NamedTuple

from ... import kernels
from ..data import Data
from ..trials import trial
from . import shared

if sys.platform == "win32":
    import msvcrt
    from multiprocessing.connection import PipeConnection

    def _line(handle: int) -> Any:
        return PipeConnection(handle)

    def _descriptor(handle: int) -> int:
        return msvcrt.open_osfhandle(handle, os.O_RDONLY)
else:

    def _line(handle: int) -> Any:
        return Connection(handle)

    def _descriptor(handle: int) -> int:
        return handle


# What a worker says; the rest of a message are values.
READY, REFUSED, REPORT, WARNING, ENDED = "ready", "refused", "report", "warning", "ended"
STOP = "stop"  # what it is told; otherwise Begin, a task, or the answer to a report
LOOK = 1.0  # seconds between two looks at the main process
MAIN = "__mp_main__"  # name of the main script where it is imported, as multiprocessing has it


class Begin(NamedTuple):
    """What a worker is told first, as plain values.

    Parameters
    ----------
    main : tuple of str, optional
        "module" or "file", and which, if `build` is in the main script.
    arguments : list of str
        Of the main script.
    backend : str
        Of the kernels.
    threads : int
        That it may use.
    """

    main: tuple[str, str] | None
    arguments: list[str]
    backend: str
    threads: int


# The worker ----------------------------------------------------------------------------------------


def main(line: int, file: int) -> None:
    """Do trials until the main process ends or stops this one.

    line: the handle of a connection to the main process. file: of the file with `build` and the samples.
    """
    talk = _Talk(line)
    try:
        build, data = _begun(talk.inbox.get(), file)
    except BaseException:
        talk.say(REFUSED, UNGUARDED if _unguarded else traceback.format_exc())
        return
    warnings.showwarning = talk.warn
    talk.say(READY)
    with suppress(KeyboardInterrupt):
        while True:
            _do(build, data, talk)


def _begun(begin: Begin, file: int) -> tuple[Callable[..., Any], Data]:
    """Build and the samples."""
    kernels.use_backend(begin.backend)
    kernels.set_num_threads(begin.threads)
    pickled, data = shared.mapped(_descriptor(file))
    sys.argv = begin.arguments
    if begin.main is not None:
        _import_script(*begin.main)
    return pickle.loads(pickled), data


def _do(build: Callable[..., Any], data: Data, talk: _Talk) -> None:
    """Do the next trial."""
    message = talk.inbox.get()
    if message == STOP:  # the trial ended nevertheless
        raise KeyboardInterrupt
    task, reports = message
    outcome = trial.run(build, data, task, talk.report if reports else None)
    for stream in (sys.stdout, sys.stderr):  # the process may be killed before the next trial
        with suppress(AttributeError, OSError, ValueError):
            stream.flush()
    talk.say(ENDED, task.number, outcome)


class _Talk:
    """The line to the main process. A thread listens to it all the time, since training does not.

    Parameters
    ----------
    handle : int
        Of the connection.
    """

    def __init__(self, handle: int) -> None:
        self._line, self._parent = _line(handle), os.getppid()
        self.inbox: queue.SimpleQueue[Any] = queue.SimpleQueue()
        threading.Thread(target=self._listen, daemon=True).start()

    def _listen(self) -> None:
        try:
            while True:
                while not self._line.poll(LOOK):  # a forked child of the main process may keep the line open
                    if os.getppid() != self._parent:
                        return
                message = self._line.recv()
                self.inbox.put(message)
                if message == STOP:
                    _thread.interrupt_main()
        except (EOFError, OSError):  # the main process has ended
            pass
        finally:
            os._exit(1)

    def say(self, *message: Any) -> None:
        """Tell the main process; without it nothing is left to do."""
        with suppress(OSError):
            self._line.send(message)

    def report(self, step: int, score: float) -> str | None:
        """What the main process says to the score of an epoch."""
        self.say(REPORT, step, score)
        answer: str | None = self.inbox.get()
        if answer == STOP:
            raise KeyboardInterrupt
        return answer

    def warn(
        self, message: Warning | str, category: type[Warning], filename: str, lineno: int, file: Any = None,
        line: Any = None,
    ) -> None:  # fmt: skip
        """Have the main process show a warning."""
        self.say(WARNING, str(message), category.__name__, filename, lineno)


# The main script -----------------------------------------------------------------------------------

UNGUARDED = """\
worker processes import the main script to find build, but the script runs the search when it is imported. Put what it \
does under a line

    if __name__ == "__main__":

and leave build above it; or move build to a module of its own and import it from there"""
_importing = _unguarded = False  # the script is being imported; it has tried to search


def expect_guarded() -> None:
    """RuntimeError if a worker is just importing the main script, which has no guard then."""
    global _unguarded
    if _importing:
        _unguarded = True
        raise RuntimeError(UNGUARDED)


def script() -> tuple[str, str] | None:
    """What workers import to have this process's main script; None if it is no file, as in a notebook."""
    main = sys.modules["__main__"]
    spec, path = getattr(main, "__spec__", None), getattr(main, "__file__", None)
    if spec is not None:
        return "module", spec.name
    return ("file", os.path.abspath(path)) if path is not None and os.path.isfile(path) else None


def _import_script(kind: str, name: str) -> None:
    global _importing
    run: Callable[..., dict[str, Any]] = runpy.run_module if kind == "module" else runpy.run_path
    _importing = True
    try:
        content = run(name, run_name=MAIN)
    finally:
        _importing = False
    module = types.ModuleType(MAIN)
    vars(module).update(content)
    sys.modules["__main__"] = sys.modules[MAIN] = module
