"""Turns data frames, sparse matrices and object arrays into plain arrays. Imports none of their libraries."""

from __future__ import annotations

import numbers
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from ..messages.terminal import brief, printable
from ..typing import Array

SHOWN = 5  # names in a message


def columns(x: Any) -> tuple[str, ...] | None:
    """Return a table's column names; None for arrays and for frames whose columns are only numbered."""
    names = x.dtype.names if isinstance(x, np.ndarray) else getattr(x, "columns", None)
    if names is None or callable(names) or not hasattr(x, "__getitem__"):
        return None
    labels = tuple(names)
    return labels if labels and all(isinstance(label, str) for label in labels) else None


def ordered(x: Any, wanted: Sequence[str], name: str) -> Any:
    """Return the table with these columns in this order; ValueError names the missing ones."""
    present = columns(x)
    if present is None or present == tuple(wanted):
        return x
    present_set = set(present)
    if missing := [column for column in wanted if column not in present_set]:
        raise ValueError(
            f"{name} has no column {listed(missing)}: the model was fitted to the columns {listed(wanted, 20)}"
        )
    return x[list(wanted)]


def listed(names: Sequence[Any], most: int = SHOWN) -> str:
    """Return the first names, quoted, and how many more there are."""
    shown = ", ".join(printable(repr(name), 100) for name in names[:most])
    return shown if len(names) <= most else f"{shown} and {len(names) - most} more"


def chosen(given: Any, labels: Sequence[Any], name: str, table: str) -> list[Any]:
    """The labels of the columns that were named, by name, by place or by a mask of all.

    name, table: of the argument and of the table, for errors.
    """
    items = names_or_places(given, name)
    if items and isinstance(items[0], bool):
        if len(items) != len(labels):
            raise ValueError(
                f"{name} is a mask of {len(items)} columns, but {table} has {len(labels)}; name the columns"
            )
        return [label for label, wanted in zip(labels, items, strict=True) if wanted]
    for one in items:
        if one not in labels and (isinstance(one, str) or not -len(labels) <= one < len(labels)):
            raise ValueError(f"{name} has {one!r}, but {table} has the columns {listed(labels, 20)}; name some of them")
    return [one if one in labels else labels[one] for one in items]


def names_or_places(given: Any, name: str) -> list[Any]:
    """What names columns as a plain list: all of it text and integers, or all of it booleans. None names none."""
    if given is None:
        return []
    expected = "names or places of columns, or a mask of all"
    if isinstance(given, (str, bytes)) or not isinstance(given, Iterable) or getattr(given, "ndim", 1) != 1:
        raise TypeError(f"{name} is {brief(given)}, expected a list of {expected}")
    items = [one.item() if isinstance(one, np.generic) else one for one in given]
    if all(isinstance(one, bool) for one in items):
        return items
    if odd := [one for one in items if isinstance(one, bool) or not isinstance(one, (str, int))]:
        raise TypeError(f"{name} has {brief(odd[0])}, expected {expected}")
    return items


def as_categories(x: Any, name: str, label: Any) -> str:
    """How to have a column of this table taken for categories."""
    if hasattr(x, "iloc"):
        return f'{name}[{label!r}].astype("category")'
    if hasattr(x, "with_columns"):
        return f"{name}[{label!r}].cast(polars.Categorical)"
    return f"pynn.TableEncoder(categorical=[{label!r}])"


def of_arrow(x: Any) -> Any:
    """A table of pyarrow, or a data set that has its columns, as a frame of pandas; anything else as it is."""
    if hasattr(x, "column_names") and callable(getattr(x, "to_pandas", None)) and not hasattr(x, "dtypes"):
        return x.to_pandas()
    return x


def plain(x: Any, name: str) -> Any:
    """Return a table, a sparse matrix or an object array as an array of numbers if it holds numbers; else x as it is.

    TypeError and ValueError name the column that holds something else, or missing values, and what to do about it.
    """
    if isinstance(x, np.ndarray) and x.dtype.names is None:
        return tidy(x)
    if callable(getattr(x, "toarray", None)) and hasattr(x, "nnz"):  # scipy.sparse
        return x.toarray()
    if not (isinstance(x, np.ndarray) or _is_frame(x)):
        return x
    names = list(x.dtype.names if isinstance(x, np.ndarray) else x.columns)
    expect_labels(names, name)
    parts = [_column(x, label, name) for label in names]
    if not parts:
        raise ValueError(f"{name} has no columns, expected at least one")
    return np.stack(parts, axis=1) if len({part.dtype for part in parts}) == 1 else np.column_stack(parts)


def expect_labels(names: Sequence[Any], name: str) -> None:
    """ValueError or TypeError for two columns of one name, and for names of which only some are text."""
    expect_different(names, name)
    if 0 < sum(isinstance(label, str) for label in names) < len(names):
        odd = next(label for label in names if not isinstance(label, str))
        raise TypeError(
            f"{name} has a column named {odd!r} and others whose names are text; convert all names to text, in a frame "
            f"by {name}.columns = {name}.columns.astype(str)"
        )


def expect_different(names: Sequence[Any], name: str) -> None:
    """ValueError for two columns of one name."""
    if len(set(names)) < len(names):
        duplicate = next(label for label, times in Counter(names).items() if times > 1)
        raise ValueError(f"{name} has two columns named {duplicate!r}; give each a different name")


def _is_frame(x: Any) -> bool:
    return hasattr(x, "columns") and hasattr(x, "dtypes") and hasattr(x, "__getitem__")


def _column(x: Any, label: Any, name: str) -> Array:
    column = x[label]
    array = series(column)
    where = f"{name}: column {label!r}"
    if array.dtype.kind in "fiub":
        if array.dtype.kind == "f" and (missing := np.isnan(array)).any():
            raise ValueError(
                f"{where} lacks {np.count_nonzero(missing)} of {len(array)} values, the first in row "
                f"{int(np.argmax(missing))}; fill them, for example {name}[{label!r}].fillna(...), drop those rows, or "
                "use fit(..., preprocessing=pynn.TableEncoder())"
            )
        return array
    kind = getattr(column, "dtype", array.dtype)
    if array.dtype.kind in "mM":
        cure = "convert it to numbers, such as the year or the days since a date"
    else:
        first = next((item for item in array.tolist() if not absent(item)), None)
        reader = (
            "fit(..., preprocessing=pynn.TableEncoder(embedding=False)) reads it; or " if name.endswith("x") else ""
        )
        cure = (
            f"it holds {brief(first)}; {reader}convert it to numbers, for example with pandas.get_dummies({name}), or "
            f"drop it: {name}.drop(columns={label!r})"
        )
    raise TypeError(f"{where} has dtype {kind}, expected numbers; {cure}")


def series(x: Any) -> Array:
    """Return a column or labels as a plain array; missing numbers become NaN."""
    return tidy(np.asarray(x))


def absent(value: Any) -> bool:
    """Whether the value means "missing": None, NaN, pandas' NA and NaT."""
    if value is None or type(value).__name__ in ("NAType", "NaTType"):
        return True
    return isinstance(value, (float, np.floating)) and value != value


def tidy(array: Array) -> Array:
    """Return an object array as booleans, integers, floats or text if all of its items are that; else as it is."""
    if array.dtype.kind != "O" or not array.size or not array.ndim:
        return array
    items = array.reshape(-1).tolist()
    kinds = {type(item) for item in items}
    if all(issubclass(kind, (bool, np.bool_)) for kind in kinds):
        return array.astype(bool)
    if all(issubclass(kind, str) for kind in kinds):
        return array.astype(str)
    if all(issubclass(kind, numbers.Integral) for kind in kinds):
        try:
            return array.astype(np.int64)
        except OverflowError:
            return array.astype(np.float64)
    if any(issubclass(kind, (str, bytes)) for kind in kinds):
        return array
    from decimal import Decimal  # here: only objects of several kinds need it

    item_of_kind = {type(item): item for item in items}
    if all(issubclass(kind, (numbers.Real, Decimal)) or absent(item) for kind, item in item_of_kind.items()):
        return np.array([np.nan if absent(item) else float(item) for item in items], np.float64).reshape(array.shape)
    return array
