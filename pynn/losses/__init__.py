"""Losses: a number to minimize and its gradient, the mean over the batch. Must not know models."""

from __future__ import annotations

from ..describe import resolve
from .attributes import BinaryCrossEntropy, BinaryHinge
from .base import Loss
from .focal import Focal
from .hinge import Hinge, SquaredHinge
from .regression import AbsoluteError, Huber, SquaredError
from .softmax import SoftmaxCrossEntropy
from .structured import Decoder, StructuredHinge, ViterbiChain

__all__ = [
    "LOSSES",
    "AbsoluteError",
    "BinaryCrossEntropy",
    "BinaryHinge",
    "Decoder",
    "Focal",
    "Hinge",
    "Huber",
    "Loss",
    "SoftmaxCrossEntropy",
    "SquaredError",
    "SquaredHinge",
    "StructuredHinge",
    "ViterbiChain",
    "loss",
]

LOSSES: dict[str, type[Loss]] = {
    "softmax_cross_entropy": SoftmaxCrossEntropy,
    "focal": Focal,
    "hinge": Hinge,
    "squared_hinge": SquaredHinge,
    "binary_hinge": BinaryHinge,
    "binary_cross_entropy": BinaryCrossEntropy,
    "l2": SquaredError,
    "l1": AbsoluteError,
    "huber": Huber,
}


def loss(choice: str | Loss) -> Loss:
    """A loss: choice is its name or itself; ValueError lists the names, TypeError for others."""
    return resolve(choice, LOSSES, Loss, "loss")
