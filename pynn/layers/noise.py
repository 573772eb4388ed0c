"""Additive noise."""

from __future__ import annotations

import math

from .. import kernels
from ..checks import NOT_NEGATIVE, expect_numbers
from ..typing import Array
from .base import Layer
from .randomness import draw


class GaussianNoise(Layer):
    """y = x + std · normal numbers in training, y = x outside it; any shape. The gradient passes as it is.

    std: standard deviation of the noise, in the units of x, at least 0 and finite.
    The noise is a function of the model's seed, the layer's place, the step and the sample's place in the batch: the
    same at any number of threads, and on both backends up to rounding (some 4 units in the last place).
    Raises ValueError or TypeError for another std. Source: Bishop 1995, which shows that small noise
    on the inputs acts like a penalty on how fast the outputs change.
    """

    passes_activation = True

    def __init__(self, std: float) -> None:
        expect_numbers("GaussianNoise", NOT_NEGATIVE, std=std)
        self.std = std

    def forward(self, x: Array, training: bool) -> Array:
        place = draw(self, training, math.prod(x.shape[1:]))
        if place is None or self.std == 0:
            return x
        y = self.buffer("y", x.shape)
        kernels.gaussian_noise(x, self.std, *place, y)
        return y

    def backward(self, dy: Array) -> Array:
        return dy
