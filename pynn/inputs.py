"""Raw data on its way into a model: the model's preprocessing is fitted, checked and applied here.

Knows no losses, and of training only that a validation pair is not trained on.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from . import data
from .describe import expect_instance
from .preprocessing import NotFittedError, Transformer

if TYPE_CHECKING:
    from .sources import Trainable

Array = NDArray[Any]


def prepare(
    model: Trainable, preprocessing: Transformer | None, x: Any, y: Any, validation: Any, later: bool = False
) -> tuple[Transformer | None, Any, Any]:
    """What `fit` trains with: the preprocessing, fitted; x, and validation, transformed by it. Nothing is changed.

    preprocessing: one to fit to x; None for the model's own. An iterable x stays as it is: its batches are transformed
    as they come. later: x stays raw, but checked: its batches are augmented before they are transformed.
    """
    chosen = model.preprocessing if preprocessing is None else preprocessing
    if chosen is None:
        return None, x, validation
    expect_instance(chosen, Transformer, "preprocessing")
    if y is None:
        if not chosen.fitted and not isinstance(x, np.ndarray):  # an array lacks its y, which is said elsewhere
            raise NotFittedError(
                "preprocessing is not fitted, and an iterable of batches cannot fit it: "
                "call preprocessing.fit(x) with an array of training samples first"
            )
        chosen = chosen if preprocessing is None else copy.deepcopy(chosen)
    else:
        x = data.samples("x", x)
        data.check_pairs("x", x, "y", np.asarray(y))
        chosen = chosen if preprocessing is None else chosen.unfitted().fit(x)
        x = chosen.accepted(x, "x", "fit")
        x = x if later else chosen.apply(x, model.dtype)
    if isinstance(validation, (tuple, list)) and len(validation) in (2, 3):  # anything else is refused later
        validation = (chosen.apply(chosen.accepted(validation[0], "validation x"), model.dtype), *validation[1:])
    return chosen, x, validation


def accept(model: Trainable, x: Array, name: str) -> None:
    """Check raw x against the model: its preprocessing where it has one, else its layers, which are built for it."""
    if model.preprocessing is not None:
        model.preprocessing.accepted(x, name, "the model")
    else:
        data.check_finite(name, x, model.dtype)
        model.accept(x, name)


def transformed(model: Trainable, x: Array) -> Array:
    """Raw x that was accepted, as the layers take it; x itself where the model has no preprocessing."""
    return x if model.preprocessing is None else model.preprocessing.apply(x, model.dtype)


def read(model: Trainable, x: ArrayLike, name: str, method: str) -> ArrayLike:
    """Raw x, checked and transformed; as it came where the model has no preprocessing."""
    return x if model.preprocessing is None else transformed(model, model.preprocessing.accepted(x, name, method))


def batches(
    model: Trainable, x: Array, y: Array, batch_size: int, weights: Array | None = None
) -> Iterator[tuple[Array, ...]]:
    """Batches (x, y) or (x, y, weights) in the order of the data, each transformed as it is needed."""
    if model.preprocessing is None:
        yield from data.batches(x, y, min(batch_size, len(x)), dtype=model.dtype, reuse=True, weights=weights)
        return
    for start in range(0, len(x), batch_size):
        part = slice(start, start + batch_size)
        rest = () if weights is None else (weights[part].astype(model.dtype),)
        yield transformed(model, x[part]), y[part], *rest
