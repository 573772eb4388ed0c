"""Functions that judge predictions, after training: shares of labels, and errors of numbers."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from ..checks import Interval, expect_numbers
from ..typing import Array
from .confusion import Classes, classification_report
from .standard import EPSILON, mean_share, pinball_losses
from .truth import numbers


def error(
    y_true: ArrayLike, y_pred: ArrayLike, classes: Classes | None = None, *, sample_weight: ArrayLike | None = None
) -> float:
    """Error: the share of samples whose predicted label is wrong, 1 - accuracy.

    Parameters
    ----------
    y_true, y_pred, classes, sample_weight : see `confusion_matrix`
        The same arguments.

    Returns
    -------
    float
        0..1.

    Raises
    ------
    ValueError
        As in `confusion_matrix`.
    """
    return 1 - classification_report(y_true, y_pred, classes, sample_weight=sample_weight).accuracy


def balanced_accuracy(
    y_true: ArrayLike, y_pred: ArrayLike, classes: Classes | None = None, *, sample_weight: ArrayLike | None = None
) -> float:
    """Balanced accuracy: the mean over classes of the share of their samples that are recognized.

    Parameters
    ----------
    y_true, y_pred, classes, sample_weight : see `confusion_matrix`
        The same arguments.

    Returns
    -------
    float
        0..1, where 1/C is chance. Classes that are absent from y_true are left out; NaN if there are no samples.

    Raises
    ------
    ValueError
        As in `confusion_matrix`.

    References
    ----------
    .. [1] Brodersen et al., "The balanced accuracy and its posterior distribution", 2010.
    """
    counts = classification_report(y_true, y_pred, classes, sample_weight=sample_weight).confusion
    return mean_share(np.diagonal(counts), counts.sum(axis=1))


def mape(y_true: ArrayLike, y_pred: ArrayLike, *, sample_weight: ArrayLike | None = None) -> float:
    """Mean absolute percentage error: the mean over samples and columns of |f - y| / |y|, a share and no percentage.

    Parameters
    ----------
    y_true, y_pred : array (N,) or (N, K)
        Numbers and their predictions. A target of 0 counts as 2e-16: one such sample makes the mean huge.
    sample_weight : array (N,), optional
        Weights of at least 0; by default 1 each.

    Returns
    -------
    float
        At least 0.

    Raises
    ------
    ValueError
        For arrays that do not fit, and numbers that are not finite.
    """
    true, predicted, weights = numbers(y_true, y_pred, sample_weight)
    return _mean(np.abs(predicted - true) / np.maximum(np.abs(true), EPSILON), weights)


def pinball(
    y_true: ArrayLike, y_pred: ArrayLike, level: float = 0.5, *, sample_weight: ArrayLike | None = None
) -> float:
    """Pinball loss of a quantile: the mean over samples and columns of max(t (y - f), (t - 1)(y - f)).

    Parameters
    ----------
    y_true, y_pred : array (N,) or (N, K)
        Numbers and the predicted quantiles of one level.
    level : float, default 0.5
        0 < t < 1: the share of targets that should lie below.
    sample_weight : array (N,), optional
        Weights of at least 0; by default 1 each.

    Returns
    -------
    float
        At least 0.

    Raises
    ------
    ValueError
        For arrays that do not fit, numbers that are not finite, and a level outside its range.

    References
    ----------
    .. [1] Koenker & Bassett, "Regression Quantiles", 1978.
    """
    expect_numbers("", Interval(0, 1, "()"), "", level=level)
    true, predicted, weights = numbers(y_true, y_pred, sample_weight)
    return _mean(pinball_losses(true, predicted, np.array(level)), weights)


def _mean(values: Array, weights: Array | None) -> float:
    """The mean of values (N, K), weighted over samples."""
    if weights is not None and not weights.any():
        raise ValueError("sample_weight is 0 for all samples")
    return float(np.average(values.mean(axis=1), weights=weights))
