"""The points of a grid, one for each trial in the order of their numbers. Knows no studies."""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Sequence
from typing import Any

from .space import Space

Point = dict[str, Any]  # by unique name


class Grid:
    """Tells which point a trial does: it follows from the finenesses of the trials before it.

    Parameters
    ----------
    space : Space
        What is chosen from.

    Attributes
    ----------
    fineness : int
        How many points of each range the grid of the last trial has; 0 before the first.
    """

    def __init__(self, space: Space) -> None:
        self._space, self.fineness = space, 0
        self._done: set[str] = set()
        self._left: deque[Point] = deque()

    def left(self, fineness: int) -> int:
        """How many points of a grid no trial does."""
        if fineness != self.fineness:
            self.fineness = fineness
            self._left = deque(point for point in self._space.grid(fineness) if json.dumps(point) not in self._done)
        return len(self._left)

    def take(self, fineness: int) -> Point | None:
        """The point of the next trial, in a grid of this fineness; None if there is none left."""
        if not self.left(fineness):
            return None
        point = self._left.popleft()
        self._done.add(json.dumps(point))
        return point

    def finest(self, trials: int) -> int:
        """The fineness of the finest grid that so many trials can do, and that has all points of the one begun."""
        low, high = 2, max(trials, 2)
        while low < high:
            middle = (low + high + 1) // 2
            if self._space.grid_size(middle) <= trials:
                low = middle
            else:
                high = middle - 1
        return low if not self.fineness else max(low - (low - 1) % (self.fineness - 1), self.fineness)


def expect_room(space: Space, trials: int) -> None:
    """ValueError if even the coarsest grid of the space has more points than so many trials."""
    size = space.grid_size(2)
    if size > trials:
        raise ValueError(
            f"the coarsest grid of this space, with 2 points of each range, has {size} points, more than the {trials} "
            f"trials; take {size} trials or more, or the sampler 'random', which tries more values of each range"
        )


def expect_stages(space: Space, stages: Sequence[tuple[int, int]]) -> None:
    """ValueError for stages of which one has too few trials; later spaces have as many ranges, and no more choices."""
    size = space.grid_size(2)
    if any(trials < size for trials, _ in stages):
        enough = [(max(trials, size), epochs) for trials, epochs in stages]
        raise ValueError(
            f"the coarsest grid of this space, with 2 points of each range, has {size} points: each stage needs so "
            f"many trials, as in stages={enough}; or take the sampler 'random', which tries more values of each range"
        )
