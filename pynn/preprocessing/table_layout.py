"""How the columns of a table become columns of numbers: which, where, and their values a few rows at a time."""

from __future__ import annotations

import functools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..data.columns import Column, part
from ..data.frames import Table
from ..typing import Array
from . import rows as rows_module
from .rows import Applied, Rows

SINGLE = {1: [1.0, 0.0], 2: [-1.0, 1.0, 0.0]}  # one column for so many categories; the last number for missing ones


@dataclass(frozen=True)
class Layout:
    """Which columns of numbers the columns of a table become.

    numbers: (column, part of a date or ""). indicators: (column, place in numbers). one_hot: (column, first place,
    width). codes: columns whose places in their categories are kept.
    """

    numbers: tuple[tuple[int, str], ...]
    indicators: tuple[tuple[int, int], ...]
    one_hot: tuple[tuple[int, int, int], ...]
    codes: tuple[int, ...]

    @classmethod
    def of(cls, columns: Sequence[Column], most: float, indicator: bool) -> Layout:
        """The layout of these columns. most: categories that become columns of their own."""
        numbers: list[tuple[int, str]] = []
        indicators: list[tuple[int, int]] = []
        one_hot: list[tuple[int, int, int]] = []
        codes: list[int] = []
        for place, column in enumerate(columns):
            if column.kind in ("number", "date"):
                if indicator and column.missing:
                    indicators.append((place, len(numbers)))
                numbers += [(place, name) for name in column.parts or ("",)]
        start = len(numbers) + len(indicators)
        for place, column in enumerate(columns):
            if column.kind in ("category", "boolean"):
                if (count := size(column)) > most:
                    codes.append(place)
                    continue
                width = 1 if count in SINGLE else count
                one_hot.append((place, start, width))
                start += width
        return cls(tuple(numbers), tuple(indicators), tuple(one_hot), tuple(codes))

    @functools.cached_property
    def plain(self) -> int:
        """Columns of numbers and indicators."""
        return len(self.numbers) + len(self.indicators)

    @functools.cached_property
    def dense(self) -> int:
        """All columns but the codes."""
        return self.plain + sum(width for _, _, width in self.one_hot)

    @functools.cached_property
    def width(self) -> int:
        """All columns."""
        return self.dense + len(self.codes)

    def names(self, columns: Sequence[Column], named: Sequence[str]) -> Iterator[str]:
        """Names of the resulting columns, from those of the table's."""
        yield from (named[place] + (f"_{name}" if name else "") for place, name in self.numbers)
        yield from (f"{named[place]}_missing" for place, _ in self.indicators)
        for place, _, width in self.one_hot:
            values = [*columns[place].categories, *(["other"] if columns[place].other else [])]
            yield from (f"{named[place]}_{value}" for value in values[-width:])
        yield from (named[place] for place in self.codes)


def size(column: Column) -> int:
    """How many categories a column has, the place that rare ones share included."""
    return len(column.categories) + column.other


def dense(layout: Layout, columns: Sequence[Column], medians: Array, x: Any, read: Sequence[Any]) -> Array:
    """The columns of numbers, indicators and one-hot columns of some rows, in float64.

    x: a `Table`, whose columns are in `read`; or an array (n, len(numbers)).
    """
    block = np.empty((len(x), layout.dense))
    count = len(layout.numbers)
    if isinstance(x, Table):
        for target, (place, name) in enumerate(layout.numbers):
            block[:, target] = part(x.chosen(read[place]), columns[place], name)
    else:
        block[:, :count] = x
    missing = np.isnan(block[:, :count])
    if missing.any():
        np.copyto(block[:, :count], medians, where=missing)
        block[:, count : layout.plain] = missing[:, [place for _, place in layout.indicators]]
    else:
        block[:, count : layout.plain] = 0
    for place, start, width in layout.one_hot:
        one_hot(x.chosen(read[place]), columns[place], block[:, start : start + width])
    return block


def one_hot(codes: Array, column: Column, out: Array) -> None:
    """Fill the columns of a category; all are 0 where it is missing or unknown."""
    if out.shape[1] == 1:
        out[:, 0] = np.array(SINGLE[size(column)])[codes]
        return
    out[...] = 0
    known = np.flatnonzero(codes >= 0)
    out[known, codes[known]] = 1


def dense_columns(
    layout: Layout, columns: Sequence[Column], medians: Array, x: Table, read: Sequence[Any]
) -> Iterator[Array]:
    """The same columns, one after the other, of all rows."""
    for median, (place, name) in zip(medians, layout.numbers, strict=True):
        values = np.array(part(x.chosen(read[place]), columns[place], name), np.float64)
        np.copyto(values, median, where=np.isnan(values))
        yield values
    for place, _ in layout.indicators:
        yield np.isnan(x.chosen(read[place])).astype(np.float64)
    for place, _, width in layout.one_hot:
        codes = x.chosen(read[place])
        if width == 1:
            yield np.array(SINGLE[size(columns[place])])[codes]
        else:
            yield from ((codes == code).astype(np.float64) for code in range(width))


class Encoded(Rows):
    """What `numbers` learns from: the columns of all but the codes, a few rows at a time, or one after the other."""

    def __init__(self, encoder: Any, x: Table, before: tuple[Applied, ...] = ()) -> None:
        self.encoder, self.x, self.before = encoder, x, before
        self.shape = before[-1].output_shape_ if before else (encoder.layout_.dense,)
        self.features = int(np.prod(self.shape))

    def __iter__(self) -> Iterator[Array]:
        rows = max(1, rows_module.PIECE // self.encoder.layout_.dense)
        return (self._after(self.x[start : start + rows]) for start in range(0, len(self.x), rows))

    def then(self, *transformers: Applied) -> Rows:
        return Encoded(self.encoder, self.x, (*self.before, *transformers))

    def columns(self) -> Iterator[Array]:
        if self.before:
            return super().columns()
        encoder = self.encoder
        read = encoder._read(self.x)
        return dense_columns(encoder.layout_, encoder.columns_, encoder.medians_, self.x, read)

    def _after(self, x: Any) -> Array:
        encoder = self.encoder
        values = dense(encoder.layout_, encoder.columns_, encoder.medians_, x, encoder._read(x))
        for transformer in self.before:
            values = transformer._apply(values)
        return values
