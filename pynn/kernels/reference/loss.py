"""What the kernels of losses share.

Every loss is (1/N) Σ_i weights_i loss_i, divided by the number of rows and not by Σ weights; weights (N,) may be None,
which is 1 each. If the array for the gradient is None, only the loss is computed. A loss of labels returns (loss,
hits): hits is the number of rows whose first largest score is at their label or, with weights, the sum of their
weights.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ..checks import Floats


def expect_scores(where: str, name: str, array: Floats) -> None:
    if min(array.shape) < 1:
        raise ValueError(f"{where}: {name} has shape {array.shape}, expected at least one row and column")


def expect_labels(where: str, name: str, scores: Floats, labels: NDArray[np.int64]) -> None:
    expect_scores(where, name, scores)
    classes = scores.shape[1]
    outside = (labels < 0) | (labels >= classes)
    if outside.any():
        first = int(np.argmax(outside))
        raise ValueError(f"{where}: labels[{first}] is {labels[first]}, expected 0..{classes - 1} ({classes} classes)")


def place(gradient: Floats | None, scores: Floats) -> Floats:
    """Where to write the gradient; a temporary array if it is not wanted."""
    return np.empty_like(scores) if gradient is None else gradient


def mean(losses: Floats, weights: Floats | None) -> float:
    """The mean over N of the losses of samples, in float64."""
    wide = losses.astype(np.float64)
    return float((wide if weights is None else wide * weights).mean())


def hits(scores: Floats, labels: NDArray[np.int64], weights: Floats | None) -> float:
    right = scores.argmax(axis=1) == labels
    return float(np.count_nonzero(right) if weights is None else weights[right].sum(dtype=np.float64))


def shares(weights: Floats | None, like: Floats) -> Floats:
    """What each row of a gradient is multiplied by, (N, 1)."""
    rows = len(like)
    return np.asarray((np.ones(rows, like.dtype) if weights is None else weights)[:, None] / like.dtype.type(rows))
