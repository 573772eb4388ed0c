"""Focal loss: softmax cross-entropy that gives hard samples more weight."""

from __future__ import annotations

from .. import kernels
from ..checks import NOT_NEGATIVE
from ..signatures import takes
from ..typing import Array
from .softmax import SoftmaxLoss


class Focal(SoftmaxLoss):
    """Focal loss: the mean over N of -(1 - p)^gamma log p with p = softmax(f)_y.

    `fit` knows it as "focal".

    Parameters
    ----------
    gamma : float, default 2
        At least 0; with 0 it is softmax cross-entropy. The larger gamma, the less weight have samples that are already
        classified correctly, so that many easy samples do not outweigh a few hard ones.

    Raises
    ------
    ValueError
        If gamma is negative; from `forward`, for a label outside 0..C-1.

    Notes
    -----
    Logits f (N, C), labels y (N,). Stable for any finite logits.

    References
    ----------
    .. [1] Lin et al., "Focal Loss for Dense Object Detection", 2017.
    """

    _takes = takes(gamma=NOT_NEGATIVE)

    def __init__(self, gamma: float = 2.0) -> None:
        self.gamma = gamma

    def _measure(self, outputs: Array, labels: Array, weights: Array | None, gradient: Array) -> tuple[float, float]:
        return kernels.focal(outputs, labels, weights, self.gamma, gradient)
