"""Multiclass hinge losses: the right score must lead every other one by a margin."""

from __future__ import annotations

from .. import kernels
from ..checks import POSITIVE, expect_numbers
from ..typing import Array
from .labels import LabelLoss


class Hinge(LabelLoss):
    """Mean over N of Σ_{j≠y} max(0, f_j - f_y + margin) for scores f (N, C) and labels y (N,) of 0..C-1. Name "hinge".

    margin: Δ, more than 0 (default 1; weights and their penalty set the scale of scores, so it seldom matters).
    At the start, with small weights, it is near (C - 1)·margin. At a kink the gradient is 0. Scores are no logits:
    there are no probabilities. Source: Weston and Watkins 1999; CS231n, "Linear classification".
    Raises ValueError for another margin and for a label outside 0..C-1.
    """

    _squared = False

    def __init__(self, margin: float = 1.0) -> None:
        expect_numbers(type(self).__name__, POSITIVE, margin=margin)
        self.margin = margin

    def _measure(self, outputs: Array, labels: Array, weights: Array | None, gradient: Array) -> tuple[float, float]:
        return kernels.hinge(outputs, labels, weights, self.margin, self._squared, gradient)


class SquaredHinge(Hinge):
    """Mean over N of Σ_{j≠y} max(0, f_j - f_y + margin)², else as `Hinge`; large violations count more.

    Name "squared_hinge". At the start, with small weights, it is near (C - 1)·margin². Source: CS231n, "Linear
    classification", as the L2-SVM.
    """

    _squared = True
