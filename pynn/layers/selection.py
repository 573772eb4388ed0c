"""The layers of a chain by name or position, and freezing some of them."""

from __future__ import annotations

from typing import TypeVar

from ..checks import is_integer
from ..messages.terminal import brief
from .base import Layer

C = TypeVar("C", bound="Selection")


class Selection(Layer):
    """A layer whose inner layers are chosen by name or position."""

    layers: tuple[Layer, ...]

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
        if is_integer(which):
            if not -len(self.layers) <= which < len(self.layers):
                count = len(self.layers)
                raise ValueError(f"there is no layer {which}, expected a position from {-count} to {count - 1}")
            return self.layers[which]
        names = [layer.name for layer in self._inside()]
        if isinstance(which, str) and which in names:
            return self._inside()[names.index(which)]
        known = ", ".join(filter(None, names))
        if not known:
            raise ValueError(f"there is no layer {brief(which)} yet: layers get their names when the model is built")
        raise ValueError(f"there is no layer {brief(which)}, expected a position in `layers` or one of {known}")

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
        chosen = [self.layer(name) for name in which]
        if edge is not None:
            inside, ends = self._inside(), list(self.layer(edge).walk())
            edge_at = inside.index(ends[-1]) + 1 if before else inside.index(ends[0])
            side = inside[:edge_at] if before else inside[edge_at:]
            ids = {id(layer) for layer in side}
            chosen += [layer for layer in side if all(id(inner) in ids for inner in layer.walk())]
        return chosen
