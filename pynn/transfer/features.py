"""Features: the outputs of a trained model before its head, computed once, to train other heads on."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
from numpy.typing import ArrayLike

from .. import checks
from ..data import arrays
from ..layers.base import IDENTITY
from ..layers.chain import Chain
from ..models.head import fused_across, start
from ..models.sequential import Sequential
from ..training import evaluate, inputs
from ..typing import Array


def features(model: Sequential, x: ArrayLike, layer: str | int | None = None, batch_size: int | None = None) -> Array:
    """Outputs of an inner layer of the model for raw samples, as in `predict`.

    Parameters
    ----------
    model : Sequential
        A built model.
    x : array (N, ...)
        Raw samples.
    layer : str or int, optional
        Its name or index in `model.layers`; by default the layer before the last layer that has parameters. Activations
        are layers: features of "affine1" are those before "relu1".
    batch_size : int, optional
        Samples processed at once, by default as for `predict`; it affects memory and rounding only.

    Returns
    -------
    array (N, ...)
        A new array of the model's dtype.

    Raises
    ------
    RuntimeError
        If the model is not built.
    ValueError
        For an unknown layer, or if x does not fit.

    Notes
    -----
    A head trained on features behaves like a head of the model behind frozen layers, except for rounding, dropout, and
    batch normalization that is not frozen; but the layers before it are computed once instead of once per epoch.

    References
    ----------
    .. [1] CS231n, "Transfer learning" (CNN codes).

    Examples
    --------
    >>> codes = pynn.transfer.features(model, x)
    >>> head = pynn.Sequential(pynn.Affine(5))
    >>> head.fit(codes, y)
    >>> place = {"affine3": "affine1"}  # the model's layer: the head's layer
    >>> pynn.transfer.load_weights(model, head.tensors(), place, layout="pynn", strict=False)
    """
    place = start(model, layer)
    batch_size = evaluate.usual_batch_size(model) if batch_size is None else batch_size
    checks.expect_count("", 1, batch_size=batch_size)
    x = inputs.raw(model, x)
    inputs.accept(model, x, "x")
    shape = model.layers[place - 1].output_shape if place else model.input_shape
    outputs = np.empty((len(x), *shape), model.dtype)
    with model.lock, _trunk(model, place) as trunk:
        for begin in range(0, len(x), batch_size):
            part = slice(begin, begin + batch_size)
            outputs[part] = trunk.forward(arrays.to_model(inputs.transformed(model, x[part]), model.dtype), False)
    return outputs


@contextmanager
def _trunk(model: Sequential, place: int) -> Iterator[Chain]:
    """The layers before this index as a chain; buffers of the model's last training pass are overwritten."""
    trunk, cut = Chain(*model.layers[:place]), fused_across(model, place)
    trunk.context = model.context
    trunk._active = [layer for layer in trunk.layers if any(layer is active for active in model._active)]
    model._stage = 0
    if cut is not None:
        trunk.layers[-1].fuse(IDENTITY)
    try:
        yield trunk
    finally:
        if cut is not None:
            trunk.layers[-1].fuse(cut)
