"""Transformers that outliers hardly disturb: robust scaling, smooth clipping, and clipping to the range seen."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from ..checks import POSITIVE
from ..signatures import takes
from ..typing import Array, Shape
from .base import Transformer
from .rows import Rows
from .scaling import ROUNDING

LARGEST = 1e150  # squares of larger numbers overflow
BEYOND = 1e-6  # how far rounding to float32 may carry a result beyond the limit


class _OfFeatures(Transformer):
    """Base: each array of the state has a number for each feature."""

    def _state_shapes(self, stored: Mapping[str, Shape]) -> Mapping[str, Shape]:
        return dict.fromkeys(self.state, self.input_shape_)


class RobustScaling(_OfFeatures):
    """Robust scaling: y = (x - median)/IQR for each feature; a few outliers hardly change either number.

    Attributes
    ----------
    median_, scale_ : array
        Of the shape of a sample.

    Notes
    -----
    Samples are (N, D) or (N, H, W, C). IQR is the interquartile range: the 75 % quantile minus the 25 % quantile, both
    interpolated linearly. Where it is 0, because at least half of the values are equal, half the range takes its
    place, (max - min)/2. A constant feature becomes 0, other values of it at `transform` too; its scale_ is 0.
    `SmoothClip` usually follows, so that outliers stay near the other values [1]_. Features are learned one after the
    other, which bounds the memory.

    References
    ----------
    .. [1] D. Holzmüller, L. Grinsztajn, I. Steinwart, "Better by default: Strong pre-tuned MLPs and boosted trees on
       tabular data", NeurIPS 2024.

    Examples
    --------
    >>> preprocessing = pynn.Pipeline(pynn.RobustScaling(), pynn.SmoothClip())
    """

    state = ("median_", "scale_")
    median_: Array
    scale_: Array

    def _learn(self, rows: Rows) -> None:
        learned = np.empty((2, rows.features))
        for place, values in enumerate(rows.columns()):
            learned[:, place] = _centre_and_scale(values)
        self.median_, self.scale_ = learned.reshape(2, *rows.shape)

    def _finish(self) -> Shape:
        self.divisor_ = np.where(self.scale_ == 0, np.inf, self.scale_)
        return self.input_shape_

    def _apply(self, x: Array) -> Array:
        return (x - self.median_) / self.divisor_

    def _undo(self, y: Array) -> Array:
        return y * self.scale_ + self.median_

    def _back(self, dy: Array) -> Array:
        return dy / self.divisor_


def _centre_and_scale(values: Array) -> tuple[float, float]:
    """The median and scale of values (N,), whose order is changed."""
    low, median, high = np.quantile(values, (0.25, 0.5, 0.75), overwrite_input=True)
    rounding = ROUNDING * abs(median)
    if high - low > rounding:
        return median, high - low
    half = values.max() / 2 - values.min() / 2
    return median, half if half > rounding else 0.0


class SmoothClip(Transformer):
    """Smooth clipping: y = x/√(1 + (x/limit)²), nearly x around 0 and never beyond the limit.

    Parameters
    ----------
    limit : float, default 3
        Above 0; y is in -limit..limit.

    Raises
    ------
    ValueError
        As `Transformer`; by `inverse_transform` also for numbers beyond the limit, which no x has.

    Notes
    -----
    Samples are (N, D) or (N, H, W, C). Nothing is learned but their shape. `inverse_transform` gives
    x = y/√(1 - (y/limit)²), in float64 at most about 7·10⁷·limit: the y of a larger x is rounded to the limit. It
    usually follows `RobustScaling` [1]_.

    References
    ----------
    .. [1] D. Holzmüller, L. Grinsztajn, I. Steinwart, "Better by default: Strong pre-tuned MLPs and boosted trees on
       tabular data", NeurIPS 2024.
    """

    bounded = True
    _takes = takes(limit=POSITIVE)

    def __init__(self, limit: float = 3) -> None:
        self.limit = limit

    def _learn(self, rows: Rows) -> None:
        pass

    def _state_shapes(self, stored: Mapping[str, Shape]) -> Mapping[str, Shape]:
        return {}

    def _apply(self, x: Array) -> Array:
        ratio = self._ratio(x)
        root = ratio * ratio
        root += 1
        ratio /= np.sqrt(root, out=root)
        ratio *= self.limit
        return ratio

    def _ratio(self, x: Array) -> Array:
        ratio = np.asarray(x / self.limit)
        np.minimum(ratio, LARGEST, out=ratio)  # faster than clip for a single row
        return np.maximum(ratio, -LARGEST, out=ratio)

    def _undo(self, y: Array) -> Array:
        share = y / self.limit
        largest = np.abs(share).max()
        if largest > 1 + BEYOND:
            raise ValueError(
                f"SmoothClip: x holds numbers of size {largest * self.limit:g}, but its results are never beyond its "
                f"limit, {self.limit:g}; inverse_transform takes what transform returned"
            )
        end = 1 - np.finfo(np.float64).epsneg
        share = np.clip(share, -end, end)
        x: Array = self.limit * (share / np.sqrt((1 - share) * (1 + share)))
        return x

    def _back_at(self, dy: Array, x: Array) -> Array:
        ratio = self._ratio(x)
        slope: Array = 1 / np.sqrt(1 + ratio * ratio)
        dx: Array = dy * slope**3
        return dx


class ClipToRange(_OfFeatures):
    """Clipping to the range seen: `transform` changes nothing, `inverse_transform` clips each feature to min..max.

    Attributes
    ----------
    data_min_, data_max_ : array
        Of the shape of a sample: the least and the largest number in `fit`.

    Notes
    -----
    Samples are (N, D) or (N, H, W, C). As the first of the `target_preprocessing` of `fit` it keeps what `predict`
    returns within the range of the training targets, while training itself is free to go beyond [1]_.

    References
    ----------
    .. [1] D. Holzmüller, L. Grinsztajn, I. Steinwart, "Better by default: Strong pre-tuned MLPs and boosted trees on
       tabular data", NeurIPS 2024.

    Examples
    --------
    >>> model.fit(x, y, loss="l2", target_preprocessing=pynn.Pipeline(pynn.ClipToRange(), pynn.Standardization()))
    """

    state = ("data_min_", "data_max_")
    data_min_: Array
    data_max_: Array

    def _learn(self, rows: Rows) -> None:
        ends = [(x.min(axis=0), x.max(axis=0)) for x in rows]
        self.data_min_ = np.min([low for low, _ in ends], axis=0)
        self.data_max_ = np.max([high for _, high in ends], axis=0)

    def _apply(self, x: Array) -> Array:
        same: Array = x.copy()
        return same

    def _undo(self, y: Array) -> Array:
        x: Array = np.minimum(np.maximum(y, self.data_min_), self.data_max_)
        return x

    def _undo_unlimited(self, y: Array) -> Array:
        same: Array = y.copy()
        return same

    def _back(self, dy: Array) -> Array:
        return dy
