"""Losses of outputs that describe the distribution of a target: its quantiles, or its mean and variance."""

from __future__ import annotations

import numpy as np

from ..checks import Floats, checked
from .loss import expect_scores, mean, shares

LEAST, GREATEST = -30.0, 60.0  # of the logarithm of a variance


def _expect_outputs(where: str, outputs: Floats, targets: Floats, factor: int, what: str) -> None:
    expect_scores(where, "outputs", outputs)
    count, columns = outputs.shape[1], targets.shape[1]
    if columns < 1 or count % columns or count // columns != factor:
        raise ValueError(
            f"{where}: outputs has {count} columns, expected {what} for each of the {columns} columns of targets"
        )


@checked(outputs="N M", targets="N D", levels="Q", weights="optional N", doutputs="optional out N M")
def pinball(
    outputs: Floats,
    targets: Floats,
    levels: Floats,
    weights: Floats | None = None,
    doutputs: Floats | None = None,
) -> float:
    """Mean over N of the sum over M of the pinball loss of quantiles; its gradient goes to doutputs (N, M).

    outputs: f, for each target one for each of the levels (Q,) of 0..1, levels last; so M = D Q. The loss of a level t
    is t (y - f) where f is below the target y, else (1 - t) (f - y). Where they are equal the gradient is 0.
    weights (N,): factors of the losses of rows; their sum is divided by N, not by Σ weights. doutputs may be None.

    Returns
    -------
    float
        The loss.
    """
    _expect_outputs("pinball", outputs, targets, len(levels), "one for each level")
    d = np.repeat(targets, len(levels), axis=1) - outputs
    level = np.tile(levels, targets.shape[1])
    pulls = (d != 0) * ((d < 0) - level)
    losses = -pulls * d
    if doutputs is not None:
        np.multiply(pulls + (d - d), shares(weights, outputs), out=doutputs)
    return mean(losses.sum(axis=1, dtype=np.float64), weights)


@checked(outputs="N M", targets="N D", weights="optional N", doutputs="optional out N M")
def gaussian_nll(
    outputs: Floats, targets: Floats, weights: Floats | None = None, doutputs: Floats | None = None
) -> float:
    """Mean over N of the sum over D of ½(s + (y - m)² / e^s); its gradient goes to doutputs (N, M).

    outputs: D means m, then D logarithms s of variances; so M = 2 D. s is held within -30..60; where it lies beyond,
    its gradient is 0 unless a step would bring it back.
    weights (N,): factors of the losses of rows; their sum is divided by N, not by Σ weights. doutputs may be None.

    Returns
    -------
    float
        The loss.
    """
    _expect_outputs("gaussian_nll", outputs, targets, 2, "two")
    half = targets.shape[1]
    s = outputs[:, half:].astype(np.float64)
    d = (targets - outputs[:, :half]).astype(np.float64)
    held = np.clip(s, LEAST, GREATEST)
    precision = np.exp(-held)
    ratios = d * d * precision
    losses = ((held + ratios) / 2).astype(outputs.dtype)  # what the dtype cannot hold is infinite
    if doutputs is not None:
        share = shares(None if weights is None else weights.astype(np.float64), s)
        slopes = (1 - ratios) / 2
        slopes[((s < LEAST) & (slopes > 0)) | ((s > GREATEST) & (slopes < 0))] = 0
        doutputs[:, :half] = -d * precision * share
        doutputs[:, half:] = slopes * share
    return mean(losses.sum(axis=1, dtype=np.float64), weights)
