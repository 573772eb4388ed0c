"""Which columns of another table are those of `fit`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from . import tables
from .columns import Column
from .frames import Table


def renamed(missing: Sequence[Any], others: Sequence[Any]) -> str:
    """A hint at a column that may be a missing one under another name; "" for none."""
    import difflib  # here: only errors need it

    for name in map(str, missing):
        folded = {str(other).casefold(): str(other) for other in others}
        if close := difflib.get_close_matches(name.casefold(), folded, 1, 0.7):
            return f"{tables.listed([folded[close[0]]])} may be {tables.listed([name])}: rename it"
    return ""


def _expect_no_typo(columns: Sequence[Column], source: Table) -> None:
    """ValueError for a dict that lacks a column and has an unknown key: alone it would lack the column altogether."""
    names = {column.name for column in columns}
    for row, record in enumerate(source.records or ()):
        lacking = [column.name for column in columns if column.used and column.name not in record]
        unknown = [key for key in record if key not in names] if lacking else []
        if unknown:
            raise ValueError(
                f"row {row} of {source.name} has no {lacking[0]!r}, but {unknown[0]!r}, which fit did not have: rename "
                "it, or give None for a missing value"
            )


def labels(columns: Sequence[Column], source: Table) -> Sequence[Any]:
    """Where these columns are in a table: by name if both have names, else by place; ValueError if it lacks any.

    Columns of a frame that are numbered differently from those of `fit` are taken by place only if no number is the
    same, and if `fit` had an array or the numbers 0, 1 and so on.
    """
    names = [column.name for column in columns]
    if (source.names is not None and isinstance(names[0], str)) or (source.numbered and isinstance(names[0], int)):
        present = set(source.labels)
        missing = [column.name for column in columns if column.used and column.name not in present]
        if missing and (names != list(range(len(names))) or present & set(names)):
            hint = renamed(missing, [label for label in source.labels if label not in names])
            raise ValueError(
                f"{source.name} has no column {tables.listed(missing)}: fit had the columns {tables.listed(names, 20)}"
                f"{hint and '; '}{hint}"
            )
        if not missing:
            _expect_no_typo(columns, source)
            return names
    if len(source.labels) != len(names):
        raise ValueError(
            f"{source.name} has {len(source.labels)} columns, expected the {len(names)} of fit, "
            f"{tables.listed(names, 20)}"
        )
    if isinstance(source.source, Mapping):  # keys have no order
        raise ValueError(
            f"{source.name} has the keys {tables.listed(source.labels)}, but the columns of fit were "
            f"{tables.listed(names, 20)}: pass an array with the columns in that order, or fit with the names"
        )
    return source.labels
