"""Penalties on weights: added to the loss, and their gradient to the gradients. Biases, gamma and beta are left out."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol

import numpy as np

from . import kernels
from .checks import FLAG, NOT_NEGATIVE
from .saving.config import constructor_text
from .signatures import Constructed, takes
from .typing import Array


class Penalized(Protocol):
    """What a penalty needs of a model."""

    def penalties(self, penalty: Penalty | None) -> Iterable[tuple[Penalty, Array, Array]]:
        """Each block that is penalized with what penalizes it, its layer's own or else this one, and its gradient."""


class Penalty(Constructed):
    """Base: l1·Σ|w| + ½·l2·Σw² over the penalized weights of a model.

    One that is given to `fit` holds for all layers but those that have their own, `pynn.Affine(10, penalty=...)`;
    strength 0 there means none. biases: whether biases, gammas and betas count too (default False).
    A loop of your own calls `apply` between `model.backward` and `optimizer.step`: a backward pass overwrites the
    gradients, so that a penalty before it would be lost, which is a RuntimeError there.
    Raises ValueError for a strength that is negative or not finite, TypeError for biases other than True or False.
    """

    l1: float = 0.0
    l2: float = 0.0
    biases: bool = False
    _takes = takes(strength=NOT_NEGATIVE, biases=FLAG)

    def __init__(self, strength: float, *, biases: bool = False) -> None:
        self.strength = strength
        self.biases = biases

    def apply(self, model: Penalized) -> float:
        """Return the penalty and add its gradient to the model's gradients (after the backward pass)."""
        if (expect := getattr(model, "expect_penalty", None)) is not None:
            expect()
        return total(model, self)

    def value(self, model: Penalized) -> float:
        """The penalty alone; gradients stay as they are."""
        blocks = [(weight, one.l1, one.l2) for one, weight, _ in model.penalties(self)]
        return sum((kernels.penalty(weight, l1, l2, np.zeros_like(weight)) for weight, l1, l2 in blocks), 0.0)

    def __repr__(self) -> str:
        return constructor_text(self)


class L1(Penalty):
    """strength·Σ|w|; gradient strength·sign(w), 0 at 0: pulls weights to 0 with the same force at any size.

    strength: at least 0. biases: as for every `Penalty`. The many weights that do little come near 0, and stay within
    a step's length of it. Source: Tibshirani 1996; CS231n notes, "Neural Networks Part 2".
    """

    def __init__(self, strength: float, *, biases: bool = False) -> None:
        super().__init__(strength, biases=biases)
        self.l1 = strength


class L2(Penalty):
    """½·strength·Σw²; gradient strength·w: spreads weights out, none large.

    strength: at least 0. biases: as for every `Penalty`. Source: CS231n notes, "Neural Networks Part 2", with the ½.
    """

    def __init__(self, strength: float, *, biases: bool = False) -> None:
        super().__init__(strength, biases=biases)
        self.l2 = strength


class ElasticNet(Penalty):
    """l1·Σ|w| + ½·l2·Σw²: sparse, and steadier than L1 where inputs resemble each other.

    l1, l2: strengths of at least 0. biases: as for every `Penalty`. Source: Zou & Hastie 2005, without the factor
    1 + l2 by which they scale the weights in the end.
    """

    _takes = takes(l1=NOT_NEGATIVE, l2=NOT_NEGATIVE, biases=FLAG)

    def __init__(self, l1: float, l2: float, *, biases: bool = False) -> None:
        self.l1 = l1
        self.l2 = l2
        self.biases = biases


PENALTIES: tuple[type[Penalty], ...] = (L1, L2, ElasticNet)


def total(model: Penalized, penalty: Penalty | None) -> float:
    """The model's penalty, by its layers' own penalties and for the others by this one; adds its gradient to theirs."""
    values = (
        kernels.penalty(weight, one.l1, one.l2, dweight)
        for one, weight, dweight in model.penalties(penalty)
        if one.l1 or one.l2
    )
    return sum(values, 0.0)
