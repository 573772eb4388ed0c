"""Sample weights and class weights of training and evaluation, put together. Knows losses, must not know models."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from . import data
from .describe import is_number
from .losses import Loss

Array = NDArray[Any]
ClassWeight = Mapping[int, float] | ArrayLike | str


def expect_weighable(loss: Loss) -> None:
    """TypeError where the loss's forward takes no weights."""
    if not _takes_weights(type(loss).forward):
        raise TypeError(
            f"{type(loss).__name__}.forward takes no weights; give it a third parameter, weights=None, "
            "and let it return (1/N) Σ weights_i loss_i"
        )


@functools.lru_cache(maxsize=64)
def _takes_weights(forward: Callable[..., float]) -> bool:
    import inspect  # here: only weights need it

    parameters = inspect.signature(forward).parameters
    return "weights" in parameters or any(one.kind is one.VAR_KEYWORD for one in parameters.values())


def combined(
    loss: Loss,
    targets: Array,
    output_shape: tuple[int, ...],
    sample_weight: ArrayLike | None,
    class_weight: ClassWeight | None,
    name: str = "sample_weight",
) -> Array | None:
    """One weight (N,) for each of the targets, in float64 and with a mean of 1; None where none are asked for.

    Raises TypeError for a loss that takes none, ValueError for weights that are no weights.
    """
    if sample_weight is None and class_weight is None:
        return None
    expect_weighable(loss)
    weights = np.ones(len(targets))
    if sample_weight is not None:
        weights = _up_to_1(data.sample_weights(name, sample_weight, len(targets)))
    if class_weight is not None:
        classes = loss.classes(output_shape)
        if classes is None:
            raise TypeError(
                f"class_weight goes with losses of class labels, which {type(loss).__name__} is not; give sample_weight"
            )
        weights = weights * _up_to_1(of_classes(class_weight, targets, classes))[targets]
    if not weights.any():
        asked = name if class_weight is None else "class_weight" if sample_weight is None else f"{name} · class_weight"
        raise ValueError(f"{asked} is 0 for all {len(weights)} samples, expected at least one of more than 0")
    return np.asarray(weights / weights.mean())


def _up_to_1(weights: Array) -> Array:
    """The same proportions, so that neither products nor sums overflow."""
    return np.asarray(weights / (weights.max() or 1))


def of_classes(class_weight: ClassWeight, labels: Array, classes: int) -> Array:
    """The weight of each class, (C,)."""
    if isinstance(class_weight, str):
        if class_weight != "balanced":
            raise ValueError(f"class_weight is {class_weight!r}, expected 'balanced', a dict or an array ({classes},)")
        counts = np.bincount(labels, minlength=classes)
        return np.asarray(len(labels) / (classes * np.maximum(counts, 1)))  # of a class that does not occur: never read
    if not isinstance(class_weight, Mapping):
        return data.sample_weights("class_weight", class_weight, classes, "class")
    known = {label: weight for label, weight in class_weight.items() if _is_label(label, classes)}
    if unknown := [label for label in class_weight if label not in known]:
        raise ValueError(f"class_weight has the key {unknown[0]!r}, expected labels of 0..{classes - 1}")
    weights = np.ones(classes)
    for label, weight in known.items():
        if not (is_number(weight) and weight >= 0):
            raise ValueError(f"class_weight[{label}] is {weight!r}, expected a finite number of at least 0")
        weights[label] = weight
    return weights


def _is_label(label: object, classes: int) -> bool:
    return isinstance(label, (int, np.integer)) and not isinstance(label, bool) and 0 <= int(label) < classes
