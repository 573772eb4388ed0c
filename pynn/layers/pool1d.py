"""Pooling of sequences over windows, by the kernels for images: a sequence is an image of one row."""

from __future__ import annotations

from typing import Any

from ..checks import Choice, Count, OrNone, Pair
from ..signatures import takes
from ..typing import Array, Shape
from .base import Layer
from .pool import AvgPool2d, GlobalAvgPool2d, MaxPool2d, Regions, Windows, lay_windows
from .shapes import expect_sequence

SIZE = Pair(Count(1, bits=62), axes=1)


class _OneRow(Layer):
    """Makes a pooling layer of images, which stands after it among the bases, take sequences."""

    def forward(self, x: Array, training: bool) -> Array:
        y = super().forward(x[:, None], training)
        return y[:, 0] if y.ndim == 4 else y

    def backward(self, dy: Array) -> Array:
        dx = super().backward(dy[:, None] if dy.ndim == 3 else dy)
        assert dx is not None
        return dx[:, 0]


class _Steps(_OneRow):
    """The settings of windows along a sequence."""

    size: Any
    stride: Any
    padding: Any
    _axes: tuple[Windows, Windows]
    _regions: Regions | None

    _takes = takes(
        size=SIZE,
        stride=OrNone(SIZE),
        padding=Choice("same", "valid", other=Pair(Count(0, bits=62), axes=1)),
    )

    def __init__(self, size: int = 2, stride: int | None = None, padding: str | int = 0) -> None:
        super().__init__(size, stride, padding)  # type: ignore[call-arg]  # those of the layer of images

    def build(self, input_shape: Shape) -> Shape:
        length, channels = expect_sequence(input_shape)
        stride = self.size if self.stride is None else self.stride
        steps = lay_windows("steps", length, self.size, stride, self.padding, "sequence")
        self._axes, self._regions = (Windows(1, 1, 1, 0, 1), steps), None
        return steps.count, channels


class MaxPool1d(_Steps, MaxPool2d):
    """Max pooling of sequences: y = the maximum of each channel in each window.

    Parameters
    ----------
    size : int, default 2
        Size of the window.
    stride : int, optional
        Distance between windows. By default the size: windows do not overlap.
    padding : int or {"same", "valid"}, default 0
        Positions added on each side, less than the size; they never win. "valid" adds none, "same" as many as give
        P = ceil(T / stride), an odd one after the sequence.

    Raises
    ------
    ValueError
        If it is built on inputs that are not sequences, or the window is larger than the padded sequence.

    Notes
    -----
    Input (N, T, C), output (N, P, C) with P = (T + 2·padding - size) // stride + 1: positions that fill no window are
    left out. The gradient goes to the maximum, of equal numbers to the first. NaN wins.
    """


class AvgPool1d(_Steps, AvgPool2d):
    """Average pooling of sequences: y = the mean of each channel over each window.

    Parameters
    ----------
    size : int, default 2
        Size of the window.
    stride : int, optional
        Distance between windows. By default the size: windows do not overlap.
    padding : int or {"same", "valid"}, default 0
        As for `MaxPool1d`. Padded positions are not counted: a window at the edge is divided by the number of positions
        of the sequence in it (PyTorch counts them by default).

    Raises
    ------
    ValueError
        If it is built on inputs that are not sequences, or the window is larger than the padded sequence.

    Notes
    -----
    Shapes are those of `MaxPool1d`.
    """


class GlobalAvgPool1d(_OneRow, GlobalAvgPool2d):
    """Global average pooling: x (N, T, C) becomes y (N, C) = the mean of each channel over the sequence.

    Raises
    ------
    ValueError
        If it is built on inputs that are not sequences.

    References
    ----------
    .. [1] Lin et al., "Network In Network", 2013.
    """

    def build(self, input_shape: Shape) -> Shape:
        return super().build((1, *expect_sequence(input_shape)))
