"""Transformers that shift and scale: mean subtraction, standardization, scaling to a range."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from ..checks import Choice, is_number
from ..messages.terminal import brief
from ..signatures import takes
from ..typing import Array, Shape
from .base import Transformer
from .rows import Rows

PER = ("feature", "channel", "all")
ROUNDING = 8 * np.finfo(np.float64).eps  # smaller relative differences are rounding errors
SMALL = 1e-140  # squares of smaller numbers lose bits
LEAST = -1021  # the smallest exponent of a normal number, as frexp counts


class _Scaling(Transformer):
    """Base: statistics of each feature, of each channel of images, or of all numbers."""

    _takes = takes(per=Choice(*PER))

    def __init__(self, per: str = "feature") -> None:
        self.per = per

    def _axes(self, shape: Shape) -> tuple[int, ...]:
        """The axes of x (N, *shape) that statistics are taken over."""
        if self.per == "channel" and len(shape) != 3:
            raise ValueError(
                f"{type(self).__name__}: per='channel' is for images (N, H, W, C), got samples of shape {shape}; "
                "use per='feature' or per='all'"
            )
        return (0,) if self.per == "feature" else tuple(range(len(shape) + (self.per == "all")))

    def _state_shapes(self, stored: Mapping[str, Shape]) -> Mapping[str, Shape]:
        return dict.fromkeys(self.state, self.input_shape_[len(self._axes(self.input_shape_)) - 1 :])

    def _mean(self, rows: Rows, origin: Array | float, power: int = 1, unit: Array | float = 1.0) -> Array:
        """The mean of ((x - origin)/unit)^power."""
        axes = self._axes(rows.shape)
        total = sum((((x - origin) / unit) ** power).sum(axis=axes) for x in rows)
        count = len(rows) * rows.features // np.size(total)
        mean: Array = total / count
        return mean

    def _learn_mean(self, rows: Rows) -> Array:
        first = rows.first  # subtracted first, so that the mean of a constant is exact
        for _ in self._axes(rows.shape)[1:]:
            first = first[0]
        mean: Array = first + self._mean(rows, first)
        return mean


class MeanSubtraction(_Scaling):
    """Mean subtraction: y = x - mean.

    Parameters
    ----------
    per : {"feature", "channel", "all"}, default "feature"
        One mean for each number of a sample (for images the "mean image", as in AlexNet), for each channel of images
        (N, H, W, C), as in VGG and ResNet, or for all numbers together.

    Attributes
    ----------
    mean_ : array
        Of the shape of a sample, (C,) or ().

    Notes
    -----
    Samples are (N, D) or (N, H, W, C).

    References
    ----------
    .. [1] CS231n, "Neural Networks Part 2: Setting up the Data and the Loss".
    """

    state = ("mean_",)
    mean_: Array

    def _learn(self, rows: Rows) -> None:
        self.mean_ = self._learn_mean(rows)

    def _apply(self, x: Array) -> Array:
        return x - self.mean_

    def _undo(self, y: Array) -> Array:
        return y + self.mean_

    def _back(self, dy: Array) -> Array:
        return dy


class Standardization(_Scaling):
    """Standardization: y = (x - mean)/std, with zero mean and unit variance.

    Parameters
    ----------
    per : {"feature", "channel", "all"}, default "feature"
        One mean and std for each feature, each channel, or all numbers, see `MeanSubtraction`.

    Attributes
    ----------
    mean_, scale_ : array
        Of the shape of a sample, (C,) or ().

    Notes
    -----
    Samples are (N, D) or (N, H, W, C). std = √(Σ(x - mean)²/N). A constant feature becomes 0; its scale_ is 1.

    References
    ----------
    .. [1] CS231n, "Neural Networks Part 2: Setting up the Data and the Loss".
    """

    state = ("mean_", "scale_")
    mean_: Array
    scale_: Array

    def _learn(self, rows: Rows) -> None:
        self.mean_ = self._learn_mean(rows)
        std = np.sqrt(self._mean(rows, self.mean_, 2))
        if (std < SMALL).any():  # its squares lose bits, or it is constant
            unit = self._unit(rows)
            if (unit > 0).any():
                unit = np.where(unit > 0, unit, 1.0)
                std = np.where(std < SMALL, unit * np.sqrt(self._mean(rows, self.mean_, 2, unit)), std)
        self.scale_ = np.where(std <= ROUNDING * np.abs(self.mean_), 1.0, std)

    def _unit(self, rows: Rows) -> Array:
        """A power of two about as large as the largest deviation from the mean; 0 if there is none."""
        axes = self._axes(rows.shape)
        largest = np.max([np.abs(x - self.mean_).max(axis=axes) for x in rows], axis=0)
        unit: Array = np.where(largest > 0, np.ldexp(1.0, np.maximum(np.frexp(largest)[1], LEAST)), 0.0)
        return unit

    def _apply(self, x: Array) -> Array:
        return (x - self.mean_) / self.scale_

    def _undo(self, y: Array) -> Array:
        return y * self.scale_ + self.mean_

    def _back(self, dy: Array) -> Array:
        return dy / self.scale_


class MinMaxScaling(_Scaling):
    """Min-max scaling: y = low + (high - low)·(x - min)/(max - min), to the range low..high.

    Parameters
    ----------
    range : tuple of float, default (-1, 1)
        (low, high).
    per : {"feature", "channel", "all"}, default "feature"
        One min and max for each feature, each channel, or all numbers, see `MeanSubtraction`.

    Attributes
    ----------
    data_min_, data_max_ : array
        Of the shape of a sample, (C,) or ().

    Notes
    -----
    Samples are (N, D) or (N, H, W, C). A constant feature becomes low. Samples beyond the min and max of the training
    data are mapped beyond the range.

    References
    ----------
    .. [1] CS231n, "Neural Networks Part 2: Setting up the Data and the Loss".
    """

    state = ("data_min_", "data_max_")
    data_min_: Array
    data_max_: Array

    def __init__(self, range: Sequence[float] = (-1, 1), per: str = "feature") -> None:
        super().__init__(per)
        valid = isinstance(range, (tuple, list)) and len(range) == 2 and all(is_number(end) for end in range)
        if not valid or not range[0] < range[1]:
            raise ValueError(
                f"MinMaxScaling: range is {brief(range)}, expected two numbers (low, high) with low < high"
            )
        self.range = range

    def _learn(self, rows: Rows) -> None:
        axes = self._axes(rows.shape)
        ends = [(x.min(axis=axes), x.max(axis=axes)) for x in rows]
        self.data_min_ = np.min([low for low, _ in ends], axis=0)
        self.data_max_ = np.max([high for _, high in ends], axis=0)
        if not np.isfinite(self.data_max_ - self.data_min_).all():
            raise ValueError("MinMaxScaling: the range of x is too large for float64; scale it down first")

    def _span(self) -> Array:
        span = self.data_max_ - self.data_min_
        return np.where(span == 0, 1.0, span)

    def _apply(self, x: Array) -> Array:
        low, high = self.range
        y: Array = (x - self.data_min_) / self._span() * (high - low) + low
        return y

    def _undo(self, y: Array) -> Array:
        low, high = self.range
        x: Array = (y - low) / (high - low) * self._span() + self.data_min_
        return x

    def _back(self, dy: Array) -> Array:
        low, high = self.range
        dx: Array = dy / self._span() * (high - low)
        return dx
