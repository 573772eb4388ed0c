"""Constraints: conditions that weights are made to satisfy after each step. Know arrays; must not know layers."""

from __future__ import annotations

from . import kernels
from .checks import POSITIVE
from .saving.config import constructor_text
from .signatures import Constructed, takes
from .typing import Array


class Constraint(Constructed):
    """Base of all constraints: `apply` changes a weight in place so that it satisfies the constraint."""

    def apply(self, weight: Array) -> None:
        """Change a weight in place; called after each step.

        Parameters
        ----------
        weight : array
            The weight, of any shape.
        """
        raise NotImplementedError(f"{type(self).__name__} has no apply(weight)")

    def __repr__(self) -> str:
        return constructor_text(self)


class MaxNorm(Constraint):
    """Max-norm: w ← w · min(1, limit/‖w‖) for the incoming vector w of each unit.

    Parameters
    ----------
    limit : float, default 3
        Largest norm, above 0; usually 3 or 4.

    Notes
    -----
    The vector runs over all axes of the weight but the last. Weights then stay bounded even with large learning rates.

    References
    ----------
    .. [1] Srebro & Shraibman, "Rank, Trace-Norm and Max-Norm", 2005.
    .. [2] Srivastava et al., "Dropout: A Simple Way to Prevent Neural Networks from Overfitting", 2014.
    """

    _takes = takes(limit=POSITIVE)

    def __init__(self, limit: float = 3.0) -> None:
        self.limit = limit

    def apply(self, weight: Array) -> None:
        kernels.max_norm(weight.reshape(-1, weight.shape[-1]) if weight.ndim else weight.reshape(1, 1), self.limit)
