"""Process: starts a worker process, talks to it, and ends it. Does not know how many there are."""

from __future__ import annotations

import multiprocessing
import multiprocessing.connection
import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from typing import IO, Any

from ... import kernels
from . import worker
from .worker import STOP, Begin

GRACE = 10.0  # seconds in which processes write their checkpoints
# What native kernels and the libraries behind NumPy take for their number of threads.
THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "VECLIB_MAXIMUM_THREADS")
START = "import sys; sys.path[:] = {path}; from pynn.search.processes.worker import main; main({line}, {file})"


class Process:
    """A worker process.

    Parameters
    ----------
    file : file
        With build and the samples.
    threads : int
        That it may use.
    main : bool
        Whether it needs the main script.

    Attributes
    ----------
    line : Connection
        To it.
    ready : bool
        Whether it has said so.
    given : object
        What it does, None if nothing.
    """

    def __init__(self, file: IO[bytes], threads: int, main: bool) -> None:
        self.threads, self.ready = threads, False
        self.given: Any = None
        line, theirs = multiprocessing.Pipe()
        self.line: Any = line
        try:
            self._popen = _started(theirs, file, threads)
        finally:
            theirs.close()
        self.tell(Begin(worker.script() if main else None, sys.argv, kernels.backend(), threads))

    @property
    def ended(self) -> bool:
        """Whether it has ended."""
        return self._popen.poll() is not None

    def tell(self, message: Any) -> None:
        """Say something to it. That it has died is noticed when it is heard."""
        with suppress(OSError):
            self.line.send(message)

    def heard(self) -> Any:
        """The next thing it says; EOFError or OSError if it has died."""
        if not self.line.poll():  # a child of it has the line still open
            raise EOFError
        return self.line.recv()

    def last(self) -> list[Any]:
        """What it has said and nobody has heard."""
        said = []
        with suppress(EOFError, OSError):
            while True:
                said.append(self.heard())
        return said

    def kill(self) -> str:
        """End it if it lives; return how it ended."""
        self.line.close()
        self._popen.kill()
        return how(self._popen.wait())


def _started(line: Any, file: IO[bytes], threads: int) -> subprocess.Popen[bytes]:
    """A new process with this end of a line. A new session: Ctrl-C in the terminal reaches the main process alone."""
    environment = {**os.environ, **dict.fromkeys(THREADS, str(threads))}
    executable, passed = sys.executable, dict[str, Any]()
    if sys.platform == "win32":
        import msvcrt

        handles = [line.fileno(), msvcrt.get_osfhandle(file.fileno())]
        for handle in handles:
            os.set_handle_inheritable(handle, True)
        # The executable of a virtual environment starts another process, without the handles.
        executable = getattr(sys, "_base_executable", sys.executable)
        environment["__PYVENV_LAUNCHER__"] = sys.executable
        passed["startupinfo"] = subprocess.STARTUPINFO(lpAttributeList={"handle_list": handles})
        passed["creationflags"] = subprocess.CREATE_NEW_PROCESS_GROUP
    else:
        handles = [line.fileno(), file.fileno()]
        passed.update(pass_fds=handles, start_new_session=True)
    code = START.format(path=[str(one) for one in sys.path], line=handles[0], file=handles[1])
    command = [executable, *(f"-W{one}" for one in sys.warnoptions), "-c", code]
    return subprocess.Popen(command, env=environment, stdin=subprocess.DEVNULL, **passed)


def speaking(processes: Sequence[Process], seconds: float) -> list[Process]:
    """The processes that have something to say, or have ended, within some seconds."""
    by_line = {one.line: one for one in processes}
    spoken: list[Any] = multiprocessing.connection.wait(list(by_line), seconds)
    return [by_line[line] for line in spoken] or [one for one in processes if one.ended]


def interrupt(processes: Sequence[Process]) -> list[Any]:
    """Interrupt processes, and give them some time to write their checkpoints; return what they said."""
    limit, left, said = time.monotonic() + GRACE, list(processes), list[Any]()
    for one in left:
        one.tell(STOP)
    while left and (seconds := limit - time.monotonic()) > 0:
        for one in speaking(left, seconds):
            try:
                said.append(one.heard())
            except (EOFError, OSError):
                left.remove(one)
    return said


def how(code: int) -> str:
    """In words how a process ended."""
    if code >= 0:
        return f"ended with exit code {code}"
    try:
        return f"was ended by {signal.Signals(-code).name}"
    except ValueError:
        return f"was ended by signal {-code}"


def shares(jobs: int) -> list[int]:
    """How many threads each process has, of those that this one may use; one at least."""
    threads = kernels.get_num_threads()
    if kernels.native_module() is None:
        given = os.environ.get("OMP_NUM_THREADS", "")
        threads = int(given) if given.isdecimal() else os.cpu_count() or 1
    return [max(threads // jobs + (place < threads % jobs), 1) for place in range(jobs)]
