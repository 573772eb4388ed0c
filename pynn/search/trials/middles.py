"""What others had reached after an epoch: only a trial that is behind them is judged. Knows no studies."""

from __future__ import annotations

import math
from bisect import insort
from collections.abc import Mapping, Sequence

from ...monitor import Best
from .watching import Middle, fall, judged

ENOUGH = 5  # trials without which there is no middle


class Middles:
    """The scores of the trials, and how far their losses fell, after the epochs at which trials are judged.

    Parameters
    ----------
    metric, mode : str
        The score, and how it is compared.
    epochs : int
        Of a trial.
    """

    def __init__(self, metric: str, mode: str, epochs: int) -> None:
        self._metric, self._best = metric, Best("Search", metric, mode)
        self._at: dict[int, tuple[list[float], list[float]]] = {epoch: ([], []) for epoch in judged(epochs)}

    def add(self, curves: Sequence[Mapping[str, Sequence[float]]]) -> None:
        """Add the first fold of a trial; after it has ended early it counts as the worst."""
        curve = curves[0] if curves else {}
        scores = curve.get(self._metric, ())
        for epoch, (best, falls) in self._at.items():
            known = [self._best.sign * score for score in scores[:epoch] if score == score]
            how_far = fall(curve, epoch)
            whole = len(scores) >= epoch and len(known) > 0 and how_far == how_far
            insort(best, min(known) if whole else math.inf)
            insort(falls, how_far if whole else -math.inf)

    def now(self) -> dict[int, Middle]:
        """What a trial is compared with, by epoch."""
        return {
            epoch: Middle(self._best.sign * best[len(best) // 4], falls[(len(falls) - 1) // 2])
            for epoch, (best, falls) in self._at.items()
            if len(best) >= ENOUGH
        }
