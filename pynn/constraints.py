"""Constraints: what weights must keep to, made so after each step. Knows arrays; must not know layers."""

from __future__ import annotations

from . import kernels
from .checks import POSITIVE
from .saving.config import constructor_text
from .signatures import Constructed, takes
from .typing import Array


class Constraint(Constructed):
    """Base: `apply` changes a weight in place so that it keeps to the constraint."""

    def apply(self, weight: Array) -> None:
        """Called after each step with a weight of any shape."""
        raise NotImplementedError(f"{type(self).__name__} has no apply(weight)")

    def __repr__(self) -> str:
        return constructor_text(self)


class MaxNorm(Constraint):
    """Each unit's incoming vector, over all axes of the weight but the last, is scaled down to the norm `limit`.

    limit: a finite positive number, usually 3 or 4 (default 3); shorter vectors stay as they are. A large learning rate
    then cannot blow up the weights. Sources: Srebro & Shraibman 2005; Srivastava et al. 2014, with dropout.
    """

    _takes = takes(limit=POSITIVE)

    def __init__(self, limit: float = 3.0) -> None:
        self.limit = limit

    def apply(self, weight: Array) -> None:
        kernels.max_norm(weight.reshape(-1, weight.shape[-1]) if weight.ndim else weight.reshape(1, 1), self.limit)
