"""Validation data during training: a pair, a share of the training data, batches, or a function."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import ArrayLike

from ..checks import is_number
from ..data import arrays
from ..data.batches import Samples, epoch_of
from ..data.split import Split
from ..losses import Loss
from ..messages.terminal import brief
from ..typing import Array
from . import inputs, sample_weights
from .evaluate import usual_batch_size
from .measures import Measures, measure
from .sources import checked_batch, streamed
from .targets import Targets
from .trainable import Batch, Trainable

Held = tuple[ArrayLike, ArrayLike] | tuple[ArrayLike, ArrayLike, ArrayLike]
Validation: TypeAlias = Held | float | Split | Iterable[Batch] | Callable[[Any], Mapping[str, float]]


def separated(x: Any, y: Array, sample_weight: Any, validation: Any, seed: int) -> tuple[tuple[Any, Array, Any], Any]:
    """The samples to train on as (x, y, sample_weight), and the validation data, both copies if validation is a share.

    seed: of the split, if the share has none.
    """
    if is_number(validation):
        validation = Split(validation, stratify=False)
    if not isinstance(validation, Split):
        return (x, y, sample_weight), validation
    train, held_out = validation.places(x, y, seed)
    if sample_weight is None:
        return (x[train], y[train], None), (x[held_out], y[held_out])
    weights = arrays.sample_weights("sample_weight", sample_weight, len(x))
    return (x[train], y[train], weights[train]), (x[held_out], y[held_out], weights[held_out])


def expect_no_share(validation: Any) -> None:
    """TypeError for a share of an iterable."""
    if is_number(validation) or isinstance(validation, Split):
        raise TypeError(f"validation is {brief(validation)}: a share needs arrays x and y, not an iterable")


def is_stream(validation: Any) -> bool:
    """Whether it yields batches: a data loader, or a list of (x, y) tuples."""
    if isinstance(validation, tuple):
        return False
    if isinstance(validation, list) and validation:
        return all(isinstance(batch, tuple) and len(batch) in (2, 3) for batch in validation)
    return not is_function(validation) and inputs.is_stream(validation)


def is_function(validation: Any) -> bool:
    """Whether it is a function that measures the model."""
    return callable(validation) and not isinstance(validation, type)


def held_out(model: Trainable, loss: Loss, validation: Any, form: Targets | None = None) -> Samples | None:
    """The validation data, checked, with weights of mean 1 or None; None if there are none.

    x is the input of the layers. form: of the targets, by default the model's.
    """
    if validation is None or is_function(validation):
        return None
    if is_stream(validation):
        if isinstance(validation, Iterator):
            raise TypeError(
                f"validation is {type(validation).__name__}, which can be iterated only once; pass a list or an "
                "object whose __iter__ restarts"
            )
        return None
    held = checked_batch(model, loss, validation, "validation", form)
    if held.weights is None:
        return held
    weights = sample_weights.combined(loss, held.y, model.output_shape, held.weights, None, "validation weights")
    return held._replace(weights=weights)


def validator(
    model: Trainable,
    validation: Any,
    held: Samples | None,
    measures: Measures,
) -> Callable[[], dict[str, float]] | None:
    """The function that measures the model after each epoch, else None."""
    if held is not None:
        return functools.partial(_measured, model, held, measures)
    if is_function(validation):
        return functools.partial(_own, model, validation)
    return functools.partial(_streamed, model, validation, measures) if is_stream(validation) else None


def _measured(model: Trainable, held: Samples, measures: Measures) -> dict[str, float]:
    batches = epoch_of(held, usual_batch_size(model), model.dtype, reuse=True)
    return {f"val_{name}": value for name, value in measure(model, batches, measures, model.context.group).items()}


def _streamed(model: Trainable, source: Any, measures: Measures) -> dict[str, float]:
    batches = streamed(model, model.loss, source, "validation")
    return {f"val_{name}": value for name, value in measure(model, batches, measures, model.context.group).items()}


def _own(model: Trainable, function: Callable[[Any], Mapping[str, float]]) -> dict[str, float]:
    values = function(model)
    if not isinstance(values, Mapping):
        raise TypeError(f"the validation function returned {type(values).__name__}, expected a dict of numbers by name")
    for name, value in values.items():
        if not isinstance(name, str):
            raise TypeError(f"the validation function returned the name {name!r}, expected text")
        if not isinstance(value, (int, float, np.integer, np.floating)):
            raise TypeError(f"the validation function returned {brief(value)} for {name!r}, expected a number")
    return {name if name.startswith("val_") else f"val_{name}": float(value) for name, value in values.items()}


def names(validation: Any, measured: Sequence[str]) -> list[str]:
    """The names of the validation measurements as far as they are known: none for a function."""
    return [] if validation is None or is_function(validation) else [f"val_{name}" for name in measured]
