"""Tasks that wait for a process, and what becomes of those whose process died. Knows no processes."""

from __future__ import annotations

from collections import Counter, deque
from typing import NamedTuple

from ... import checks
from ..trials.trial import Outcome, Task
from ..trials.watching import FAILED, Report

DEATHS = 2  # of its processes, and a task has failed


class Given(NamedTuple):
    """A task, and who is told of its epochs."""

    task: Task
    report: Report | None


class Tasks:
    """Tasks in the order in which they are to be done; those whose process died come first.

    Parameters
    ----------
    process : str
        What a process is called in messages.
    """

    def __init__(self, process: str) -> None:
        self._process = process
        self._waiting: deque[Given] = deque()
        self._deaths: Counter[int] = Counter()

    def __len__(self) -> int:
        return len(self._waiting)

    def add(self, given: Given) -> None:
        """Take a task."""
        self._waiting.append(given)

    def next(self) -> Given:
        """The task to do next."""
        return self._waiting.popleft()

    def again(self, given: Given) -> None:
        """Have a task done again, before all others."""
        self._waiting.appendleft(given)

    def died(self, given: Given, how: str, hint: str = "") -> tuple[int, Outcome] | None:
        """The process of a task has died: have it done again, or give it up and return what became of it.

        how: it died. hint: what to do if it dies each time.
        """
        number = given.task.number
        self._deaths[number] += 1
        if self._deaths[number] < DEATHS:
            self.again(given)
            checks.warn(f"the {self._process} of trial {number} {how}; another takes the trial up", RuntimeWarning)
            return None
        why = f"its {self._process} {how}, for the second time{hint}"
        return self.ended(number, Outcome(FAILED, why, error=f"The process left no traceback: {why}.\n"))

    def ended(self, number: int, outcome: Outcome) -> tuple[int, Outcome]:
        """A task has ended; a later stage has a trial of this number too."""
        self._deaths.pop(number, None)
        return number, outcome

    def clear(self) -> None:
        """Forget all tasks."""
        self._waiting.clear()
        self._deaths.clear()
