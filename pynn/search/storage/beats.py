"""Beats: a run writes now and then that it lives, and hears so of runs on machines whose processes it cannot see.

The clocks of machines differ: how long another run has been silent is measured by the clock of this one.
"""

from __future__ import annotations

import datetime
import threading
import time
from collections.abc import Iterable, Mapping
from contextlib import suppress
from typing import Any

from optuna.storages import BaseStorage, InMemoryStorage

BEAT = 10.0  # seconds between two beats
STALE = 120.0  # seconds of silence after which a run is taken for dead
OLD = 3600.0  # seconds after which a beat is of a run that was killed; if it was not, it notices and beats elsewhere
NAME = "pynn_beat_"  # of the study's attribute, followed by a number: a run that has ended leaves it to the next


def read(attributes: Mapping[str, Any]) -> dict[str, str]:
    """By run when it has beaten last, as its clock had it."""
    texts = [str(text) for name, text in attributes.items() if name.startswith(NAME)]
    return {run: beat for run, _, beat in (text.partition(" ") for text in texts) if beat}


def _is_old(text: str) -> bool:
    """Whether a run that has beaten so is gone."""
    try:
        beaten = datetime.datetime.fromisoformat(text.partition(" ")[2])
        return (_now() - beaten).total_seconds() > OLD
    except (ValueError, TypeError):
        return True


def _free(attributes: Mapping[str, Any]) -> str:
    """The first attribute that no run uses."""
    place = 1
    while (text := attributes.get(f"{NAME}{place}")) and not _is_old(str(text)):
        place += 1
    return f"{NAME}{place}"


def _now() -> datetime.datetime:
    return datetime.datetime.now(datetime.timezone.utc)


class Beats:
    """The beats of a run, and what it hears of others.

    Parameters
    ----------
    storage : BaseStorage
        Where they are written.
    study : int
        The study there.
    run : str
        The run.
    """

    def __init__(self, storage: BaseStorage, study: int, run: str) -> None:
        self._storage, self._study, self._run = storage, study, run
        self._lock = threading.Lock()
        self._last: dict[str, str] = {}  # beats by run
        self._silent: dict[str, float] = {}  # seconds, by run
        self._changed: set[str] = set()  # runs whose beat has changed since it was seen first
        self._looked = 0.0
        self._ended = threading.Event()
        self._thread: threading.Thread | None = None
        self._name = ""  # of the attribute

    def start(self) -> None:
        """Begin to beat, in a thread: training may take long. A short run writes nothing."""
        if isinstance(self._storage, InMemoryStorage) or self._thread is not None:
            return
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._beat, name="pynn-search-beats", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """End."""
        thread, self._thread = self._thread, None
        self._ended.set()
        if thread is None:
            return
        thread.join(1.0)  # the storage may not answer
        if self._name and not thread.is_alive():
            with suppress(Exception):
                if self._is_ours(self._storage.get_study_user_attrs(self._study)):
                    self._storage.set_study_user_attr(self._study, self._name, "")

    def _beat(self) -> None:
        ended = self._ended
        while not ended.wait(BEAT):
            with suppress(Exception):  # a storage that is lost is noticed where trials are told
                found = self._storage.get_study_user_attrs(self._study)
                if not self._is_ours(found):  # or another run took it at the same time
                    self._name = _free(found)
                beat = f"{self._run} {_now().isoformat(' ', 'milliseconds')}"
                self._storage.set_study_user_attr(self._study, self._name, beat)
                self.look(())

    def _is_ours(self, attributes: Mapping[str, Any]) -> bool:
        """Whether the last beat of its attribute is of this run."""
        return str(attributes.get(self._name, "")).partition(" ")[0] == self._run

    # Others ---------------------------------------------------------------------------------------

    def look(self, runs: Iterable[str]) -> None:
        """Look for beats of these runs, and of those looked for before."""
        with self._lock:
            new = [one for one in runs if one not in self._silent]
            if not new and not self._silent:
                return
            found = read(self._storage.get_study_user_attrs(self._study))
            now = time.monotonic()
            passed, self._looked = now - self._looked, now
            for one in self._silent:
                beat = found.get(one, self._last[one])
                self._silent[one] += min(passed, 2 * BEAT)  # longer, and this process stood still itself
                if beat != self._last[one]:
                    self._last[one], self._silent[one] = beat, 0.0
                    self._changed.add(one)
            for one in new:
                self._last[one], self._silent[one] = found.get(one, ""), 0.0

    def heard(self, run: str) -> bool:
        """Whether a run has beaten since it was looked for first, and not long ago."""
        return run in self._changed and not self.gone(run)

    def gone(self, run: str) -> bool:
        """Whether a run has been silent for so long that it is taken for dead."""
        return self._silent.get(run, 0.0) >= STALE
