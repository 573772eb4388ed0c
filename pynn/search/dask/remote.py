"""What a worker of a Dask cluster runs: trials, one at a time in each process, with all its threads."""

from __future__ import annotations

import asyncio
import queue
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from functools import cached_property
from typing import Any, NamedTuple

from ... import __version__, kernels
from ..data import Data
from ..processes.listening import Heard, listening
from ..trials import trial
from ..trials.trial import Outcome, Task
from ..trials.watching import Report
from . import marks

LOOK = 1.0  # seconds between two looks whether anybody still waits for the trial
RUNNING = ("executing", "long-running")  # states of a task of Dask that is wanted

_one = threading.Lock()  # backend and number of threads belong to the process
_answers: dict[str, queue.SimpleQueue[str | None]] = {}  # to reports, by the key of the trial


class Cargo:
    """What each worker is sent once.

    Parameters
    ----------
    pickled : bytes
        Build.
    data : Data
        The samples.
    """

    def __init__(self, pickled: bytes, data: Data) -> None:
        self.pickled, self.data = pickled, data

    def __reduce__(self) -> tuple[Any, ...]:  # a worker may send it on to another
        return Cargo, (self.pickled, self.data)

    @cached_property
    def build(self) -> Callable[..., Any]:
        """Build, read once in each process."""
        from distributed.protocol.pickle import loads

        try:
            build: Callable[..., Any] = loads(self.pickled)
        except Exception as cause:
            missing = isinstance(cause, ModuleNotFoundError)
            hint = '; client.upload_file("networks.py") sends a module to all workers' if missing else ""
            raise RuntimeError(f"build cannot be read there: {type(cause).__name__}: {cause}{hint}") from cause
        return build


class Order(NamedTuple):
    """A trial to do.

    Parameters
    ----------
    task : Task
        The trial, without what it starts from.
    left : float or None
        Seconds until the time is over; clocks of machines differ.
    topic : str
        Where epochs are reported; "" for no reports.
    mark : str
        The file in the folder for checkpoints by which a worker sees that it is the same folder.
    backend : str
        Of the kernels.
    """

    task: Task
    left: float | None
    topic: str
    mark: str
    backend: str


class Answer(NamedTuple):
    """What became of a trial, and its warnings."""

    outcome: Outcome
    warnings: list[Heard]


def greet(version: str, backend: str) -> None:
    """RuntimeError if trials would not be done here as in the main process."""
    if version != __version__:
        raise RuntimeError(f"it has pynn {__version__}, the main process {version}")
    if backend == "native" and kernels.native_module() is None:
        raise RuntimeError('its pynn has no native kernels; pynn.use_backend("numpy") has the main process do without')


def do(cargo: Cargo, order: Order, start: Any) -> Answer:
    """Do a trial. It is left as it is when nobody waits for it any more, as its main process was killed."""
    from distributed import get_worker

    worker: Any = get_worker()
    key = worker.get_current_task()
    checkpoint = order.task.checkpoint
    if checkpoint is not None and not marks.sees(checkpoint, order.mark):
        checkpoint = None
    ends = None if order.left is None else time.time() + order.left
    task = replace(order.task, start=start, checkpoint=checkpoint, ends=ends)
    over = _over(worker.state.tasks, key)
    _answers[key] = queue.SimpleQueue()
    try:
        with _one, _settings(order.backend, worker.state.nthreads), listening() as found:
            report = _reporting(worker, key, order.topic, over) if order.topic else None
            outcome = trial.run(cargo.build, cargo.data, task, report, over)
    finally:
        del _answers[key]
    return Answer(outcome, found)


def answer(key: str, why: str | None) -> None:
    """What the main process says to the report of a trial."""
    with suppress(KeyError):  # it may have ended
        _answers[key].put(why)


async def quiet(keys: list[str], seconds: float) -> None:
    """Wait some seconds at most until none of these trials is under way."""
    limit = time.monotonic() + seconds
    while any(key in _answers for key in keys) and time.monotonic() < limit:
        await asyncio.sleep(0.01)


def _over(tasks: Any, key: str) -> Callable[[], bool]:
    """Whether nobody waits for the trial: Dask cancels it if the main process does, or is gone."""

    def over() -> bool:
        task = tasks.get(key)
        return task is None or task.state not in RUNNING

    return over


def _reporting(worker: Any, key: str, topic: str, over: Callable[[], bool]) -> Report:
    inbox = _answers[key]

    def report(step: int, score: float) -> str | None:
        worker.log_event(topic, [key, step, float(score)])
        while not over():
            with suppress(queue.Empty):
                return inbox.get(timeout=LOOK)
        return None

    return report


@contextmanager
def _settings(backend: str, threads: int) -> Iterator[None]:
    """The kernels of the main process with the threads of this worker, as long as a trial runs."""
    before = kernels.backend(), kernels.get_num_threads()
    kernels.use_backend(backend)
    kernels.set_num_threads(threads)
    try:
        yield
    finally:
        kernels.use_backend(before[0])
        kernels.set_num_threads(before[1])
