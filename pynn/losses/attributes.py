"""Losses of attributes: K answers of yes or no for each sample, none of which excludes another."""

from __future__ import annotations

import numpy as np

from .. import kernels
from ..typing import Array
from .elementwise import ElementwiseLoss, expect_all


class AttributeLoss(ElementwiseLoss):
    """Base of both: an attribute is predicted where its output is more than 0.

    Accuracy is the share of samples whose attributes are all right.
    """

    _no: int  # the target of an attribute that is not there
    _middle: float  # targets above it are "yes"

    def predict(self, outputs: Array) -> Array:
        return np.where(outputs > 0, 1, self._no)

    def correct(self, outputs: Array, targets: Array) -> Array:
        right = (self.predict(outputs) > self._middle) == (np.reshape(targets, outputs.shape) > self._middle)
        return self._defined(np.asarray(right.all(axis=tuple(range(1, right.ndim)))), outputs)


class BinaryHinge(AttributeLoss):
    """Mean over N of Σ_k max(0, 1 - y_k f_k) for targets y of ±1, (N, K), or (N,) for one output. Name "binary_hinge".

    At the start, with small weights, it is near K. Predictions are ±1. At a kink the gradient is 0.
    Accuracy is the share of samples whose attributes are all right. Source: CS231n, "Setting up the data and model".
    Raises ValueError for a target that is not ±1.
    """

    _kind, _no, _middle = "binary_hinge", -1, 0.0

    def _check_range(self, y: Array) -> None:
        expect_all((y == 1) | (y == -1), y, "-1 or 1; 2 * y - 1 makes them of 0 and 1")


class BinaryCrossEntropy(AttributeLoss):
    """Mean over N of Σ_k -(y_k log σ(f_k) + (1 - y_k) log(1 - σ(f_k))) for logits f; gradient (σ(f) - y)/N.

    Targets y are 0..1 (shares are allowed), (N, K), or (N,) for one output. Name "binary_cross_entropy".
    Stable for any finite logits. At the start, with small weights, it is near K ln 2. Predictions are 0 or 1,
    probabilities σ(f), one for each attribute. Accuracy is the share of samples whose attributes are all right, where
    a target above ½ counts as 1. Raises ValueError for a target outside 0..1. Source: CS231n, "Neural Networks Part 2".
    """

    _kind, _no, _middle = "binary_cross_entropy", 0, 0.5

    def _check_range(self, y: Array) -> None:
        expect_all((y >= 0) & (y <= 1), y, "0..1")

    def probabilities(self, outputs: Array) -> Array:
        out = np.empty_like(outputs)
        kernels.activation_forward(outputs, "sigmoid", 0.0, out)
        return out
