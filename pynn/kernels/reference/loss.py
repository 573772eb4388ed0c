"""Softmax and losses: the value, and the gradient with it."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ..checks import Floats, checked


@checked(x="N C", out="out N C")
def softmax(x: Floats, out: Floats) -> None:
    """out (N, C) = e^x / Σ_c e^x by rows, stable for any finite x."""
    if x.size:
        np.exp(x - x.max(axis=1, keepdims=True), out=out)
        out /= out.sum(axis=1, keepdims=True)


@checked(logits="N C", labels="int64 N", dlogits="out N C")
def softmax_cross_entropy(logits: Floats, labels: NDArray[np.int64], dlogits: Floats) -> float:
    """Mean over N of -log softmax(logits)[label]; its gradient (softmax - onehot)/N goes to dlogits (N, C).

    labels (N,): int64 in 0..C-1. N and C must be at least 1.
    """
    rows, classes = logits.shape
    if rows < 1 or classes < 1:
        raise ValueError(
            f"softmax_cross_entropy: logits has shape {logits.shape}, expected at least one row and column"
        )
    outside = (labels < 0) | (labels >= classes)
    if outside.any():
        where = int(np.argmax(outside))
        raise ValueError(
            f"softmax_cross_entropy: labels[{where}] is {labels[where]}, expected 0..{classes - 1} ({classes} classes)"
        )
    each = np.arange(rows)
    shifted = logits - logits.max(axis=1, keepdims=True)
    np.exp(shifted, out=dlogits)
    total = dlogits.sum(axis=1, keepdims=True)
    losses = np.log(total[:, 0]) - shifted[each, labels]
    dlogits /= total
    dlogits[each, labels] -= 1
    dlogits /= rows
    return float(losses.mean(dtype=np.float64))
