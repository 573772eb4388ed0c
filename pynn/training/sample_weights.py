"""Sample weights and class weights of training and evaluation, combined. Knows losses, must not know models."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from ..checks import is_number
from ..data import arrays
from ..data.tables import listed
from ..losses import Loss
from ..losses.attributes import AttributeLoss
from ..messages.terminal import brief
from ..typing import Array

ClassWeight = Mapping[Any, float] | ArrayLike | str


def expect_weighable(loss: Loss) -> None:
    """TypeError if the loss's forward takes no weights."""
    if not _takes_weights(type(loss).forward):
        raise TypeError(
            f"{type(loss).__name__}.forward takes no weights; give it a third parameter, weights=None, "
            "and return (1/N) Σ weights_i loss_i"
        )


@functools.lru_cache(maxsize=64)
def _takes_weights(forward: Callable[..., float]) -> bool:
    import inspect  # here: only weights need it

    parameters = inspect.signature(forward).parameters
    return "weights" in parameters or any(parameter.kind is parameter.VAR_KEYWORD for parameter in parameters.values())


def combined(
    loss: Loss,
    targets: Array,
    output_shape: tuple[int, ...],
    sample_weight: ArrayLike | None,
    class_weight: ClassWeight | None,
    name: str = "sample_weight",
    classes: Array | None = None,
) -> Array | None:
    """One weight (N,) per target, in float64 with mean 1; None if neither kind of weights is passed.

    classes: the user's labels, in the order of the classes; None if they are 0..C-1. Raises TypeError for a loss that
    takes no weights, ValueError for invalid weights.
    """
    if sample_weight is None and class_weight is None:
        return None
    expect_weighable(loss)
    weights = np.ones(len(targets))
    if sample_weight is not None:
        weights = _up_to_1(arrays.sample_weights(name, sample_weight, len(targets)))
    if class_weight is not None:
        if targets.ndim > 1 and loss.classes(output_shape) is not None:
            raise TypeError(
                f"class_weight needs one label per sample, but y has shape {targets.shape}; pass sample_weight (N,)"
            )
        places, count = _classes(loss, targets, output_shape)
        weights = weights * _up_to_1(of_classes(class_weight, places, count, classes))[places]
    if not weights.any():
        asked = name if class_weight is None else "class_weight" if sample_weight is None else f"{name} · class_weight"
        raise ValueError(f"{asked} is 0 for all {len(weights)} samples, expected at least one above 0")
    return np.asarray(weights / weights.mean())


def _up_to_1(weights: Array) -> Array:
    """The weights divided by the largest, so that neither products nor sums overflow."""
    return np.asarray(weights / (weights.max() or 1))


def _classes(loss: Loss, targets: Array, output_shape: tuple[int, ...]) -> tuple[Array, int]:
    """The class of each target, and the number of classes: two if a single output answers yes or no."""
    count = loss.classes(output_shape)
    if count is not None:
        return targets, count
    if isinstance(loss, AttributeLoss) and math.prod(output_shape) == 1:
        return (targets.reshape(-1) > loss._middle).astype(np.int64), 2
    hint = "; several answers per sample have no class" if isinstance(loss, AttributeLoss) else ""
    raise TypeError(
        f"class_weight needs a loss of class labels, which {type(loss).__name__} is not; pass sample_weight{hint}"
    )


def of_classes(class_weight: ClassWeight, labels: Array, classes: int, names: Array | None = None) -> Array:
    """The weight of each class, (C,); names: the user's labels, 0..C-1 by default."""
    if isinstance(class_weight, str):
        if class_weight != "balanced":
            raise ValueError(
                f"class_weight is {brief(class_weight)}, expected 'balanced', a dict or an array ({classes},)"
            )
        counts = np.bincount(labels, minlength=classes)
        return np.asarray(len(labels) / (classes * np.maximum(counts, 1)))  # absent classes are never read
    if not isinstance(class_weight, Mapping):
        return arrays.sample_weights("class_weight", class_weight, classes, "class")
    places = {label: place for place, label in enumerate(range(classes) if names is None else names.tolist())}
    weights = np.ones(classes)
    for label, weight in class_weight.items():
        if label not in places or (names is None and isinstance(label, (bool, float))):
            expected = f"labels of 0..{classes - 1}" if names is None else f"labels of {listed(names.tolist(), 10)}"
            raise ValueError(f"class_weight has the key {brief(label)}, expected {expected}")
        if not (is_number(weight) and weight >= 0):
            raise ValueError(f"class_weight[{label!r}] is {brief(weight)}, expected a finite number of at least 0")
        weights[places[label]] = weight
    return weights


def expect_no_weights(sample_weight: Any, class_weight: Any) -> None:
    """TypeError for weights beside an iterable."""
    if not (sample_weight is None and class_weight is None):
        raise TypeError(
            "sample_weight and class_weight need arrays x and y; an iterable yields (x, y, weights) batches"
        )
