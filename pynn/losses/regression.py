"""Losses of regression: targets are numbers."""

from __future__ import annotations

from ..checks import POSITIVE, expect_numbers
from .elementwise import ElementwiseLoss


class SquaredError(ElementwiseLoss):
    """L2: mean over N of ‖f - y‖² = Σ_k (f_k - y_k)², for one or many outputs; gradient 2(f - y)/N. Name "l2".

    Before you use it, ask whether the numbers can be cut into bins, with `SoftmaxCrossEntropy` over the bins (`Binner`
    cuts and puts together): that often is better. This loss wants exactly one value from every input, which is a more
    fragile demand than the right order of scores; its gradient grows with the error, so that outliers lead the
    training; and it says nothing about how sure it is, where softmax gives a distribution. Where it must be
    regression, keep Dropout away from the layer before the outputs (CS231n, "Setting up the data and the model").
    """

    _kind = "l2"


class AbsoluteError(ElementwiseLoss):
    """L1: mean over N of ‖f - y‖₁ = Σ_k |f_k - y_k|; gradient sign(f - y)/N, 0 at 0. Name "l1".

    Its best answer is the median of the targets, not their mean: outliers pull with the same force as all others.
    Bins with softmax often are better still: see `SquaredError`. Source: CS231n, "Neural Networks Part 2".
    """

    _kind = "l1"


class Huber(ElementwiseLoss):
    """Mean over N of Σ_k h(f_k - y_k): h(d) = ½d² up to |d| = delta, beyond it delta·(|d| - ½delta). Name "huber".

    delta: more than 0 (default 1), in the units of the targets: errors up to it count by their square, larger ones by
        their size. Raises ValueError for another delta.
    Bins with softmax often are better still: see `SquaredError`.
    Source: Huber 1964, "Robust estimation of a location parameter".
    """

    _kind = "huber"

    def __init__(self, delta: float = 1.0) -> None:
        expect_numbers("Huber", POSITIVE, delta=delta)
        self.delta = delta
        self._delta = float(delta)
