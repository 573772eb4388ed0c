"""The samples that transformers learn from, in pieces that bound the memory. Knows no transformer."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any, Protocol

import numpy as np

from ..data import arrays
from ..data.frames import Table
from ..typing import Array, Shape

PIECE = 1 << 21  # numbers processed at once


class Applied(Protocol):
    """What rows need of a transformer that they went through."""

    output_shape_: Shape

    def _apply(self, x: Array) -> Array: ...


class Rows:
    """Samples (N, ...) as float64, in pieces, after the preceding transformers; can be iterated over repeatedly."""

    def __init__(self, x: Any, before: tuple[Applied, ...] = ()) -> None:
        self.x: Any = x
        self.before = before
        self.shape: Shape = before[-1].output_shape_ if before else x.shape[1:]
        self.features = math.prod(self.shape)

    def __len__(self) -> int:
        return len(self.x)

    def __iter__(self) -> Iterator[Array]:
        return (self._after(x) for _, x in pieces(self.x))

    def then(self, *transformers: Applied) -> Rows:
        """The same samples after these fitted transformers, too."""
        return Rows(self.x, (*self.before, *transformers))

    def columns(self) -> Iterator[Array]:
        """The numbers of each feature, one feature after the other, in new arrays (N,)."""
        if not self.before and self.x.ndim == 2:
            yield from (self.x[:, place].astype(np.float64) for place in range(self.features))
            return
        at_once = max(1, 4 * PIECE // len(self))  # each block of features takes a pass over the samples
        for start in range(0, self.features, at_once):
            block = np.empty((min(at_once, self.features - start), len(self)))
            filled = 0
            for x in self:
                block[:, filled : filled + len(x)] = x.reshape(len(x), -1)[:, start : start + at_once].T
                filled += len(x)
            yield from block

    @property
    def first(self) -> Array:
        """The first sample."""
        sample: Array = self._after(as_numbers(self.x[:1]))[0]
        return sample

    def _after(self, x: Array) -> Array:
        for transformer in self.before:
            x = transformer._apply(x)
        return x


def pieces(x: Any) -> Iterator[tuple[slice, Array]]:
    """Slices of x and their rows as float64 (uint8 pixels as 0..1)."""
    rows = max(1, PIECE // math.prod(x.shape[1:]))
    for start in range(0, len(x), rows):
        part = slice(start, start + rows)
        yield part, as_numbers(x[part])


def as_numbers(x: Any) -> Any:
    """Samples as float64; a table, which a transformer reads itself, as it is."""
    return x if isinstance(x, Table) else arrays.to_model(x, np.dtype(np.float64))
