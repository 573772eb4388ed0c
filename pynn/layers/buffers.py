"""Where the layers of a chain write the gradients that pass from one to the next: few arrays, used in turn."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from ..typing import Array, Shape
from .held import aligned


class GradientBuffers:
    """Vectors that a chain's layers share: a gradient is dead once the layer before has made its own of it.

    In a plain chain two of them are enough, the largest gradient's size each. Whose memory an array lies in tells its
    `base`: numpy puts the owner there, also for views of views.
    """

    def __init__(self) -> None:
        self.vectors: list[Array] = []
        self.views: dict[Shape, list[Array]] = {}  # of the vectors, those that were asked for so far
        self.keeping: list[Array] = []

    def take(self, shape: Shape, dtype: np.dtype[Any], alive: Iterable[Array]) -> Array:
        """An uninitialized array that overlaps with none of those alive, nor with what is kept."""
        taken = [id(one.base) for one in (*alive, *self.keeping)]
        for view in self.views.get(shape, ()):
            if id(view.base) not in taken:
                return view
        size = math.prod(shape)
        free = sorted((one for one in self.vectors if id(one.base) not in taken), key=len)
        vector = next((one for one in free if len(one) >= size), None)
        if vector is None:
            if free:
                self._drop(free.pop())  # the largest gives way, before the new one is there
            vector = aligned(size, dtype)
            self.vectors.append(vector)
        if len(self.views) > 256:  # ever-changing batch sizes must not pile up views
            self.views.clear()
        view = vector[:size].reshape(shape)
        self.views.setdefault(shape, []).append(view)
        return view

    @contextmanager
    def kept(self, array: Array) -> Iterator[None]:
        """Meanwhile nothing is handed out that overlaps with this array."""
        self.keeping.append(array)
        try:
            yield
        finally:
            self.keeping.pop()

    def _drop(self, dead: Array) -> None:
        self.vectors = [one for one in self.vectors if one is not dead]
        for shape, views in self.views.items():
            self.views[shape] = [view for view in views if view.base is not dead.base]

    def __getstate__(self) -> dict[str, Any]:  # of copies and pickles: buffers are made again
        return vars(GradientBuffers())


def with_owner(array: Array) -> Array:
    """The array, or a copy where numpy cannot tell whose memory it lies in (views through other objects)."""
    base = array.base
    return array if base is None or (type(base) is np.ndarray and base.base is None) else array.copy()
