"""Metrics of probabilities: how likely the truth was, how far off they are, and whether they can be trusted."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from ..checks import Count, expect_count
from ..losses import Loss
from ..losses.attributes import AttributeLoss, BinaryCrossEntropy
from ..losses.softmax import SoftmaxLoss
from ..signatures import takes
from ..typing import Array
from .confusion import Classes
from .metric import Mean, Metric, of_labels
from .truth import of_probabilities

BINS = 15


def log_loss(
    y_true: ArrayLike,
    probabilities: ArrayLike,
    classes: Classes | None = None,
    *,
    sample_weight: ArrayLike | None = None,
) -> float:
    """Log-loss: the mean of -log(probability of the true class).

    Parameters
    ----------
    y_true : array (N,) or (N, K)
        Labels, also as one-hot rows where the rows of the probabilities add up to 1. Otherwise (N, K) are answers of 0
        and 1, whose log-losses are averaged over columns too.
    probabilities : array (N,) or (N, C)
        As `predict_proba` gives them; (N,) are those of the second of two classes. A probability of 0 counts as the
        epsilon of its dtype.
    classes : sequence, optional
        The labels in the order of the columns; by default 0..C-1, or else all labels in y_true, sorted. Integers of
        which neither 0 nor all C occur need it, as they may count from 0 or from 1.
    sample_weight : array (N,), optional
        Weights of at least 0; by default 1 each.

    Returns
    -------
    float
        At least 0; ln C for equal probabilities.

    Raises
    ------
    ValueError
        For arrays that do not fit, and for numbers that are no probabilities.

    Examples
    --------
    >>> pynn.metrics.log_loss(y_test, model.predict_proba(x_test))
    """
    truth = of_probabilities(y_true, probabilities, classes, sample_weight)
    held = np.clip(truth.scores, truth.epsilon, 1 - truth.epsilon)
    if truth.yes is not None:
        return truth.mean(-np.log(np.where(truth.yes, held, 1 - held)).mean(axis=1))
    assert truth.places is not None
    return truth.mean(-np.log(held[np.arange(len(held)), truth.places]))


def brier(
    y_true: ArrayLike,
    probabilities: ArrayLike,
    classes: Classes | None = None,
    *,
    sample_weight: ArrayLike | None = None,
) -> float:
    """Brier score: the mean of (p - y)² for two classes, of Σ_c (p_c - [y = c])² for three or more.

    Parameters
    ----------
    y_true, probabilities, classes, sample_weight : see `log_loss`
        The same arguments. Two columns are two classes, as in scikit-learn; answers (N, K) are averaged over columns.

    Returns
    -------
    float
        0..1 for two classes, 0..2 for more; 0 is perfect.

    Raises
    ------
    ValueError
        As in `log_loss`.

    References
    ----------
    .. [1] G. W. Brier, "Verification of forecasts expressed in terms of probability", 1950.
    """
    truth = of_probabilities(y_true, probabilities, classes, sample_weight)
    squares = (truth.scores - truth.each()) ** 2
    return truth.mean(squares.mean(axis=1) if _is_mean(truth.yes is not None, squares) else squares.sum(axis=1))


def calibration_error(
    y_true: ArrayLike,
    probabilities: ArrayLike,
    classes: Classes | None = None,
    *,
    sample_weight: ArrayLike | None = None,
    bins: int = BINS,
) -> float:
    """Expected calibration error: Σ_b share_b |accuracy_b - confidence_b| over bins of the top probability.

    Parameters
    ----------
    y_true, probabilities, classes, sample_weight : see `log_loss`
        The same arguments. Each of the answers (N, K) counts as a sample.
    bins : int, default 15
        Number of bins of equal width, (0, 1/bins], (1/bins, 2/bins], ...

    Returns
    -------
    float
        0..1; 0 if the model is right as often as it believes.

    Raises
    ------
    ValueError
        As in `log_loss`.

    References
    ----------
    .. [1] Guo et al., "On Calibration of Modern Neural Networks", 2017.
    """
    expect_count("", 1, bins=bins)
    truth = of_probabilities(y_true, probabilities, classes, sample_weight)
    top, right = _top(truth.scores, truth.each(), truth.yes is not None)
    weights = np.ones(len(top)) if truth.weights is None else truth.weights
    return _calibration(_binned(top, right, weights, bins))


class _OfProbabilities(Metric):
    """Base of the metrics that need probabilities of labels or attributes."""

    def check(self, loss: Loss) -> None:
        judged = of_labels(loss) or isinstance(loss, AttributeLoss)
        if not judged or type(loss).probabilities is Loss.probabilities:
            self._refuse(loss, "class labels or attributes with probabilities")


class LogLoss(_OfProbabilities, Mean):
    """Log-loss: the mean of -log(probability of the true class), of attributes also over them. Name "log_loss".

    It is the loss "softmax_cross_entropy" without smoothing (or "binary_cross_entropy" over K), exact for any logits.
    """

    name = "log_loss"

    def each(self, outputs: Array, targets: Array) -> Array:
        loss, wide = self.loss, outputs.astype(np.float64)
        if isinstance(loss, AttributeLoss):
            true = np.reshape(targets, outputs.shape).astype(np.float64)
            if type(loss).probabilities is BinaryCrossEntropy.probabilities:
                with np.errstate(invalid="ignore"):  # a NaN stays one
                    losses = np.logaddexp(0, wide) - true * wide
            else:
                p = probabilities_of(loss, outputs)
                losses = -true * _log(p) - (1 - true) * _log(1 - p)
        else:
            if type(loss).probabilities is SoftmaxLoss.probabilities:
                wide -= wide.max(axis=-1, keepdims=True)
                logs = wide - np.log(np.exp(wide).sum(axis=-1, keepdims=True))
            else:
                logs = _log(probabilities_of(loss, outputs))
            losses = -np.take_along_axis(logs, np.asarray(targets)[..., None], axis=-1)
        return np.asarray(losses.reshape(len(losses), -1).mean(axis=1))


class Brier(_OfProbabilities, Mean):
    """Brier score: the mean of (p - y)² for two classes and for attributes, of Σ_c (p_c - [y = c])² for more classes.

    Name "brier".
    """

    name = "brier"

    def each(self, outputs: Array, targets: Array) -> Array:
        p = probabilities_of(self.loss, outputs)
        attributes = isinstance(self.loss, AttributeLoss)
        squares = (p - (np.reshape(targets, p.shape) if attributes else _one_hot(targets, p.shape[-1]))) ** 2
        values = squares.mean(axis=-1) if _is_mean(attributes, squares) else squares.sum(axis=-1)
        return np.asarray(values.reshape(len(values), -1).mean(axis=1))


class CalibrationError(_OfProbabilities):
    """Expected calibration error: Σ_b share_b |accuracy_b - confidence_b| over bins of the top probability.

    Name "calibration_error". Each attribute counts as a sample. See the function `calibration_error`.

    Parameters
    ----------
    bins : int, default 15
        Number of bins of equal width.
    """

    name = "calibration_error"
    _takes = takes(bins=Count(1))

    def __init__(self, bins: int = BINS) -> None:
        self.bins = bins

    def reset(self) -> None:
        self.sums = np.zeros((3, self.bins))

    def add(self, outputs: Array, targets: Array, weights: Array | None) -> None:
        p = probabilities_of(self.loss, outputs)
        attributes = isinstance(self.loss, AttributeLoss)
        if attributes:
            assert isinstance(self.loss, AttributeLoss)
            p = p.reshape(len(p), -1)
            yes = np.reshape(targets, p.shape) > self.loss._middle
        else:
            yes = _one_hot(np.ravel(targets), p.shape[-1])
            p = p.reshape(-1, p.shape[-1])
        top, right = _top(p, yes, attributes)
        each = np.ones(len(outputs)) if weights is None else weights.astype(np.float64)
        sums = _binned(top, right, np.repeat(each, len(top) // len(each)), self.bins)
        self.sums = self.sums + (np.nan if self.loss._undefined(outputs) is not None else sums)

    def value(self) -> float:
        return _calibration(self.sums)


def probabilities_of(loss: Loss, outputs: Array) -> Array:
    """Probabilities in float64; of logits computed in it, so that those near 0 and 1 stay apart."""
    wide = outputs.astype(np.float64)
    if type(loss).probabilities in (SoftmaxLoss.probabilities, BinaryCrossEntropy.probabilities):
        return loss.probabilities(wide)
    return loss.probabilities(outputs).astype(np.float64)


def _log(p: Array) -> Array:
    return np.asarray(np.log(np.maximum(p, np.finfo(np.float64).tiny)))


def _one_hot(labels: Array, classes: int) -> Array:
    return np.asarray(np.asarray(labels)[..., None] == np.arange(classes))


def _is_mean(answers: bool, squares: Array) -> bool:
    """Whether the Brier score is a mean over columns: of answers, and of two classes, whose squares are equal."""
    return answers or squares.shape[-1] == 2


def _top(p: Array, yes: Array, answers: bool) -> tuple[Array, Array]:
    """The top probability of each sample or answer, and whether it is right."""
    if answers:
        return np.maximum(p, 1 - p).reshape(-1), ((p > 0.5) == yes).reshape(-1)
    chosen = p.argmax(axis=1)[:, None]
    return np.take_along_axis(p, chosen, axis=1)[:, 0], np.take_along_axis(yes, chosen, axis=1)[:, 0]


def _binned(top: Array, right: Array, weights: Array, bins: int) -> Array:
    """For each bin the weight, that of right answers, and the sum of top probabilities."""
    weights = np.repeat(weights, len(top) // len(weights))
    place = np.clip(np.ceil(np.nan_to_num(top) * bins).astype(np.int64) - 1, 0, bins - 1)
    return np.stack([np.bincount(place, weights * factor, bins) for factor in (np.ones(len(top)), right, top)])


def _calibration(sums: Array) -> float:
    weight, right, confidence = sums
    total = weight.sum()
    return float(np.abs(right - confidence).sum() / total) if total else 0.0
