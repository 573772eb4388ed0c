"""Losses: a number to minimize and its gradient, the mean over the batch. Must not know models."""

from __future__ import annotations

from ..describe import resolve
from .base import Loss
from .focal import Focal
from .hinge import Hinge, SquaredHinge
from .softmax import SoftmaxCrossEntropy
from .structured import Decoder, StructuredHinge, ViterbiChain

__all__ = ["LOSSES", "Decoder", "Loss", "SoftmaxCrossEntropy", "StructuredHinge", "ViterbiChain", "loss"]
__all__ = ["LOSSES", "Focal", "Hinge", "Loss", "SoftmaxCrossEntropy", "SquaredHinge", "loss"]

LOSSES: dict[str, type[Loss]] = {
    "softmax_cross_entropy": SoftmaxCrossEntropy,
    "focal": Focal,
    "hinge": Hinge,
    "squared_hinge": SquaredHinge,
}


def loss(choice: str | Loss) -> Loss:
    """A loss from its name or itself; ValueError lists the names."""
    return resolve(choice, LOSSES, Loss, "loss")
