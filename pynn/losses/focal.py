"""Focal loss: softmax cross-entropy that attends to what is hard."""

from __future__ import annotations

from .. import kernels
from ..checks import NOT_NEGATIVE, expect_numbers
from ..typing import Array
from .softmax import SoftmaxLoss


class Focal(SoftmaxLoss):
    """Mean over N of -(1 - p)^gamma log p with p = softmax(f)_y, for logits f (N, C) and labels y (N,). Name "focal".

    gamma: 0 (softmax cross-entropy) or more, default 2: samples that are already right count less, so that many easy
        ones do not drown the few hard ones.
    Stable for any finite logits. Raises ValueError for another gamma and for a label outside 0..C-1.
    Source: Lin et al. 2017, "Focal loss for dense object detection".
    """

    def __init__(self, gamma: float = 2.0) -> None:
        expect_numbers("Focal", NOT_NEGATIVE, gamma=gamma)
        self.gamma = gamma

    def _measure(self, outputs: Array, labels: Array, weights: Array | None, gradient: Array) -> tuple[float, float]:
        return kernels.focal(outputs, labels, weights, self.gamma, gradient)
