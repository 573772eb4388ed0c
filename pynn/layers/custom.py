"""Passes through a custom layer: common mistakes are corrected or reported."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..data.arrays import as_array
from ..typing import Array, Shape
from .base import Layer
from .buffers import with_owner
from .context import clear_gradients


def forward(layer: Layer, x: Array, training: bool) -> Array:
    """Return the layer's outputs, checked, contiguous and in the model's dtype."""
    return _checked(layer, "forward", layer.forward(x, training), (len(x), *layer.output_shape))


def backward(layer: Layer, dy: Array) -> Array | None:
    """Return the gradient of the layer's inputs, checked likewise; None if it returns None and it is not needed."""
    clear_gradients(layer._custom_parameters)  # so that `self.dNAME += ...` works too
    dx = layer.backward(dy)
    if dx is None and not layer.needs_dx:
        return None
    return with_owner(_checked(layer, "backward", dx, (len(dy), *layer.input_shape)))


def _checked(layer: Layer, method: str, array: Any, shape: Shape) -> Array:
    where = f"{layer.name or layer.kind}: {method}"
    if not isinstance(array, np.ndarray):
        raise TypeError(f"{where} returned {type(array).__name__}, expected an array of shape {shape}")
    if array.shape != shape:
        raise ValueError(f"{where} returned shape {array.shape}, expected {shape}")
    return np.ascontiguousarray(as_array(f"what {where} returned", array), layer.context.dtype)
