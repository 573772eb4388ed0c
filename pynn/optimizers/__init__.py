"""Optimizers: one kernel call over the flat vector of parameters a step. Must not know layers.

References: CS231n notes, "Neural Networks Part 3"; Deep Learning from Scratch, chapter 6.
"""

from __future__ import annotations

from ..saving.config import resolve
from .adam import Adam, AdamW, Lion, NAdam
from .adaptive import AdaGrad, RMSProp
from .base import Optimizer, Trained
from .descent import SGD, Momentum, Nesterov
from .segments import Segment

__all__ = [
    "OPTIMIZERS", "SGD", "AdaGrad", "Adam", "AdamW", "Lion", "Momentum", "NAdam", "Nesterov", "Optimizer", "RMSProp",
    "Segment", "Trained", "optimizer",
]  # fmt: skip

OPTIMIZERS: dict[str, type[Optimizer]] = {
    "sgd": SGD,
    "momentum": Momentum,
    "nesterov": Nesterov,
    "adagrad": AdaGrad,
    "rmsprop": RMSProp,
    "adam": Adam,
    "adamw": AdamW,
    "nadam": NAdam,
    "lion": Lion,
}  # fmt: skip


def optimizer(choice: str | Optimizer) -> Optimizer:
    """Return the optimizer of that name, or the optimizer itself.

    Parameters
    ----------
    choice : str or Optimizer
        A name of ``OPTIMIZERS``, or an optimizer, which is returned as it is.

    Returns
    -------
    Optimizer
        The optimizer; a new one with default arguments for a name.

    Raises
    ------
    ValueError
        For an unknown name; the message lists the known ones.
    TypeError
        For anything else.
    """
    return resolve(choice, OPTIMIZERS, Optimizer, "optimizer")
