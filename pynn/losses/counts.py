"""Losses of counts and other amounts that are never negative: the output is the logarithm of the expected target."""

from __future__ import annotations

import copy

import numpy as np

from ..checks import Interval
from ..signatures import takes
from ..typing import Array
from .elementwise import ElementwiseLoss, refuse

SIGNED = "for numbers of either sign use loss='l2' ('squared_error' in pynn.sklearn)"


class LogLinkLoss(ElementwiseLoss):
    """Base of the losses whose output f is the logarithm of the expected target, which `predict` gives as e^f.

    Notes
    -----
    The best constant output is the logarithm of the mean target.
    """

    _keeps_targets = True
    _has_points = True

    def predict(self, outputs: Array) -> Array:
        with np.errstate(over="ignore"):  # the result, infinity, says so
            return np.asarray(np.exp(outputs))

    def _numbers(self, outputs: Array) -> Array:
        return self.predict(outputs)

    def _outputs(self, numbers: Array) -> Array:
        return np.asarray(np.log(np.maximum(numbers, np.finfo(numbers.dtype).tiny)))

    def _least(self, y: Array) -> float:
        return copy.deepcopy(self).forward(self._outputs(y.astype(np.float64)), y)


class Poisson(LogLinkLoss):
    """Poisson loss, for counts: the mean over N of Σ_k e^{f_k} - y_k f_k, with gradient (e^f - y)/N.

    `fit` knows it as "poisson".

    Raises
    ------
    ValueError
        From `forward`, for a target below 0.

    Notes
    -----
    Outputs f (N, K), the logarithms of the expected counts; targets y >= 0 (N, K), or (N,) if K is 1. `predict` gives
    e^f. The loss is the negative log-likelihood without log y!, so it may be negative. Means of very large counts are
    far from the first outputs, which are near 0: divide such counts by a constant first. An e^f that overflows makes
    the loss infinite, where `fit` stops. `target_preprocessing` is refused, since shifted counts are no counts.

    References
    ----------
    .. [1] McCullagh & Nelder, "Generalized Linear Models", 1989, chapter 6.

    Examples
    --------
    >>> model = pynn.Sequential(pynn.Affine(32), pynn.ReLU(), pynn.Affine(1))
    >>> model.fit(x, visits, loss="poisson")                       # visits (N,): 0, 3, 1, ...
    """

    _kind = "poisson"

    def _check_range(self, y: Array) -> None:
        if y.min(initial=0) < 0:
            refuse(y < 0, y, f"a count, a number of at least 0; {SIGNED}")


class Gamma(LogLinkLoss):
    """Gamma loss, for positive amounts: the mean over N of Σ_k f_k + y_k e^{-f_k}, with gradient (1 - y e^{-f})/N.

    `fit` knows it as "gamma". Relative errors count: 1 for 2 is as bad as 100 for 200.

    Raises
    ------
    ValueError
        From `forward`, for a target that is not above 0.

    Notes
    -----
    Outputs f (N, K), the logarithms of the expected amounts; targets y > 0 (N, K), or (N,) if K is 1. `predict` gives
    e^f. The loss is half the deviance but for terms of y alone, so it may be negative. An e^{-f} that overflows makes
    it infinite, where `fit` stops. `target_preprocessing` is refused; divide y by a constant instead.

    References
    ----------
    .. [1] McCullagh & Nelder, "Generalized Linear Models", 1989, chapter 8.
    """

    _kind = "gamma"

    def _check_range(self, y: Array) -> None:
        if y.min(initial=1) <= 0:
            refuse(y <= 0, y, f"a number above 0; for amounts that may be 0 use loss='tweedie', {SIGNED}")


class Tweedie(LogLinkLoss):
    """Tweedie loss, for amounts that are often exactly 0, such as claims: between `Poisson` and `Gamma`.

    The mean over N of Σ_k (e^{(2-p) f_k} - 1)/(2-p) - y_k (e^{(1-p) f_k} - 1)/(1-p), with gradient
    (e^{(2-p) f} - y e^{(1-p) f})/N. `fit` knows it as "tweedie".

    Parameters
    ----------
    power : float, default 1.5
        1 <= p <= 2: the variance grows as the mean to the power p. 1 is `Poisson`, 2 is `Gamma`, with their formulas.

    Raises
    ------
    ValueError
        If power is outside its range; from `forward`, for a target below 0, or for one of 0 if power is 2.

    Notes
    -----
    Outputs f (N, K), the logarithms of the expected amounts; targets y >= 0 (N, K), or (N,) if K is 1. `predict` gives
    e^f. The loss is half the deviance but for terms of y alone, chosen so that it stays exact near the powers 1 and 2.
    An exponential that overflows makes it infinite, where `fit` stops. `target_preprocessing` is refused; divide y by
    a constant instead.

    References
    ----------
    .. [1] B. Jørgensen, "Exponential dispersion models", 1987.
    """

    _takes = takes(power=Interval(1, 2, "[]"))

    def __init__(self, power: float = 1.5) -> None:
        self.power = power

    @property
    def _delta(self) -> float:  # type: ignore[override]
        return float(self.power)

    @property
    def _kind(self) -> str:  # type: ignore[override]
        return {1.0: Poisson._kind, 2.0: Gamma._kind}.get(self._delta, "tweedie")

    def _check_range(self, y: Array) -> None:
        if self.power == 2 and y.min(initial=1) <= 0:
            refuse(y <= 0, y, f"a number above 0, as power is 2; with a power below 2 it may be 0; {SIGNED}")
        if y.min(initial=0) < 0:
            refuse(y < 0, y, f"a number of at least 0; {SIGNED}")
