"""Dropout of single numbers and of whole channels."""

from __future__ import annotations

import math

import numpy as np

from .. import kernels
from ..checks import Choice
from ..kernels.philox import threshold
from ..signatures import takes
from ..typing import Array, Shape
from .randomness import Draw, Masking, draw


class Dropout(Masking):
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

    _takes = takes(form=Choice("inverted", "vanilla"))

    def __init__(self, rate: float, *, form: str = "inverted") -> None:
        super().__init__(rate)
        self.form = form

    def forward(self, x: Array, training: bool) -> Array:
        self._draw = draw(self, training, math.prod(x.shape[1:]))
        if self._draw is None:
            return self._unmasked(x, "y")
        return self._masked(x, self.buffer("y", x.shape), self._draw) if self.rate else x

    def _unmasked(self, x: Array, name: str) -> Array:
        if self.form == "inverted" or not self.rate:
            return x
        return np.multiply(x, 1 - threshold(self.rate) / 65536, out=self.buffer(name, x.shape))

    def _masked(self, x: Array, out: Array, key: Draw) -> Array:
        kernels.dropout(x, self.rate, self.form == "inverted", *key, out)
        return out


class SpatialDropout(Masking):
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

    def build(self, input_shape: Shape) -> Shape:
        if len(input_shape) < 2:
            raise ValueError(f"expected images (H, W, C), got inputs of shape {input_shape}; Dropout takes vectors")
        return input_shape

    def forward(self, x: Array, training: bool) -> Array:
        self._draw = draw(self, training, x.shape[-1])
        if self._draw is None or self.rate == 0:
            return x
        return self._masked(x, self.buffer("y", x.shape), self._draw)

    def _masked(self, x: Array, out: Array, key: Draw) -> Array:
        flat = (x.shape[0], math.prod(x.shape[1:-1]), x.shape[-1])
        kernels.spatial_dropout(x.reshape(flat), self.rate, *key, out.reshape(flat))
        return out
