"""Reads the columns of any table as numbers, booleans, dates or categories. Imports none of the frames' libraries.

Knows what a column holds, not what it means: `columns` decides that.
"""

from __future__ import annotations

import datetime
import functools
import numbers
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..messages.terminal import brief
from ..typing import Array
from . import arrays, tables

NESTED = ("list", "array(", "struct", "map<", "large_list", "fixed_size_list", "object(")  # beginnings of dtypes' names
MANY_ROWS = 1000  # from which on polars finds the different values sooner than a dict
TEXT = ("str", "string", "large_string")
PER_DAY = {"h": 24.0, "m": 1440.0, "s": 86400.0, "ms": 864e5, "us": 864e8, "ns": 864e11, "ps": 864e14, "fs": 864e17}
PER_DAY["as"] = 864e20
FURTHEST = 4e6  # days from 1970, beyond the years -9000 and 12900
SHOWN_AS_TEXT = ("Interval", "Timestamp", "Timedelta", "Period", "UUID")


@dataclass(frozen=True, eq=False)
class Raw:
    """The values of a column.

    kind: "number", "boolean", "date", "category" or "empty". data (N,): numbers, with NaN for missing values; dates as
    days since 1970 (UTC); or places in `values`, -1 for missing ones. explicit: the user declared it as categories.
    aware: its dates have a time zone.
    """

    kind: str
    data: Array
    dtype: str
    values: tuple[Any, ...] = ()
    explicit: bool = False
    aware: bool = False

    @property
    def is_empty(self) -> bool:
        """Whether all its values are missing, whatever their dtype."""
        if self.kind in ("number", "date"):
            return self.data.dtype.kind == "f" and bool(np.isnan(self.data).all())
        return bool((self.data < 0).all())

    def as_category(self) -> Raw:
        """The same column as categories."""
        if self.kind in ("category", "boolean", "empty"):
            return self
        present = ~np.isnan(self.data)
        values, codes = np.unique(self.data[present], return_inverse=True)
        places = np.full(len(self.data), -1, np.intp)
        places[present] = codes
        return Raw("category", places, self.dtype, tuple(plain_number(value) for value in values.tolist()), True)


def plain_number(value: float) -> int | float:
    """A whole number as int: 3 and 3.0 are the same category."""
    return int(value) if float(value).is_integer() else value


class Table:
    """The columns of a table, each read when it is needed; a selection of rows shares what has been read.

    names: of the columns, None for an array. name: of the table, for errors. decimal: the sign before decimals where
    text leaves it open. written: in a file, where all is text, so that a few numbers or dates are some, too.
    """

    ndim = 2
    decimal = "."
    written = False
    records: Sequence[Mapping[Any, Any]] | None = None  # the rows, if they are dicts

    def __init__(self, source: Any, name: str = "x") -> None:
        self.name, self.source = name, source
        self.names, self.labels, count = _layout(source, name)
        self.rows: range | Array = range(count)
        self._read: dict[Any, Raw] = {}
        self.shared: list[tuple[Any, Any]] = []  # what others derived from the columns
        self.learned: dict[Any, list[Any]] = {}  # what the selected rows were found to be
        if not self.labels:
            raise ValueError(f"{name} has no columns, expected at least one")
        if not count:
            raise ValueError(f"{name} is empty: it has no rows, expected at least one sample")

    def __len__(self) -> int:
        return len(self.rows)

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns."""
        return len(self.rows), len(self.labels)

    @property
    def numbered(self) -> bool:
        """Whether its columns have whole numbers for names, which need not be their places."""
        return self.names is None and not _is_matrix(self.source) and all(type(one) is int for one in self.labels)

    def __getitem__(self, rows: slice | Array) -> Table:
        chosen = object.__new__(Table)
        vars(chosen).update(vars(self))
        chosen.rows = self.rows[rows] if isinstance(rows, slice) else np.asarray(self.rows)[rows]
        chosen.learned = {}
        return chosen

    def column(self, label: Any) -> Raw:
        """A column with all rows of the table that this one was selected from."""
        if label not in self._read:
            values = self.source[:, label] if self.names is None and _is_matrix(self.source) else self.source[label]
            self._read[label] = read(values, f"{self.name}: column {label!r}")
            if len(self._read[label].data) != len(next(iter(self._read.values())).data):
                raise ValueError(f"{self.name}: column {label!r} has another length than the first, expected the same")
        return self._read[label]

    def chosen(self, values: Array) -> Array:
        """The values of the selected rows, from those of all rows."""
        rows = self.rows
        if isinstance(rows, range) and rows.step > 0:  # a slice backwards would end before the first row
            return values[rows.start : rows.stop : rows.step]
        selected: Array = values[np.asarray(rows)]
        return selected

    def distinct(self) -> Table:
        """The selected rows, each once."""
        return self if isinstance(self.rows, range) else self[np.unique(self.rows, return_index=True)[1]]

    def row(self, place: int) -> int:
        """The number of a row in the table that this one was selected from."""
        return int(self.rows[place])


def _is_matrix(x: Any) -> bool:
    return isinstance(x, np.ndarray) and x.dtype.names is None


def table(x: Any, name: str = "x") -> Table:
    """A frame of pandas or polars, a table of pyarrow, an array (N, D), a record array, a dict of columns, or rows.

    Rows are lists or dicts. TypeError for the rest.
    """
    if isinstance(x, Table):
        return x
    x = tables.of_arrow(x)
    arrays.expect_unmasked(name, x)
    if callable(getattr(x, "toarray", None)) and hasattr(x, "nnz"):  # scipy.sparse
        x = x.toarray()
    elif isinstance(x, (list, tuple)):
        if x and all(isinstance(row, Mapping) for row in x):
            read = Table(of_records(x), name)
            read.records = x
            return read
        x = of_lists(x, name)
    return Table(x, name)


def of_records(rows: Sequence[Mapping[Any, Any]]) -> dict[Any, list[Any]]:
    """The columns of rows that are dicts; what a row lacks is missing."""
    labels = dict.fromkeys(label for row in rows for label in row)
    return {label: [row.get(label) for row in rows] for label in labels}


def of_lists(x: Sequence[Any], name: str) -> Array:
    """Rows, or the values of a column, as an array of numbers, or of objects that stay what they are."""
    try:
        array = np.asarray(x)
        return array if array.dtype.kind in "fiub" else np.array(x, object)  # beside text, numbers would become text
    except ValueError as cause:
        raise ValueError(f"{name} is not a table: rows of different lengths? ({cause})") from cause


def _layout(x: Any, name: str) -> tuple[tuple[str, ...] | None, tuple[Any, ...], int]:
    """Names, labels and the number of rows; TypeError or ValueError for anything but a table."""
    if _is_matrix(x):
        if x.ndim != 2:
            raise ValueError(
                f"{name} has shape {x.shape}, expected a table (N, D); a single column is {name}[:, None], "
                f"a single row {name}[None]"
            )
        return None, tuple(range(x.shape[1])), len(x)
    if callable(getattr(x, "collect", None)) and not hasattr(x, "__len__"):
        raise TypeError(f"{name} is {type(x).__name__}, whose rows are not known yet; pass {name}.collect()")
    if isinstance(x, Mapping):
        labels = tuple(x)
    elif isinstance(x, np.ndarray):
        labels = tuple(x.dtype.names or ())
    elif hasattr(x, "columns") and hasattr(x, "dtypes") and hasattr(x, "__getitem__"):
        labels = tuple(int(one) if isinstance(one, np.integer) else one for one in x.columns)
    else:
        came = brief(x) if isinstance(x, str) else type(x).__name__
        raise TypeError(
            f"{name} is {came}, expected a table: a frame of pandas or polars, an array (N, D), or a dict of columns"
            + (f"; one column becomes a table by {name}.to_frame()" if hasattr(x, "to_frame") else "")
        )
    if not labels:
        return None, (), 0
    tables.expect_labels(labels, name)
    if isinstance(x, Mapping):
        _expect_lists(x, name)
    count = len(next(iter(x.values()))) if isinstance(x, Mapping) else len(x)
    return tuple(labels) if isinstance(labels[0], str) else None, labels, count


def _expect_lists(x: Mapping[Any, Any], name: str) -> None:
    """TypeError for single values in place of columns."""
    single = [label for label, values in x.items() if isinstance(values, (str, bytes)) or not np.iterable(values)]
    if not single:
        return
    value = x[single[0]]
    if len(single) == len(x):
        raise TypeError(
            f"{name} is one record, as {single[0]!r} is {brief(value)}; pass [{name}], or lists of values: "
            f"{{{single[0]!r}: [{brief(value)}]}}"
        )
    raise TypeError(f"{name}: column {single[0]!r} is {brief(value)}, expected a list of values, one for each row")


# One column ---------------------------------------------------------------------------------------


def read(column: Any, where: str) -> Raw:
    """The values of a column of any dtype; TypeError or ValueError, which begins with `where`, if it cannot be used."""
    dtype = _name(column.dtype) if hasattr(column, "dtype") else "object"
    if dtype == "category":
        categories = np.asarray(column.cat.categories)
        if (kind := categories.dtype.kind) in "mM":  # whatever their unit, they become the same text
            categories = categories.astype("datetime64[us]" if kind == "M" else "timedelta64[us]")
        named = tuple(_plain(value, where, dtype) for value in categories.tolist())
        return Raw("category", np.asarray(column.cat.codes), dtype, named, True)
    if dtype.lower().startswith(NESTED):
        raise _refused(where, dtype, "nested values")
    if dtype.split("[")[0] in TEXT and hasattr(column, "factorize"):
        codes, unique = column.factorize()
        return Raw("category", np.asarray(codes), dtype, tuple(np.asarray(unique).tolist()))
    if dtype in ("String", "Categorical") and len(column) > MANY_ROWS and hasattr(column, "to_physical"):
        codes, named = _of_polars(column)
        return Raw("category", codes, dtype, named, dtype == "Categorical")
    aware = "tz=" in dtype or "time_zone='" in dtype or (dtype.startswith("datetime64[") and "," in dtype)
    if aware and hasattr(column, "dt") and hasattr(column.dt, "tz_convert"):
        column = column.dt.tz_convert("UTC").dt.tz_localize(None)
    if dtype.startswith("period"):
        column = column.dt.to_timestamp()
    if isinstance(column, (list, tuple)):
        column = of_lists(column, where)
    try:
        quick = hasattr(column, "to_numpy") and isinstance(column.dtype, np.dtype)  # a Series of pandas
        array = column.to_numpy() if quick else np.asarray(column)
    except Exception:  # integers of 128 bits, for example
        array = np.array(column.to_list(), object) if hasattr(column, "to_list") else np.array(list(column), object)
    if array.ndim != 1:
        raise _refused(where, dtype, "nested values")
    explicit = dtype.startswith(("Categorical", "Enum", "dictionary"))
    return _of_array(array, where, dtype, explicit, aware)


def _of_polars(column: Any) -> tuple[Array, tuple[str, ...]]:
    """Codes and values of text in a Series of polars, which has them more quickly than Python."""
    polars: Any = sys.modules["polars"]
    text = column.cast(polars.String)
    values = text.unique().drop_nulls().sort()
    codes = text.cast(polars.Enum(values)).to_physical().cast(polars.Int32).fill_null(-1)
    return np.asarray(codes), tuple(values.to_list())


@functools.lru_cache(1000)
def _name(dtype: Any) -> str:
    return str(dtype)


def _of_array(array: Array, where: str, dtype: str, explicit: bool, aware: bool) -> Raw:
    kind = array.dtype.kind
    if kind in "fiu":
        raw = Raw("number", array, dtype)
        return raw.as_category() if explicit else raw
    if kind == "b":
        return Raw("boolean", array.astype(np.int8), dtype, (False, True))
    if kind == "M":
        return Raw("date", _days(array, where), dtype, aware=aware)
    if kind == "m":
        return Raw("number", _to_days(array), dtype)
    if kind in "OUS":
        return _of_objects(array.tolist(), where, dtype, explicit)
    raise _refused(where, dtype, "complex numbers" if kind == "c" else "such values")


def _refused(where: str, dtype: str, what: str) -> TypeError:
    cure = (
        "use its real and imaginary parts as two columns" if what == "complex numbers" else "make columns of its parts"
    )
    return TypeError(f"{where} has dtype {dtype}: {what} cannot be inputs; {cure}, turn it into text, or drop it")


def _to_days(array: Array) -> Array:
    """Times of NumPy as days, NaN for those that are missing."""
    unit, step = np.datetime_data(array.dtype)
    days: Array
    if unit in PER_DAY:
        days = array.astype(array.dtype.newbyteorder("="), copy=False).view(np.int64) / (PER_DAY[unit] / step)
    elif array.dtype.kind == "M" and unit != "generic":
        days = array.astype("datetime64[D]").view(np.int64).astype(np.float64)
    else:
        parts = {"D": 1.0, "W": 7.0, "M": 365.2425 / 12, "Y": 365.2425, "generic": 1.0}
        days = array.astype(array.dtype.newbyteorder("="), copy=False).view(np.int64) * (parts[unit] * step)
    days[np.isnat(array)] = np.nan
    return days


def _days(array: Array, where: str) -> Array:
    days = _to_days(array)
    beyond = np.abs(days) > FURTHEST
    if beyond.any():
        row = int(np.argmax(beyond))
        raise ValueError(f"{where} has the date {array[row]} in row {row}, expected years of 1..9999; mend or drop it")
    return days


# Objects ------------------------------------------------------------------------------------------


def _of_objects(items: list[Any], where: str, dtype: str, explicit: bool) -> Raw:
    present = {kind for kind in set(map(type, items)) if kind.__name__ not in ("NoneType", "NAType", "NaTType")}
    floats = {kind for kind in present if issubclass(kind, (float, np.floating))}
    if floats and all(item != item for item in items if type(item) in floats):
        present -= floats

    from decimal import Decimal  # here: importing pynn must stay light

    def all_are(*kinds: type) -> bool:
        return all(issubclass(kind, kinds) for kind in present)

    if any(issubclass(kind, tuple) for kind in present):
        raise _refused(where, dtype, "tuples")
    if not present:
        return Raw("empty", np.full(len(items), -1, np.int8), dtype)
    if all_are(bool, np.bool_):
        codes = [-1 if tables.absent(item) else int(item) for item in items]
        return Raw("boolean", np.array(codes, np.int8), dtype, (False, True))
    if explicit or all_are(str):
        return _factored(items, where, dtype, explicit)
    if all_are(numbers.Real, Decimal):
        return Raw("number", _converted(items, float, where), dtype)
    if all_are(datetime.date):
        aware = any(getattr(item, "tzinfo", None) is not None for item in items)
        return Raw("date", _converted(items, lambda item: date_days(item, aware, where), where), dtype, aware=aware)
    if all_are(datetime.timedelta):
        return Raw("number", _converted(items, lambda item: item.total_seconds() / 86400, where), dtype)
    if all_are(datetime.time):
        return Raw("number", _converted(items, _hours, where), dtype)
    if {kind.__name__ for kind in present} == {"Period"}:
        starts = _converted(items, lambda item: date_days(item.to_timestamp(), False, where), where)
        return Raw("date", starts, dtype)
    return _factored(items, where, dtype, explicit)


def _converted(items: list[Any], convert: Callable[[Any], float], where: str) -> Array:
    try:
        return np.array([np.nan if tables.absent(item) else convert(item) for item in items], np.float64)
    except OverflowError:
        row = next(row for row, item in enumerate(items) if abs(item if isinstance(item, int) else 0) > 10**308)
        raise ValueError(f"{where} is {brief(items[row])} in row {row}, too large for float64") from None


def _hours(time: datetime.time) -> float:
    return time.hour + time.minute / 60 + (time.second + time.microsecond / 1e6) / 3600


EPOCH = datetime.datetime(1970, 1, 1)


def date_days(date: datetime.date, aware: bool, where: str) -> float:
    """Days since 1970 of a date, or a date with a time, in UTC if it has a zone."""
    if not isinstance(date, datetime.datetime):
        if aware:
            raise _mixed_zones(where)
        return float(date.toordinal() - EPOCH.toordinal())
    if (date.tzinfo is not None) != aware:
        raise _mixed_zones(where)
    if aware:
        date = date.astimezone(datetime.timezone.utc).replace(tzinfo=None)
    return (date - EPOCH).total_seconds() / 86400


def _mixed_zones(where: str) -> ValueError:
    return ValueError(
        f"{where} has dates with a time zone and others without one, which cannot be compared; "
        "convert them all, for example with pandas.to_datetime(..., utc=True)"
    )


def _factored(items: list[Any], where: str, dtype: str, explicit: bool) -> Raw:
    """The column as categories in the order of their first rows; True and 1 are different ones."""
    if not {bool, np.bool_}.isdisjoint(map(type, items)):
        items = [key(item) for item in items]
    try:
        unique = list(dict.fromkeys(items))
    except TypeError:
        raise _refused(where, dtype, f"values such as {brief(next(filter(_unhashable, items)))}") from None
    values: dict[Any, int] = {}
    places: dict[Any, int] = {}
    for value in unique:
        original = value[1] if type(value) is tuple else value
        plain = None if tables.absent(original) else _plain(original, where, dtype)
        places[value] = -1 if plain is None else values.setdefault(key(plain), len(values))
    codes = np.fromiter(map(places.__getitem__, items), np.intp, len(items))
    return Raw("category", codes, dtype, tuple(v[1] if type(v) is tuple else v for v in values), explicit)


def _unhashable(item: Any) -> bool:
    try:
        hash(item)
    except TypeError:
        return True
    return False


def key(value: Any) -> Any:
    """The value as a dict's key, in which True and 1 differ but 1 and 1.0 do not."""
    return ("bool", bool(value)) if isinstance(value, (bool, np.bool_)) else value


def _plain(value: Any, where: str, dtype: str) -> str | int | float | bool:
    """A category as text, a number or a boolean, which model files hold."""
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, (bool, str)):
        return str(value) if isinstance(value, str) else value
    if isinstance(value, bytes):
        return value.decode("utf-8", "backslashreplace")
    if isinstance(value, (int, float)) or type(value).__name__ == "Decimal":
        if not abs(value) < 1e308:
            raise ValueError(f"{where} has the category {brief(value)}, expected finite numbers; turn it into text")
        return int(value) if isinstance(value, int) else plain_number(float(value))
    dates = (datetime.date, datetime.time, datetime.timedelta)
    if isinstance(value, dates) or type(value).__name__ in SHOWN_AS_TEXT:
        return str(value)
    raise _refused(where, dtype, f"values such as {brief(value)}")
