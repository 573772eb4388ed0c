"""Chain: layers in sequence, with shape inference and fusion; the core of Sequential and of composite layers.

Must not know the flat vector, losses or training.
"""

from __future__ import annotations

from typing import Any

from .. import checks
from ..typing import Array, Shape
from . import custom
from .base import Layer
from .buffers import GradientBuffers
from .building import layers_in
from .fusing import fuse, set_followed_by
from .selection import Selection


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
                "the same layer occurs twice in one model; make a second layer (layers do not share weights)"
            )
        self.layers = layers
        self._active: list[Layer] = []

    def children(self) -> tuple[Layer, ...]:
        if not self.is_custom:
            return self.layers
        held = {id(inner) for layer in self.layers for inner in layer.walk()}
        return (*self.layers, *(layer for layer in layers_in(self, Layer) if id(layer) not in held))

    def _share_context(self) -> None:
        """Nothing yet: `build` does it, after a model has checked that its layers belong to no other."""

    def build(self, input_shape: Shape) -> Shape:
        shape = tuple(input_shape)
        super()._share_context()
        self._shared = self._shared or GradientBuffers()
        shares = type(self).backward.__module__.startswith("pynn.")  # a custom backward may keep or add gradients
        set_followed_by(self.layers)
        for position, layer in enumerate(self.layers):
            layer._shared = self._shared if shares and not layer.is_custom else None
            try:
                shape = layer.build(shape)
            except ValueError as cause:
                raise ValueError(f"layer {position} ({layer.kind}): {cause}") from cause
        self._fuse()
        return shape

    def _fuse(self) -> None:
        self._active = fuse(self.layers)

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__(state)
        if self._active:
            self._fuse()

    def forward(self, x: Array, training: bool) -> Array:
        for layer in self._active:
            x = custom.forward(layer, x, training) if layer.is_custom else layer.forward(x, training)
        return x

    def backward(self, dy: Array) -> Array | None:
        gradient: Array | None = dy
        for layer in reversed(self._active):
            if gradient is None:
                break
            gradient = custom.backward(layer, gradient) if layer.is_custom else layer.backward(gradient)
        return gradient
