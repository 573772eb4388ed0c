"""The gradient of a trained model with respect to its inputs: for saliency maps, fooling images, class pictures."""

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
    """The gradient with respect to raw inputs, as the model predicts: without dropout, with running statistics.

    Parameters
    ----------
    model : Sequential
        The model: ``pynn.gradients(model, x, y)`` and ``model.input_gradient(x, y)`` are the same.
    x : array (N, ...)
        Raw samples as for `predict`: the gradient passes through `model.preprocessing`. Pixels of uint8 are read as
        0..1, and the gradient refers to those.
    y : array (N,), optional
        Targets as for `fit`: the gradient of each sample's own loss, not divided by N, so that a sample's gradient does
        not depend on the others.
    dy : array, optional
        Instead of y: the gradient of Σ dy·outputs. dy has the shape (N, ...) of the raw outputs (scores, not
        probabilities), or the shape of a single sample's outputs, and is then used for all samples.
    loss : Loss or str, optional
        By default the model's own.
    batch_size : int, optional
        As for `predict`.

    Returns
    -------
    array (N, ...)
        A new array of the shape of x.

    Raises
    ------
    RuntimeError
        If the model is not built.
    ValueError
        If the data do not fit, or neither or both of y and dy are passed.
    TypeError
        If custom preprocessing does not define how gradients pass.

    Notes
    -----
    Parameters, gradients, statistics and step stay as they are; freezing has no effect. A later `backward` needs a new
    `forward`. A custom layer works if its `backward` belongs to its last `forward`, even with training=False.

    References
    ----------
    .. [1] Simonyan et al., "Deep Inside Convolutional Networks", 2014.
    .. [2] Goodfellow et al., "Explaining and Harnessing Adversarial Examples", 2015 (fast gradient sign).
    .. [3] CS231n, "Visualizing what ConvNets learn"; assignment 3, "Network Visualization".

    Examples
    --------
    A model of digits, images (N, 8, 8, 1) of 0..1 and their labels, and an array with a row of scores for each class:

    >>> digits = pynn.datasets.digits()
    >>> model = pynn.Sequential(pynn.Flatten(), pynn.Affine(64), pynn.ReLU(), pynn.Affine(10))
    >>> history = model.fit(*digits.train, optimizer=pynn.Adam(3e-3), epochs=10, progress=False)
    >>> x, y, scores = digits.test[0] / 255, digits.test[1], np.eye(10)

    A saliency map: the pixels on which the score of the sample's class depends.

    >>> pixels = abs(pynn.gradients(model, x, dy=scores[y])).max(axis=-1)

    Images that fool the model: a small step along the sign of the loss's gradient; or steps towards a class, here 3.

    >>> fooled = model.predict(x + 0.1 * np.sign(pynn.gradients(model, x, y)))
    >>> threes = x.copy()
    >>> for _ in range(50):
    ...     threes -= 0.1 * pynn.gradients(model, threes, np.full(len(x), 3))

    A picture of class 3: the image of the highest score, by gradient ascent from grey with a penalty on its size.

    >>> picture = np.full((1, 8, 8, 1), 0.5)
    >>> for _ in range(100):
    ...     picture += 0.1 * pynn.gradients(model, picture, dy=scores[3]) - 0.01 * picture
    ...     picture = picture.clip(0, 1)
    """
    checks.expect_instance(model, Model, "model")
    if not model.built:
        raise RuntimeError("the model is not built yet, so it has no gradients: fit it, load it or build it")
    if (y is None) == (dy is None):
        raise ValueError(
            "the input gradient takes y, for that of the loss, or dy, for that of Σ dy·outputs: "
            f"got {'neither' if y is None else 'both'}"
        )
    size = evaluate.usual_batch_size(model) if batch_size is None else batch_size
    checks.expect_count("", 1, batch_size=size)
    chosen = chosen_loss(model, loss)
    if y is not None:
        x, targets, _ = checked_pair(model, chosen, (x, y), "", raw=True)
    else:
        if loss is not None:
            raise ValueError("loss needs y; dy is itself the gradient of the outputs")
        x = inputs.raw(model, x)
        inputs.accept(model, x, "x")
        targets = _weights_of_outputs(model, dy, len(x))
    result = np.empty(x.shape, model.dtype)
    with _inputs_only(model):
        for start in range(0, len(x), size):
            part = slice(start, start + size)
            result[part] = _of_part(model, x[part], targets[part], None if y is None else chosen)
    return result


gradients = input_gradient  # pynn.gradients


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
        if type(dy) is not np.ndarray or dy.dtype != model.dtype:  # of a custom loss
            dy = np.ascontiguousarray(dy, model.dtype)
    if dy.shape != outputs.shape:
        raise ValueError(f"{loss!r}.backward returned shape {dy.shape}, expected that of the outputs, {outputs.shape}")
    dx = model._back_through(dy, input_gradient=True)
    assert dx is not None
    if loss is not None:
        dx *= len(x)  # the loss is the mean over the batch
    return dx if model.preprocessing is None else model.preprocessing.back(dx, x)


@contextmanager
def _inputs_only(model: Model) -> Iterator[None]:
    """Within this context backward passes may follow evaluation and leave the gradients of the parameters unchanged."""
    with model.lock:
        model.segments()  # updates the frozen state
        gradients = model.gradients.copy()  # some layers overwrite them anyway
        model.context.inputs_only = True
        try:
            yield
        finally:
            model.context.inputs_only = False
            model.gradients[...] = gradients
