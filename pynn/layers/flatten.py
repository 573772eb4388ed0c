"""Flatten."""

from __future__ import annotations

import math

from ..typing import Array, Shape
from .base import Layer


class Flatten(Layer):
    """Flatten each sample into a vector: x (N, ...) becomes y (N, D), D = the product of the other axes.

    Notes
    -----
    The last axis runs fastest; nothing is copied.
    """

    passes_activation = True

    def build(self, input_shape: Shape) -> Shape:
        return (math.prod(input_shape),)

    def forward(self, x: Array, training: bool) -> Array:
        self._shape = x.shape
        return x.reshape(x.shape[0], *self.output_shape)

    def backward(self, dy: Array) -> Array:
        return dy.reshape(self._shape)
