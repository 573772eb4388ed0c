"""Maxout: an affine layer whose units take the largest of several sums."""

from __future__ import annotations

import numpy as np

from .. import initializers, kernels
from ..initializers import Initializer
from .base import Array, Layer, Shape


class Maxout(Layer):
    """y (N, units) = max over k of x (N, D) · W_k + b_k, k = 0..pieces-1: each unit learns its own convex activation.

    units: number of outputs, pieces: of sums that each takes the largest of (default 2), both at least 1.
    One weight (D, pieces · units) holds all pieces (column k · units + m is piece k of unit m), one bias
    (pieces · units,) too: pieces times the parameters of an affine layer. ReLU is the maxout of a sum and 0.
    use_bias: default True. initializer: of the weight, default LeCun: the larger of two sums of mean 0 has the mean
    square of one of them. bias_initializer: zeros. The gradient of equal sums goes to the first of them.
    Raises ValueError when it is built on inputs that are not vectors. Source: Goodfellow et al. 2013.
    """

    weight: Array
    dweight: Array
    bias: Array | None = None
    dbias: Array | None = None

    def __init__(
        self,
        units: int,
        pieces: int = 2,
        *,
        use_bias: bool = True,
        initializer: str | Initializer = "lecun",
        bias_initializer: str | Initializer = "zeros",
    ) -> None:
        for name, value in (("units", units), ("pieces", pieces)):
            if isinstance(value, bool) or not isinstance(value, (int, np.integer)) or value < 1:
                raise ValueError(f"Maxout: {name} is {value!r}, expected an integer of at least 1")
        if not isinstance(use_bias, bool):
            raise TypeError(f"Maxout: use_bias is {use_bias!r}, expected True or False")
        self.units = int(units)
        self.pieces = int(pieces)
        self.use_bias = use_bias
        self.initializer = initializer
        self.bias_initializer = bias_initializer

    def build(self, input_shape: Shape) -> Shape:
        if len(input_shape) != 1:
            raise ValueError(f"expected vectors (D,), got inputs of shape {input_shape}; put Flatten() before it")
        columns = self.pieces * self.units
        self.add_parameter("weight", (input_shape[0], columns), initializers.initializer(self.initializer))
        if self.use_bias:
            bias = initializers.initializer(self.bias_initializer)
            self.add_parameter("bias", (columns,), bias, penalized=False)
        return (self.units,)

    def forward(self, x: Array, training: bool) -> Array:
        shape = (x.shape[0], self.units)
        self._x, self._z = x, self.buffer("z", (x.shape[0], self.pieces * self.units))
        self._winner, y = self.buffer("winner", shape), self.buffer("y", shape)
        kernels.affine_forward(x, self.weight, self.bias, "identity", 0.0, self._z)
        kernels.maxout_forward(self._z, self.pieces, self._winner, y)
        return y

    def backward(self, dy: Array) -> Array | None:
        x, z = self._x, self._z
        dz = self.buffer("dz", z.shape)
        dx = self.buffer("dx", x.shape) if self.needs_dx else None
        kernels.maxout_backward(dy, self._winner, self.pieces, dz)
        kernels.affine_backward(dz, x, self.weight, z, "identity", 0.0, None, dx, self.dweight, self.dbias)
        return dx
