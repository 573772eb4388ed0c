"""Chain: layers in sequence, with shape inference and fusion; the core of Sequential and of composite layers.

Must not know the flat vector, losses or training.
"""

from __future__ import annotations

from typing import Any, TypeVar

import numpy as np

from .. import checks
from ..data.arrays import as_array
from ..messages.terminal import brief
from ..typing import Array, Shape
from .base import Activation, Layer
from .buffers import GradientBuffers, with_owner
from .whole import layers_in

C = TypeVar("C", bound="Chain")


class Chain(Layer):
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

    layers: tuple[Layer, ...]

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

    def layer(self, which: str | int) -> Layer:
        """Return a layer by its name or position.

        Parameters
        ----------
        which : str or int
            Name of a layer at any depth, or position in `layers`, -1 for the last. Layers have names once the model is
            built, or after `named`.

        Returns
        -------
        Layer
            The layer.

        Raises
        ------
        ValueError
            If there is no such layer.
        """
        if isinstance(which, (int, np.integer)) and not isinstance(which, bool):
            if not -len(self.layers) <= which < len(self.layers):
                raise ValueError(f"there is no layer {which}, expected a place of -{len(self.layers)}..-1 or from 0 on")
            return self.layers[which]
        names = [layer.name for layer in self._inside()]
        if isinstance(which, str) and which in names:
            return self._inside()[names.index(which)]
        known = ", ".join(filter(None, names))
        if not known:
            raise ValueError(f"there is no layer {brief(which)} yet: layers get their names when the model is built")
        raise ValueError(f"there is no layer {brief(which)}, expected a place in `layers` or a name of {known}")

    def _inside(self) -> list[Layer]:
        return [layer for layer in self.walk() if layer is not self]

    def freeze(self: C, *which: str | int, up_to: str | int | None = None) -> C:
        """Stop training these layers, by default all; see `Layer.freeze`.

        Parameters
        ----------
        *which : str or int
            Names or positions, as in `layer`.
        up_to : str or int, optional
            Freeze this layer and all before it. The others stay as they are.

        Returns
        -------
        Chain
            Itself.

        Raises
        ------
        ValueError
            If there is no such layer.
        """
        if not which and up_to is None:
            return super().freeze()
        for layer in self._chosen(which, up_to, before=True):
            Layer.freeze(layer)
        return self

    def unfreeze(self: C, *which: str | int, down_to: str | int | None = None) -> C:
        """Train these layers again, by default all.

        Parameters
        ----------
        *which : str or int
            Names or positions, as in `layer`.
        down_to : str or int, optional
            Unfreeze this layer and all after it. The others stay as they are.

        Returns
        -------
        Chain
            Itself.
        """
        if not which and down_to is None:
            return super().unfreeze()
        for layer in self._chosen(which, down_to, before=False):
            Layer.unfreeze(layer)
        return self

    def _chosen(self, which: tuple[str | int, ...], edge: str | int | None, before: bool) -> list[Layer]:
        """Return these layers and those up to (or from) the edge, without layers that lie on both sides of it.

        Raises before anything is chosen if a layer does not exist.
        """
        chosen = [self.layer(one) for one in which]
        if edge is not None:
            inside, ends = self._inside(), list(self.layer(edge).walk())
            place = inside.index(ends[-1]) + 1 if before else inside.index(ends[0])
            side = inside[:place] if before else inside[place:]
            ids = {id(layer) for layer in side}
            chosen += [layer for layer in side if all(id(inner) in ids for inner in layer.walk())]
        return chosen

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
            gradient = self._back(layer, gradient)
        return gradient

    def _back(self, layer: Layer, dy: Array) -> Array | None:
        return self._own_backward(layer, dy) if layer.users_own else layer.backward(dy)

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
