"""Softmax as a layer."""

from __future__ import annotations

from .. import kernels
from ..typing import Array, Shape
from .base import Layer
from .shapes import expect_features


class Softmax(Layer):
    """Softmax over the last axis: y = e^x / Σ e^x, positive numbers that sum to 1.

    Raises
    ------
    ValueError
        If it is built on inputs without an axis of features.

    Notes
    -----
    Inputs of any shape and any finite x. For models that return probabilities, for gates and attention, or before a
    custom loss. Do not put it before `SoftmaxCrossEntropy`, which takes logits and applies softmax itself, more
    precisely and in one kernel; ``model.predict_proba`` gives its probabilities.

    References
    ----------
    .. [1] CS231n, "Linear Classification".
    """

    def build(self, input_shape: Shape) -> Shape:
        expect_features(input_shape, "classes")
        return input_shape

    def forward(self, x: Array, training: bool) -> Array:
        self._y = self.buffer("y", x.shape)
        rows = (-1, x.shape[-1])
        kernels.softmax(x.reshape(rows), self._y.reshape(rows))
        return self._y

    def backward(self, dy: Array) -> Array:
        dx = self.gradient_buffer("dx", dy.shape, dy)
        rows = (-1, dy.shape[-1])
        kernels.softmax_backward(dy.reshape(rows), self._y.reshape(rows), dx.reshape(rows))
        return dx
