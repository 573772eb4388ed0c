"""PerFeature: layers with a learned number for each feature."""

from __future__ import annotations

from ..initializers import Constant
from ..typing import Array, Shape
from .base import Layer
from .shapes import expect_features


class PerFeature(Layer):
    """Base of the layers with a learned number for each position of the last axis, by which a kernel changes x."""

    per_feature: bool = True  # False: one number for all positions
    initial: float = 1.0
    _learned: str  # the parameter's name

    def build(self, input_shape: Shape) -> Shape:
        if self.per_feature:
            expect_features(input_shape)
        self._channels = input_shape[-1] if input_shape else 1
        count = self._channels if self.per_feature else 1
        self.add_parameter(self._learned, (count,), Constant(self.initial), penalized=False)
        return input_shape

    def forward(self, x: Array, training: bool) -> Array:
        y = self.buffer("y", x.shape)
        self._x = x if x.ndim == 2 else x.reshape(-1, self._channels)
        self._change(self._x, y if x.ndim == 2 else y.reshape(self._x.shape))
        return y

    def backward(self, dy: Array) -> Array | None:
        rows = self._x.shape
        dx = self.gradient_buffer("dx", dy.shape, dy) if self.needs_dx else None
        self._change_back(dy.reshape(rows), self._x, None if dx is None else dx.reshape(rows))
        return dx

    def _change(self, x: Array, y: Array) -> None:
        """Run the kernel on rows x (N, C), into y."""
        raise NotImplementedError(f"{type(self).__name__} has no _change(x, y)")

    def _change_back(self, dy: Array, x: Array, dx: Array | None) -> None:
        """Run its backward kernel: fill the parameter's gradient and, if it is asked for, dx."""
        raise NotImplementedError(f"{type(self).__name__} has no _change_back(dy, x, dx)")
