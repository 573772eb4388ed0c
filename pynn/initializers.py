"""Initializers: the first values of weights. Each is a function of (shape, random generator); knows no layers.

Shapes are (in, out) for affine weights and (height, width, in, out) for kernels of convolutions: fan-in is the product
of all but the last axis.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .describe import resolve

Array = NDArray[Any]
Shape = tuple[int, ...]


class Initializer:
    """Base: `draw` gives float64 values of a shape; the same generator state gives the same values."""

    def draw(self, shape: Shape, rng: np.random.Generator) -> Array:
        """Values for weights of this shape."""
        raise NotImplementedError(f"{type(self).__name__} has no draw(shape, rng)")

    def __repr__(self) -> str:
        from .describe import constructor_text

        return constructor_text(self)


class Constant(Initializer):
    """Every number is `value`."""

    def __init__(self, value: float) -> None:
        self.value = value

    def draw(self, shape: Shape, rng: np.random.Generator) -> Array:
        return np.full(shape, self.value, np.float64)


class Zeros(Initializer):
    """Every number is 0: for biases. Weights of zero never become different from each other."""

    def draw(self, shape: Shape, rng: np.random.Generator) -> Array:
        return np.zeros(shape)


class Normal(Initializer):
    """Normal numbers of mean 0 and standard deviation `std` (default 0.01, "small random")."""

    def __init__(self, std: float = 0.01) -> None:
        self.std = std

    def draw(self, shape: Shape, rng: np.random.Generator) -> Array:
        return rng.standard_normal(shape) * self.std


def _fans(shape: Shape) -> tuple[int, int]:
    """Fan-in and fan-out: how many inputs one output has, and the reverse."""
    last = shape[-1] if shape else 1
    fan_in = math.prod(shape[:-1]) or 1
    return fan_in, math.prod(shape[:-2]) * last or 1


class LeCun(Initializer):
    """Normal, std = √(1/fan_in): keeps the variance through a linear unit ("Xavier 1/√n" in CS231n)."""

    def draw(self, shape: Shape, rng: np.random.Generator) -> Array:
        return rng.standard_normal(shape) * math.sqrt(1 / _fans(shape)[0])


class Glorot(Initializer):
    """Normal, std = √(2/(fan_in + fan_out)), for sigmoid and tanh. Source: Glorot & Bengio 2010."""

    def draw(self, shape: Shape, rng: np.random.Generator) -> Array:
        return rng.standard_normal(shape) * math.sqrt(2 / sum(_fans(shape)))


class He(Initializer):
    """Normal, std = √(2/fan_in), for the ReLU family. Source: He et al. 2015."""

    def draw(self, shape: Shape, rng: np.random.Generator) -> Array:
        return rng.standard_normal(shape) * math.sqrt(2 / _fans(shape)[0])


INITIALIZERS: dict[str, type[Initializer]] = {
    "zeros": Zeros,
    "normal": Normal,
    "lecun": LeCun,
    "glorot": Glorot,
    "he": He,
}


def initializer(choice: str | Initializer) -> Initializer:
    """An initializer from its name or itself; ValueError lists the names, TypeError for anything else."""
    return resolve(choice, INITIALIZERS, Initializer, "initializer")
