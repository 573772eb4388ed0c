"""Dropout of single numbers and of whole channels."""

from __future__ import annotations

import math

import numpy as np

from .. import kernels
from ..checks import Choice
from ..kernels.philox import threshold
from ..signatures import takes
from ..typing import Array, Shape
from .base import Layer
from .randomness import DROPPED, Draw, draw, expect_drawn


class Dropout(Layer):
    """Set each number to 0 with probability `rate` in training: y = mask · x / (1 - rate).

    Parameters
    ----------
    rate : float
        Share that is dropped, 0 <= rate < 1, rounded to a multiple of 2^-16.
    form : {"inverted", "vanilla"}, default "inverted"
        "inverted" divides what is kept by 1 - rate in training and has no effect outside it; "vanilla", for study, does
        not, but multiplies everything by 1 - rate outside training. Both preserve the expected output.

    Notes
    -----
    Inputs of any shape. The mask is a function of the model's seed, the layer's position, the step and the sample's
    index in the batch: the same on any backend, with any number of threads, and after a resume. Processes that share a
    batch set ``model.context.first_sample`` to the index of their first sample and get their part of the same mask.

    References
    ----------
    .. [1] Srivastava et al., "Dropout: A Simple Way to Prevent Neural Networks from Overfitting", 2014.
    """

    passes_activation = True
    _takes = takes(rate=DROPPED, form=Choice("inverted", "vanilla"))

    def __init__(self, rate: float, *, form: str = "inverted") -> None:
        self.rate = rate
        self.form = form
        self._draw: Draw | None = None  # of the last forward pass; None if it drew nothing

    def forward(self, x: Array, training: bool) -> Array:
        self._draw = draw(self, training, math.prod(x.shape[1:]))
        if self._draw is not None:
            return self._masked(x, self.buffer("y", x.shape), self._draw) if self.rate else x
        return x if self._expected == 1 else np.multiply(x, self._expected, out=self.buffer("y", x.shape))

    @property
    def _expected(self) -> float:
        """The factor outside training."""
        return 1 - threshold(self.rate) / 65536 if self.form == "vanilla" and self.rate else 1.0

    def backward(self, dy: Array) -> Array:
        if self._draw is None and self.context.inputs_only:
            return np.multiply(dy, self._expected, out=self.gradient_buffer("dx", dy.shape, dy))
        place = expect_drawn(self, self._draw)
        return self._masked(dy, self.gradient_buffer("dx", dy.shape, dy), place) if self.rate else dy

    def _masked(self, x: Array, out: Array, place: Draw) -> Array:
        kernels.dropout(x, self.rate, self.form == "inverted", *place, out)
        return out


class SpatialDropout(Layer):
    """Dropout of whole channels, since neighbouring pixels or positions are similar: y = mask · x / (1 - rate).

    Parameters
    ----------
    rate : float
        Probability that a channel of a sample is set to 0 in training, 0 <= rate < 1.

    Raises
    ------
    ValueError
        If it is built on vectors.

    Notes
    -----
    Images (N, H, W, C) or sequences (N, T, C). No effect outside training. Masks are drawn as by `Dropout`.

    References
    ----------
    .. [1] Tompson et al., "Efficient Object Localization Using Convolutional Networks", 2015.
    """

    passes_activation = True
    _takes = takes(rate=DROPPED)

    def __init__(self, rate: float) -> None:
        self.rate = rate
        self._draw: Draw | None = None

    def build(self, input_shape: Shape) -> Shape:
        if len(input_shape) < 2:
            raise ValueError(f"expected images (H, W, C), got inputs of shape {input_shape}; Dropout takes vectors")
        return input_shape

    def forward(self, x: Array, training: bool) -> Array:
        self._draw = draw(self, training, x.shape[-1])
        if self._draw is None or self.rate == 0:
            return x
        return self._masked(x, self.buffer("y", x.shape), self._draw)

    def backward(self, dy: Array) -> Array:
        if self._draw is None and self.context.inputs_only:
            return dy
        place = expect_drawn(self, self._draw)
        return self._masked(dy, self.gradient_buffer("dx", dy.shape, dy), place) if self.rate else dy

    def _masked(self, x: Array, out: Array, place: Draw) -> Array:
        flat = (x.shape[0], math.prod(x.shape[1:-1]), x.shape[-1])
        kernels.spatial_dropout(x.reshape(flat), self.rate, *place, out.reshape(flat))
        return out
