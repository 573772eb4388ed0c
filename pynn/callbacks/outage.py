"""Outage: what callbacks do while a file cannot be written, as on a full disk. Knows no file formats."""

from __future__ import annotations

from types import TracebackType

from ..checks import warn


class Outage:
    """Keeps a run alive while a disk is full: an OSError ends it only if no write has succeeded before.

    `with outage.bridged(lost, then):` tries to write. If that fails, one RuntimeWarning per outage says what is lost
    and what happens next. advice: a note added to the system's error (Python 3.11). failing: whether the last write
    failed.
    """

    def __init__(self, advice: str = "") -> None:
        self.advice = advice
        self.failing = self._worked = False

    def bridged(self, lost: str, then: str) -> Outage:
        self._words = lost, then
        return self

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: type | None, error: BaseException | None, traceback: TracebackType | None) -> bool:
        if error is None:
            self.failing, self._worked = False, True
        if not isinstance(error, OSError):
            return False
        if not self._worked:
            if self.advice and error.errno is not None and hasattr(error, "add_note"):
                error.add_note(self.advice)
            return False
        if not self.failing:
            self.failing = True  # before the warning, which may be an error
            warn(f"{self._words[0]} ({error}); training continues, {self._words[1]}", RuntimeWarning)
        return True
