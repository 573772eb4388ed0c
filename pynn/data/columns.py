"""What each column of a table is: numbers, booleans, categories, dates, ids, constant or empty, and what to say of it.

`describe(table)` says it of any table; `learn` does so for a `Column` that then reads the same column of other tables.
"""

from __future__ import annotations

from collections.abc import Container, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from .. import checks
from ..messages.terminal import brief
from ..typing import Array
from . import parsing, tables
from .frames import Raw, Table, key, plain_number, table
from .parsing import Form

KINDS = ("number", "boolean", "category", "date", "constant", "empty", "id")
PARTS = ("days", "month", "weekday", "hour")  # numbers that a date becomes
YEAR, WEEKS = 366.0, 14.0  # days that dates must span for their month, and for their weekday
IDS = 20  # rows from which on a column of different values may be an id
LEFT_OUT, DIFFERENT = 50, 0.95  # rows from which on text is left out of whose values so many differ
READABLE, COUNTING = "looks like numbers or dates", "numbers the rows"  # begins of notes
MANY = 100  # categories, most of them rare


@dataclass(frozen=True)
class Column:
    """A column of a table.

    Attributes
    ----------
    name : str or int
        Its name, which may be a whole number, or its place in an array.
    kind : {"number", "boolean", "category", "date", "constant", "empty", "id"}
        "constant": one value and none missing; "empty": all are missing; "id": text of which at least 95 % of 50 or
        more values differ, as names and ids do. Times that have passed are numbers of days,
        times of day numbers of hours.
    dtype : str
        As the table names it.
    missing : int
        How many values are missing.
    categories : tuple
        The different values of a category, text, numbers or booleans.
    counts : tuple of int
        How often each occurs.
    other : bool
        Whether rarer values exist, which share one place after the categories.
    text : bool
        Whether its numbers or dates, or some of them, are text.
    form : str
        How that text is read: "." (1,234.5), "," (1.234,5), "ISO8601", or a date's format such as "%d.%m.%Y".
    words : tuple of str
        Text that is not read as such: it becomes missing.
    aware : bool
        Whether its dates have a time zone.
    origin : float
        The earliest date, in days since 1970.
    parts : tuple of str
        The numbers that a date becomes: "days" since the earliest one; "month" (1..12) where the dates span more than a
        year, "weekday" (0, Monday, to 6) where they span two weeks, "hour" (0..24) where the time of day varies. Dates
        with a time zone are read in UTC.
    medians : tuple of float
        The median of a number, or of each part of a date, which missing ones become.
    note : str
        A word of warning, or "".
    """

    name: str | int
    kind: str
    dtype: str
    missing: int = 0
    categories: tuple[Any, ...] = ()
    counts: tuple[int, ...] = ()
    other: bool = False
    text: bool = False
    form: str = ""
    words: tuple[str, ...] = ()
    aware: bool = False
    origin: float = 0.0
    parts: tuple[str, ...] = ()
    medians: tuple[float, ...] = ()
    note: str = ""

    @property
    def used(self) -> bool:
        """Whether it tells anything."""
        return self.kind not in ("constant", "empty", "id")


def describe(x: Any, categorical: ArrayLike | None = ()) -> list[Column]:
    """Say what each column of a table is.

    Parameters
    ----------
    x : data frame, array (N, D), record array or dict
        The table.
    categorical : list of str, int or bool, default ()
        Columns whose numbers are categories, by name or by place, or a mask of all.

    Returns
    -------
    list of Column
        In the order of the table.

    Raises
    ------
    TypeError or ValueError
        If a column cannot be used, with its name and what to do, and if `categorical` names none of them.
    """
    source = table(x)
    return learn_all(source, tables.chosen(categorical, source.labels, "categorical", source.name))


# Learning -----------------------------------------------------------------------------------------


def learn_all(source: Table, categorical: Container[Any] = ()) -> list[Column]:
    """All columns; those of a table whose names are neither text nor whole numbers are named by their places."""
    wanted = frozenset(label for label in source.labels if label in categorical)
    if wanted not in source.learned:  # several may ask, and text takes a while
        found = [learn(source, label, label in wanted) for label in source.labels]
        if source.names is None and not source.numbered:
            found = [replace(one, name=place) for place, one in enumerate(found)]
        source.learned[wanted] = found
    return list(source.learned[wanted])


def learn(source: Table, label: Any, categorical: bool = False) -> Column:
    """What the selected rows of this column are."""
    raw = source.column(label)
    if categorical:
        if raw.kind == "date":
            raise TypeError(f"{_where(source, label)} holds dates, which cannot be categories: turn them into text")
        if raw.kind == "number":
            expect_finite(source, label, source.chosen(raw.data))
        raw = replace(raw.as_category(), explicit=True)
    if raw.kind == "empty":
        return _empty(label, raw)
    if raw.kind in ("number", "date"):
        return _of_numbers(source, label, raw)
    return _of_categories(source, label, raw)


def _where(source: Table, label: Any) -> str:
    return f"{source.name}: column {label!r}"


def _empty(label: Any, raw: Raw) -> Column:
    missing = len(raw.data)
    return Column(label, "empty", raw.dtype, missing, note="has no values; it is left out")


def _of_numbers(source: Table, label: Any, raw: Raw, form: Form | None = None) -> Column:
    chosen = np.ascontiguousarray(source.chosen(raw.data))  # once: a column of an array is slow to read
    expect_finite(source, label, chosen)
    gaps = np.isnan(chosen) if chosen.dtype.kind == "f" else np.zeros(0, bool)
    values = chosen[~gaps] if gaps.any() else chosen
    missing = len(chosen) - len(values)
    if not len(values):
        return replace(_empty(label, raw), missing=missing)
    low, high = values.min().item(), values.max().item()  # whole ones as they are: as floats, large ones are equal
    if low == high and not missing:
        shown = plain_number(low) if raw.kind == "number" else np.datetime64(int(low // 1), "D")
        return Column(label, "constant", raw.dtype, note=f"is {shown} in every row; it is left out")
    column = Column(label, raw.kind, raw.dtype, missing, note=_row_numbers(values) if form is None else "")
    if form is not None:
        column = replace(column, text=True, form=form.form, words=form.odd, note=parsing.read_as(raw.kind, form))
    if raw.kind == "date":
        column = replace(column, origin=low, aware=raw.aware, parts=_parts(values, high - low))
    medians = [float(np.median(part(values, column, name))) for name in column.parts or ("",)]
    return replace(column, medians=tuple(medians))


def _row_numbers(values: Array) -> str:
    if values.dtype.kind not in "iu" or len(values) < IDS or int(values[-1]) - int(values[0]) != len(values) - 1:
        return ""
    return f"{COUNTING}, which tells nothing about new ones: drop it" if (np.diff(values) == 1).all() else ""


def part(values: Array, column: Column, name: str) -> Array:
    """The numbers of a column, or one part of its dates (days since 1970); NaN where they are missing."""
    if not name:
        return values
    if name == "days":
        return values - column.origin
    missing = np.isnan(values)
    days = np.where(missing, 0.0, values)
    whole = np.floor(days)
    if name == "hour":
        result = (days - whole) * 24
    elif name == "weekday":
        result = (whole + 3) % 7  # 1970 began on a Thursday
    else:
        result = whole.astype("datetime64[D]").astype("datetime64[M]").astype(np.int64) % 12 + 1.0
    result[missing] = np.nan
    return result


def _parts(days: Array, span: float) -> tuple[str, ...]:
    times = days - np.floor(days)
    varies = (span > YEAR, span > WEEKS, bool(times.max() - times.min() > 1e-9))
    return "days", *(part for part, wanted in zip(PARTS[1:], varies, strict=True) if wanted)


def _of_categories(source: Table, label: Any, raw: Raw) -> Column:
    codes = source.chosen(raw.data)
    counts = np.bincount(codes.astype(np.intp) + 1, minlength=len(raw.values) + 1)
    missing, counts = int(counts[0]), counts[1:]
    places = np.flatnonzero(counts)
    values, counts = [raw.values[place] for place in places], counts[places]
    if not values:
        return replace(_empty(label, raw), missing=missing)
    if not raw.explicit and (read := _of_text(source, label, raw, values, counts)) is not None:
        return read
    if len(values) == 1 and not missing:
        return Column(label, "constant", raw.dtype, note=f"is {brief(values[0])} in every row; it is left out")
    if raw.dtype != "category":  # pandas' categories have an order of their own
        order = sorted(range(len(values)), key=lambda place: (type(values[place]).__name__, values[place]))
        values, counts = [values[place] for place in order], counts[order]
    return Column(
        label, "boolean" if raw.kind == "boolean" else "category", raw.dtype, missing, tuple(values),
        tuple(counts.tolist()), note=_note(len(values), int(counts.sum())),
    )  # fmt: skip


def _of_text(source: Table, label: Any, raw: Raw, values: Sequence[Any], counts: Array) -> Column | None:
    """The column if its text, or some of it, is numbers or dates, or ids; else None."""
    is_text = [isinstance(value, str) for value in values]
    if not any(is_text):
        return None
    order = parsing.frequent_first(values, counts)
    values, counts = [values[place] for place in order.tolist()], counts[order]
    if not all(is_text):
        form = parsing.among_numbers(values, counts)
        return None if form is None else _of_numbers(source, label, parsing.as_numbers(raw, form.form), form)
    few = 1 if source.written else parsing.FEW
    if (form := parsing.number_form(values, counts, few, source.decimal)) is not None:
        return _of_numbers(source, label, parsing.as_numbers(raw, form.form), form)
    if (form := parsing.date_form(values, counts, few)) is not None:
        return _of_numbers(source, label, parsing.as_dates(raw, form.form, _where(source, label)), form)
    once = source.distinct()
    count = int(np.count_nonzero(once.chosen(raw.data) >= 0))
    if count < LEFT_OUT or len(values) < DIFFERENT * count:
        return None
    note = "has another value in nearly every row, as names and ids have, which tells nothing about new ones"
    if (example := parsing.unread(values)) is not None:
        note = f"{READABLE}, but is none, as {brief(example)} shows"
    return Column(label, "id", raw.dtype, len(once) - count, note=f"{note}; it is left out")


def _note(different: int, count: int) -> str:
    if different == count >= IDS:
        return "has another value in every row, as names and ids have, which tells nothing about new ones: drop it"
    if different > MANY and different * 10 > count:
        return f"has {different:,} different values in {count:,} rows, most of them rare"
    return ""


def limited(column: Column, most: int) -> Column:
    """The column with its most frequent categories; the rest share one place after them."""
    if len(column.categories) <= most:
        return column
    kept = np.sort(np.argsort(-np.array(column.counts), kind="stable")[: most - 1])
    return replace(
        column, other=True, categories=tuple(column.categories[place] for place in kept),
        counts=tuple(column.counts[place] for place in kept),
    )  # fmt: skip


# Reading other tables -----------------------------------------------------------------------------


def read(column: Column, source: Table, label: Any) -> Array:
    """All rows of this column, as it was learned: numbers, days since 1970, or places of the categories, -1 for none.

    ValueError or TypeError, which names the column, if it holds something else.
    """
    raw = source.column(label)
    if column.kind in ("category", "boolean"):
        return _places(column, raw, source, label)
    if raw.is_empty:
        return np.full(len(raw.data), np.nan)
    if raw.kind == "category" and any(isinstance(value, str) for value in raw.values):
        raw = _parsed(column, raw, source, label)
    if raw.kind == "boolean" and column.kind == "number":
        return parsing.spread(np.array([0.0, 1.0]), raw.data)
    if raw.kind == "category" and column.kind == "number" and not any(isinstance(v, (str, bool)) for v in raw.values):
        raw = parsing.as_numbers(raw, parsing.POINT)
    if raw.kind != column.kind:
        raise _another(column, raw, source, label)
    if raw.kind == "date" and raw.aware != column.aware and not np.isnan(raw.data).all():
        has, had = ("a", "none") if raw.aware else ("no", "one")
        raise ValueError(
            f"{_where(source, label)} has dates with {has} time zone, but in fit they had {had}; "
            f"use {'.dt.tz_localize(None)' if raw.aware else '.dt.tz_localize(...)'}"
        )
    expect_finite(source, label, source.chosen(raw.data))
    return raw.data


def _parsed(column: Column, raw: Raw, source: Table, label: Any) -> Raw:
    """Text, or numbers with text among them, as the numbers or dates that fit read; else as it is.

    ValueError for text of another form.
    """
    known = {*column.words}
    odd = np.array(
        [isinstance(value, str) and value not in known and not parsing.is_gap(value) for value in raw.values]
    )
    text = np.array([isinstance(value, str) for value in raw.values])
    if (
        not parsing.are_text_or_numbers(raw.values)
        or (column.kind == "date" and not text.all())
        or (odd.any() and not column.text)
    ):
        return raw
    form = column.form or (parsing.POINT if column.kind == "number" else parsing.ISO)
    where = _where(source, label)
    read = parsing.as_numbers(raw, form) if column.kind == "number" else parsing.as_dates(raw, form, where)
    if column.dtype.startswith("datetime64"):  # `pynn train` read this text in UTC
        read = replace(read, aware=column.aware)
    wrong = np.append(odd, False)[raw.data] & np.isnan(read.data)
    if (count := np.count_nonzero(wrong)) == 0:
        return read
    row = int(np.argmax(wrong))
    holds = f"{where} holds {brief(raw.values[raw.data[row]])} in row {row}"
    holds += f" (and {count - 1:,} more)" if count > 1 else ""
    meant = f"in fit it had text that is read as {column.kind}s"
    meant += "" if form == parsing.POINT else f", {parsing.spoken(form)}"
    rows = count + np.count_nonzero(~np.isnan(read.data))
    if count > parsing.tolerated(rows, parsing.STRAY if text.all() else parsing.MIXED):
        raise ValueError(f"{holds}, but {meant}; turn it into {column.kind}s, or make it missing (None)")
    checks.warn(f"{holds}, which is taken as missing: {meant}")
    return read


def _places(column: Column, raw: Raw, source: Table, label: Any) -> Array:
    if raw.is_empty:
        return np.full(len(raw.data), -1, np.int32)
    if raw.kind == "date":
        raise _another(column, raw, source, label)
    raw = raw.as_category()
    known = {key(value): place for place, value in enumerate(column.categories)}
    values: Sequence[Any] = raw.values
    if column.kind == "boolean":
        values = [bool(value) if value in (0, 1) else value for value in values]
    alike = {_sort(value) for value in values} & {_sort(value) for value in column.categories}
    if values and not alike and (raw.data >= 0).any():
        raise _another(column, raw, source, label)
    unknown = len(column.categories) if column.other else -1
    places = np.array([known.get(key(value), unknown) for value in values] + [-1], np.int32)
    return places[raw.data]


def _sort(value: Any) -> str:
    return "text" if isinstance(value, str) else "boolean" if isinstance(value, bool) else "number"


def _another(column: Column, raw: Raw, source: Table, label: Any) -> TypeError:
    """The refusal of a column that holds something else than in fit."""
    place = int(np.argmax(raw.data >= 0 if raw.values else ~np.isnan(raw.data)))
    if raw.values and not column.categories:  # text among numbers is what does not fit
        odd = [isinstance(value, str) and not parsing.is_gap(value) for value in raw.values]
        place = int(np.argmax(np.append(odd, False)[raw.data])) if any(odd) else place
    value: Any = raw.values[raw.data[place]] if raw.values else raw.data[place].item()
    if raw.kind == "date":
        value = str(np.datetime64(int(value // 1), "D"))
    had = f"{column.kind}s"
    cures = {
        "boolean": "turn it into booleans, for example with .map({'yes': True, 'no': False})",
        "number": "turn it into numbers, for example with pandas.to_numeric",
        "date": "turn it into dates, for example with pandas.to_datetime(..., format=...)",
    }
    if column.kind == "category":
        had = f"categories such as {brief(column.categories[0])}"
        cures[column.kind] = f"turn its values into {'text' if _sort(column.categories[0]) == 'text' else 'numbers'}"
    return TypeError(
        f"{_where(source, label)} has dtype {raw.dtype} and holds {brief(value)}, for example in row {place}, but in "
        f"fit it had {had} ({column.dtype}); {cures[column.kind]}"
    )


def expect_finite(source: Table, label: Any, chosen: Array) -> None:
    """ValueError for infinity in the selected rows."""
    if chosen.dtype.kind == "f" and np.isinf(chosen).any():
        place = int(np.argmax(np.isinf(chosen)))
        raise ValueError(
            f"{_where(source, label)} is {chosen[place]} in row {source.row(place)}, expected finite numbers; replace "
            "it, or make it missing (NaN)"
        )
