"""Study: a stage of a search in Optuna's storage. It asks and tells, in the main process only."""

from __future__ import annotations

import itertools
import json
import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from typing import Any, NamedTuple

import optuna
from optuna.exceptions import UpdateFinishedTrialError
from optuna.pruners import BasePruner, NopPruner
from optuna.samplers import BaseSampler
from optuna.storages import BaseStorage
from optuna.trial import FrozenTrial, TrialState

from ..monitor import grows
from . import journal, records, samplers
from .claims import PROCESS
from .middles import Middles
from .others import Others
from .ranges import Range
from .records import RECORD, STUDY
from .samplers import GRID
from .settings import OtherSettings, Settings, differences
from .space import Choice
from .stored import Stored
from .trial import Outcome
from .watching import FAILED, FINISHED, Report

STATES = {FINISHED: TrialState.COMPLETE, FAILED: TrialState.FAIL}  # the others are pruned, for Optuna


FIXED = "fixed_params"  # Optuna's name for parameters that are given


class Asked(NamedTuple):
    """A trial that is to be done: its number, what `build` is given, and Optuna's trial."""

    number: int
    params: dict[str, Any]
    trial: optuna.Trial


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
        self._sampler = sampler
        self._expect_same()
        self.middles = Middles(settings.metric, settings.mode, settings.epochs)
        self.best: tuple[float, int] | None = None  # score and number
        self.worked = False  # a trial ended without an error
        self.total = self.ended = 0
        self.slowest: float | None = None  # seconds of a trial
        self.others = Others(storage, self._id)
        self._waiting = False  # there may be trials whose parameters are given
        self._points: dict[int, dict[str, Any]] = {}  # of a grid, by the numbers of trials
        self._claim = self.others.claim

    def _expect_same(self) -> None:
        """Write the settings, or raise ValueError if the study was begun with others."""
        now, before = self.settings.plain(), self.optuna.user_attrs.get(STUDY)
        if before is None:
            if self._storage.get_n_trials(self._id):
                raise ValueError(f"the study {self.name!r} was not made by pynn; pass Search another name=")
            self.optuna.set_user_attr(STUDY, now)
        elif before != now:
            raise OtherSettings(self.name, "; ".join(differences(before, now)))

    # Trials ---------------------------------------------------------------------------------------

    def begin(self, trials: int) -> None:
        """Begin a run, which `close` ends: look at the trials that there are, and which points of a grid they lack."""
        self.others.begin()
        self.ended, self.best = 0, None
        frozen = self.others.look()
        self.total = len(frozen)
        self._waiting = any(one.state == TrialState.WAITING for one in frozen)
        self.middles = Middles(self.settings.metric, self.settings.mode, self.settings.epochs)
        for one in frozen:
            if one.state.is_finished():
                self._count(one.number, records.unpacked(one.user_attrs.get(RECORD)), one.state)
        if self._sampler == GRID:
            self._points = _points(samplers.grid(self.settings.space, trials), frozen)

    def close(self) -> None:
        """End the run."""
        self.others.end()

    def _count(self, number: int, values: Mapping[str, Any], state: TrialState) -> None:
        """Take a trial that has ended into account."""
        self.ended += 1
        self.slowest = max(self.slowest or 0.0, values.get("seconds", 0.0))
        self.worked |= state != TrialState.FAIL
        if state != TrialState.FAIL:
            self.middles.add(values.get("curves", ()))
        score = values.get("score")
        if state == TrialState.COMPLETE and score is not None and self.would_be_best(score, number):
            self.best = (score, number)

    def would_be_best(self, score: float, number: int) -> bool:
        """Whether a finished trial of this score would be the best; of equal ones the first is."""
        if self.best is None or score == self.best[0]:
            return self.best is None or number <= self.best[1]
        return score > self.best[0] if self.largest else score < self.best[0]

    def ended_numbers(self) -> set[int]:
        """The numbers of all trials that have ended, in other processes too, whose best one is then known here."""
        found = set()
        for one in self._storage.get_all_trials(self._id, deepcopy=False):
            if one.state.is_finished():
                found.add(one.number)
            if one.state == TrialState.COMPLETE and self.would_be_best(one.value or 0.0, one.number):
                self.best = (one.value or 0.0, one.number)
        return found

    def ask(self, trials: int) -> Asked | None:
        """The next trial to do; None if the study has so many. Trials of runs that are gone come first."""
        while True:
            with suppress(UpdateFinishedTrialError), self._claim.asking():  # another process may have done it
                key = self._next(trials)
                return None if key is None else self._asked(key)

    def _asked(self, key: int) -> Asked:
        """The trial of this key, signed and with all parameters."""
        number = -1
        try:
            number = self._storage.get_trial_number_from_id(key)
            self._claim.numbers.add(number)
            if number in self._points:
                self._storage.set_trial_system_attr(key, FIXED, self._points[number])
            trial = optuna.Trial(self.optuna, key)
            self.total = max(self.total, number + 1)
            self.optuna.sampler = samplers.sampler(self._sampler, self.settings.seed, self.name, number)
            return Asked(number, self._suggested(trial), trial)
        except BaseException:
            self._claim.numbers.discard(number)
            with suppress(UpdateFinishedTrialError):
                self._storage.set_trial_user_attr(key, PROCESS, "")
            raise

    def _next(self, trials: int) -> int | None:
        """The key of the next trial, which is signed."""
        most = max(self._points, default=-1) + 1 if self._sampler == GRID else trials
        key = self.others.left_over()
        if key is None and self._waiting and self._has_waiting():
            key = self._storage.get_trial_id_from_study_id_trial_number(self._id, self.optuna.ask().number)
        if key is not None:
            self._storage.set_trial_user_attr(key, PROCESS, self._claim.text)
        elif self.total < most and not self._has(most):
            # As Optuna's `ask`, but the trial is signed from the beginning.
            signed = optuna.trial.create_trial(state=TrialState.RUNNING, user_attrs={PROCESS: self._claim.text})
            key = self._storage.create_new_trial(self._id, signed)
        return key

    def _suggested(self, trial: optuna.Trial) -> dict[str, Any]:
        """The parameters of a trial, also if its process was killed when only some were chosen."""
        drawn = self._drawn(trial)

        def choose(unique: str, _: str, part: Range | Choice) -> Any:
            if unique in drawn:  # again, so that those after it become what they would have been
                self.optuna.sampler.sample_independent(self.optuna, self._frozen(trial), unique, drawn[unique])
            return part.suggest(trial, unique)

        return self.settings.space.walk(choose)

    def _drawn(self, trial: optuna.Trial) -> dict[str, Any]:
        """The distributions of what a named sampler has drawn alone for this trial in a process that was killed."""
        there = {name: one for name, one in trial.distributions.items() if not one.single()}
        if not there or not isinstance(self._sampler, str):
            return {}
        given = self._frozen(trial).system_attrs.get(FIXED, {})
        return {name: one for name, one in there.items() if name not in given and name not in trial.relative_params}

    def _frozen(self, trial: optuna.Trial) -> FrozenTrial:
        return self._storage.get_trial(self._storage.get_trial_id_from_study_id_trial_number(self._id, trial.number))

    def _has(self, trials: int) -> bool:
        """Whether the study has so many trials, those that other processes have begun included."""
        try:
            self._storage.get_trial_id_from_study_id_trial_number(self._id, trials - 1)
        except KeyError:
            return False
        return True

    def _has_waiting(self) -> bool:
        """Whether there still are trials whose parameters are given by ``enqueue_trial``."""
        self._waiting = bool(self._storage.get_all_trials(self._id, deepcopy=False, states=(TrialState.WAITING,)))
        return self._waiting

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
        self._claim.numbers.discard(asked.number)
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
            self._storage.set_trial_user_attr(key, RECORD, records.packed(outcome))
            self._end(asked.number, key, state, outcome.score, scores)
        except (UpdateFinishedTrialError, ValueError):
            if self._storage.get_trial(key).state.is_finished():
                return False
            raise
        self._count(asked.number, {"score": outcome.score, "curves": outcome.curves, "seconds": outcome.seconds}, state)
        return True

    def _end(self, number: int, key: int, state: TrialState, score: float | None, scores: Mapping[int, float]) -> None:
        """As Optuna's `tell`, which also tells the sampler, and reads the trial three times to do so."""
        if self._sampler not in samplers.FORGETFUL:
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
        self._claim.numbers.discard(asked.number)
        with suppress(UpdateFinishedTrialError):
            asked.trial.set_user_attr(PROCESS, "")


def _points(grid: Sequence[dict[str, Any]], trials: Sequence[FrozenTrial]) -> dict[int, dict[str, Any]]:
    """The points of a grid that are not there yet, by the numbers of the trials that are to have them.

    These are the same for all processes whose grid it is, whatever each sees of the trials of the others.
    """
    given = {one.number: one.system_attrs[FIXED] for one in trials if FIXED in one.system_attrs}
    there = {json.dumps(point) for point in given.values()}
    free = (number for number in itertools.count() if number not in given)
    return dict(zip(free, (point for point in grid if json.dumps(point) not in there)))  # noqa: B905 (free has no end)
