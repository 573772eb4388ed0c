"""Softmax with cross-entropy: one class out of C."""

from __future__ import annotations

import numpy as np

from .. import kernels
from ..checks import RATE, expect_numbers
from ..typing import Array
from .labels import LabelLoss


class SoftmaxLoss(LabelLoss):
    """Base of the losses of logits, whose softmax are probabilities."""

    def probabilities(self, outputs: Array) -> Array:
        out: Array = np.empty(outputs.shape, outputs.dtype)
        rows = (-1, outputs.shape[-1])
        kernels.softmax(outputs.reshape(rows), out.reshape(rows))
        return out


class SoftmaxCrossEntropy(SoftmaxLoss):
    """Mean of -log(e^{f_y}/Σ_j e^{f_j}) for logits f (N, C) and labels y (N,) of 0..C-1; gradient (softmax - onehot)/N.

    Of sequences (N, T, C) labels are (N, T), and the mean is that over N·T; images likewise.

    label_smoothing: 0 (default) <= s < 1; the one-hot target becomes (1-s)·onehot + s/C, so that a network that is
        sure gains nothing by ever larger logits.
    Stable for any finite logits. At the start, with small weights, it is near ln C. Name "softmax_cross_entropy".
    Raises ValueError for another label_smoothing and for a label outside 0..C-1.
    Source: CS231n, "Linear classification"; smoothing: Szegedy et al. 2016, "Rethinking the Inception architecture".
    """

    label_smoothing: float = 0.0  # for subclasses whose constructor does not set it

    def __init__(self, label_smoothing: float = 0.0) -> None:
        expect_numbers("SoftmaxCrossEntropy", RATE, label_smoothing=label_smoothing)
        self.label_smoothing = label_smoothing

    def _measure(self, outputs: Array, labels: Array, weights: Array | None, gradient: Array) -> tuple[float, float]:
        return kernels.softmax_cross_entropy(outputs, labels, weights, self.label_smoothing, gradient)
