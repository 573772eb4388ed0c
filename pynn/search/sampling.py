"""Sampling: has a sampler of Optuna choose parameters, once more those that a killed process had chosen."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import optuna
from optuna.samplers import BaseSampler, GridSampler
from optuna.storages import BaseStorage
from optuna.trial import FrozenTrial

from .space import Choice, Space
from .space.ranges import Range

EXHAUSTED = "pynn_exhausted"  # name of the attribute with the sampler that has nothing left to try


class Sampling:
    """What a sampler chooses for the trials of a study.

    Parameters
    ----------
    study : optuna.Study
        The study.
    storage : BaseStorage
        Where it is kept.
    key : int
        Its key there.
    sampler : str or BaseSampler
        As for `Search`.

    Attributes
    ----------
    exhausted : bool
        Whether a sampler of Optuna has nothing left to try.
    """

    def __init__(self, study: optuna.Study, storage: BaseStorage, key: int, sampler: str | BaseSampler) -> None:
        self._study, self._storage, self._key, self._sampler = study, storage, key, sampler
        self.exhausted = False

    def begin(self) -> None:
        """A run begins: find out whether the sampler has said in an earlier one that nothing is left."""
        if isinstance(self._sampler, GridSampler):
            self.exhausted = self._sampler.is_exhausted(self._study)
        else:
            self.exhausted = self._study.user_attrs.get(EXHAUSTED) == type(self._sampler).__name__

    @contextmanager
    def stoppable(self) -> Iterator[None]:
        """Let samplers stop the study, as in Optuna's own loop; outside of it `optuna.Study.stop` is an error."""
        attributes = vars(self._study)
        attributes["stop"] = self._stop
        try:
            yield
        finally:
            del attributes["stop"]

    def _stop(self) -> None:
        self.exhausted = True
        self._study.set_user_attr(EXHAUSTED, type(self._sampler).__name__)

    # Parameters -----------------------------------------------------------------------------------

    def suggested(self, space: Space, trial: optuna.Trial) -> dict[str, Any]:
        """The parameters of a trial, also if its process was killed when only some were chosen."""
        drawn = self._drawn(trial)

        def choose(unique: str, _: str, part: Range | Choice) -> Any:
            if unique in drawn:  # again, so that those after it become what they would have been
                self._study.sampler.sample_independent(self._study, self._frozen(trial), unique, drawn[unique])
            return part.suggest(trial, unique)

        return space.walk(choose)

    def _drawn(self, trial: optuna.Trial) -> dict[str, Any]:
        """The distributions of what a named sampler has drawn alone for this trial in a process that was killed."""
        there = {name: one for name, one in trial.distributions.items() if not one.single()}
        if not there or not isinstance(self._sampler, str):
            return {}
        given = self._frozen(trial).system_attrs.get("fixed_params", {})
        return {name: one for name, one in there.items() if name not in given and name not in trial.relative_params}

    def _frozen(self, trial: optuna.Trial) -> FrozenTrial:
        return self._storage.get_trial(self._storage.get_trial_id_from_study_id_trial_number(self._key, trial.number))
