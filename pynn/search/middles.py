"""What half of the trials had reached after an epoch: only a trial that is behind them is judged. Knows no studies."""

from __future__ import annotations

from bisect import insort
from collections.abc import Mapping, Sequence

from ..monitor import Best
from .watching import Middle, judged

ENOUGH = 5  # trials without which there is no middle


class Middles:
    """The scores and losses of the trials after the epochs at which trials are judged.

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
        """Add the first fold of a trial, as far as it came."""
        curve = curves[0] if curves else {}
        scores, losses = curve.get(self._metric, ()), curve.get("val_loss", ())
        for epoch, (all_scores, all_losses) in self._at.items():
            known = [self._best.sign * score for score in scores[:epoch] if score == score]
            if len(scores) >= epoch and known:
                insort(all_scores, min(known))
                if len(losses) >= epoch and losses[epoch - 1] == losses[epoch - 1]:
                    insort(all_losses, losses[epoch - 1])

    def now(self) -> dict[int, Middle]:
        """The middle of what trials had reached, by epoch."""
        return {
            epoch: Middle(self._best.sign * scores[len(scores) // 2], losses[len(losses) // 2])
            for epoch, (scores, losses) in self._at.items()
            if len(scores) >= ENOUGH and losses
        }
