"""What the normalization layers share."""

from __future__ import annotations

from ..checks import POSITIVE
from ..initializers import Constant, Zeros
from ..signatures import takes
from ..typing import Array, Shape
from .base import Layer
from .shapes import expect_features


class Normalization(Layer):
    """A layer that multiplies what it has normalized by gamma and adds beta, each with one number per channel."""

    gamma: Array
    dgamma: Array
    beta: Array
    dbeta: Array
    passes_activation = True
    _takes = takes(epsilon=POSITIVE)

    def __init__(self, *, epsilon: float = 1e-5) -> None:
        self.epsilon = epsilon

    def build(self, input_shape: Shape) -> Shape:
        expect_features(input_shape)
        self._channels = input_shape[-1]
        self.add_parameter("gamma", (self._channels,), Constant(1), penalized=False)
        self.add_parameter("beta", (self._channels,), Zeros(), penalized=False)
        return input_shape
