"""What a `TableEncoder` says when it has learned the columns of a table."""

from __future__ import annotations

from .. import checks
from ..data import columns as kinds
from ..data import tables
from ..data.columns import Column
from ..data.frames import Table


def warn(x: Table, columns: list[Column]) -> None:
    """Name the columns that are read otherwise than they may be meant, and say how to change that."""
    if noted := [column for column in columns if column.text]:
        how = "; ".join(f"{column.name!r} {column.note}" for column in noted[: tables.SHOWN])
        cure = tables.as_categories(x.source, x.name, noted[0].name)
        checks.warn(
            f"{x.name} holds numbers or dates as text in {tables.listed([column.name for column in noted])}, which are "
            f"read as such ({how}); to keep a column as categories: {cure}"
        )
    if ids := [column for column in columns if column.kind == "id"]:
        readable = next((column for column in ids if kinds.READABLE in column.note), ids[0])
        cure = ""
        if kinds.READABLE in readable.note:
            cure = f"turn {readable.name!r} into numbers, or into dates with pandas.to_datetime(..., format=...); "
        checks.warn(
            f"{x.name} has text in {tables.listed([column.name for column in ids])} that differs in nearly every row: "
            f"{readable.name!r} {readable.note}; {cure}to keep a column as "
            f"categories: {tables.as_categories(x.source, x.name, ids[0].name)}"
        )
