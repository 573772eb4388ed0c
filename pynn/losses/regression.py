"""Losses of regression: targets are numbers."""

from __future__ import annotations

from ..checks import POSITIVE
from ..signatures import takes
from .elementwise import ElementwiseLoss


class SquaredError(ElementwiseLoss):
    """Squared error (L2): the mean over N of ‖f - y‖² = Σ_k (f_k - y_k)², with gradient 2(f - y)/N.

    `fit` knows it as "l2".

    Notes
    -----
    Outputs f (N, K), targets y (N, K), or (N,) if K is 1.

    Consider `SoftmaxCrossEntropy` over bins of the target first (`Binner` makes them); it is often better. Squared
    error asks for one exact value for each input, which is harder to learn than the order of scores; outliers dominate
    its gradient; and it does not measure how sure the model is. If you use it, put no Dropout before the output layer.

    References
    ----------
    .. [1] CS231n, "Neural Networks Part 2: Setting up the Data and the Loss".
    """

    _kind = "l2"


class AbsoluteError(ElementwiseLoss):
    """Absolute error (L1): the mean over N of ‖f - y‖₁ = Σ_k |f_k - y_k|, with gradient sign(f - y)/N, 0 at 0.

    `fit` knows it as "l1".

    Notes
    -----
    Outputs f (N, K), targets y (N, K), or (N,) if K is 1. Its optimum is the median of the targets, not the mean:
    outliers pull no harder than other samples. Softmax over bins is often better still, see `SquaredError`.

    References
    ----------
    .. [1] CS231n, "Neural Networks Part 2: Setting up the Data and the Loss".
    """

    _kind = "l1"


class Huber(ElementwiseLoss):
    """Huber loss: the mean over N of Σ_k h(f_k - y_k), h(d) = ½d² for |d| <= δ, else δ·(|d| - ½δ).

    `fit` knows it as "huber".

    Parameters
    ----------
    delta : float, default 1
        δ > 0, in units of the targets: smaller errors count by their square, larger ones by their size.

    Raises
    ------
    ValueError
        If delta is not a finite number greater than 0.

    Notes
    -----
    Outputs f (N, K), targets y (N, K), or (N,) if K is 1. Softmax over bins is often better, see `SquaredError`.

    References
    ----------
    .. [1] P. J. Huber, "Robust estimation of a location parameter", 1964.
    """

    _kind = "huber"
    _takes = takes(delta=POSITIVE)

    def __init__(self, delta: float = 1.0) -> None:
        self.delta = delta

    @property
    def _delta(self) -> float:  # type: ignore[override]
        return float(self.delta)
