"""Which trials of a study a run may take: new ones, those whose parameters the user gave, and those of runs gone."""

from __future__ import annotations

from collections import deque
from contextlib import suppress
from typing import Any

from optuna.exceptions import UpdateFinishedTrialError
from optuna.storages import BaseStorage
from optuna.trial import FrozenTrial, TrialState, create_trial

from . import claims, keeping
from .beats import Beats
from .claims import KEY, PROCESS, Claim


class Claims:
    """The trials of a study that a run of this process does or may do.

    Parameters
    ----------
    storage : BaseStorage
        Where the study is kept.
    study : int
        Its key there.

    Attributes
    ----------
    claim : Claim
        What the run signs its trials with.
    others : list of FrozenTrial
        Trials under way in other runs, when those were looked at.
    """

    def __init__(self, storage: BaseStorage, study: int) -> None:
        self._storage, self._study, self.claim = storage, study, Claim()
        self.others: list[FrozenTrial] = []
        self._beats = Beats(storage, study, self.claim.run)
        self._left: deque[int] = deque()  # trials of runs that are gone
        self._queued: deque[int] = deque()  # trials whose parameters the user gave

    def begin(self) -> list[FrozenTrial]:
        """Begin a run, which `close` ends; return the trials that there are."""
        self.claim.begin()
        self._beats.start()
        frozen = self._look(None)
        self._queued = deque(one.number for one in frozen if one.state == TrialState.WAITING)
        return frozen

    def close(self) -> None:
        """End the run."""
        self._beats.stop()
        self.claim.end()

    # Runs -----------------------------------------------------------------------------------------

    def _look(self, states: tuple[TrialState, ...] | None) -> list[FrozenTrial]:
        """The trials of these states; find out which of those under way are left over, and which others do."""
        frozen, unsigned = claims.settled(
            lambda: self._storage.get_all_trials(self._study, deepcopy=False, states=states)
        )
        theirs = [one for one in frozen if one.state == TrialState.RUNNING and one.number not in self.claim.numbers]
        self._beats.look([claims.run(one) for one in theirs if claims.lives(one) is None])
        signed = [one for one in theirs if PROCESS in one.user_attrs]
        self._left = deque(sorted(unsigned | {one.number for one in signed if self._is_left(one)}))
        self.others = [one for one in signed if not self._is_left(one) and not self._is_outer(one)]
        return frozen

    def _is_left(self, trial: FrozenTrial) -> bool:
        """Whether the run that has signed a trial is gone."""
        lives = claims.lives(trial)
        return self._beats.gone(claims.run(trial)) if lives is None else not lives

    def _is_outer(self, trial: FrozenTrial) -> bool:
        """Whether this run was started from within the trial: it cannot end before."""
        theirs = claims.claim(claims.holder(trial))
        return theirs is not None and theirs.thread == self.claim.thread

    def look_again(self) -> bool:
        """Whether there are trials of runs that are gone now; `others` are those that other runs do."""
        self._look((TrialState.RUNNING,))
        return bool(self._left)

    def unheard(self) -> list[FrozenTrial]:
        """Those of `others` whose process cannot be seen from here, and was not heard of yet."""
        return [one for one in self.others if claims.lives(one) is None and not self._beats.heard(claims.run(one))]

    # Trials ---------------------------------------------------------------------------------------

    def next(self) -> int | None:
        """The key of a trial that nobody does: first those of runs that are gone, then those of `enqueue_trial`."""
        while self._left:
            key = self._storage.get_trial_id_from_study_id_trial_number(self._study, self._left.popleft())
            frozen = self._storage.get_trial(key)
            if frozen.state == TrialState.RUNNING and self._is_left(frozen):
                return key
        while self._queued:
            key = self._storage.get_trial_id_from_study_id_trial_number(self._study, self._queued.popleft())
            with suppress(UpdateFinishedTrialError):
                if self._storage.set_trial_state_values(key, TrialState.RUNNING):
                    return key
        return None

    def new(self, attributes: dict[str, Any]) -> int:
        """The key of a new trial. As Optuna's `ask`, but it is signed from the beginning."""
        signed = {PROCESS: self.claim.text, KEY: keeping.new_key(), **attributes}
        return self._storage.create_new_trial(
            self._study, create_trial(state=TrialState.RUNNING, user_attrs=signed)
        )  # fmt: skip

    def sign(self, key: int, number: int) -> None:
        """Have this run do the trial of this key and number."""
        self.claim.numbers.add(number)
        there = self._storage.get_trial(key).user_attrs
        if there.get(PROCESS) != self.claim.text:
            self._storage.set_trial_user_attr(key, PROCESS, self.claim.text)
        if KEY not in there:  # a trial of `enqueue_trial`
            self._storage.set_trial_user_attr(key, KEY, keeping.new_key())

    def release(self, key: int, number: int) -> None:
        """Leave a trial that has not ended to the next run, here or in another process."""
        self.claim.numbers.discard(number)
        with suppress(UpdateFinishedTrialError):
            self._storage.set_trial_user_attr(key, PROCESS, "")
