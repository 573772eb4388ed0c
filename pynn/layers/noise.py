"""Additive noise."""

from __future__ import annotations

from .. import kernels
from ..checks import NOT_NEGATIVE
from ..signatures import takes
from ..typing import Array
from .base import Layer
from .randomness import draw


class GaussianNoise(Layer):
    """Gaussian noise in training: y = x + std · normal random numbers, and y = x outside it.

    Parameters
    ----------
    std : float
        Standard deviation of the noise, in the units of x, at least 0.

    Notes
    -----
    Inputs of any shape; the gradient passes unchanged. The noise is a function of the model's seed, the layer's
    position, the step and the sample's index in the batch: the same for any number of threads, and on both backends up
    to rounding (about 4 units in the last key). Small noise on the inputs acts like a penalty on how fast the outputs
    change [1]_.

    References
    ----------
    .. [1] Bishop, "Training with Noise is Equivalent to Tikhonov Regularization", 1995.
    """

    passes_activation = True
    _takes = takes(std=NOT_NEGATIVE)

    def __init__(self, std: float) -> None:
        self.std = std

    def forward(self, x: Array, training: bool) -> Array:
        key = draw(self, training, x.shape[1:])
        if key is None or self.std == 0:
            return x
        y = self.buffer("y", x.shape)
        kernels.gaussian_noise(x, self.std, *key, y)
        return y

    def backward(self, dy: Array) -> Array:
        return dy
