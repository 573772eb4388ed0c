"""Which process does a trial: it signs it, and a trial whose process is gone may be taken up by another."""

from __future__ import annotations

import datetime
import json
import time
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any

from optuna.exceptions import UpdateFinishedTrialError
from optuna.storages import BaseStorage
from optuna.trial import FrozenTrial, TrialState, create_trial

from ..saving import filelocks
from . import keeping

PROCESS = "pynn_process"  # name of the attribute
KEY = "pynn_key"  # name of the attribute that tells a trial's files from those of all others
YOUNG = 2.0  # seconds within which another process may be about to sign a trial


class Claims:
    """The trials of a study that this process may do.

    Parameters
    ----------
    storage : BaseStorage
        Where the study is kept.
    study : int
        Its key there.
    """

    def __init__(self, storage: BaseStorage, study: int) -> None:
        self._storage, self._study, self._process = storage, study, signature()
        self._left: deque[int] = deque()  # trials of processes that are gone
        self._queued: deque[int] = deque()  # trials whose parameters the user gave

    def look(self, trials: Sequence[FrozenTrial]) -> None:
        """Note which trials nobody does."""
        self._left = deque(one.number for one in trials if one.state == TrialState.RUNNING and not lives(one))
        self._queued = deque(one.number for one in trials if one.state == TrialState.WAITING)

    def next(self) -> int | None:
        """The key of a trial that nobody does. Those of dead processes come first, then those of ``enqueue_trial``."""
        while self._left:
            key = self._storage.get_trial_id_from_study_id_trial_number(self._study, self._left.popleft())
            frozen = self._storage.get_trial(key)
            if frozen.state == TrialState.RUNNING and not lives(frozen):
                return key
        while self._queued:
            key = self._storage.get_trial_id_from_study_id_trial_number(self._study, self._queued.popleft())
            with suppress(UpdateFinishedTrialError):
                if self._storage.set_trial_state_values(key, TrialState.RUNNING):
                    return key
        return None

    def new(self, attributes: dict[str, Any]) -> int:
        """The key of a new trial. As Optuna's `ask`, but it is signed from the beginning."""
        signed = {PROCESS: self._process, KEY: keeping.new_key(), **attributes}
        return self._storage.create_new_trial(
            self._study, create_trial(state=TrialState.RUNNING, user_attrs=signed)
        )  # fmt: skip

    def sign(self, key: int) -> None:
        """Have this process do a trial."""
        there = self._storage.get_trial(key).user_attrs
        if there.get(PROCESS) != self._process:
            self._storage.set_trial_user_attr(key, PROCESS, self._process)
        if KEY not in there:  # a trial of `enqueue_trial`
            self._storage.set_trial_user_attr(key, KEY, keeping.new_key())

    def release(self, key: int) -> None:
        """Leave a trial that has not ended to the next run, here or in another process."""
        with suppress(UpdateFinishedTrialError):
            self._storage.set_trial_user_attr(key, PROCESS, "")


def signature() -> str:
    """What this process signs trials with."""
    return json.dumps(filelocks.signature(), separators=(",", ":"))


def lives(trial: FrozenTrial) -> bool:
    """Whether the process that does the trial may still be running; "" is the signature of none."""
    signed = trial.user_attrs.get(PROCESS) or ""
    return signed != "" and filelocks.lives(json.loads(signed))


def settled(trials: Callable[[], list[FrozenTrial]]) -> list[FrozenTrial]:
    """All trials, once none of them is so young that its process may be about to sign it."""
    while True:
        found = trials()
        ages = [
            (datetime.datetime.now(one.datetime_start.tzinfo) - one.datetime_start).total_seconds()
            for one in found
            if one.state == TrialState.RUNNING and PROCESS not in one.user_attrs and one.datetime_start is not None
        ]
        if not ages or min(ages) > YOUNG:
            return found
        time.sleep(min(max(YOUNG - min(ages), 0.1), YOUNG))
