"""Losses that are a sum over the outputs: regression, counts and attributes."""

from __future__ import annotations

import math

import numpy as np

from ..checks import Floats, checked, expect
from .loss import expect_scores, mean, shares

ELEMENT_LOSSES = ("l2", "l1", "huber", "binary_cross_entropy", "binary_hinge", "poisson", "gamma", "tweedie")


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
    if loss == "poisson":
        expected = np.exp(f)
        return expected - y * f, expected - y
    if loss == "gamma":
        ratio = y * np.exp(-f)
        return f + ratio, 1 - ratio
    if loss == "tweedie":
        return _tweedie(f, y, delta)
    missing = 1 - y * f
    return np.maximum(missing, 0), np.where(missing <= 0, 0, -y)


def _tweedie(f: Floats, y: Floats, power: float) -> tuple[Floats, Floats]:
    to_one, to_two = 1 - power, 2 - power
    low, high, none = to_one * f, to_two * f, y == 0  # 0 times infinity is 0
    gain = np.where(none, 0, y * (np.expm1(low) / to_one))
    return np.expm1(high) / to_two - gain, np.exp(high) - np.where(none, 0, y * np.exp(low))


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
    "poisson" e^f - y f for a count y and the logarithm f of its mean; "gamma" f + y e^-f for y > 0; "tweedie"
    (e^((2-p) f) - 1)/(2-p) - y (e^((1-p) f) - 1)/(1-p) for y >= 0 and the power p = delta, 1 < p < 2.
    N and M must be at least 1. Only huber and tweedie use delta. At a kink the gradient is 0.
    weights (N,): factors of the losses of rows; their sum is divided by N, not by Σ weights. doutputs may be None.

    Returns
    -------
    float
        The loss.
    """
    expect_scores("elementwise_loss", "outputs", outputs)
    if loss not in ELEMENT_LOSSES:
        raise ValueError(f"elementwise_loss: loss is '{loss}', expected one of {', '.join(ELEMENT_LOSSES)}")
    fits = loss != "huber" or 0 < delta < math.inf
    expect(fits, "elementwise_loss", "delta", float(delta), "0 < delta < inf")
    expect(loss != "tweedie" or 1 < delta < 2, "elementwise_loss", "delta", float(delta), "1 < delta < 2")
    losses, slopes = _terms(loss, outputs, targets, delta)
    if doutputs is not None:
        np.multiply(slopes, shares(weights, outputs), out=doutputs)
    return mean(losses.sum(axis=1, dtype=np.float64), weights)  # it may overflow float32
