"""Softmax cross-entropy: one class out of C."""

from __future__ import annotations

import numpy as np

from .. import kernels
from ..checks import RATE
from ..signatures import takes
from ..typing import Array
from .labels import LabelLoss


class SoftmaxLoss(LabelLoss):
    """Base of the losses of logits: their softmax is a probability for each class."""

    def probabilities(self, outputs: Array) -> Array:
        out: Array = np.empty(outputs.shape, outputs.dtype)
        rows = (-1, outputs.shape[-1])
        kernels.softmax(outputs.reshape(rows), out.reshape(rows))
        return out


class SoftmaxCrossEntropy(SoftmaxLoss):
    """Softmax cross-entropy: the mean of -log(e^{f_y}/Σ_j e^{f_j}), with gradient (softmax(f) - onehot(y))/N.

    `fit` knows it as "softmax_cross_entropy", and uses it by default.

    Parameters
    ----------
    label_smoothing : float, default 0
        0 <= s < 1: the one-hot target becomes (1-s)·onehot + s/C, so that the loss does not reward ever larger logits.

    Raises
    ------
    ValueError
        If label_smoothing is outside its range; from `forward`, for a label outside 0..C-1.

    Notes
    -----
    Logits f (N, C), labels y (N,) of 0..C-1; for sequences (N, T, C) and (N, T), with the mean over N·T, and images in
    the same way. Stable for any finite logits. It starts near ln C with small weights.

    References
    ----------
    .. [1] CS231n, "Linear Classification".
    .. [2] Szegedy et al., "Rethinking the Inception Architecture for Computer Vision", 2016 (smoothing).
    """

    label_smoothing: float = 0.0  # for subclasses whose constructor does not set it
    _takes = takes(label_smoothing=RATE)

    def __init__(self, label_smoothing: float = 0.0) -> None:
        self.label_smoothing = label_smoothing

    def _measure(self, outputs: Array, labels: Array, weights: Array | None, gradient: Array) -> tuple[float, float]:
        return kernels.softmax_cross_entropy(outputs, labels, weights, self.label_smoothing, gradient)
