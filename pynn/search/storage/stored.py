"""Stored: a stage of a search as a storage holds it, to read. It never writes."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

import optuna
from optuna.storages import BaseStorage
from optuna.trial import FrozenTrial, TrialState

from ...messages.terminal import printable
from . import beats, claims, keeping, records
from .claims import KEY
from .records import Trial
from .settings import Settings

STARTS = "pynn_starts"  # name of the attribute with the trials of the stage before that this stage went on from
LEFT = "left by a run that has ended; the next run takes it up"
FOREIGN = "another program told Optuna of it"


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
        self._begin = keeping.begin(self.name)

    def seed(self, number: int) -> int:
        """The seed of a trial."""
        return (self.settings.seed + number) % 2**64

    def files(self, number: int) -> str:
        """The name of the files of a trial."""
        key = self._storage.get_trial_id_from_study_id_trial_number(self._id, number)
        return self._files(self._storage.get_trial(key))

    def _files(self, frozen: FrozenTrial) -> str:
        return f"{self._begin}-trial-{frozen.number}-{frozen.user_attrs.get(KEY, '')}"

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
        values: dict[str, Any] = {}
        if frozen.state.is_finished():
            values = records.unpacked(frozen.user_attrs) or {"why": FOREIGN}
        else:
            values["why"] = self._under_way(frozen)
        return records.trial(frozen.number, params, values, self.seed(frozen.number), self.stage)

    def _under_way(self, trial: FrozenTrial) -> str:
        """Who does a trial."""
        lives = claims.lives(trial)
        if lives is False:
            return LEFT
        text = f"running in {claims.shown(trial)}"
        if lives is None:
            beat = beats.read(self._storage.get_study_user_attrs(self._id)).get(claims.run(trial))
            text += f", last heard of at {printable(beat, 40)}" if beat else ", which has not reported yet"
        return text

    @property
    def starts(self) -> list[int]:
        """The trials of the stage before whose weights trials began with: several if its best was another in a run."""
        found = self._storage.get_study_user_attrs(self._id).get(STARTS, [])
        return [one for one in found if isinstance(one, int)] if isinstance(found, list) else []

    def tried(self) -> list[dict[str, Any]]:
        """The parameters of all trials that have ended, however they did."""
        found = []
        for one in self.frozen():
            if one.state.is_finished():
                with suppress(KeyError):  # another program ended it before all were chosen
                    found.append(self.settings.space.stored(one.params))
        return found

    def ranked(self) -> list[Trial]:
        """The finished trials, the best first. Those that another program added have no record of a search."""
        complete = (one for one in self.frozen() if one.state == TrialState.COMPLETE)
        return records.ranked(map(self.trial, complete), self.largest)
