"""Whether models can be averaged, and what is averaged: probabilities or outputs. Knows no ensemble."""

from __future__ import annotations

from typing import Any

from ..layers.hierarchical import HierarchicalCrossEntropy
from ..losses import BinaryCrossEntropy, Loss
from ..losses.attributes import AttributeLoss
from ..losses.labels import LabelLoss
from ..losses.softmax import SoftmaxLoss
from ..models.sequential import Sequential

SOFTMAX, TREE, SIGMOID, NUMBERS = "softmax", "tree", "sigmoid", "numbers"  # what is averaged


def kind(loss: Loss) -> str:
    """What is averaged; a custom class that reads its outputs differently counts as numbers."""
    cls = type(loss)
    if isinstance(loss, HierarchicalCrossEntropy):
        return TREE
    if cls.probabilities is SoftmaxLoss.probabilities and cls.predict is LabelLoss.predict:
        return SOFTMAX
    if cls.probabilities is BinaryCrossEntropy.probabilities and cls.predict is AttributeLoss.predict:
        return SIGMOID
    return NUMBERS


def output_shape(model: Sequential) -> tuple[int, ...]:
    loss = model.loss
    return (loss.classes(model.output_shape),) if isinstance(loss, HierarchicalCrossEntropy) else model.output_shape


def _classes(model: Sequential) -> list[Any] | None:
    return None if model.classes is None else model.classes.tolist()


def _raw_shape(model: Sequential) -> tuple[int, ...]:
    return model.input_shape if model.preprocessing is None else tuple(model.preprocessing.input_shape_)


def expect_alike(first: Sequential, model: Sequential, number: int) -> None:
    for label, expected, value in (
        ("takes samples of shape", _raw_shape(first), _raw_shape(model)),
        ("has outputs of shape", output_shape(first), output_shape(model)),
        ("was trained with the loss", type(first.loss).__name__, type(model.loss).__name__),
        ("has the classes", _classes(first), _classes(model)),
        ("was fitted to the columns", first.columns, model.columns),
    ):
        if value != expected:
            raise ValueError(
                f"member {number} {label} {value}, but member 0 {expected}; an ensemble's members must agree"
            )
