"""Chain: layers one after the other, with shape inference and fusion; the body of Sequential and of composite layers.

Must not know the flat vector, losses or training.
"""

from __future__ import annotations

from .. import describe
from .activations import Activation
from .base import Array, Layer, Shape


class Chain(Layer):
    """Layers in a row. `build` infers every shape and folds activations into the layers before them."""

    layers: list[Layer]

    def __init__(self, *layers: Layer) -> None:
        for position, layer in enumerate(layers):
            describe.expect_instance(layer, Layer, f"layer {position}")
        if len({id(layer) for layer in layers}) < len(layers):
            raise ValueError(
                "the same layer stands twice in one model; make a second one (layers do not share weights)"
            )
        self.layers = list(layers)
        self._active: list[Layer] = []

    def children(self) -> tuple[Layer, ...]:
        return tuple(self.layers)

    def build(self, input_shape: Shape) -> Shape:
        shape = tuple(input_shape)
        for position, layer in enumerate(self.layers):
            layer.context = self.context
            layer.followed_by = self._activation_after(position)
            layer.input_shape = shape
            try:
                shape = tuple(layer.build(shape))
            except ValueError as cause:
                raise ValueError(f"layer {position} ({layer.kind}): {cause}") from cause
            layer.output_shape = shape
        self._fuse()
        return shape

    def _activation_after(self, position: int) -> Activation | None:
        for layer in self.layers[position + 1 :]:
            if isinstance(layer, Activation):
                return layer
            if not layer.passes_activation:
                return None
        return None

    def _fuse(self) -> None:
        self._active = []
        for layer in self.layers:
            if isinstance(layer, Activation) and self._active and self._active[-1].fuse(layer):
                layer.fused_into = self._active[-1]
            else:
                self._active.append(layer)

    def forward(self, x: Array, training: bool) -> Array:
        for layer in self._active:
            x = layer.forward(x, training)
        return x

    def backward(self, dy: Array) -> Array | None:
        gradient: Array | None = dy
        for layer in reversed(self._active):
            if gradient is None:
                break
            gradient = layer.backward(gradient)
        return gradient
