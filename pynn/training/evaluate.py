"""Evaluation and prediction of a trained model on arrays and iterables."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from .. import checks
from ..layers.embedding import UnknownCode
from ..signatures import answering
from ..typing import Array
from . import inputs, sample_weights, targets
from .measures import Measures, Metrics, measure, not_finite
from .sample_weights import ClassWeight, expect_no_weights
from .sources import checked_pair, streamed
from .trainable import Batch, Trainable

BATCH = 1024  # samples processed at once
LARGEST_OUTPUT = 1 << 22  # numbers in a layer's output, 16 MB of float32; larger ones do not fit into caches


@answering
def evaluate(
    model: Trainable,
    x: ArrayLike | Iterable[Batch],
    y: ArrayLike | None = None,
    batch_size: int | None = None,
    *,
    sample_weight: ArrayLike | None = None,
    class_weight: ClassWeight | None = None,
    metrics: Metrics | None = None,
) -> dict[str, float]:
    """Loss and accuracy as the model predicts: without dropout, with running statistics.

    Parameters
    ----------
    model : Sequential
        The model; ``model.evaluate(x, y)`` passes it.
    x : array (N, ...) or iterable
        Raw samples; or batches (x, y) or (x, y, weights), such as a data loader.
    y : array (N,), optional
        Targets; left out if x is an iterable.
    batch_size : int, optional
        Samples processed at once: 1024 by default, fewer if a layer outputs more than 4096 numbers per sample. It
        affects memory and rounding only.
    sample_weight : array (N,), optional
        As in `fit`; loss and accuracy are weighted means, Σ w_i l_i / Σ w_i.
    class_weight : dict, array (C,) or "balanced", optional
        As in `fit`.
    metrics : list, optional
        As in `fit`, in place of the accuracy.

    Returns
    -------
    dict
        Measurements by name.
    """
    _expect_built(model, "evaluate")
    batch_size = usual_batch_size(model) if batch_size is None else batch_size
    checks.expect_count("", 1, batch_size=batch_size)
    measures = Measures(metrics)
    measures.check(model.loss)
    if y is None:
        expect_no_weights(sample_weight, class_weight)
        return measure(model, streamed(model, model.loss, x, "x"), measures)
    pair = checked_pair(model, model.loss, (x, y), "", raw=True)
    classes = None if model.targets is None else model.targets.classes
    weights = sample_weights.combined(
        model.loss, pair.y, model.output_shape, sample_weight, class_weight, classes=classes
    )
    return measure(model, inputs.batches(model, pair._replace(weights=weights), batch_size), measures)


def _expect_built(model: Trainable, method: str) -> None:
    if not model.built:
        raise RuntimeError(f"{method} was called on a model that is not built yet: fit it, load it or build it first")


def predict_outputs(model: Trainable, x: Any, batch_size: int | None = None) -> Array:
    """The model's raw outputs (N, ...) for raw x (N, ...) or batches of it, as a new array."""
    _expect_built(model, "predict")
    if inputs.is_stream(x):
        parts: list[Array] = []
        for part in x:
            try:
                samples = part[0] if isinstance(part, (tuple, list)) else part
                parts.append(predict_outputs(model, samples, batch_size))
            except UnknownCode as error:
                error.place_after(sum(map(len, parts)))
                raise
        if not parts:
            raise ValueError("x gave no batches; an exhausted iterator gives none")
        return np.concatenate(parts)
    batch_size = usual_batch_size(model) if batch_size is None else batch_size
    checks.expect_count("", 1, batch_size=batch_size)
    x = inputs.raw(model, x)
    inputs.accept(model, x, "x")
    result, lost = np.empty((len(x), *model.output_shape), model.dtype), 0
    with model.lock.held():
        for start in range(0, len(x), batch_size):
            part = slice(start, start + batch_size)
            try:
                result[part] = model.forward(inputs.transformed(model, x[part]))
            except UnknownCode as error:
                error.place_after(start)
                raise
            if (undefined := model.loss._undefined(result[part])) is not None:
                lost += np.count_nonzero(undefined)
    if lost:
        checks.warn(
            f"the outputs of {lost} of {len(x)} samples are NaN, so predictions for them are meaningless: "
            f"{not_finite(model) or 'intermediate numbers overflow'}; train the model again with a lower learning rate"
        )
    return result


def predictions(model: Trainable, x: Any, batch_size: int | None = None) -> Array:
    """Predictions for raw x (N, ...), in the shape and kind of the targets that the model was fitted to."""
    outputs = predict_outputs(model, x, batch_size)
    targets.expect_scores(model.loss, outputs)
    predicted = model.loss.predict(outputs)
    form = targets.known(model, model.loss)  # None if the model has been given another kind of loss
    return predicted if form is None else form.decode(model.loss, predicted)


def deviations(model: Trainable, x: Any, batch_size: int | None = None) -> Array:
    """Standard deviations that the model predicts for raw x (N, ...), in the units and the shape of its targets."""
    form = targets.known(model, model.loss) or targets.Targets()
    measured = form.measured(model.loss, predict_outputs(model, x, batch_size))
    return form.shaped(model.loss._deviations(measured))


def usual_batch_size(model: Trainable) -> int:
    """Samples that a built model processes at once outside training: 1024, fewer if its layers are large."""
    largest = max(math.prod(layer.output_shape) for layer in model.walk())
    return max(1, min(BATCH, LARGEST_OUTPUT // max(largest, 1)))
