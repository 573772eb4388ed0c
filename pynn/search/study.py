"""Study: a stage of a search in Optuna's storage. It asks and tells, in the main process only."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from contextlib import suppress
from typing import Any, NamedTuple

import optuna
from optuna.exceptions import UpdateFinishedTrialError
from optuna.pruners import BasePruner, NopPruner
from optuna.samplers import BaseSampler
from optuna.storages import BaseStorage
from optuna.trial import TrialState

from ..monitor import grows
from . import samplers
from .samplers import GRID
from .sampling import Sampling
from .storage import code, journal, records
from .storage.others import Others
from .storage.points import FINENESS, Points
from .storage.queue import Queue
from .storage.records import STUDY
from .storage.settings import OtherSettings, Settings, differences
from .storage.stored import STARTS, Stored
from .trials.middles import Middles
from .trials.trial import Outcome
from .trials.watching import FAILED, FINISHED, PRUNED, Report

STATES = {FINISHED: TrialState.COMPLETE, FAILED: TrialState.FAIL}  # the others are pruned, for Optuna
CODE = "pynn_build"  # name of the attribute with the fingerprint of build
KNOWN = "pynn_failed"  # name of the attribute with the place of an error that the user has seen
SURPLUS = "another process began the last trial at the same moment"


class Asked(NamedTuple):
    """A trial that is to be done: its number, what `build` is given, Optuna's trial, and the name of its files."""

    number: int
    params: dict[str, Any]
    trial: optuna.Trial
    files: str


class Study(Stored):
    """A study of Optuna, and what the search must know of its trials at once.

    Parameters
    ----------
    storage : BaseStorage
        Where it is kept.
    name : str
        Of the study.
    settings : Settings
        What all trials have in common; ValueError if an earlier process began the study with others.
    sampler, pruner : str, BaseSampler, BasePruner or None
        As for `Search`.
    stage : int, default 1
        The number of the stage.
    """

    def __init__(
        self, storage: BaseStorage, name: str, settings: Settings, sampler: str | BaseSampler,
        pruner: str | BasePruner | None, stage: int = 1,
    ) -> None:  # fmt: skip
        largest = grows("Search", settings.metric, settings.mode)
        study = journal.study(storage, name, largest, samplers.pruner(pruner, settings.epochs))
        super().__init__(study, storage, settings, largest, stage)
        self._sampler, self._sampling = sampler, Sampling(study, storage, self._id, sampler)
        self._expect_same()
        self.middles = Middles(settings.metric, settings.mode, settings.epochs)
        self.best: tuple[float, int] | None = None  # score and number
        self.worked = False  # a trial ended without an error
        self.total = self.ended = 0
        self.surplus = 0  # trials that two processes began for the last one: they are not done, and do not count
        self.slowest: float | None = None  # seconds of a trial
        self.others = Others(storage, self._id)
        self.queue = Queue(storage, self._id, self.others)
        self._points: Points | None = None  # of a grid
        self._known: str | None = None  # the place of an error with which an earlier run ended

    def _expect_same(self) -> None:
        """Write the settings, or raise ValueError if the study was begun with others."""
        now, before = self.settings.plain(), self.optuna.user_attrs.get(STUDY)
        if before is None:
            if self._storage.get_n_trials(self._id):
                raise ValueError(f"the study {self.name!r} was not made by pynn; pass Search another name=")
            self.optuna.set_user_attr(STUDY, now)
        elif before != now:
            raise OtherSettings(self.name, "; ".join(differences(before, now)))

    def is_other_code(self, fingerprint: str | None) -> bool:
        """Whether the study was begun with another `build`; if it was not begun it is with this one."""
        before = self.optuna.user_attrs.get(CODE)
        if before is None and fingerprint is not None:
            self.optuna.set_user_attr(CODE, fingerprint)
        if not isinstance(before, str) or fingerprint is None or not code.comparable(before, fingerprint):
            return False
        return before != fingerprint

    # Trials ---------------------------------------------------------------------------------------

    def begin(self, trials: int) -> None:
        """Begin a run, which `close` ends: look at the trials that there are, and how fine the grid shall be."""
        self.ended, self.surplus, self.best = 0, 0, None
        self.others.begin()
        frozen = self.others.look()
        self.queue.look(frozen)
        self.total = len(frozen)
        self.middles = Middles(self.settings.metric, self.settings.mode, self.settings.epochs)
        for one in frozen:
            if one.state.is_finished():
                self._count(one.number, records.unpacked(one.user_attrs))
        self._sampling.begin()
        self._known = self.optuna.user_attrs.get(KNOWN)
        if self._sampler == GRID:
            self._points = Points(self._storage, self._id, self.settings.space, trials, frozen)

    def note_start(self, number: int) -> None:
        """Remember that trials begin with the weights of this trial of the stage before."""
        if number not in (before := self.starts):
            self.optuna.set_user_attr(STARTS, [*before, number])

    def close(self) -> None:
        """End the run."""
        self.others.end()

    def _count(self, number: int, values: Mapping[str, Any]) -> None:
        """Take a trial that has ended into account; of one that another program added nothing is known."""
        self.ended += 1
        if values.get("why") == SURPLUS:
            self.surplus += 1
            return
        if not values:
            return
        self.slowest = max(self.slowest or 0.0, values.get("seconds", 0.0))
        if values.get("ended") != FAILED:
            self.worked = True
            self.middles.add(values.get("curves", ()))
        if records.finished(values) and self.would_be_best(values["score"], number):
            self.best = (values["score"], number)

    def is_known(self, place: str) -> bool:
        """Whether a run has ended with an error from this place, and now the next one goes on in spite of it."""
        return self._known == place

    def note(self, place: str) -> None:
        """Remember the place of the error with which the run ends."""
        self.optuna.set_user_attr(KNOWN, place)

    def would_be_best(self, score: float, number: int) -> bool:
        """Whether a finished trial of this score would be the best; of equal ones the first is."""
        if self.best is None or score == self.best[0]:
            return self.best is None or number <= self.best[1]
        return score > self.best[0] if self.largest else score < self.best[0]

    def ended_files(self) -> set[str]:
        """The names of the files of all trials that have ended, in other processes too, whose best is then known."""
        found = set()
        for one in self._storage.get_all_trials(self._id, deepcopy=False):
            if one.state.is_finished():
                found.add(self._files(one))
            if one.state == TrialState.COMPLETE and one.value is not None and self.would_be_best(one.value, one.number):
                values = records.unpacked(one.user_attrs)  # only now: to read all would take long
                if records.finished(values):
                    self.best = (one.value, one.number)
        return found

    def ask(self, trials: int) -> Asked | None:
        """The next trial to do; None if the study has so many, or the sampler has nothing left to try."""
        while True:
            with suppress(UpdateFinishedTrialError), self.others.claim.asking():  # another process may have done it
                key = self._next(trials)
                if key is None:
                    return None
                if (asked := self._asked(key)) is not None:
                    return asked

    def _next(self, trials: int) -> int | None:
        """The key of the next trial."""
        if (key := self.queue.next()) is not None:
            return key
        trials += self.surplus
        if self._points is None:
            if self._sampling.exhausted or self.total >= trials or self._has(trials):
                return None
            key = self.queue.new({})
            if (number := self._storage.get_trial_number_from_id(key)) < trials:
                return key
            self._drop(key, number)
            return None
        self._points.look()
        self.total = max(self.total, self._points.seen)
        if self.total >= trials or not self._points.left:
            return None
        key = self.queue.new({FINENESS: self._points.fineness})
        self._points.look()
        return key

    def _has(self, trials: int) -> bool:
        """Whether the study has so many trials, those that other processes have begun included."""
        try:
            self._storage.get_trial_id_from_study_id_trial_number(self._id, trials - 1)
        except KeyError:
            return False
        return True

    def _asked(self, key: int) -> Asked | None:
        """The trial of this key, signed and with all parameters; None if no point of the grid was left for it."""
        number = self._storage.get_trial_number_from_id(key)
        self.total = max(self.total, number + 1)
        try:
            # Before Optuna makes the trial: that already asks the sampler.
            self.optuna.sampler = samplers.sampler(self._sampler, self.settings.seed, self.name, number)
            self.queue.sign(key, number)
            if self._points is None or self._points.give(key, number):
                with self._sampling.stoppable():
                    trial = optuna.Trial(self.optuna, key)
                    params = self._sampling.suggested(self.settings.space, trial)
                    return Asked(number, params, trial, self.files(number))
            self._drop(key, number)
        except BaseException:
            self.queue.release(key, number)
            raise
        self.others.claim.numbers.discard(number)
        return None

    def _drop(self, key: int, number: int) -> None:
        """End a trial that is one too many."""
        outcome = Outcome(PRUNED, SURPLUS)
        self._write(key, outcome)
        self._storage.set_trial_state_values(key, TrialState.PRUNED)
        self.total = max(self.total, number + 1)
        self._count(number, vars(outcome))

    def report(self, asked: Asked) -> Report | None:
        """The function that tells Optuna's pruner of each epoch; None if there is no pruner."""
        if isinstance(self.optuna.pruner, NopPruner):
            return None
        kind = type(self.optuna.pruner).__name__
        key = self._storage.get_trial_id_from_study_id_trial_number(self._id, asked.number)
        told = set(self._storage.get_trial(key).intermediate_values)  # by a process that was killed

        def report(step: int, score: float) -> str | None:
            try:
                if math.isfinite(score) and step not in told:
                    asked.trial.report(score, step)
            except UpdateFinishedTrialError:
                return "another process has ended it"
            return f"Optuna's {kind} ended it after epoch {step}" if asked.trial.should_prune() else None

        return report

    def tell(self, asked: Asked, outcome: Outcome) -> bool:
        """Keep what became of a trial; False if another process has done it in the meantime."""
        told = self._tell(asked, outcome)
        self.others.claim.numbers.discard(asked.number)
        return told

    def _tell(self, asked: Asked, outcome: Outcome) -> bool:
        key = self._storage.get_trial_id_from_study_id_trial_number(self._id, asked.number)
        frozen = self._storage.get_trial(key)
        if frozen.state.is_finished():
            return False
        state = STATES.get(outcome.ended, TrialState.PRUNED)
        try:
            scores = dict(frozen.intermediate_values)
            for step, score in self._scores(outcome):
                if step not in scores and math.isfinite(score):
                    self._storage.set_trial_intermediate_value(key, step, score)
                    scores[step] = score
            self._write(key, outcome)
            self._end(asked.number, key, state, outcome.score, scores)
        except (UpdateFinishedTrialError, ValueError):
            if self._storage.get_trial(key).state.is_finished():
                return False
            raise
        self._count(asked.number, vars(outcome))
        return True

    def _write(self, key: int, outcome: Outcome) -> None:
        for name, text in records.packed(outcome).items():
            self._storage.set_trial_user_attr(key, name, text)

    def _end(self, number: int, key: int, state: TrialState, score: float | None, scores: Mapping[int, float]) -> None:
        """As Optuna's `tell`, which also tells the sampler, and reads the trial three times to do so."""
        if self._sampler not in samplers.FORGETFUL:
            with self._sampling.stoppable():
                self.optuna.tell(number, score if state == TrialState.COMPLETE else None, state)
            return
        values = None
        if state == TrialState.COMPLETE:
            values = [float(score)] if score is not None else None
        elif state == TrialState.PRUNED and scores:
            values = [scores[max(scores)]]
        self._storage.set_trial_state_values(key, state, values)

    def _scores(self, outcome: Outcome) -> Iterator[tuple[int, float]]:
        """The score after each epoch of the first fold, then the mean score after each further one."""
        if outcome.curves:
            yield from enumerate(outcome.curves[0].get(self.settings.metric, ()), 1)
        for fold in range(2, len(outcome.folds) + 1):
            yield self.settings.epochs + fold - 1, math.fsum(outcome.folds[:fold]) / fold

    def release(self, asked: Asked) -> None:
        """Leave a trial that has not ended to the next run, here or in another process."""
        key = self._storage.get_trial_id_from_study_id_trial_number(self._id, asked.number)
        self.queue.release(key, asked.number)
