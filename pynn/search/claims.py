"""Which process does a trial: it signs it, and a trial whose process is gone may be taken up by another."""

from __future__ import annotations

import datetime
import json
import time
from collections.abc import Callable

from optuna.trial import FrozenTrial, TrialState

from ..saving import filelocks

PROCESS = "pynn_process"  # name of the attribute
YOUNG = 2.0  # seconds within which another process may be about to sign a trial


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
