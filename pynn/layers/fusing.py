"""Activations that run inside the kernel of the layer before them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from .base import IDENTITY, Activation, Layer


class Fusing(Layer):
    """A layer whose kernel applies the activation that follows."""

    _activation: Activation = IDENTITY

    def fuse(self, activation: Activation) -> bool:
        self._activation = activation
        return True

    def _reset(self) -> None:
        super()._reset()
        self._activation = IDENTITY


def set_followed_by(layers: Sequence[Layer]) -> None:
    """Tell each layer of a chain which activation its output runs into: default initializers depend on it."""
    after: Activation | None = None
    for layer in reversed(layers):
        layer.followed_by = after
        if isinstance(layer, Activation):
            after = layer
        elif not layer.passes_activation:
            after = None


def fuse(layers: Iterable[Layer]) -> list[Layer]:
    """Fuse the activations of a chain where possible; return the layers that have a pass of their own."""
    active: list[Layer] = []
    before: Layer | None = None  # a second activation in a row must not replace the first
    for layer in layers:
        if isinstance(layer, Activation) and before is not None and _may_fuse(before, layer) and before.fuse(layer):
            layer.fused_into = before
        else:
            active.append(layer)
        before = layer
    return active


def _may_fuse(before: Layer, activation: Activation) -> bool:
    """Whether both are pynn's (kernels do not know custom classes), and the gradient needs only y."""
    if before.is_custom or activation.is_custom:
        return False
    return not (activation.reads_input or isinstance(before, Activation))
