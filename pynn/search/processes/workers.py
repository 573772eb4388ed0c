"""Workers: does tasks in several processes at once. A process that dies costs its running task only."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from typing import IO, Any

from ...messages.terminal import brief
from ..data import Data
from ..trials.trial import Outcome, Task
from ..trials.watching import Report
from . import process, shared, worker
from .process import Process
from .relayed import Relayed
from .tasks import Given, Tasks
from .worker import ENDED, READY, REFUSED, REPORT, WARNING

STARTS = 3  # processes in a row that die before they are ready
LOOK = 1.0  # seconds between two looks at silent processes
BEGUN = "no worker process could begin"


def sendable(build: Callable[..., Any]) -> bytes:
    """Build, pickled; TypeError if another process cannot find it."""
    needs = f"Search: jobs needs a build that other processes can import, but {brief(build)}"
    write = "write it to a file, such as networks.py, and import it from there"
    try:
        content = pickle.dumps(build)
    except Exception as cause:
        raise TypeError(
            f"{needs} is a lambda, a nested function, or holds something that cannot be pickled ({cause}); define it "
            f"with def at the top level of a module or of the script; in a notebook, {write}"
        ) from cause
    if _in_main(content) and worker.script() is None:
        raise TypeError(f"{needs} is in no file: it comes from a notebook, a prompt or python -c; {write}")
    return content


def _in_main(content: bytes) -> bool:
    """Whether a pickle refers to the main script."""
    return b"__main__" in content


class Workers:
    """Does tasks in processes, each with its share of the threads.

    Parameters
    ----------
    build, data
        What is trained on what.
    jobs : int
        Number of processes.
    """

    spare = 1  # a task at hand for the process that is ready next

    def __init__(self, build: Callable[..., Any], data: Data, jobs: int) -> None:
        self._build, self._data, self.jobs = sendable(build), data, jobs
        self._file: IO[bytes] | None = None
        self._processes: list[Process] = []
        self._shares: list[int] = []  # threads of processes that have not been started
        self._tasks, self._relayed = Tasks("worker process"), Relayed()
        self._unborn = 0  # processes in a row that died before they were ready

    # Use ------------------------------------------------------------------------------------------

    def start(self, task: Task, report: Report | None) -> None:
        """Take a task."""
        self._tasks.add(Given(task, report))
        self._hand_out()

    def wait(self) -> tuple[int, Outcome]:
        """Wait until a task has ended; return its number, and what became of it.

        RuntimeError if processes cannot begin.
        """
        while True:
            for one in process.speaking(self._processes, LOOK):
                ended = self._heard(one)
                if ended is not None:
                    return ended

    def close(self) -> list[tuple[int, Outcome]]:
        """End all processes, of which those whose tasks have checkpoints write them first; return what has ended."""
        processes, self._processes = self._processes, []
        self._tasks.clear()
        said = []
        try:
            said = process.interrupt([one for one in processes if one.given and one.given.task.checkpoint is not None])
            said += [message for one in processes for message in one.last()]
        finally:
            for one in processes:
                one.kill()
            if self._file is not None:
                self._file.close()
                self._file = None
        return [(number, outcome) for kind, *values in said if kind == ENDED for number, outcome in [values]]

    # Processes ------------------------------------------------------------------------------------

    def _hand_out(self) -> None:
        """Give waiting tasks to processes that have none, and start processes for the others."""
        idle = [one for one in self._processes if one.ready and one.given is None]
        while self._tasks and idle:
            one = idle.pop()
            one.given = given = self._tasks.next()
            one.tell((given.task, given.report is not None))
        if self._file is None:
            self._file, self._shares = shared.written((self._build, self._data)), process.shares(self.jobs)
        starting = sum(not one.ready for one in self._processes)
        for threads in self._shares[: max(len(self._tasks) - starting, 0)]:
            self._processes.append(Process(self._file, threads, _in_main(self._build)))
            self._shares.remove(threads)

    def _heard(self, one: Process) -> tuple[int, Outcome] | None:
        """Take in what a process says; return its task if that has ended."""
        try:
            kind, *values = one.heard()
        except (EOFError, OSError):
            return self._lost(one)
        if kind == READY:
            one.ready, self._unborn = True, 0
            self._hand_out()
        elif kind == REFUSED:
            raise RuntimeError(f"{BEGUN}: {values[0]}")
        elif kind == WARNING:
            self._relayed.show(*values)
        elif kind == REPORT:
            one.tell(one.given.report(*values))
        elif kind == ENDED:
            one.given = None
            self._hand_out()
            return self._tasks.ended(*values)
        return None

    def _lost(self, one: Process) -> tuple[int, Outcome] | None:
        """A process has died: have its task done again, or give the task up."""
        self._processes.remove(one)
        self._shares.append(one.threads)
        how, given = one.kill(), one.given
        if not one.ready:
            self._unborn += 1
            if self._unborn >= STARTS:
                raise RuntimeError(f"{BEGUN}: the last of {self._unborn} {how}; see stderr for the cause")
        hint = f"; if memory was short, take fewer than {self.jobs} jobs" if "SIGKILL" in how else ""
        ended = None if given is None else self._tasks.died(given, how, hint)
        self._hand_out()
        return ended
