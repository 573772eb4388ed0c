"""Upsample: larger images by repetition."""

from __future__ import annotations

import numpy as np

from .. import kernels
from ..typing import Array, Shape
from .base import Layer
from .pool import Bounds, Pair, Regions, _pair, expect_image


class Upsample(Layer):
    """y (N, H·a, W·b, C) = each pixel of the images x (N, H, W, C) as a block of a x b like ones (nearest neighbour).

    factor: how much larger the image gets, an integer of at least 1 for rows and columns alike (default 2), or a pair
    (a, b). The gradient of a pixel = the sum over its block. A convolution after it makes what a transposed convolution
    would, without its chequered pattern. Raises ValueError for another factor and for inputs that are not images.
    Source: Odena et al. 2016, "Deconvolution and checkerboard artifacts".
    """

    passes_activation = True
    _factors: tuple[Pair, Pair]  # along each axis: its length, and how often each place stands
    _bounds: Regions | None

    def __init__(self, factor: int | Pair = 2) -> None:
        _pair(self, "factor", factor, 1)
        self.factor = factor

    def build(self, input_shape: Shape) -> Shape:
        height, width, channels = expect_image(input_shape)
        rows, columns = _pair(self, "factor", self.factor, 1)
        self._factors, self._bounds = ((height, rows), (width, columns)), None
        return height * rows, width * columns, channels

    def forward(self, x: Array, training: bool) -> Array:
        self._x_shape = x.shape
        y = self.buffer("y", (x.shape[0], *self.output_shape))
        kernels.avg_pool_forward(x, *(self._bounds or self._lay_bounds()), y)
        return y

    def backward(self, dy: Array) -> Array:
        dx = self.gradient_buffer("dx", self._x_shape, dy)
        kernels.avg_pool_backward(dy, *(self._bounds or self._lay_bounds()), dx)
        return dx

    def _lay_bounds(self) -> Regions:
        """With the first batch: a file can speak of billions of places."""
        rows, columns = (_repeated(*one) for one in self._factors)
        self._bounds = (*rows, *columns)
        return self._bounds


def _repeated(length: int, factor: int) -> Bounds:
    """Regions for average pooling, each of one place: every place stands `factor` times."""
    first = np.repeat(np.arange(length, dtype=np.int64), factor)
    return first, first + 1
