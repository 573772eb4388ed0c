"""Penalties on weights, added to the loss and its gradient. Biases, gamma and beta are exempt by default."""

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
        """Yield each penalized block: its penalty, its values and their gradient.

        Parameters
        ----------
        penalty : Penalty or None
            For the layers that have no penalty.

        Returns
        -------
        iterable
            Tuples (penalty, values, gradient).
        """


class Penalty(Constructed):
    """Base of all penalties: l1·Σ|w| + ½·l2·Σw² over the penalized weights of a model.

    Parameters
    ----------
    strength : float
        At least 0.
    biases : bool, default False
        Whether biases, gamma and beta count too.

    Raises
    ------
    ValueError
        If the strength is negative or not finite.

    Notes
    -----
    A penalty passed to `fit` applies to all layers that have no penalty, ``pynn.Affine(10, penalty=...)``; a layer's
    penalty of strength 0 means none. A custom loop calls `apply` between ``model.backward`` and ``optimizer.step``;
    calling it before the backward pass, which overwrites the gradients, is a RuntimeError.
    """

    l1: float = 0.0
    l2: float = 0.0
    biases: bool = False
    _takes = takes(strength=NOT_NEGATIVE, biases=FLAG)

    def __init__(self, strength: float, *, biases: bool = False) -> None:
        self.strength = strength
        self.biases = biases

    def apply(self, model: Penalized) -> float:
        """Add the gradient of the penalty to the model's gradients, after the backward pass.

        Parameters
        ----------
        model : Sequential
            The model.

        Returns
        -------
        float
            The penalty.
        """
        if (expect := getattr(model, "expect_penalty", None)) is not None:
            expect()
        return total(model, self)

    def value(self, model: Penalized) -> float:
        """Return the penalty without changing the gradients.

        Parameters
        ----------
        model : Sequential
            The model.

        Returns
        -------
        float
            The penalty.
        """
        blocks = [(weight, part.l1, part.l2) for part, weight, _ in model.penalties(self)]
        return sum((kernels.penalty(weight, l1, l2, np.zeros_like(weight)) for weight, l1, l2 in blocks), 0.0)

    def __repr__(self) -> str:
        return constructor_text(self)


class L1(Penalty):
    """L1 (lasso): strength·Σ|w|, with gradient strength·sign(w), 0 at 0.

    Parameters
    ----------
    strength : float
        At least 0.
    biases : bool, default False
        As for `Penalty`.

    Notes
    -----
    The pull towards 0 does not depend on the size of a weight: most weights end within a step of 0.

    References
    ----------
    .. [1] R. Tibshirani, "Regression Shrinkage and Selection via the Lasso", 1996.
    .. [2] CS231n, "Neural Networks Part 2: Setting up the Data and the Loss".
    """

    def __init__(self, strength: float, *, biases: bool = False) -> None:
        super().__init__(strength, biases=biases)
        self.l1 = strength


class L2(Penalty):
    """L2: ½·strength·Σw², with gradient strength·w; prefers many small weights to few large weights.

    Parameters
    ----------
    strength : float
        At least 0.
    biases : bool, default False
        As for `Penalty`.

    References
    ----------
    .. [1] CS231n, "Neural Networks Part 2: Setting up the Data and the Loss" (with the ½).
    """

    def __init__(self, strength: float, *, biases: bool = False) -> None:
        super().__init__(strength, biases=biases)
        self.l2 = strength


class ElasticNet(Penalty):
    """Elastic net: l1·Σ|w| + ½·l2·Σw²; sparse, and more stable than L1 with correlated inputs.

    Parameters
    ----------
    l1, l2 : float
        Strengths, at least 0.
    biases : bool, default False
        As for `Penalty`.

    References
    ----------
    .. [1] Zou & Hastie, "Regularization and variable selection via the elastic net", 2005; without its rescaling of the
       weights by 1 + l2.
    """

    _takes = takes(l1=NOT_NEGATIVE, l2=NOT_NEGATIVE, biases=FLAG)

    def __init__(self, l1: float, l2: float, *, biases: bool = False) -> None:
        self.l1 = l1
        self.l2 = l2
        self.biases = biases


PENALTIES: tuple[type[Penalty], ...] = (L1, L2, ElasticNet)


def total(model: Penalized, penalty: Penalty | None) -> float:
    """Return the model's penalty and add its gradient to the model's.

    Parameters
    ----------
    model : Sequential
        The model.
    penalty : Penalty or None
        For the layers without a penalty of their own.

    Returns
    -------
    float
        The penalty.
    """
    value = 0.0
    for part, weight, dweight in model.penalties(penalty):
        if part.l1 or part.l2:
            value += kernels.penalty(weight, part.l1, part.l2, dweight)
    return value
