"""How good predictions are, beside those of a model that knows only the target. Knows arrays alone."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ...typing import Array

SURE = 2.0  # standard errors by which the model must be better
SMALLEST = 1e-15  # a probability of 0 would have an infinite loss


class Score(NamedTuple):
    """One measurement, of the model and of the trivial one.

    higher: whether higher is better. spoken: its name for people. gain: how much better the model is over the rows, in
    standard errors; None where it is no mean over rows.
    """

    name: str
    spoken: str
    model: float
    trivial: float
    higher: bool
    gain: float | None = None

    @property
    def better(self) -> bool:
        """Whether the model is better than the trivial one."""
        return self.model > self.trivial if self.higher else self.model < self.trivial

    @property
    def clearly_better(self) -> bool:
        """Whether it is better by more than chance gives."""
        return self.gain is not None and self.gain > SURE


def of_classes(codes: NDArray[np.intp], probabilities: Array, shares: Array) -> list[Score]:
    """Accuracy, log loss and, for two classes, ROC-AUC.

    codes: places of the true classes, -1 for one that the model does not know. shares: of the classes in training.
    """
    known = codes >= 0
    wrong, usual = probabilities.argmax(axis=1) != codes, codes != int(np.argmax(shares))
    rates = 1 - float(wrong.mean()), 1 - float(usual.mean())
    found = [Score("accuracy", "accuracy", *rates, True, _gain(wrong, usual))]
    if known.any():
        trivial = np.broadcast_to(shares, probabilities.shape)
        losses = [log_losses(codes[known], each[known]) for each in (probabilities, trivial)]
        means = float(losses[0].mean()), float(losses[1].mean())
        found.append(Score("log_loss", "log loss", *means, False, _gain(*losses)))
    if probabilities.shape[1] == 2 and len(np.unique(codes[known])) == 2:
        found.append(Score("roc_auc", "ROC-AUC", roc_auc(codes[known] == 1, probabilities[known, 1]), 0.5, True))
    return found


def of_numbers(y: Array, predicted: Array, mean: float, median: float) -> list[Score]:
    """RMSE beside that of the training's mean, MAE beside that of its median, and R²."""
    squares = (y - predicted) ** 2, (y - mean) ** 2
    sizes = np.abs(y - predicted), np.abs(y - median)
    roots = [float(np.sqrt(each.mean())) for each in squares]
    means = [float(each.mean()) for each in sizes]
    found = [
        Score("rmse", "RMSE", roots[0], roots[1], False, _gain(*squares)),
        Score("mae", "MAE", means[0], means[1], False, _gain(*sizes)),
    ]
    spread = float(np.sum((y - y.mean()) ** 2))
    if spread > 0:
        explained = [1 - float(each.sum()) / spread for each in squares]
        found.append(Score("r2", "R²", explained[0], explained[1], True))
    return found


def _gain(losses: Array, trivial: Array) -> float:
    """How much less the losses of the rows are, in standard errors of the mean difference."""
    differences = trivial.astype(np.float64) - losses
    error = float(differences.std(ddof=1)) / np.sqrt(len(differences)) if len(differences) > 1 else 0.0
    mean = float(differences.mean())
    return mean / error if error > 0 else float(np.sign(mean)) * np.inf if mean else 0.0


def log_losses(codes: NDArray[np.intp], probabilities: Array) -> Array:
    """-log p of the true class of each row."""
    chosen = np.clip(probabilities[np.arange(len(codes)), codes].astype(np.float64), SMALLEST, 1)
    return np.asarray(-np.log(chosen))


def log_loss(codes: NDArray[np.intp], probabilities: Array) -> float:
    """Mean of -log p of the true class."""
    return float(log_losses(codes, probabilities).mean())


def rmse(y: Array, predicted: Array) -> float:
    """Root of the mean squared error."""
    return float(np.sqrt(np.mean((y - predicted) ** 2)))


def roc_auc(positive: NDArray[np.bool_], scores: Array) -> float:
    """Share of pairs of a positive and a negative sample whose scores are in that order; ties count half."""
    from sklearn.metrics import roc_auc_score

    return float(roc_auc_score(positive, scores))
