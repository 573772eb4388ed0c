"""Cluster: does tasks in the workers of a Dask cluster. A worker that is lost costs its running task only."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any

from ... import __version__, checks, kernels
from ..data import Data
from ..processes.process import GRACE
from ..processes.relayed import Relayed
from ..processes.tasks import Given, Tasks
from ..trials.trial import Outcome, Task
from ..trials.watching import UNFINISHED, Report
from . import link, marks, remote
from .link import DROPPED, ENDED, ERROR, KILLED, REPORT, Link
from .remote import Answer, Cargo, Order

LOOK = 1.0  # seconds between two looks at which workers there are
PATIENCE = 10.0  # seconds without a worker until that is said


@dataclass
class Seat:
    """A worker of the cluster: what it does, and the key by which that is heard of."""

    address: str
    key: str
    ready: bool = False
    given: Given | None = None


class Cluster:
    """Does tasks in the workers of a Dask cluster, one at a time in each.

    Parameters
    ----------
    build, data
        What is trained on what.
    jobs : Client or str
        Of Dask's distributed, or the address of its scheduler.
    """

    spare = 1  # a task at hand for the worker that is ready next

    def __init__(self, build: Callable[..., Any], data: Data, jobs: Any) -> None:
        self._cargo, self._jobs = Cargo(link.pickled(build), data), jobs
        self._link: Link | None = None
        self._seats: dict[str, Seat] = {}  # by address
        self._refused: dict[str, str] = {}  # workers that can do no trials, and why
        self._tasks, self._relayed = Tasks("Dask worker"), Relayed()
        self._ended: deque[tuple[int, Outcome]] = deque()
        self._joined = False  # workers, since `wait` has said so
        self._looked = self._seen = 0.0  # when workers were looked for, and when there were some

    @property
    def jobs(self) -> int:
        """Number of workers; without any, a task waits for the first."""
        return max(len(self._seats), 1)

    # Use ------------------------------------------------------------------------------------------

    def start(self, task: Task, report: Report | None) -> None:
        """Take a task."""
        self._tasks.add(Given(task, report))
        if self._link is None:
            self._link, self._seen = Link(self._jobs), time.monotonic()
            self._look(self._link)
        self._hand_out(self._link)

    def wait(self) -> tuple[int, Outcome] | None:
        """Wait until a task has ended, or until workers have joined, which is None.

        ConnectionError if the scheduler is lost; RuntimeError if workers cannot do trials.
        """
        assert self._link is not None
        while not self._ended:
            message = self._link.heard(LOOK)
            if message is not None:
                self._hear(self._link, *message)
            if time.monotonic() - self._looked >= LOOK:
                self._look(self._link)
            self._hand_out(self._link)
            if self._joined:
                self._joined = False
                return None
        return self._ended.popleft()

    def close(self) -> list[tuple[int, Outcome]]:
        """Cancel all tasks, of which those that have checkpoints write them first; return what has ended already."""
        if (connection := self._link) is None:
            return []
        self._hear_the_last(connection)
        ended = list(self._ended)
        busy = [seat for seat in self._seats.values() if seat.given is not None]
        self._link = None
        self._seats.clear()
        self._refused.clear()
        self._tasks.clear()
        self._ended.clear()
        keys = [seat.key for seat in busy]
        try:
            connection.cancel(keys)
            writing = [seat.address for seat in busy if seat.given and seat.given.task.checkpoint is not None]
            if writing:
                connection.tell(writing, remote.quiet, keys, GRACE)
        finally:
            connection.close()
        return ended

    def _hear_the_last(self, link: Link) -> None:
        """Take in what has arrived, as far as it says that tasks have ended."""
        with suppress(ConnectionError):
            while (message := link.heard(0)) is not None:
                seat = next((one for one in self._seats.values() if one.key == message[1]), None)
                if message[0] == ENDED and seat is not None and seat.given is not None:
                    given, seat.given = seat.given, None
                    self._take(given, *message[2:])

    # Workers --------------------------------------------------------------------------------------

    def _look(self, link: Link) -> None:
        """Look which workers there are."""
        there, self._looked = link.workers(), time.monotonic()
        for address in [one for one in self._seats if one not in there]:
            self._lost(link, self._seats.pop(address))
        self._refused = {one: why for one, why in self._refused.items() if one in there}
        for address in there - self._seats.keys() - self._refused.keys():
            key = link.call(address, remote.greet, __version__, kernels.backend())
            self._seats[address] = Seat(address, key)
            self._joined = True
        if self._seats:
            self._seen = time.monotonic()
        elif time.monotonic() - self._seen >= PATIENCE:
            checks.warn("the Dask cluster has no workers; the search waits for one to join", RuntimeWarning)
            self._seen = float("inf")
        self._drop_late()

    def _drop_late(self) -> None:
        """Leave waiting tasks to the next search once the time is over."""
        for _ in range(len(self._tasks)):
            given = self._tasks.next()
            if given.task.ends is not None and time.time() >= given.task.ends:
                self._ended.append((given.task.number, Outcome(UNFINISHED, "the time is over")))
            else:
                self._tasks.add(given)

    def _lost(self, link: Link, seat: Seat) -> None:
        """A worker is gone: have its task done again, or give the task up."""
        link.cancel([seat.key])
        if seat.given is None:
            return
        if link.dismissed(seat.address):
            self._tasks.again(seat.given)
        elif (ended := self._tasks.died(seat.given, f"at {seat.address} was lost", "; it may lack memory")) is not None:
            self._ended.append(ended)

    # Tasks ----------------------------------------------------------------------------------------

    def _hand_out(self, link: Link) -> None:
        """Give waiting tasks to workers that have none."""
        ready = {seat.address: seat for seat in self._seats.values() if seat.ready}
        for seat in ready.values():
            if not self._tasks:
                break
            if seat.given is None:
                given = self._tasks.next()
                order, start = _order(given, link.topic), given.task.start
                sent = [None if one is None else link.sent(one, ready.keys()) for one in (self._cargo, start)]
                seat.given, seat.key = given, link.call(seat.address, remote.do, sent[0], order, sent[1])

    def _hear(self, link: Link, kind: str, key: str, *values: Any) -> None:
        """Take in what is heard of a call."""
        seat = next((one for one in self._seats.values() if one.key == key), None)
        if seat is None:  # of a worker that was lost
            return
        if kind == REPORT and seat.given is not None and seat.given.report is not None:
            link.tell([seat.address], remote.answer, key, seat.given.report(*values))
        elif kind == KILLED:
            self._lost(link, self._seats.pop(seat.address))
        elif kind == DROPPED:
            self._drop(link, seat)
        elif kind == ERROR:
            self._fail(seat, *values)
        elif kind == ENDED and not seat.ready:
            seat.ready = True
        elif kind == ENDED and seat.given is not None:
            given, seat.given = seat.given, None
            self._take(given, *values)

    def _drop(self, link: Link, seat: Seat) -> None:
        """A call was dropped, since its worker is gone, or the samples are, with other workers."""
        self._look(link)
        if self._seats.get(seat.address) is seat:
            del self._seats[seat.address]  # until the next look
            if seat.given is not None:
                self._tasks.again(seat.given)

    def _take(self, given: Given, answer: Answer) -> None:
        for warning in answer.warnings:
            self._relayed.show(*warning)
        self._ended.append(self._tasks.ended(given.task.number, answer.outcome))

    def _fail(self, seat: Seat, error: BaseException) -> None:
        """A worker cannot do trials: leave it out, or raise RuntimeError if it is not its own fault, or the last."""
        del self._seats[seat.address]
        text = f"the Dask worker at {seat.address} cannot do trials: {type(error).__name__}: {error}"
        if seat.ready or not self._seats:
            raise RuntimeError(text) from error
        self._refused[seat.address] = text
        checks.warn(f"{text}; the search goes on without it", RuntimeWarning)


def _order(given: Given, topic: str) -> Order:
    """A task as a worker is told it."""
    task = given.task
    mark = "" if task.checkpoint is None else marks.mark(task.checkpoint)
    left = None if task.ends is None else task.ends - time.time()
    plain = replace(task, start=None, ends=None)
    return Order(plain, left, topic if given.report is not None else "", mark, kernels.backend())
