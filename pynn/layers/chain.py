"""Chain: layers in sequence, with shape inference and fusion; the core of Sequential and of composite layers.

Must not know the flat vector, losses or training.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from .. import checks
from ..data.arrays import as_array
from ..typing import Array, Shape
from .base import Activation, Layer
from .buffers import GradientBuffers, with_owner
from .selection import Selection
from .whole import layers_in


class Chain(Selection):
    """Layers in sequence: y = f_n(... f_1(x)).

    Parameters
    ----------
    *layers : Layer
        The layers, each a separate object.

    Raises
    ------
    ValueError
        If the same layer occurs twice.

    Notes
    -----
    `build` infers every shape and fuses activations into the layers before them.
    """

    def __init__(self, *layers: Layer) -> None:
        if len(layers) == 1 and isinstance(layers[0], (list, tuple)):
            raise TypeError(f"{type(self).__name__} takes the layers one by one; write {type(self).__name__}(*layers)")
        for position, layer in enumerate(layers):
            checks.expect_instance(layer, Layer, f"layer {position}")
        if len({id(layer) for layer in layers}) < len(layers):
            raise ValueError(
                "the same layer occurs twice in one model; make a second one (layers do not share weights)"
            )
        self.layers = layers
        self._active: list[Layer] = []

    def children(self) -> tuple[Layer, ...]:
        if not self.users_own:
            return self.layers
        held = {id(inner) for layer in self.layers for inner in layer.walk()}
        return (*self.layers, *(one for one in layers_in(self, Layer) if id(one) not in held))

    def _share_context(self) -> None:
        """Done later, in `build`: a model first checks whose layers they are."""

    def build(self, input_shape: Shape) -> Shape:
        shape = tuple(input_shape)
        super()._share_context()
        self._shared = self._shared or GradientBuffers()
        shares = type(self).backward.__module__.startswith("pynn.")  # a custom one may keep or add gradients
        after: Activation | None = None
        for layer in reversed(self.layers):
            layer.followed_by = after
            if isinstance(layer, Activation):
                after = layer
            elif not layer.passes_activation:
                after = None
        for position, layer in enumerate(self.layers):
            layer._shared = self._shared if shares and not layer.users_own else None
            try:
                shape = layer.build(shape)
            except ValueError as cause:
                raise ValueError(f"layer {position} ({layer.kind}): {cause}") from cause
        self._fuse()
        return shape

    def _fuse(self) -> None:
        self._active = []
        before: Layer | None = None  # a second activation in a row must not replace the first
        for layer in self.layers:
            if isinstance(layer, Activation) and before is not None and _may_fuse(before, layer) and before.fuse(layer):
                layer.fused_into = before
            else:
                self._active.append(layer)
            before = layer

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__(state)
        if self._active:
            self._fuse()

    def forward(self, x: Array, training: bool) -> Array:
        for layer in self._active:
            y = layer.forward(x, training)
            x = self._taken(layer, "forward", y, (len(x), *layer.output_shape)) if layer.users_own else y
        return x

    def backward(self, dy: Array) -> Array | None:
        gradient: Array | None = dy
        for layer in reversed(self._active):
            if gradient is None:
                break
            gradient = self._own_backward(layer, gradient) if layer.users_own else layer.backward(gradient)
        return gradient

    def _own_backward(self, layer: Layer, dy: Array) -> Array | None:
        """Backward pass of a custom layer; common mistakes are corrected or reported."""
        for parameter in layer._own_parameters:
            if parameter.gradient is not None:
                parameter.gradient.fill(0)  # so that `self.dNAME += ...` works too
        dx = layer.backward(dy)
        if dx is None and not layer.needs_dx:
            return None
        return with_owner(self._taken(layer, "backward", dx, (len(dy), *layer.input_shape)))

    def _taken(self, layer: Layer, method: str, array: Any, shape: Shape) -> Array:
        """Return a custom layer's result, checked, contiguous and in the model's dtype."""
        where = f"{layer.name or layer.kind}: {method}"
        if not isinstance(array, np.ndarray):
            raise TypeError(f"{where} returned {type(array).__name__}, expected an array of shape {shape}")
        if array.shape != shape:
            raise ValueError(f"{where} returned shape {array.shape}, expected {shape}")
        return np.ascontiguousarray(as_array(f"what {where} returned", array), self.context.dtype)


def _may_fuse(before: Layer, activation: Activation) -> bool:
    """Whether both are pynn's (kernels do not know custom classes), and the gradient needs only y."""
    if before.users_own or activation.users_own:
        return False
    return not (activation.reads_input or isinstance(before, Activation))
