"""Metrics of rankings: how well scores put the samples of a class before all others."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
from numpy.typing import ArrayLike

from .. import checks
from ..losses import Loss
from ..losses.attributes import AttributeLoss
from ..losses.softmax import SoftmaxLoss
from ..typing import Array
from .confusion import Classes
from .gathered import Gathered
from .metric import of_labels
from .probable import probabilities_of
from .truth import Truth, of_scores

Area = Callable[[Array, Array], float]


def roc_auc(
    y_true: ArrayLike, y_score: ArrayLike, classes: Classes | None = None, *, sample_weight: ArrayLike | None = None
) -> float:
    """Area under the ROC curve: how often a sample of the class has a higher score than one of another class.

    Equal scores count half. Of three or more classes it is the mean over them, each against the rest; of answers
    (N, K) the mean over columns.

    Parameters
    ----------
    y_true : array (N,) or (N, K)
        Labels, or answers of 0 and 1.
    y_score : array (N,) or (N, C)
        Scores or probabilities, of two classes those of the second, or a column for each class.
    classes : sequence, optional
        The labels in the order of the columns; by default 0..C-1, or else all labels in y_true, sorted. Integers of
        which neither 0 nor all C occur need it, as they may count from 0 or from 1.
    sample_weight : array (N,), optional
        Weights of at least 0; by default 1 each.

    Returns
    -------
    float
        0..1, where 0.5 is chance; NaN with a warning if a class is absent, or no other is there.

    Raises
    ------
    ValueError
        For arrays that do not fit, and scores that are not finite.

    References
    ----------
    .. [1] T. Fawcett, "An introduction to ROC analysis", 2006.

    Examples
    --------
    >>> pynn.metrics.roc_auc([0, 0, 1, 1], [0.1, 0.4, 0.35, 0.8])
    0.75
    """
    return _mean_of_columns("roc_auc", of_scores(y_true, y_score, classes, sample_weight, "y_score"), _roc_area)


def average_precision(
    y_true: ArrayLike, y_score: ArrayLike, classes: Classes | None = None, *, sample_weight: ArrayLike | None = None
) -> float:
    """Average precision: the mean, over the samples of the class, of the precision among the scores down to theirs.

    Of three or more classes it is the mean over them, each against the rest; of answers (N, K) the mean over columns.

    Parameters
    ----------
    y_true, y_score, classes, sample_weight : see `roc_auc`
        The same arguments.

    Returns
    -------
    float
        0..1, where the share of the class is chance; NaN with a warning if a class is absent.

    Raises
    ------
    ValueError
        As in `roc_auc`.

    References
    ----------
    .. [1] Davis & Goadrich, "The relationship between precision-recall and ROC curves", 2006.

    Examples
    --------
    >>> pynn.metrics.average_precision([0, 0, 1, 1], [0.1, 0.4, 0.35, 0.8])
    0.8333333333333333
    """
    truth = of_scores(y_true, y_score, classes, sample_weight, "y_score")
    return _mean_of_columns("average_precision", truth, _precision_area)


def _roc_area(yes: Array, no: Array) -> float:
    total, rest = yes.sum(), no.sum()
    if not total or not rest:
        return math.nan
    before = np.cumsum(yes) - yes / 2  # of the class, above the others with this score
    return float((no * before).sum() / (total * rest))


def _precision_area(yes: Array, no: Array) -> float:
    total = yes.sum()
    if not total:
        return math.nan
    hits, all_ = np.cumsum(yes), np.cumsum(yes + no)
    return float((yes * hits / np.where(all_ > 0, all_, 1)).sum() / total)


class RocAuc(Gathered):
    """Area under the ROC curve of labels or attributes; keeps the scores of all samples. Name "roc_auc".

    See the function `roc_auc`. Of two classes it compares the scores of the second; of more it is the mean over
    classes, of attributes that over attributes. NaN with a warning if the data lack a class.
    """

    name = "roc_auc"
    _area: Area = staticmethod(_roc_area)

    def check(self, loss: Loss) -> None:
        if not (of_labels(loss) or isinstance(loss, AttributeLoss)):
            self._refuse(loss, "class labels or attributes")

    def _judged(self, outputs: Array) -> Array:
        if isinstance(self.loss, AttributeLoss):
            return outputs.reshape(len(outputs), -1)
        if type(self.loss).probabilities is Loss.probabilities:
            return outputs[:, 1:] - outputs[:, :1] if outputs.shape[1] == 2 else outputs
        if isinstance(self.loss, SoftmaxLoss):  # probabilities of sure models round to 1, where all would tie
            odds = log_odds(outputs)
            return odds[:, 1:] if odds.shape[1] == 2 else odds
        probabilities = probabilities_of(self.loss, outputs)
        return probabilities[:, 1:] if probabilities.shape[1] == 2 else probabilities

    def _value(self, true: Array, said: Array, weights: Array | None) -> float:
        scores = said.reshape(len(said), -1)
        yes = None
        if isinstance(self.loss, AttributeLoss):
            yes = true.reshape(scores.shape) > self.loss._middle
        elif scores.shape[1] == 1:
            yes = (true == 1)[:, None]
        return _mean_of_columns(self.name, Truth(scores, true, yes, weights, 0.0), self._area)


class AveragePrecision(RocAuc):
    """Average precision of labels or attributes; keeps the scores of all samples. Name "average_precision".

    See the function `average_precision`; otherwise as `RocAuc`.
    """

    name = "average_precision"
    _area: Area = staticmethod(_precision_area)


def _mean_of_columns(name: str, truth: Truth, area: Area) -> float:
    """The mean over columns of the area for the weights of each score's samples, of the class and of the others."""
    yes, scores = truth.ranked()
    weights = np.ones(len(scores)) if truth.weights is None else truth.weights
    values = [area(*_by_score(yes[:, column], scores[:, column], weights)) for column in range(scores.shape[1])]
    absent = [column for column, value in enumerate(values) if math.isnan(value)]
    if absent:
        where = f"of column {absent[0]} " if len(values) > 1 else ""
        checks.warn(
            f"{name} is not defined, hence NaN: the class {where}is absent from the targets, or there is no other. "
            "Measure it on more samples, or on a part that is stratified (pynn.Split(0.2, stratify=True))"
        )
    return float(np.mean(values))


def _by_score(yes: Array, scores: Array, weights: Array) -> tuple[Array, Array]:
    """Total weights of the samples of the class, and of the others, for each distinct score from high to low."""
    order = np.argsort(-scores, kind="stable")
    ordered = scores[order]
    starts = np.flatnonzero(np.r_[True, ordered[1:] != ordered[:-1]])
    of_class = np.where(yes, weights, 0.0)[order]
    others = np.where(yes, 0.0, weights)[order]
    return np.add.reduceat(of_class, starts), np.add.reduceat(others, starts)


def log_odds(logits: Array) -> Array:
    """ln p_c/(1 - p_c) of each class (N, C) for logits (N, C), in float64: told apart however near 1 p_c is."""
    z = np.asarray(logits, np.float64)
    z = z - z.max(axis=1, keepdims=True)
    exps = np.exp(z)
    total = exps.sum(axis=1, keepdims=True)
    rows, best = np.arange(len(z)), z.argmax(axis=1)
    with np.errstate(divide="ignore", invalid="ignore"):  # a single class
        odds: Array = z - np.log(total - exps)
    others = z.copy()
    others[rows, best] = -np.inf
    second = others.max(axis=1)
    odds[rows, best] = -(second + np.log(np.exp(others - second[:, None]).sum(axis=1)))
    return odds
