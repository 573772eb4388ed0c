"""The gradient of a trained model with respect to its inputs: which pixels matter, and images that fool it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from .. import checks
from ..data import arrays
from ..losses import Loss
from ..training import evaluate, inputs
from ..training.sources import checked_pair
from ..training.trainable import chosen_loss
from ..typing import Array
from .model import Model


def input_gradient(
    model: Model,
    x: ArrayLike,
    y: ArrayLike | None = None,
    *,
    dy: ArrayLike | None = None,
    loss: str | Loss | None = None,
    batch_size: int | None = None,
) -> Array:
    """The gradient with respect to raw x (N, ...), of its shape, as the model predicts: a new array.

    Without dropout and noise, with the running statistics of batch normalization. Parameters, gradients, statistics and
    step stay as they are, and what is frozen does not matter. A `backward` needs a new `forward` after it.

    >>> slopes = model.input_gradient(x, y)                             # of each sample's loss
    >>> pixels = abs(model.input_gradient(x, dy=np.eye(10)[y])).max(-1)   # of the score of class y: a saliency map
    >>> fooled = model.predict(x + 0.02 * np.sign(slopes))              # the fast gradient sign method

    y: targets as `fit` takes them: the gradient of each sample's own loss. It is not divided by N, so that a sample's
        gradient does not depend on those beside it. loss: an object or a name; by default the model's.
    dy: in the place of y, the gradient of Σ dy·outputs: numbers (N, ...) like the raw outputs (scores, not
        probabilities), or like the outputs of one sample, for all.
    x is what `predict` takes: the gradient passes through `model.preprocessing`. Pixels of uint8 are read as 0..1, and
    the gradient is with respect to those. batch_size: as for `predict`.
    An own layer takes part where its `backward` fits its last `forward`, also one with training=False.
    Raises RuntimeError for a model that is not built, ValueError or TypeError for data that it cannot take, for neither
    or both of y and dy, and for a preprocessing of your own that does not say how gradients pass.
    Source: Simonyan et al. 2014, "Deep inside convolutional networks"; Goodfellow et al. 2015 (fast gradient sign).
    """
    if not model.built:
        raise RuntimeError("input_gradient was called on a model that is not built yet: fit it, load it or build it")
    if (y is None) == (dy is None):
        raise ValueError(
            "input_gradient takes y, for the gradient of the loss, or dy, for that of Σ dy·outputs: "
            f"got {'neither' if y is None else 'both'}"
        )
    size = evaluate.batch_size(model) if batch_size is None else batch_size
    checks.check_count("batch_size", size, 1)
    goal = chosen_loss(model, loss)
    if y is not None:
        x, targets = checked_pair(model, goal, (x, y), "", raw=True)
    else:
        if loss is not None:
            raise ValueError("loss goes with y; dy is the gradient of the outputs itself")
        x = inputs.raw(model, x)
        inputs.accept(model, x, "x")
        targets = _weights_of_outputs(model, dy, len(x))
    result = np.empty(x.shape, model.dtype)
    with _inputs_only(model):
        for start in range(0, len(x), size):
            part = slice(start, start + size)
            result[part] = _of_part(model, x[part], targets[part], None if y is None else goal)
    return result


def _weights_of_outputs(model: Model, dy: Any, count: int) -> Array:
    """dy (N, ...) in the model's dtype."""
    array, shape = np.asarray(dy), (count, *model.output_shape)
    if array.dtype.kind not in "fiub":
        raise TypeError(f"dy has dtype {array.dtype}, expected numbers")
    if array.shape not in (shape, model.output_shape):
        raise ValueError(f"dy has shape {array.shape}, expected {shape} like the outputs, or {model.output_shape}")
    arrays.check_finite("dy", array.reshape(-1, *model.output_shape), model.dtype)
    return np.broadcast_to(array, shape).astype(model.dtype)


def _of_part(model: Model, x: Array, targets: Array, loss: Loss | None) -> Array:
    outputs = model.forward(inputs.transformed(model, x))
    if loss is None:
        dy = np.ascontiguousarray(targets)
    else:
        loss.forward(outputs, targets)
        dy = loss.backward()
        if type(dy) is not np.ndarray or dy.dtype != model.dtype:  # an own loss's
            dy = np.ascontiguousarray(dy, model.dtype)
    if dy.shape != outputs.shape:
        raise ValueError(f"{loss!r}.backward returned shape {dy.shape}, expected that of the outputs, {outputs.shape}")
    dx = model._back_through(dy, input_gradient=True)
    assert dx is not None
    if loss is not None:
        dx *= len(x)  # the loss is the mean over the batch
    return dx if model.preprocessing is None else model.preprocessing.back(dx)


@contextmanager
def _inputs_only(model: Model) -> Iterator[None]:
    """Backward passes in it follow evaluation and leave the gradients of the parameters as they were."""
    with model.lock:
        model.segments()  # follows what was frozen since
        gradients = model.gradients.copy()  # not all layers can leave them alone
        model.context.inputs_only = True
        try:
            yield
        finally:
            model.context.inputs_only = False
            model.gradients[...] = gradients
