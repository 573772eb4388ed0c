"""Work: does the trials that a study lacks, asking and telling here, training here or in other processes."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any, NamedTuple, Protocol

from optuna.trial import FrozenTrial

from .. import checks
from .data import Data
from .processes.worker import expect_guarded
from .processes.workers import Workers
from .showing import Shown
from .storage import beats, claims
from .storage.keeping import Keeper
from .study import Asked, Study
from .trials import trial
from .trials.checkpoints import EVERY
from .trials.trial import Outcome, Task
from .trials.watching import FAILED, FINISHED, UNFINISHED, Report

FEW = 3  # trials that fail in the same way before any other ends, and the search ends with their error
LOOK = 0.5  # seconds between two looks at trials of other processes
PATIENCE = 5.0  # seconds of waiting for them until that is said
SHORT = 1.0  # seconds of a trial, and the next one is asked for before a process is ready for it


class Start(NamedTuple):
    """What trials begin with: the model files of each fold, and the number of the trial of these."""

    trial: int
    models: list[bytes]


class Pool(Protocol):
    """Where tasks are done."""

    spare: int  # further tasks that it can take

    @property
    def jobs(self) -> int:
        """Number of tasks that are done at the same time; it may grow and shrink."""

    def start(self, task: Task, report: Report | None) -> None:
        """Take a task; at most `jobs` are under way, and `spare` wait."""

    def wait(self) -> tuple[int, Outcome] | None:
        """Wait until a task has ended; return its number, and what became of it. None if there is room for more."""

    def close(self) -> list[tuple[int, Outcome]]:
        """End all tasks that are under way; return the numbers of those that have ended by themselves, and how."""


class Serial:
    """Does tasks in this process, one after the other."""

    spare = 0

    def __init__(self, build: Callable[..., Any], data: Data) -> None:
        self._build, self._data, self.jobs = build, data, 1
        self._tasks: list[tuple[Task, Report | None]] = []

    def start(self, task: Task, report: Report | None) -> None:
        """Take a task."""
        self._tasks.append((task, report))

    def wait(self) -> tuple[int, Outcome]:
        """Do the task."""
        task, report = self._tasks.pop(0)
        return task.number, trial.run(self._build, self._data, task, report)

    def close(self) -> list[tuple[int, Outcome]]:
        """Forget the task."""
        self._tasks.clear()
        return []


def pool(build: Callable[..., Any], data: Data, jobs: Any) -> Pool:
    """Where tasks are done: here, in processes, or in a cluster. jobs: as for `Search`."""
    if jobs == 1:
        return Serial(build, data)
    if isinstance(jobs, int):
        return Workers(build, data, jobs)
    from .dask.cluster import Cluster  # here: only a cluster needs it

    return Cluster(build, data, jobs)


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
    jobs : int, Client or str
        As for `Search`.
    """

    def __init__(
        self, build: Callable[..., Any], data: Data, keeper: Keeper, stop: bool, progress: bool | str, jobs: Any = 1
    ) -> None:
        self._build, self._data, self._keeper = build, data, keeper
        self._stop, self._progress = stop, progress
        self._pool = pool(build, data, jobs)

    def do(
        self, study: Study, trials: int, ends: float | None = None, start: Start | None = None,
        waits: Callable[[], bool] = lambda: False,
    ) -> bool:  # fmt: skip
        """Do trials until the study has so many, or the time is over; return whether there was time for all.

        RuntimeError if the first trials all fail in the same way. Trials that have not ended are left to the next run.
        Processes stay for further trials until `close`. waits: whether to wait for trials that others have under way.
        """
        expect_guarded()
        try:
            study.begin(trials)
            self._tidy(study)
            return _Run(self, study, trials, ends, start, waits).go(self._pool)
        finally:
            study.close()

    def close(self) -> None:
        """End all processes."""
        self._pool.close()

    def shown(self, study: Study, trials: int) -> Shown:
        """A bar of the trials that have ended."""
        return Shown(study.name, max(trials, study.total), study.ended, study.settings.metric, self._progress)

    def task(self, study: Study, asked: Asked, ends: float | None, start: Start | None) -> Task:
        """What to do for a trial."""
        settings, best = study.settings, study.best
        return Task(
            asked.number, asked.params, settings.epochs, study.seed(asked.number), settings.metric,
            "max" if study.largest else "min", self._stop, beat=None if best is None else best[0],
            ties=best is not None and asked.number <= best[1], middles=study.middles.now(),
            start=None if start is None else start.models,
            checkpoint=self._checkpoint(study, asked), ends=ends,
        )  # fmt: skip

    def _checkpoint(self, study: Study, asked: Asked) -> str | None:
        """The folder for checkpoints of a trial, if trials are long enough for them, or this one has some."""
        folder = self._keeper.checkpoint(asked.files)
        long = study.slowest is None or study.slowest > EVERY / 4
        return folder if folder is not None and (long or os.path.isdir(folder)) else None

    def keep(self, study: Study, asked: Asked, outcome: Outcome) -> None:
        """Write the models of a trial that is the best so far, then tell the study of it."""
        score = outcome.score if outcome.ended == FINISHED and outcome.models else None
        best = score is not None and study.would_be_best(score, asked.number)
        if best:
            self._keeper.keep(asked.files, outcome.models)
        self.tell(study, asked, outcome)
        if best:
            self._tidy(study)

    def tell(self, study: Study, asked: Asked, outcome: Outcome) -> None:
        """Tell the study of a trial, then remove its checkpoints: a kill in between costs no training."""
        study.tell(asked, outcome)
        self.forget(asked)

    def forget(self, asked: Asked) -> None:
        """Remove the checkpoints of a trial."""
        folder = self._keeper.checkpoint(asked.files)
        if folder is not None and os.path.isdir(folder):
            shutil.rmtree(folder, ignore_errors=True)

    def _tidy(self, study: Study) -> None:
        """Remove what was left of trials that ended: models, but for the best, and checkpoints.

        The models of a trial that is about to be told stay.
        """
        ended = study.ended_files()
        self._keeper.drop_checkpoints(ended)
        if study.best is not None:
            self._keeper.drop(ended - {study.files(study.best[1])})


class _Run:
    """One call of `Work.do`: the trials that are under way, and those that failed before any other ended well."""

    def __init__(
        self, work: Work, study: Study, trials: int, ends: float | None, start: Start | None, waits: Callable[[], bool]
    ) -> None:
        self._waits, self._waited = waits, 0.0
        self._work, self._study, self._trials, self._ends, self._start = work, study, trials, ends, start
        self._running: dict[int, Asked] = {}
        self._failed: list[tuple[Asked, Outcome]] = []
        self._differ = False  # failures seem to depend on the parameters
        self._whole = True

    def go(self, pool: Pool) -> bool:
        """Do the trials; return whether there was time for all."""
        shown = self._work.shown(self._study, self._trials)
        try:
            while True:
                while len(self._running) < self._room(pool) and (asked := self._next()) is not None:
                    self._running[asked.number] = asked
                    task = self._work.task(self._study, asked, self._ends, self._start)
                    pool.start(task, self._study.report(asked))
                if not self._running:
                    if self._whole and self._study.others.look_again():
                        continue
                    if self._failed:  # before waiting: another process may wait for these trials
                        self._judge()
                    if self._whole and self._wait():
                        continue
                    return self._whole
                ended = pool.wait()
                if ended is None:
                    continue
                self._end(self._running[ended[0]], ended[1])
                del self._running[ended[0]]
                shown.show(self._study.ended, self._study.best)
        except BaseException as error:
            self._keep_late(pool.close())  # before another process may take up its trials
            if isinstance(error, KeyboardInterrupt):
                error.args = (f"the search was interrupted after {self._study.ended} trials; the next run goes on",)
            raise
        finally:
            shown.close()
            for asked in self._running.values():
                self._study.release(asked)
            for asked, _ in self._failed:
                self._study.release(asked)
                self._work.forget(asked)

    def _keep_late(self, ended: list[tuple[int, Outcome]]) -> None:
        """Keep what has ended by itself when the search was ended. What cannot be kept is done again."""
        for number, outcome in ended:
            if number in self._running and outcome.ended not in (FAILED, UNFINISHED):
                with suppress(Exception):  # the storage may be lost: the first error says so
                    self._end(self._running[number], outcome)
                    del self._running[number]

    def _wait(self) -> bool:
        """Wait a moment for trials of other processes; False if there are none to wait for.

        From other machines it may come to light only after a while whether a process lives: then its trials are left
        to it, or taken up.
        """
        others = self._study.others.running if self._waits() else self._study.others.unheard()
        if not others:
            return False
        if self._waited < PATIENCE <= self._waited + LOOK:
            checks.warn(_waiting(self._study, others), RuntimeWarning)
        self._waited += LOOK
        time.sleep(LOOK)
        return True

    def _room(self, pool: Pool) -> int:
        """How many trials may be under way or wait."""
        slowest = self._study.slowest
        return pool.jobs + (pool.spare if slowest is not None and slowest < SHORT else 0)

    def _next(self) -> Asked | None:
        if self._ends is not None and time.time() >= self._ends:
            self._whole = False
            return None
        return self._study.ask(self._trials)

    def _end(self, asked: Asked, outcome: Outcome) -> None:
        if outcome.ended == UNFINISHED:
            self._study.release(asked)
            self._whole = False
        elif outcome.ended == FAILED and not self._differ and not self._study.worked:
            self._failed.append((asked, outcome))
            if len(self._failed) >= min(FEW, self._trials):
                self._judge()
        else:
            self._tell_failed()
            self._work.keep(self._study, asked, outcome)

    def _judge(self) -> None:
        """RuntimeError if trials failed at one place: their parameters seem not to matter. Otherwise go on."""
        place = self._failed[0][1].place
        if all(outcome.place == place for _, outcome in self._failed) and not self._study.is_known(place):
            self._study.note(place)
            raise RuntimeError(_all_failed(self._failed))
        self._differ = True
        self._tell_failed()

    def _tell_failed(self) -> None:
        for asked, outcome in self._failed:
            self._work.tell(self._study, asked, outcome)
        self._failed.clear()


def _waiting(study: Study, others: Sequence[FrozenTrial]) -> str:
    """In words which trials of other processes are waited for."""
    shown = ", ".join(f"{one.number} ({claims.shown(one)})" for one in others[:FEW])
    many = f"trial{'s' if len(others) > 1 else ''} {shown}{' and others' if len(others) > FEW else ''}"
    silent = f"; one whose process is silent for {beats.STALE:g} s is done here" if study.others.unheard() else ""
    return f"{study.name!r} waits for {many}{silent}. Ctrl-C ends the waiting"


def _all_failed(failed: list[tuple[Asked, Outcome]]) -> str:
    asked, outcome = failed[0]
    many = f"the first {len(failed)} trials" if len(failed) > 1 else "the only trial"
    again = "such trials as failed, and go on" if len(failed) > 1 else "it as failed"
    raised = outcome.error.startswith("Traceback")  # a killed process says nothing of build
    cause, details = ("; build, or what it makes, has an error", f"\n\n{outcome.error}") if raised else ("", "")
    return (
        f"{many} failed: {outcome.why} (trial {asked.number}, of {asked.params}). So the search has ended{cause}. Run "
        f"it again to count {again}{details}"
    )
