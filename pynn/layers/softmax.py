"""Softmax as a layer."""

from __future__ import annotations

from .. import kernels
from ..typing import Array, Shape
from .base import Layer


class Softmax(Layer):
    """y = e^x / Σ e^x over the last axis: shares that are positive and add up to 1; any input shape, any finite x.

    For a model that shall give probabilities, for gates and attention, or before an own loss. Not before
    `SoftmaxCrossEntropy`, which takes logits and applies softmax itself, more precisely and in one kernel:
    `model.predict_proba` gives its probabilities. Source: CS231n, "Linear classification".
    Raises ValueError when it is built on inputs without an axis of features.
    """

    def build(self, input_shape: Shape) -> Shape:
        if not input_shape:
            raise ValueError("expected inputs with classes, got a batch of single numbers; reshape them to (N, 1)")
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
