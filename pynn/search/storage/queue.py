"""Which trials of a study a run may take: new ones, those whose parameters the user gave, and those of runs gone."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

from optuna.exceptions import UpdateFinishedTrialError
from optuna.storages import BaseStorage
from optuna.trial import FrozenTrial, TrialState, create_trial

from . import keeping
from .claims import KEY, PROCESS
from .others import Others


class Queue:
    """The trials of a study that a run may take.

    Parameters
    ----------
    storage : BaseStorage
        Where the study is kept.
    study : int
        Its key there.
    others : Others
        What the run knows of others, and its own claim, with which it signs.
    """

    def __init__(self, storage: BaseStorage, study: int, others: Others) -> None:
        self._storage, self._study, self._others, self._claim = storage, study, others, others.claim
        self._queued: deque[int] = deque()  # trials whose parameters the user gave

    def look(self, trials: Sequence[FrozenTrial]) -> None:
        """Note which trials the user gave."""
        self._queued = deque(one.number for one in trials if one.state == TrialState.WAITING)

    def next(self) -> int | None:
        """The key of a trial that nobody does: first those of runs that are gone, then those of `enqueue_trial`."""
        if (key := self._others.left_over()) is not None:
            return key
        while self._queued:
            key = self._storage.get_trial_id_from_study_id_trial_number(self._study, self._queued.popleft())
            with suppress(UpdateFinishedTrialError):
                if self._storage.set_trial_state_values(key, TrialState.RUNNING):
                    return key
        return None

    def new(self, attributes: dict[str, Any]) -> int:
        """The key of a new trial. As Optuna's `ask`, but it is signed from the beginning."""
        signed = {PROCESS: self._claim.text, KEY: keeping.new_key(), **attributes}
        return self._storage.create_new_trial(
            self._study, create_trial(state=TrialState.RUNNING, user_attrs=signed)
        )  # fmt: skip

    def sign(self, key: int, number: int) -> None:
        """Have this run do the trial of this key and number."""
        self._claim.numbers.add(number)
        there = self._storage.get_trial(key).user_attrs
        if there.get(PROCESS) != self._claim.text:
            self._storage.set_trial_user_attr(key, PROCESS, self._claim.text)
        if KEY not in there:  # a trial of `enqueue_trial`
            self._storage.set_trial_user_attr(key, KEY, keeping.new_key())

    def release(self, key: int, number: int) -> None:
        """Leave a trial that has not ended to the next run, here or in another process."""
        self._claim.numbers.discard(number)
        if self._storage.get_trial(key).user_attrs.get(PROCESS) != self._claim.text:
            return  # this run was taken to be gone, and another has taken up the trial
        with suppress(UpdateFinishedTrialError):
            self._storage.set_trial_user_attr(key, PROCESS, "")
