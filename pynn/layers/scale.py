"""Scale: a learned factor for each feature."""

from __future__ import annotations

from .. import kernels
from ..initializers import Constant
from ..typing import Array, Shape
from .base import Layer
from .shapes import expect_features


class Scale(Layer):
    """A learned factor for each feature: y = x · scale.

    Raises
    ------
    ValueError
        If it is built on inputs without an axis of features.

    Notes
    -----
    Inputs of any shape, output of the same shape; scale (C,), one for each position of the last axis, starts at 1. As
    the first layer of a network for tables it learns which columns count, faster than the weights after it do.
    Penalties exclude it, as they would push it towards 0. The weights before it start as for the activation after it.

    References
    ----------
    .. [1] Holzmüller et al., "Better by Default: Strong Pre-Tuned MLPs and Boosted Trees on Tabular Data", 2024.
    """

    scale: Array
    dscale: Array
    passes_activation = True

    def build(self, input_shape: Shape) -> Shape:
        expect_features(input_shape)
        self._channels = input_shape[-1]
        self.add_parameter("scale", (self._channels,), Constant(1.0), penalized=False)
        return input_shape

    def forward(self, x: Array, training: bool) -> Array:
        self._x = x.reshape(-1, self._channels)
        y = self.buffer("y", x.shape)
        kernels.scale_forward(self._x, self.scale, y.reshape(self._x.shape))
        return y

    def backward(self, dy: Array) -> Array | None:
        rows = self._x.shape
        dx = self.gradient_buffer("dx", dy.shape, dy) if self.needs_dx else None
        dx_rows = None if dx is None else dx.reshape(rows)
        kernels.scale_backward(dy.reshape(rows), self._x, self.scale, dx_rows, self.dscale)
        return dx
