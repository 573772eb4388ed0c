"""What a trained model makes of its inputs before its head: features, computed once, for heads of one's own."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
from numpy.typing import ArrayLike

from .. import checks
from ..data import arrays
from ..layers.activations import IDENTITY
from ..layers.chain import Chain
from ..models.head import fused_across, start
from ..models.sequential import Sequential
from ..training import evaluate, inputs
from ..typing import Array


def features(model: Sequential, x: ArrayLike, layer: str | int | None = None, batch_size: int | None = None) -> Array:
    """Outputs (N, ...) of a layer inside the model for raw x (N, ...), in a new array of the model's dtype.

    >>> codes = pynn.transfer.features(model, x)
    >>> head = pynn.Sequential(pynn.Affine(5))
    >>> head.fit(codes, y)
    >>> place = {"affine3": "affine1"}                           # where the model has it: its layer, the head's layer
    >>> pynn.transfer.load_weights(model, head.tensors(), place, layout="pynn", strict=False)

    layer: its name or place in `model.layers`; by default the one before the head, the last layer that has parameters.
    An activation is a layer of its own: features of "affine1" are those before "relu1".
    As in `predict`: preprocessing applied, no dropout, running statistics. A head that is trained on them goes the way
    that it goes in the model behind frozen layers, but for rounding, dropout there and batch normalization that is not
    frozen; and it costs the layers before it once, not once an epoch.
    batch_size: samples worked on at once, by default as for `predict`; it changes nothing but memory and rounding.
    Raises RuntimeError for a model that is not built, ValueError for a layer that is not there and for x that does not
    fit. Source: CS231n, "Transfer learning" (CNN codes).
    """
    place = start(model, layer)
    batch_size = evaluate.batch_size(model) if batch_size is None else batch_size
    checks.check_count("batch_size", batch_size, 1)
    x = inputs.raw(model, x)
    inputs.accept(model, x, "x")
    shape = model.layers[place - 1].output_shape if place else model.input_shape
    found = np.empty((len(x), *shape), model.dtype)
    with model.lock, _trunk(model, place) as trunk:
        for begin in range(0, len(x), batch_size):
            part = slice(begin, begin + batch_size)
            found[part] = trunk.forward(arrays.to_model(inputs.transformed(model, x[part]), model.dtype), False)
    return found


@contextmanager
def _trunk(model: Sequential, place: int) -> Iterator[Chain]:
    """The layers before this place as a chain; buffers of the model's last training pass are used up."""
    trunk, cut = Chain(*model.layers[:place]), fused_across(model, place)
    trunk.context = model.context
    trunk._active = [layer for layer in trunk.layers if any(layer is one for one in model._active)]
    model._stage = 0
    if cut is not None:
        trunk.layers[-1].fuse(IDENTITY)
    try:
        yield trunk
    finally:
        if cut is not None:
            trunk.layers[-1].fuse(cut)
