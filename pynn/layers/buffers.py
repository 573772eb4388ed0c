"""Buffers for the gradients that pass between the layers of a chain: few arrays, used in turn."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from ..typing import Array, Shape
from .held import Holder, aligned


class GradientBuffers:
    """Vectors shared by a chain's layers: a gradient's vector is free once the layer before has read it.

    A plain chain needs two of them, each as large as the largest gradient. An array's `base` tells which vector it lies
    in: NumPy sets it to the owner, also for views of views.
    """

    def __init__(self) -> None:
        self.vectors: list[Array] = []
        self.views: dict[Shape, list[Array]] = {}  # views of the vectors made so far
        self.keeping: list[Array] = []

    def take(self, shape: Shape, dtype: np.dtype[Any], alive: Iterable[Array]) -> Array:
        """Return an uninitialized array that overlaps neither with the arrays in use nor with kept ones."""
        taken = [id(array.base) for array in (*alive, *self.keeping)]
        for view in self.views.get(shape, ()):
            if id(view.base) not in taken:
                return view
        size = math.prod(shape)
        free = sorted((vector for vector in self.vectors if id(vector.base) not in taken), key=len)
        vector = next((vector for vector in free if len(vector) >= size), None)
        if vector is None:
            if free:
                self._drop(free.pop())  # free the largest before allocating the new one
            vector = aligned(size, dtype)
            self.vectors.append(vector)
        if len(self.views) > 256:  # batch sizes that always change must not pile up views
            self.views.clear()
        view = vector[:size].reshape(shape)
        self.views.setdefault(shape, []).append(view)
        return view

    @contextmanager
    def kept(self, array: Array) -> Iterator[None]:
        """Keep this array: in the meantime no overlapping array is handed out."""
        self.keeping.append(array)
        try:
            yield
        finally:
            self.keeping.pop()

    def _drop(self, dead: Array) -> None:
        self.vectors = [vector for vector in self.vectors if vector is not dead]
        for shape, views in self.views.items():
            self.views[shape] = [view for view in views if view.base is not dead.base]

    def __getstate__(self) -> dict[str, Any]:  # of copies and pickles: buffers are made again
        return vars(GradientBuffers())


def with_owner(array: Array) -> Array:
    """Return the array, or a copy if NumPy cannot tell who owns its memory (views through other objects)."""
    base = array.base
    return array if base is None or (type(base) is np.ndarray and base.base is None) else array.copy()


class Buffered(Holder):
    """A layer's work arrays, made once and used for every batch."""

    _shared: GradientBuffers | None = None  # those of the chain that it stands in
    _buffers: dict[str, Array]
    _views: dict[tuple[str, Shape], Array]

    def buffer(self, name: str, shape: Shape) -> Array:
        """Return an uninitialized array in the model's dtype, the same for every call with this name and shape.

        Parameters
        ----------
        name : str
            Name of the buffer.
        shape : tuple of int
            Its shape.

        Returns
        -------
        array
            The buffer.
        """
        view = self._views.get((name, shape))
        if view is not None:
            return view
        size = int(np.prod(shape))
        whole = self._buffers.get(name)
        if whole is None or whole.size < size:
            whole = aligned(size, self.context.dtype)
            self._buffers[name] = whole
            self._views = {key: old for key, old in self._views.items() if key[0] != name}
        if len(self._views) > 64:  # batch sizes that always change must not pile up views
            self._views.clear()
        view = whole[:size].reshape(shape)
        self._views[name, shape] = view
        return view

    def gradient_buffer(self, name: str, shape: Shape, dy: Array, dz: Array | None = None) -> Array:
        """Return an uninitialized array in the model's dtype for `backward` to return or work in.

        Parameters
        ----------
        name : str
            Name of the buffer.
        shape : tuple of int
            Its shape.
        dy, dz : array
            Arrays in use, which it does not overlap.

        Returns
        -------
        array
            The layers of a chain share a few of them: it is valid until the layer before has read it. A custom layer,
            or one outside a chain, gets ``buffer(name, shape)``.
        """
        shared = self._shared
        if shared is None:
            return self.buffer(name, shape)
        if not shared.keeping:  # the common case, at once
            first, second = dy.base, None if dz is None else dz.base
            for view in shared.views.get(shape, ()):
                if view.base is not first and view.base is not second:
                    return view
        return shared.take(shape, self.context.dtype, (dy,) if dz is None else (dy, dz))
