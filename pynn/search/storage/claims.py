"""Which run does a trial: it signs it. A trial whose run is gone may be taken up by another."""

from __future__ import annotations

import json
import os
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import Any

from optuna.trial import FrozenTrial, TrialState

from ...messages.terminal import printable
from ...saving import filelocks

PROCESS = "pynn_process"  # name of the attribute
KEY = "pynn_key"  # name of the attribute that tells a trial's files from those of all others
YOUNG = 2.0  # seconds within which another process may be about to sign a trial
_claims: dict[str, Claim] = {}  # of the runs of this process, by run


class Claim:
    """What a run of this process signs its trials with, and which of them are under way.

    Attributes
    ----------
    run : str
        What tells the run from all others.
    text : str
        The signature.
    numbers : set of int
        The trials under way.
    thread : int
        Which does the run.
    """

    def __init__(self) -> None:
        self.run = os.urandom(6).hex()
        self.text = json.dumps({**filelocks.signature(), "run": self.run}, separators=(",", ":"))
        self.numbers: set[int] = set()
        self.thread = threading.get_ident()
        self._asking = False

    def begin(self) -> None:
        """The run begins, in this thread."""
        self.thread = threading.get_ident()
        self.numbers.clear()
        _claims[self.run] = self

    def end(self) -> None:
        """The run has ended: what it has signed and not ended is left over."""
        _claims.pop(self.run, None)
        self.numbers.clear()

    @contextmanager
    def asking(self) -> Iterator[None]:
        """As long as a trial is asked for, which may be signed already while its number is not known."""
        self._asking = True
        try:
            yield
        finally:
            self._asking = False

    def holds(self, number: int) -> bool:
        """Whether the trial of this number is under way, or may be the one that is asked for."""
        return self._asking or number in self.numbers  # in this order: another thread may be just done with asking


def holder(trial: FrozenTrial) -> dict[str, Any]:
    """Who has signed a trial: a `filelocks.signature` and the run; {} if nobody has, or has given it back."""
    with suppress(ValueError, TypeError):
        signed = json.loads(trial.user_attrs.get(PROCESS) or "{}")
        if isinstance(signed, dict) and type(signed.get("process")) is int:
            return signed
    return {}


def claim(holder: Mapping[str, Any]) -> Claim | None:
    """The claim of a run of this process."""
    return _claims.get(str(holder.get("run"))) if holder.get("process") == os.getpid() else None


def run(trial: FrozenTrial) -> str:
    """The run that does a trial."""
    return str(holder(trial).get("run", trial.user_attrs.get(PROCESS)))


def lives(trial: FrozenTrial) -> bool | None:
    """Whether the run that does the trial may still be under way; None if its process cannot be seen from here."""
    signed = holder(trial)
    if not signed:
        return False
    if signed.get("machine") != filelocks.machine():
        return None
    if signed["process"] == os.getpid() and filelocks.lives(signed):
        ours = claim(signed)
        return ours is not None and ours.holds(trial.number)
    return filelocks.lives(signed)


def shown(trial: FrozenTrial) -> str:
    """Who does a trial, in words."""
    signed = holder(trial)
    return printable(f"process {signed.get('process')} on {signed.get('host') or 'this computer'}", 100)


def settled(trials: Callable[[], list[FrozenTrial]]) -> tuple[list[FrozenTrial], set[int]]:
    """All trials, and the numbers of those that nobody signs: others may be so young that they are about to be signed.

    Starts of trials tell nothing: clocks differ, and some storages have local times.
    """
    limit = time.monotonic() + YOUNG
    found = trials()
    left = _unsigned(found)
    while left and time.monotonic() < limit:
        time.sleep(YOUNG / 20)
        found = trials()
        left &= _unsigned(found)
    return found, left


def _unsigned(trials: list[FrozenTrial]) -> set[int]:
    return {one.number for one in trials if one.state == TrialState.RUNNING and PROCESS not in one.user_attrs}
