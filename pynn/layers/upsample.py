"""Upsample: enlarges images by repetition."""

from __future__ import annotations

import numpy as np

from .. import kernels
from ..checks import Count, Pair
from ..signatures import takes
from ..typing import Array, Shape
from .base import Layer
from .pool import Bounds, Regions
from .shapes import Sizes, expect_image, pair


class Upsample(Layer):
    """Enlarge images by repeating pixels (nearest neighbour): y (N, H·a, W·b, C) = each pixel of x as a block of a x b.

    Parameters
    ----------
    factor : int or tuple (a, b), default 2
        How much larger the image gets, at least 1; a pair for rows and columns.

    Raises
    ------
    ValueError
        If it is built on inputs that are not images.

    Notes
    -----
    Input (N, H, W, C). The gradient of a pixel = the sum over its block. Followed by a convolution, it replaces a
    transposed convolution, without the checkerboard pattern.

    References
    ----------
    .. [1] Odena et al., "Deconvolution and Checkerboard Artifacts", 2016.
    """

    passes_activation = True
    _factors: tuple[tuple[int, int], tuple[int, int]]  # of each axis: its length, and how often each pixel is repeated
    _bounds: Regions | None

    _takes = takes(factor=Pair(Count(1, bits=62)))

    def __init__(self, factor: Sizes = 2) -> None:
        self.factor = factor

    def build(self, input_shape: Shape) -> Shape:
        height, width, channels = expect_image(input_shape)
        rows, columns = pair(self.factor)
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
        """Make the bounds with the first batch, as a file can claim billions of pixels."""
        rows, columns = (_repeated(length, factor) for length, factor in self._factors)
        self._bounds = (*rows, *columns)
        return self._bounds


def _repeated(length: int, factor: int) -> Bounds:
    """Return regions for average pooling, of one pixel each: every pixel occurs `factor` times."""
    first = np.repeat(np.arange(length, dtype=np.int64), factor)
    return first, first + 1
