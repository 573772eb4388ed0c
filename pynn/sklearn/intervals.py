"""Intervals of predictions: from quantiles, standard deviations or errors on held-out rows."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np

from ..models.sequential import Sequential
from ..typing import Array
from .reports import warn

ROUNDING = 1e-9


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


@dataclass(frozen=True)
class Residuals:
    """Absolute errors on held-out rows.

    errors: (M,) or (M, K), sorted in each column. shares: of the same shape, the sum of the weights (of mean 1) of the
    errors up to this one.
    """

    errors: Array
    shares: Array

    @classmethod
    def of(cls, errors: Array, weights: Array | None) -> Residuals:
        """From errors in any order and weights of any mean, or None."""
        order = np.argsort(errors, axis=0, kind="stable")
        each = np.ones(len(errors)) if weights is None else weights / weights.mean()
        return cls(np.take_along_axis(errors, order, axis=0), np.cumsum(each[order], axis=0))

    def width(self, coverage: float) -> Array:
        """The width at which this share of intervals contains y: a number, or (K,); infinite with too few rows.

        A new row counts one weight more, whose error may be larger than all.
        """
        needed = coverage * (len(self.errors) + 1) - ROUNDING * len(self.errors)
        reached = self.shares >= needed
        enough, first = reached.any(axis=0), reached.argmax(axis=0)
        width = np.take_along_axis(self.errors, first[None], axis=0)[0]
        if not np.all(enough):
            warn(
                f"an interval of coverage {coverage:g} needs errors of {rows_needed(coverage)} held-out rows, there "
                f"are {len(self.errors)}{' of unequal weight' if len(self.errors) >= rows_needed(coverage) else ''}: "
                "its ends are infinite; raise validation_fraction, pass validation, or lower the coverage"
            )
        return np.where(enough, width, np.inf)


def rows_needed(coverage: float) -> int:
    """Held-out rows from which on an interval of this coverage has ends: coverage / (1 - coverage), rounded up."""
    return math.ceil(coverage / (1 - coverage) - ROUNDING)


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
