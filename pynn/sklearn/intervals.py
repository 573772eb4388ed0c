"""Intervals of predictions: from quantiles, standard deviations or errors on held-out rows."""

from __future__ import annotations

import math
from collections.abc import Sequence
from statistics import NormalDist

import numpy as np

from ..models.sequential import Sequential
from ..typing import Array


def at(levels: Array, quantiles: Array, level: float) -> Array:
    """The quantile of this level (N,), interpolated between those of the levels (N, L); ValueError outside them."""
    if level < levels[0] - 1e-9 or level > levels[-1] + 1e-9:
        raise ValueError(
            f"the quantile {level:g} is outside of those that the model was fitted to, {levels.tolist()}; fit it with "
            f"quantiles that reach from {min(level, levels[0]):g} to {max(level, levels[-1]):g}"
        )
    right = int(np.clip(np.searchsorted(levels, level), 1, max(len(levels) - 1, 1)))
    if len(levels) == 1:
        return quantiles[:, 0]
    share = (level - levels[right - 1]) / (levels[right] - levels[right - 1])
    if abs(share - round(share)) < 1e-9:  # exactly a level: no rounding
        return quantiles[:, right - 1 + round(share)]
    return np.asarray((1 - share) * quantiles[:, right - 1] + share * quantiles[:, right])


def conformal(residuals: Array, coverage: float) -> Array:
    """The width at which this share of intervals contains y, from sorted absolute errors (M,) or (M, K)."""
    place = math.ceil((len(residuals) + 1) * coverage) - 1
    return np.asarray(residuals[min(place, len(residuals) - 1)])


def gaussian(models: Sequence[Sequential], outputs: Sequence[Array], coverage: float) -> tuple[Array, Array]:
    """Ends of the interval under a normal distribution with the mean and variance of the mixture of the networks."""
    means, deviations = [], []
    for model, out in zip(models, outputs, strict=True):
        mean, deviation = model.loss.predict(out), model.loss.deviations(out)  # type: ignore[attr-defined]
        assert model.targets is not None
        means.append(model.targets.decode(model.loss, mean))
        deviations.append(model.targets.spread(deviation, mean).reshape(means[-1].shape))
    mean = np.mean(means, axis=0)
    variance = np.mean(np.square(deviations), axis=0) + np.var(means, axis=0)
    width = NormalDist().inv_cdf((1 + coverage) / 2) * np.sqrt(variance)
    return mean - width, mean + width
