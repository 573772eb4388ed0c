"""Temperature scaling: probabilities that can be trusted."""

from __future__ import annotations

import numpy as np

from ..layers import Affine
from ..models.sequential import Sequential
from ..typing import Array
from . import members
from .members import Table

LOWEST, HIGHEST = 0.05, 20.0  # temperatures that are tried
STEPS = 60  # of a golden-section search: to 1e-10 of the interval


def calibrate(model: Sequential, held_out: Table) -> float:
    """Divide the logits of a model by the temperature that suits its validation rows; return it.

    The last layer's weights are divided, so that the model itself gives the calibrated probabilities. Each class counts
    one more row, spread evenly over the logits, so that a model that makes no mistake does not become infinitely sure.
    """
    logits = members.outputs(model, held_out.x).astype(np.float64)
    temperature = best_temperature(logits, held_out.y, held_out.weights)
    last = model.layers[-1]
    assert isinstance(last, Affine)
    assert last.bias is not None
    last.weight /= temperature
    last.bias /= temperature
    return temperature


def best_temperature(logits: Array, labels: Array, weights: Array | None = None) -> float:
    """The temperature T with the smallest mean of -log softmax(logits / T) at the labels.

    Labels are smoothed as by Platt: with n rows of a class, its target is (n + 1)/(n + 2), the rest is spread.
    """
    count = logits.shape[1]
    share = np.ones(len(labels)) if weights is None else np.asarray(weights, np.float64)
    rows = np.bincount(labels, share, count)
    own = ((rows + 1) / (rows + 2))[labels]
    targets = np.repeat((1 - own)[:, None] / max(count - 1, 1), count, axis=1)
    targets[np.arange(len(labels)), labels] = own

    def likelihood(log_temperature: float) -> float:
        scaled = logits / np.exp(log_temperature)
        scaled -= scaled.max(axis=1, keepdims=True)
        log_p = scaled - np.log(np.exp(scaled).sum(axis=1, keepdims=True))
        return float(-(share @ (targets * log_p).sum(axis=1)))

    return float(np.exp(_minimum(likelihood, np.log(LOWEST), np.log(HIGHEST))))


def _minimum(function, low: float, high: float) -> float:  # type: ignore[no-untyped-def]
    """Golden-section search for the minimum of a function with one valley."""
    ratio = (np.sqrt(5) - 1) / 2
    left, right = high - ratio * (high - low), low + ratio * (high - low)
    at_left, at_right = function(left), function(right)
    for _ in range(STEPS):
        if at_left <= at_right:
            high, right, at_right = right, left, at_left
            left = high - ratio * (high - low)
            at_left = function(left)
        else:
            low, left, at_left = left, right, at_right
            right = low + ratio * (high - low)
            at_right = function(right)
    return float((low + high) / 2)
