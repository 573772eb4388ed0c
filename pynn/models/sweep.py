"""A forward pass that stops at each layer with a weight, adjusts that weight, and goes on with the new outputs.

Knows no rule of adjustment: that is `data_dependent` and `lsuv`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager

import numpy as np
from numpy.typing import ArrayLike

from .. import checks
from ..data import arrays
from ..layers import Embedding, PeriodicEmbedding
from ..layers.base import IDENTITY, Activation, Layer
from ..messages.terminal import called
from ..training import inputs
from ..typing import Array
from .sequential import Sequential

Adjust = Callable[[Layer, Array, Callable[[], Array]], None]  # layer, weight, function of its outputs


def sweep(
    where: str,
    model: Sequential,
    x: ArrayLike,
    adjust: Adjust,
    leave: str | Iterable[str],
    finish: Callable[[Sequential, Array, Iterable[str]], None] | None = None,
) -> dict[str, float]:
    """Run x through the model, stopping at each layer with a weight, then call `finish`; undo everything on failure."""
    checks.expect_instance(model, Sequential, f"{where}: model")
    batch = inputs.read(model, x, "x", where)
    arrays.check_finite("x", batch, model.dtype)
    if len(batch) < 2 or (batch == batch[:1]).all():
        raise ValueError(f"{where}: x has no variance: expected at least 2 samples that differ, got {len(batch)}")
    with model.lock, model.same_masks():
        new = not model.built
        model.accept(batch)
        parameters = model.parameters.copy()
        deviations: dict[str, float] = {}
        try:
            with _statistics_restored(model):
                with _stops(model, adjust, _unchanged(model, leave, where), deviations):
                    model.forward(batch)
                if finish is not None:
                    finish(model, batch, deviations)
        except BaseException:
            model.parameters = parameters
            if new:
                model.unbuild()
            raise
        return deviations


def _weight(layer: Layer) -> Array | None:
    for parameter in layer.declared:
        if parameter.name == "weight" and len(parameter.shape) >= 2:
            return parameter.value
    return None


def _unchanged(model: Sequential, leave: str | Iterable[str], where: str) -> set[str]:
    """Names of the layers to leave unchanged, with frozen layers and embeddings, whose vectors are no sums over inputs.

    ValueError for a layer without a weight.
    """
    names = {leave} if isinstance(leave, str) else set(leave)
    layers = {layer.name: layer for layer in model.walk() if _weight(layer) is not None}
    if unknown := names - layers.keys():
        raise ValueError(f"{where}: leave names {sorted(unknown)}, the layers with a weight are {', '.join(layers)}")
    embedding = (Embedding, PeriodicEmbedding)
    names.update(name for name, layer in layers.items() if layer.freezes("weight") or isinstance(layer, embedding))
    if not layers.keys() - names:
        raise ValueError(
            f"{where}: no layer has a weight of two or more axes, or all are left out or frozen; embeddings stay"
        )
    return names


@contextmanager
def _statistics_restored(model: Sequential) -> Iterator[None]:
    """Restore running statistics afterwards."""
    states = [(array, array.copy()) for layer in model.walk() for array in layer.state.values()]
    try:
        yield
    finally:
        for array, before in states:
            array[...] = before


@contextmanager
def _stops(model: Sequential, adjust: Adjust, unchanged: set[str], deviations: dict[str, float]) -> Iterator[None]:
    """Within this context a forward pass adjusts each layer with a weight and records the deviation of its outputs."""
    fused = {id(layer.fused_into): layer for layer in model.walk() if isinstance(layer, Activation)}
    stopped = [layer for layer in model.walk() if layer.state or _weight(layer) is not None]
    try:
        for layer in stopped:
            weight = None if layer.name in unchanged else _weight(layer)
            vars(layer)["forward"] = _stop(layer, weight, fused.get(id(layer)), adjust, deviations)
        yield
    finally:
        for layer in stopped:
            vars(layer).pop("forward", None)


def _stop(
    layer: Layer, weight: Array | None, activation: Activation | None, adjust: Adjust, deviations: dict[str, float]
) -> Callable[[Array, bool], Array]:
    """The layer's forward, preceded by the adjustment of its weight."""
    forward = layer.forward

    def run(x: Array, training: bool) -> Array:
        training = training or bool(layer.state)  # use statistics of the batch instead of running ones
        if weight is not None:
            try:
                if activation is not None:
                    layer.fuse(IDENTITY)
                adjust(layer, weight, lambda: forward(x, training))
                deviations[layer.name] = float(outputs_as_rows(layer, forward(x, training)).std())
            finally:
                if activation is not None:
                    layer.fuse(activation)
        return forward(x, training)

    return run


def outputs_as_rows(layer: Layer, y: Array) -> Array:
    """A layer's outputs as float64 (samples and positions, units); ValueError if they are not finite."""
    rows = np.asarray(y, np.float64).reshape(-1, y.shape[-1] if y.ndim > 1 else 1)
    if not np.isfinite(rows).all():
        raise ValueError(f"{called(layer)}: its outputs are not finite; scale x, or use smaller weights")
    return rows
