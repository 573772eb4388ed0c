"""Reshape."""

from __future__ import annotations

import math
from typing import Any

from ..checks import is_integer
from ..messages.terminal import brief
from ..typing import Array, Shape
from .base import Layer


class Reshape(Layer):
    """Reshape each sample: y (N, *shape) = x (N, ...), with the numbers in the same order.

    Parameters
    ----------
    *shape : int or tuple of int
        Axes after the batch axis, at least 1 each: ``Reshape(7, 7, 64)`` turns (N, 3136) into images (N, 7, 7, 64). One
        of them may be -1, which is inferred.

    Raises
    ------
    ValueError
        If it is built on inputs with another number of elements.

    Notes
    -----
    The last axis runs fastest; nothing is copied. It does not move axes: it does not turn images (C, H, W) into (H, W,
    C). ``Flatten()`` is ``Reshape(-1)``.
    """

    passes_activation = True

    def __init__(self, *shape: int | tuple[int, ...]) -> None:
        sizes: Any = shape[0] if len(shape) == 1 and isinstance(shape[0], (tuple, list)) else shape
        if not sizes or not all(map(is_integer, sizes)):
            raise TypeError(
                f"Reshape: shape is {brief(sizes)}, expected integers, without the batch axis: Reshape(28, 28, 1)"
            )
        self.shape = tuple(int(size) for size in sizes)
        if any(size < 1 and size != -1 for size in self.shape) or self.shape.count(-1) > 1:
            raise ValueError(f"Reshape: shape is {self.shape}, expected sizes of at least 1, one of which may be -1")

    def build(self, input_shape: Shape) -> Shape:
        numbers, known = math.prod(input_shape), math.prod(size for size in self.shape if size != -1)
        rest = numbers // known if -1 in self.shape else 1
        if known * rest != numbers:
            raise ValueError(
                f"cannot make {self.shape} of inputs of shape {tuple(input_shape)}: a sample has {numbers} numbers "
                "(shapes leave out the batch axis)"
            )
        return tuple(rest if size == -1 else size for size in self.shape)

    def forward(self, x: Array, training: bool) -> Array:
        self._x_shape = x.shape
        return x.reshape(x.shape[0], *self.output_shape)

    def backward(self, dy: Array) -> Array:
        return dy.reshape(self._x_shape)
