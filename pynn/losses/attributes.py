"""Losses of attributes: K independent yes-or-no answers for each sample."""

from __future__ import annotations

import numpy as np

from .. import kernels
from ..typing import Array
from .elementwise import ElementwiseLoss, refuse


class AttributeLoss(ElementwiseLoss):
    """Base of the losses of attributes: an attribute is predicted where its output is greater than 0.

    Notes
    -----
    Accuracy is the share of samples whose attributes are all right.
    """

    _no: int  # the target of an absent attribute
    _middle: float  # targets above it mean yes

    def predict(self, outputs: Array) -> Array:
        return np.where(outputs > 0, 1, self._no)

    def correct(self, outputs: Array, targets: Array) -> Array:
        right = (self.predict(outputs) > self._middle) == (np.reshape(targets, outputs.shape) > self._middle)
        return self._defined(np.asarray(right.all(axis=tuple(range(1, right.ndim)))), outputs)


class BinaryHinge(AttributeLoss):
    """Binary hinge loss: the mean over N of Σ_k max(0, 1 - y_k f_k).

    `fit` knows it as "binary_hinge".

    Raises
    ------
    ValueError
        From `forward`, for a target that is not -1 or 1.

    Notes
    -----
    Scores f (N, K), targets y of ±1, (N, K), or (N,) if K is 1. It starts near K with small weights. Its gradient at
    a kink is 0. Predictions are ±1; accuracy is the share of samples whose attributes are all right.

    References
    ----------
    .. [1] CS231n, "Neural Networks Part 2: Setting up the Data and the Loss".
    """

    _kind, _no, _middle = "binary_hinge", -1, 0.0

    def _check_range(self, y: Array) -> None:
        if (wrong := np.abs(y) != 1).any():
            refuse(wrong, y, "-1 or 1; convert 0 and 1 by 2 * y - 1")


class BinaryCrossEntropy(AttributeLoss):
    """Binary cross-entropy: the mean over N of Σ_k -(y_k log σ(f_k) + (1 - y_k) log(1 - σ(f_k))).

    `fit` knows it as "binary_cross_entropy". The gradient is (σ(f) - y)/N.

    Raises
    ------
    ValueError
        From `forward`, for a target outside 0..1.

    Notes
    -----
    Logits f (N, K), targets y of 0..1 (fractions are allowed), (N, K), or (N,) if K is 1. It is stable for any
    finite logits, and starts near K ln 2 with small weights. Predictions are 0 or 1; probabilities are σ(f), one for
    each attribute. Accuracy is the share of samples whose attributes are all right; a target above ½ counts as 1.

    References
    ----------
    .. [1] CS231n, "Neural Networks Part 2: Setting up the Data and the Loss".
    """

    _kind, _no, _middle = "binary_cross_entropy", 0, 0.5

    def _check_range(self, y: Array) -> None:
        if y.min(initial=0) < 0 or y.max(initial=0) > 1:
            refuse((y < 0) | (y > 1), y, "0..1")

    def probabilities(self, outputs: Array) -> Array:
        out = np.empty_like(outputs)
        kernels.activation_forward(outputs, "sigmoid", 0.0, out)
        return out
