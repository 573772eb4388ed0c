"""Work: does the trials that a study lacks, asking and telling here, training here or in other processes."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from typing import Any, NamedTuple, Protocol

from . import trial
from .checkpoints import EVERY
from .data import Data
from .keeping import Keeper
from .showing import Shown
from .study import Asked, Study
from .trial import Outcome, Task
from .watching import FAILED, UNFINISHED, Report

FEW = 3  # trials that fail before any other ends, and the search ends with their error


class Start(NamedTuple):
    """What trials begin with: the model files of each fold, and the number and the first loss of the trial of these."""

    trial: int
    models: list[bytes]
    first: float | None


class Pool(Protocol):
    """Where tasks are done."""

    jobs: int  # tasks that are done at the same time

    def start(self, task: Task, report: Report | None) -> None:
        """Take a task; at most `jobs` are under way."""

    def wait(self) -> tuple[int, Outcome]:
        """Wait until a task has ended; return its number, and what became of it."""

    def close(self) -> None:
        """End all tasks that are under way."""


class Serial:
    """Does tasks in this process, one after the other."""

    jobs = 1

    def __init__(self, build: Callable[..., Any], data: Data) -> None:
        self._build, self._data = build, data
        self._tasks: list[tuple[Task, Report | None]] = []

    def start(self, task: Task, report: Report | None) -> None:
        """Take a task."""
        self._tasks.append((task, report))

    def wait(self) -> tuple[int, Outcome]:
        """Do the task."""
        task, report = self._tasks.pop(0)
        return task.number, trial.run(self._build, self._data, task, report)

    def close(self) -> None:
        """Nothing is under way."""


class Work:
    """Does the trials that a study lacks.

    Parameters
    ----------
    build, data
        What is trained on what.
    keeper : Keeper
        Of the best models.
    stop : bool
        Whether to end hopeless trials.
    progress : bool or str
        As for `Search`.
    """

    def __init__(self, build: Callable[..., Any], data: Data, keeper: Keeper, stop: bool, progress: bool | str) -> None:
        self._build, self._data, self._keeper = build, data, keeper
        self._stop, self._progress = stop, progress

    def do(self, study: Study, trials: int, ends: float | None = None, start: Start | None = None) -> bool:
        """Do trials until the study has so many, or the time is over; return whether there was time for all.

        RuntimeError if the first trials all fail. Trials that have not ended are left to the next run.
        """
        study.begin(trials)
        if study.best is not None:
            self._keeper.drop_others(study.name, study.best[1])
        return _Run(self, study, trials, ends, start).go()

    def pool(self) -> Pool:
        """Where trials are done."""
        return Serial(self._build, self._data)

    def shown(self, study: Study, trials: int) -> Shown:
        """A bar of the trials that have ended."""
        return Shown(study.name, max(trials, study.total), study.ended, study.settings.metric, self._progress)

    def task(self, study: Study, asked: Asked, ends: float | None, start: Start | None) -> Task:
        """What to do for a trial."""
        settings = study.settings
        return Task(
            asked.number, asked.params, settings.epochs, study.seed(asked.number), settings.metric,
            "max" if study.largest else "min", self._stop, None if study.best is None else study.best[0],
            study.middles.now(), None if start is None else start.models, None if start is None else start.first,
            self._checkpoint(study, asked), ends,
        )  # fmt: skip

    def _checkpoint(self, study: Study, asked: Asked) -> str | None:
        """The folder for checkpoints of a trial, if trials are long enough for them, or this one has some."""
        folder = self._keeper.checkpoint(study.name, asked.number)
        long = study.slowest is None or study.slowest > EVERY / 4
        return folder if folder is not None and (long or os.path.isdir(folder)) else None

    def keep(self, study: Study, asked: Asked, outcome: Outcome) -> None:
        """Write the models of a trial that is the best so far, then tell the study of it."""
        if outcome.models:
            self._keeper.keep(study.name, asked.number, outcome.models)
        study.tell(asked, outcome)
        if outcome.models and study.best is not None:
            self._keeper.drop_others(study.name, study.best[1])


class _Run:
    """One call of `Work.do`: the trials that are under way, and those that failed before any other ended well."""

    def __init__(self, work: Work, study: Study, trials: int, ends: float | None, start: Start | None) -> None:
        self._work, self._study, self._trials, self._ends, self._start = work, study, trials, ends, start
        self._running: dict[int, Asked] = {}
        self._failed: list[tuple[Asked, Outcome]] = []
        self._whole = True

    def go(self) -> bool:
        """Do the trials; return whether there was time for all."""
        pool, shown = self._work.pool(), self._work.shown(self._study, self._trials)
        try:
            while True:
                while len(self._running) < pool.jobs and (asked := self._next()) is not None:
                    self._running[asked.number] = asked
                    task = self._work.task(self._study, asked, self._ends, self._start)
                    pool.start(task, self._study.report(asked))
                if not self._running:
                    break
                number, outcome = pool.wait()
                self._end(self._running[number], outcome)
                del self._running[number]
                shown.show(self._study.ended, self._study.best)
            if self._failed:
                raise RuntimeError(_all_failed(self._failed))
            return self._whole
        finally:
            pool.close()
            for asked in (*self._running.values(), *(asked for asked, _ in self._failed)):
                self._study.release(asked)
            shown.close()

    def _next(self) -> Asked | None:
        if self._ends is not None and time.time() >= self._ends:
            self._whole = False
            return None
        return self._study.ask(self._trials)

    def _end(self, asked: Asked, outcome: Outcome) -> None:
        if outcome.ended == UNFINISHED:
            self._study.release(asked)
            self._whole = False
        elif outcome.ended == FAILED and not self._study.worked:
            self._failed.append((asked, outcome))
            if len(self._failed) >= min(FEW, self._trials):
                raise RuntimeError(_all_failed(self._failed))
        else:
            for one, error in self._failed:
                self._study.tell(one, error)
            self._failed.clear()
            self._work.keep(self._study, asked, outcome)


def _all_failed(failed: list[tuple[Asked, Outcome]]) -> str:
    asked, outcome = failed[0]
    many = f"the first {len(failed)} trials" if len(failed) > 1 else "the only trial"
    return (
        f"{many} failed, so the search has ended: build, or what it makes, has an error. "
        f"Trial {asked.number}, of {asked.params}: {outcome.why}\n\n{outcome.error}"
    )
