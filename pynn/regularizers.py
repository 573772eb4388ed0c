"""Penalties on weights: added to the loss, and their gradient to the gradients. Biases, gamma and beta are left out."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Protocol

from numpy.typing import NDArray

from . import kernels
from .describe import constructor_text, is_number

Array = NDArray[Any]


class Penalized(Protocol):
    """What a penalty needs of a model."""

    def penalized(self) -> Iterable[tuple[Array, Array]]:
        """Each weight that is penalized, with its gradient."""


class Penalty:
    """Base: l1·Σ|w| + ½·l2·Σw² over the penalized weights of a model."""

    l1: float = 0.0
    l2: float = 0.0

    def __init__(self, strength: float) -> None:
        if not (is_number(strength) and strength >= 0):
            raise ValueError(f"{type(self).__name__}: strength is {strength!r}, expected a finite number of at least 0")
        self.strength = strength

    def apply(self, model: Penalized) -> float:
        """Return the penalty and add its gradient to the model's gradients (after the backward pass)."""
        return sum(kernels.penalty(weight, self.l1, self.l2, dweight) for weight, dweight in model.penalized())

    def __repr__(self) -> str:
        return constructor_text(self)


class L1(Penalty):
    """strength·Σ|w|: drives weights to exactly 0, a sparse model."""

    def __init__(self, strength: float) -> None:
        super().__init__(strength)
        self.l1 = strength


class L2(Penalty):
    """½·strength·Σw²: spreads weights out, none large."""

    def __init__(self, strength: float) -> None:
        super().__init__(strength)
        self.l2 = strength
