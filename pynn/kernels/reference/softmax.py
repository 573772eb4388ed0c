"""Softmax, and the losses of its logarithm."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from ..checks import Floats, checked, expect
from .loss import expect_labels, hits, mean, place, shares


@checked(x="N C", out="out N C")
def softmax(x: Floats, out: Floats) -> None:
    """out (N, C) = e^x / Σ_c e^x by rows, stable for any finite x."""
    if x.size:
        np.exp(x - x.max(axis=1, keepdims=True), out=out)
        out /= out.sum(axis=1, keepdims=True)


@checked(dy="N C", y="N C", dx="out N C")
def softmax_backward(dy: Floats, y: Floats, dx: Floats) -> None:
    """dx (N, C) = y · (dy - Σ_c y·dy) by rows, from the output y of `softmax` and the gradient dy of y."""
    if y.size:  # else 2^40 rows without classes are possible
        dx[...] = y * (dy - (y * dy).sum(axis=1, keepdims=True))


def _log_softmax(logits: Floats, probabilities: Floats) -> Floats:
    """log softmax (N, C), whose exponentials go to `probabilities`."""
    shifted = logits - logits.max(axis=1, keepdims=True)
    np.exp(shifted, out=probabilities)
    total = probabilities.sum(axis=1, keepdims=True)
    probabilities /= total
    return np.asarray(shifted - np.log(total))


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
    expect_labels("softmax_cross_entropy", "logits", logits, labels)
    expect(0 <= smoothing < 1, "softmax_cross_entropy", "smoothing", float(smoothing), "0 <= smoothing < 1")
    each, dlogits = np.arange(len(logits)), place(dlogits, logits)
    log_p = _log_softmax(logits, dlogits)
    losses = -(1 - smoothing) * log_p[each, labels]
    if smoothing:
        losses -= smoothing * log_p.mean(axis=1)
        dlogits -= dlogits.dtype.type(smoothing / logits.shape[1])
    dlogits[each, labels] -= dlogits.dtype.type(1 - smoothing)
    dlogits *= shares(weights, logits)
    return mean(losses, weights), hits(logits, labels, weights)


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
    expect_labels("focal", "logits", logits, labels)
    expect(0 <= gamma < math.inf, "focal", "gamma", float(gamma), "0 <= gamma < inf")
    each, dlogits = np.arange(len(logits)), place(dlogits, logits)
    losses = -_log_softmax(logits, dlogits)[each, labels].astype(np.float64)
    rest = -np.expm1(-losses)  # 1 - p, also where p is nearly 1
    power = rest**gamma
    factor = power * (1 + gamma * (1 - rest) * np.where(rest == 0, 1, losses / rest))
    dlogits[each, labels] -= 1
    dlogits *= shares(weights, logits) * factor.astype(dlogits.dtype)[:, None]
    return mean(power * losses, weights), hits(logits, labels, weights)
