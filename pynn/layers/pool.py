"""Pooling of images over windows: the maximum or the mean."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from .. import kernels
from ..checks import Choice, Count, OrNone, Pair
from ..messages.terminal import brief
from ..signatures import takes
from ..typing import Array, Shape
from .base import Layer
from .shapes import Sizes, expect_image, pair, place_windows

Bounds = tuple[Array, Array]  # first and stop of each region along an axis, int64
Regions = tuple[Array, Array, Array, Array]  # the bounds of rows, then those of columns

SIZE = Pair(Count(1, bits=62))


class Windows:
    """The windows along an axis. Their bounds are made with the first batch, as a file can claim billions of them."""

    def __init__(self, length: int, size: int, stride: int, before: int, count: int) -> None:
        self.length, self.size, self.stride = length, size, stride
        self.before = before  # how far outside the image the first window starts
        self.count = count  # number of windows: outputs along the axis

    def bounds(self) -> Bounds:
        """Return where they start and stop, clipped to the image."""
        first = np.arange(self.count, dtype=np.int64) * self.stride - self.before
        return np.maximum(first, 0), np.minimum(first + self.size, self.length)


def lay_windows(axis: str, length: int, size: int, stride: int, padding: int | str, whole: str = "image") -> Windows:
    """The windows along an axis of the image (or what `whole` names); ValueError if none fits."""
    what = f"the window has {size} {axis}"
    count, before = place_windows(length, size, stride, padding, what, whole, "take a smaller size")
    return Windows(length, size, stride, before, count)


class MaxRegions(Layer):
    """Base of the layers that take the maximum of each region."""

    passes_activation = True
    _regions: Regions | None = None  # of the last batch
    _lay_regions: Callable[[], Regions]

    def forward(self, x: Array, training: bool) -> Array:
        self._x_shape, self._seen = x.shape, self._regions or self._lay_regions()
        shape = (x.shape[0], len(self._seen[0]), len(self._seen[2]), x.shape[3])
        y, self._winner = self.buffer("y", shape), self.buffer("winner", shape)
        kernels.max_pool_forward(x, *self._seen, self._winner, y)
        return y

    def backward(self, dy: Array) -> Array:
        dx = self.gradient_buffer("dx", self._x_shape, dy)
        kernels.max_pool_backward(dy, self._winner, *self._seen, dx)
        return dx


class _Windows(Layer):
    """The settings shared by max and average pooling."""

    passes_activation = True
    _axes: tuple[Windows, Windows]
    _regions: Regions | None = None

    _takes = takes(size=SIZE, stride=OrNone(SIZE), padding=Choice("same", "valid", other=Pair(Count(0, bits=62))))

    def __init__(self, size: Sizes = 2, stride: Sizes | None = None, padding: str | Sizes = 0) -> None:
        numbers = () if isinstance(padding, str) else zip(pair(padding), pair(size), strict=True)
        if any(pad >= length for pad, length in numbers):
            raise ValueError(
                f"{self.kind}: padding is {brief(padding)}, expected less than the size {brief(size)}: "
                "each window must cover part of the image"
            )
        self.size = size
        self.stride = stride
        self.padding = padding

    def build(self, input_shape: Shape) -> Shape:
        height, width, channels = expect_image(input_shape)
        size, padding = pair(self.size), pair(self.padding)
        stride = size if self.stride is None else pair(self.stride)
        rows = lay_windows("rows", height, size[0], stride[0], padding[0])
        columns = lay_windows("columns", width, size[1], stride[1], padding[1])
        self._axes, self._regions = (rows, columns), None
        return rows.count, columns.count, channels

    def _lay_regions(self) -> Regions:
        self._regions = (*self._axes[0].bounds(), *self._axes[1].bounds())
        return self._regions


class MaxPool2d(_Windows, MaxRegions):
    """Max pooling: y = the maximum of each channel in each window of the image.

    Parameters
    ----------
    size : int or tuple (rows, columns), default 2
        Size of the window.
    stride : int or tuple (rows, columns), optional
        Distance between windows. By default the size: windows do not overlap.
    padding : int, tuple (rows, columns) or {"same", "valid"}, default 0
        Pixels added on each side, less than the size; they never win. "valid" adds none, "same" as many as give
        P = ceil(H / stride), an odd one after the image.

    Raises
    ------
    ValueError
        If it is built on inputs that are not images, or a window is larger than the padded image.

    Notes
    -----
    Input (N, H, W, C), output (N, P, Q, C) with P = (H + 2·padding - size) // stride + 1, Q from W: pixels that fill no
    window are left out. The gradient goes to the maximum, of equal numbers to the first, row by row. NaN wins.
    """


class AvgPool2d(_Windows):
    """Average pooling: y = the mean of each channel over each window of the image.

    Parameters
    ----------
    size : int or tuple (rows, columns), default 2
        Size of the window.
    stride : int or tuple (rows, columns), optional
        Distance between windows. By default the size: windows do not overlap.
    padding : int, tuple (rows, columns) or {"same", "valid"}, default 0
        As for `MaxPool2d`. Padded pixels are not counted: a window at the edge is divided by the number of image pixels
        in it (PyTorch counts them by default).

    Raises
    ------
    ValueError
        If it is built on inputs that are not images, or a window is larger than the padded image.

    Notes
    -----
    Shapes are those of `MaxPool2d`.
    """

    def forward(self, x: Array, training: bool) -> Array:
        self._x_shape, self._seen = x.shape, self._regions or self._lay_regions()
        y = self.buffer("y", (x.shape[0], len(self._seen[0]), len(self._seen[2]), x.shape[3]))
        kernels.avg_pool_forward(x, *self._seen, y)
        return y

    def backward(self, dy: Array) -> Array:
        dx = self.gradient_buffer("dx", self._x_shape, dy)
        kernels.avg_pool_backward(dy, *self._seen, dx)
        return dx


class GlobalAvgPool2d(Layer):
    """Global average pooling: x (N, H, W, C) becomes y (N, C) = the mean of each channel over the image.

    Raises
    ------
    ValueError
        If it is built on inputs that are not images.

    References
    ----------
    .. [1] Lin et al., "Network In Network", 2013.
    """

    passes_activation = True

    def build(self, input_shape: Shape) -> Shape:
        height, width, channels = expect_image(input_shape)
        self._whole = (*Windows(height, height, 1, 0, 1).bounds(), *Windows(width, width, 1, 0, 1).bounds())
        return (channels,)

    def forward(self, x: Array, training: bool) -> Array:
        self._x_shape, y = x.shape, self.buffer("y", (x.shape[0], x.shape[3]))
        kernels.avg_pool_forward(x, *self._whole, y.reshape(x.shape[0], 1, 1, x.shape[3]))
        return y

    def backward(self, dy: Array) -> Array:
        dx = self.gradient_buffer("dx", self._x_shape, dy)
        kernels.avg_pool_backward(dy.reshape(len(dy), 1, 1, dy.shape[1]), *self._whole, dx)
        return dx
