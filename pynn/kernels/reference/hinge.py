"""Multiclass hinge losses."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from ..checks import Floats, checked, expect
from .loss import expect_labels, hits, mean, place, shares


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
    expect_labels("hinge", "scores", scores, labels)
    expect(0 < margin < math.inf, "hinge", "margin", float(margin), "0 < margin < inf")
    each, dscores = np.arange(len(scores)), place(dscores, scores)
    over = np.maximum(scores - scores[each, labels][:, None] + scores.dtype.type(margin), 0)
    over[each, labels] = 0
    dscores[...] = 2 * over if squared else np.sign(over)  # NaN stays
    dscores[each, labels] = -dscores.sum(axis=1)
    dscores *= shares(weights, scores)
    return mean((over * over if squared else over).sum(axis=1), weights), hits(scores, labels, weights)
