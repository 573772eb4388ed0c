"""How good predictions are, beside those of a model that knows only the target. Knows arrays alone."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ...typing import Array

SMALLEST = 1e-15  # a probability of 0 would have an infinite loss


class Score(NamedTuple):
    """One measurement, of the model and of the trivial one. higher: whether higher is better; spoken: its name."""

    name: str
    spoken: str
    model: float
    trivial: float
    higher: bool

    @property
    def better(self) -> bool:
        """Whether the model is better than the trivial one."""
        return self.model > self.trivial if self.higher else self.model < self.trivial


def of_classes(codes: NDArray[np.intp], probabilities: Array, shares: Array) -> list[Score]:
    """Accuracy, log loss and, for two classes, ROC-AUC.

    codes: places of the true classes, -1 for one that the model does not know. shares: of the classes in training.
    """
    known = codes >= 0
    accuracy = float(np.mean(probabilities.argmax(axis=1) == codes))
    usual = float(np.mean(codes == int(np.argmax(shares))))
    found = [Score("accuracy", "accuracy", accuracy, usual, True)]
    if known.any():
        trivial = np.broadcast_to(shares, probabilities.shape)
        losses = [log_loss(codes[known], each[known]) for each in (probabilities, trivial)]
        found.append(Score("log_loss", "log loss", losses[0], losses[1], False))
    if probabilities.shape[1] == 2 and len(np.unique(codes[known])) == 2:
        found.append(Score("roc_auc", "ROC-AUC", roc_auc(codes[known] == 1, probabilities[known, 1]), 0.5, True))
    return found


def of_numbers(y: Array, predicted: Array, mean: float, median: float) -> list[Score]:
    """RMSE beside that of the training's mean, MAE beside that of its median, and R²."""
    spread = float(np.sum((y - y.mean()) ** 2))
    found = [
        Score("rmse", "RMSE", rmse(y, predicted), rmse(y, np.full(len(y), mean)), False),
        Score("mae", "MAE", float(np.mean(np.abs(y - predicted))), float(np.mean(np.abs(y - median))), False),
    ]
    if spread > 0:
        explained = [1 - float(np.sum((y - each) ** 2)) / spread for each in (predicted, np.full(len(y), mean))]
        found.append(Score("r2", "R²", explained[0], explained[1], True))
    return found


def log_loss(codes: NDArray[np.intp], probabilities: Array) -> float:
    """Mean of -log p of the true class."""
    chosen = np.clip(probabilities[np.arange(len(codes)), codes].astype(np.float64), SMALLEST, 1)
    return float(-np.mean(np.log(chosen)))


def rmse(y: Array, predicted: Array) -> float:
    """Root of the mean squared error."""
    return float(np.sqrt(np.mean((y - predicted) ** 2)))


def roc_auc(positive: NDArray[np.bool_], scores: Array) -> float:
    """Share of pairs of a positive and a negative sample whose scores are in that order; ties count half."""
    from sklearn.metrics import roc_auc_score

    return float(roc_auc_score(positive, scores))
