"""Softmax and losses: the value, and its gradient.

Every loss is (1/N) Σ_i weights_i loss_i, divided by the number of rows and not by Σ weights; weights (N,) may be None,
which is 1 each. If the array for the gradient is None, only the loss is computed. A loss of labels returns (loss,
hits): hits is the number of rows whose first largest score is at their label or, with weights, the sum of their
weights.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from ..checks import Floats, checked, expect

ELEMENT_LOSSES = ("l2", "l1", "huber", "binary_cross_entropy", "binary_hinge")


@checked(x="N C", out="out N C")
def softmax(x: Floats, out: Floats) -> None:
    """out (N, C) = e^x / Σ_c e^x by rows, stable for any finite x."""
    if x.size:
        np.exp(x - x.max(axis=1, keepdims=True), out=out)
        out /= out.sum(axis=1, keepdims=True)


def _expect_scores(where: str, name: str, array: Floats) -> None:
    if min(array.shape) < 1:
        raise ValueError(f"{where}: {name} has shape {array.shape}, expected at least one row and column")


def _expect_labels(where: str, name: str, scores: Floats, labels: NDArray[np.int64]) -> None:
    _expect_scores(where, name, scores)
    classes = scores.shape[1]
    outside = (labels < 0) | (labels >= classes)
    if outside.any():
        first = int(np.argmax(outside))
        raise ValueError(f"{where}: labels[{first}] is {labels[first]}, expected 0..{classes - 1} ({classes} classes)")


def _place(gradient: Floats | None, scores: Floats) -> Floats:
    """Where to write the gradient; a temporary array if it is not wanted."""
    return np.empty_like(scores) if gradient is None else gradient


def _mean(losses: Floats, weights: Floats | None) -> float:
    """The mean over N of the losses of samples, in float64."""
    wide = losses.astype(np.float64)
    return float((wide if weights is None else wide * weights).mean())


def _hits(scores: Floats, labels: NDArray[np.int64], weights: Floats | None) -> float:
    right = scores.argmax(axis=1) == labels
    return float(np.count_nonzero(right) if weights is None else weights[right].sum(dtype=np.float64))


def _shares(weights: Floats | None, like: Floats) -> Floats:
    """What each row of a gradient is multiplied by, (N, 1)."""
    rows = len(like)
    return np.asarray((np.ones(rows, like.dtype) if weights is None else weights)[:, None] / like.dtype.type(rows))


def _log_softmax(logits: Floats, probabilities: Floats) -> Floats:
    """log softmax (N, C), whose exponentials go to `probabilities`."""
    shifted = logits - logits.max(axis=1, keepdims=True)
    np.exp(shifted, out=probabilities)
    total = probabilities.sum(axis=1, keepdims=True)
    probabilities /= total
    return np.asarray(shifted - np.log(total))


@checked(dy="N C", y="N C", dx="out N C")
def softmax_backward(dy: Floats, y: Floats, dx: Floats) -> None:
    """dx (N, C) = y · (dy - Σ_c y·dy) by rows, from the output y of `softmax` and the gradient dy of y."""
    if y.size:  # else 2^40 rows without classes are possible
        dx[...] = y * (dy - (y * dy).sum(axis=1, keepdims=True))


@checked(logits="N C", labels="int64 N", weights="optional N", dlogits="optional out N C")
def softmax_cross_entropy(
    logits: Floats,
    labels: NDArray[np.int64],
    weights: Floats | None = None,
    smoothing: float = 0.0,
    dlogits: Floats | None = None,
) -> tuple[float, float]:
    """Mean of -Σ_c t_c log softmax(logits)_c with t = (1 - smoothing) onehot(label) + smoothing/C; gradient to dlogits.

    labels (N,): int64 in 0..C-1. N and C must be at least 1. smoothing: 0 <= smoothing < 1.
    weights (N,): factors of the losses of rows; their sum is divided by N, not by Σ weights. dlogits may be None.

    Returns
    -------
    loss : float
        The mean.
    hits : float
        Rows whose first largest score is at their label, or the sum of their weights.
    """
    _expect_labels("softmax_cross_entropy", "logits", logits, labels)
    expect(0 <= smoothing < 1, "softmax_cross_entropy", "smoothing", float(smoothing), "0 <= smoothing < 1")
    each, dlogits = np.arange(len(logits)), _place(dlogits, logits)
    log_p = _log_softmax(logits, dlogits)
    losses = -(1 - smoothing) * log_p[each, labels]
    if smoothing:
        losses -= smoothing * log_p.mean(axis=1)
        dlogits -= dlogits.dtype.type(smoothing / logits.shape[1])
    dlogits[each, labels] -= dlogits.dtype.type(1 - smoothing)
    dlogits *= _shares(weights, logits)
    return _mean(losses, weights), _hits(logits, labels, weights)


@checked(logits="N C", labels="int64 N", weights="optional N", dlogits="optional out N C")
def focal(
    logits: Floats,
    labels: NDArray[np.int64],
    weights: Floats | None = None,
    gamma: float = 2.0,
    dlogits: Floats | None = None,
) -> tuple[float, float]:
    """Mean of -(1 - p)^gamma log p with p = softmax(logits)[label]; its gradient goes to dlogits (N, C).

    labels (N,): int64 in 0..C-1. N and C must be at least 1. gamma: 0 (cross-entropy) or more.
    weights (N,): factors of the losses of rows; their sum is divided by N, not by Σ weights. dlogits may be None.

    Returns
    -------
    loss : float
        The mean.
    hits : float
        Rows whose first largest score is at their label, or the sum of their weights.

    References
    ----------
    .. [1] Lin et al., "Focal Loss for Dense Object Detection", 2017.
    """
    _expect_labels("focal", "logits", logits, labels)
    expect(0 <= gamma < math.inf, "focal", "gamma", float(gamma), "0 <= gamma < inf")
    each, dlogits = np.arange(len(logits)), _place(dlogits, logits)
    losses = -_log_softmax(logits, dlogits)[each, labels].astype(np.float64)
    rest = -np.expm1(-losses)  # 1 - p, also where p is nearly 1
    power = rest**gamma
    factor = power * (1 + gamma * (1 - rest) * np.where(rest == 0, 1, losses / rest))
    dlogits[each, labels] -= 1
    dlogits *= _shares(weights, logits) * factor.astype(dlogits.dtype)[:, None]
    return _mean(power * losses, weights), _hits(logits, labels, weights)


@checked(scores="N C", labels="int64 N", weights="optional N", dscores="optional out N C")
def hinge(
    scores: Floats,
    labels: NDArray[np.int64],
    weights: Floats | None = None,
    margin: float = 1.0,
    squared: bool = False,
    dscores: Floats | None = None,
) -> tuple[float, float]:
    """Mean of Σ_{c≠label} max(0, scores_c - scores_label + margin); its gradient goes to dscores (N, C).

    labels (N,): int64 in 0..C-1. N and C must be at least 1. margin: more than 0. At a kink the gradient is 0. squared:
    whether each term is squared.
    weights (N,): factors of the losses of rows; their sum is divided by N, not by Σ weights. dscores may be None.

    Returns
    -------
    loss : float
        The mean.
    hits : float
        Rows whose first largest score is at their label, or the sum of their weights.
    """
    _expect_labels("hinge", "scores", scores, labels)
    expect(0 < margin < math.inf, "hinge", "margin", float(margin), "0 < margin < inf")
    each, dscores = np.arange(len(scores)), _place(dscores, scores)
    over = np.maximum(scores - scores[each, labels][:, None] + scores.dtype.type(margin), 0)
    over[each, labels] = 0
    dscores[...] = 2 * over if squared else np.sign(over)  # NaN stays
    dscores[each, labels] = -dscores.sum(axis=1)
    dscores *= _shares(weights, scores)
    return _mean((over * over if squared else over).sum(axis=1), weights), _hits(scores, labels, weights)


def _terms(loss: str, f: Floats, y: Floats, delta: float) -> tuple[Floats, Floats]:
    """Loss and slope of each element."""
    d = f - y
    if loss == "l2":
        return d * d, 2 * d
    if loss == "l1":
        return np.abs(d), np.sign(d)
    if loss == "huber":
        size = np.abs(d)
        return np.where(size <= delta, d * d / 2, delta * (size - delta / 2)), np.clip(d, -delta, delta)
    if loss == "binary_cross_entropy":
        e = np.exp(-np.abs(f))
        return np.maximum(f, 0) - f * y + np.log1p(e), np.where(f < 0, e, 1) / (1 + e) - y
    missing = 1 - y * f
    return np.maximum(missing, 0), np.where(missing <= 0, 0, -y)


@checked(outputs="N M", targets="N M", weights="optional N", doutputs="optional out N M")
def elementwise_loss(
    outputs: Floats,
    targets: Floats,
    weights: Floats | None = None,
    loss: str = "l2",
    delta: float = 1.0,
    doutputs: Floats | None = None,
) -> float:
    """Mean over N of the sum over M of a loss of output f and target y; its gradient goes to doutputs (N, M).

    loss: "l2" (f - y)²; "l1" |f - y|; "huber" ½(f - y)² up to |f - y| = delta > 0, then delta (|f - y| - delta/2);
    "binary_cross_entropy" log(1 + e^f) - f y for a logit f and y of 0..1; "binary_hinge" max(0, 1 - y f) for y = ±1.
    N and M must be at least 1. Only huber uses delta. At a kink the gradient is 0.
    weights (N,): factors of the losses of rows; their sum is divided by N, not by Σ weights. doutputs may be None.

    Returns
    -------
    float
        The loss.
    """
    _expect_scores("elementwise_loss", "outputs", outputs)
    if loss not in ELEMENT_LOSSES:
        raise ValueError(f"elementwise_loss: loss is '{loss}', expected one of {', '.join(ELEMENT_LOSSES)}")
    fits = loss != "huber" or 0 < delta < math.inf
    expect(fits, "elementwise_loss", "delta", float(delta), "0 < delta < inf")
    losses, slopes = _terms(loss, outputs, targets, delta)
    if doutputs is not None:
        np.multiply(slopes, _shares(weights, outputs), out=doutputs)
    return _mean(losses.sum(axis=1, dtype=np.float64), weights)  # it may overflow float32
