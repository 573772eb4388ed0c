"""Pooling of images over windows: the maximum or the mean."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from .. import kernels
from ..checks import is_integer
from ..messages.terminal import brief
from ..typing import Array, Shape
from .base import Layer

Bounds = tuple[Array, Array]  # first and stop of each region along an axis, int64
Regions = tuple[Array, Array, Array, Array]  # the bounds of rows, then those of columns
Pair = tuple[int, int]


def expect_image(input_shape: Shape) -> tuple[int, int, int]:
    """Return the shape (H, W, C); ValueError for anything else."""
    if len(input_shape) != 3:
        raise ValueError(f"expected images (H, W, C), got inputs of shape {input_shape}")
    return input_shape[0], input_shape[1], input_shape[2]


def _pair(layer: Layer, name: str, value: Any, least: int) -> Pair:
    """Return an integer or a pair as a pair, rows first; ValueError for anything else."""
    pair = tuple(value) if isinstance(value, (tuple, list)) else (value, value)
    if len(pair) != 2 or not all(map(is_integer, pair)) or min(pair) < least or max(pair) >= 2**62:
        below = " and below 2^62" if all(map(is_integer, pair)) and max(pair, default=0) >= 2**62 else ""
        raise ValueError(
            f"{layer.kind}: {name} is {brief(value)}, expected an integer of at least {least}{below}, "
            "or two (rows, columns)"
        )
    return int(pair[0]), int(pair[1])


class Windows(NamedTuple):
    """The windows along an axis. Their bounds are made with the first batch, as a file can claim billions of them."""

    length: int
    size: int
    stride: int
    before: int  # how far outside the image the first window starts
    places: int  # number of windows: outputs along the axis

    def bounds(self) -> Bounds:
        """Return where they start and stop, clipped to the image."""
        first = np.arange(self.places, dtype=np.int64) * self.stride - self.before
        return np.maximum(first, 0), np.minimum(first + self.size, self.length)


def _windows(axis: str, length: int, size: int, stride: int, padding: int | str, whole: str = "image") -> Windows:
    """Return the windows along an axis of the image (or what `whole` names); ValueError if none fits."""
    if padding == "same":
        count = -(-length // stride)
        return Windows(length, size, stride, max((count - 1) * stride + size - length, 0) // 2, count)
    padding = 0 if padding == "valid" else int(padding)
    padded = length + 2 * padding
    if size > padded:
        with_padding = f" with padding {padding}" if padding else ""
        raise ValueError(f"the window has {size} {axis}, the {whole}{with_padding} only {padded}; take a smaller size")
    return Windows(length, size, stride, padding, (padded - size) // stride + 1)


def _paddings(layer: Layer, value: Any) -> tuple[int | str, int | str]:
    """Return the padding of rows and of columns: a word, or numbers."""
    if isinstance(value, str):
        if value not in ("same", "valid"):
            raise ValueError(f'{layer.kind}: padding is {brief(value)}, expected "same", "valid" or numbers')
        return value, value
    return _pair(layer, "padding", value, 0)


class MaxRegions(Layer):
    """Base of the layers that take the maximum of each region."""

    passes_activation = True
    _regions: Regions | None = None  # of the last batch

    def _lay_regions(self) -> Regions:
        raise NotImplementedError

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

    def __init__(self, size: int | Pair = 2, stride: int | Pair | None = None, padding: str | int | Pair = 0) -> None:
        sizes, paddings = _pair(self, "size", size, 1), _paddings(self, padding)
        if stride is not None:
            _pair(self, "stride", stride, 1)
        if any(not isinstance(pad, str) and pad >= one for pad, one in zip(paddings, sizes, strict=True)):
            raise ValueError(
                f"{self.kind}: padding is {brief(padding)}, expected less than the size {brief(size)}: "
                "a window must see a place of the image"
            )
        self.size = size
        self.stride = stride
        self.padding = padding

    def build(self, input_shape: Shape) -> Shape:
        height, width, channels = expect_image(input_shape)
        size, padding = _pair(self, "size", self.size, 1), _paddings(self, self.padding)
        stride = size if self.stride is None else _pair(self, "stride", self.stride, 1)
        rows = _windows("rows", height, size[0], stride[0], padding[0])
        columns = _windows("columns", width, size[1], stride[1], padding[1])
        self._axes, self._regions = (rows, columns), None
        return rows.places, columns.places, channels

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
        first = np.zeros(1, np.int64)
        self._whole = first, first + height, first, first + width
        return (channels,)

    def forward(self, x: Array, training: bool) -> Array:
        self._x_shape = x.shape
        y = self.buffer("y", (x.shape[0], x.shape[3]))
        kernels.avg_pool_forward(x, *self._whole, y.reshape(x.shape[0], 1, 1, x.shape[3]))
        return y

    def backward(self, dy: Array) -> Array:
        dx = self.gradient_buffer("dx", self._x_shape, dy)
        kernels.avg_pool_backward(dy.reshape(len(dy), 1, 1, dy.shape[1]), *self._whole, dx)
        return dx
