"""Stored: a stage of a search as a storage holds it, to read. It never writes."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

import optuna
from optuna.storages import BaseStorage
from optuna.trial import FrozenTrial, TrialState

from . import claims, records
from .records import Trial
from .settings import Settings

AT_IT, LEFT = "its process is at it", "its process has ended; the next run takes it up"


class Stored:
    """A study of Optuna whose trials a search has done.

    Parameters
    ----------
    study : optuna.Study
        The study.
    storage : BaseStorage
        Where it is kept.
    settings : Settings
        What all trials have in common.
    largest : bool
        Whether the best score is the largest.
    stage : int, default 1
        The number of the stage.
    """

    def __init__(
        self, study: optuna.Study, storage: BaseStorage, settings: Settings, largest: bool, stage: int = 1
    ) -> None:
        self.optuna, self.name, self.settings, self.stage = study, study.study_name, settings, stage
        self.largest, self._storage = largest, storage
        self._id = storage.get_study_id_from_name(self.name)

    def seed(self, number: int) -> int:
        """The seed of a trial."""
        return (self.settings.seed + number) % 2**64

    def frozen(self) -> list[FrozenTrial]:
        """All trials as Optuna has them now, but for those of a grid that have not begun."""
        found = self._storage.get_all_trials(self._id, deepcopy=False)
        return [one for one in found if one.state != TrialState.WAITING]

    def trial(self, frozen: FrozenTrial) -> Trial:
        """A trial of Optuna as the search has it."""
        try:
            params = self.settings.space.stored(frozen.params)
        except KeyError:  # its process was killed before all were chosen
            params = {name.rpartition("/")[2]: value for name, value in frozen.params.items()}
        values: dict[str, Any] = {"why": AT_IT if claims.lives(frozen) else LEFT}
        if frozen.state.is_finished():
            values = records.unpacked(frozen.user_attrs)
        return records.trial(frozen.number, params, values, self.seed(frozen.number), self.stage)

    def tried(self) -> list[dict[str, Any]]:
        """The parameters of all trials that have ended, however they did."""
        found = []
        for one in self.frozen():
            if one.state.is_finished():
                with suppress(KeyError):  # another program ended it before all were chosen
                    found.append(self.settings.space.stored(one.params))
        return found

    def ranked(self) -> list[Trial]:
        """The finished trials, the best first."""
        found = [self.trial(one) for one in self.frozen() if one.state == TrialState.COMPLETE]
        sign = -1 if self.largest else 1
        return sorted(found, key=lambda one: sign * (one.score or 0.0))
