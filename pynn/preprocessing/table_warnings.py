"""What a `TableEncoder` says when it has learned the columns of a table."""

from __future__ import annotations

import numpy as np

from .. import checks
from ..data import columns as kinds
from ..data import tables
from ..data.columns import Column
from ..data.frames import Table

FEWEST = 50  # rows from which on numbers may be those of the rows


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
    if numbering := [column.name for column in columns if column.kind == "number" and _numbers_rows(x, column)]:
        checks.warn(
            f"{x.name} has whole numbers in {tables.listed(numbering)} that are all different and nearly without gaps, "
            "as row numbers and ids are: they tell nothing about new rows, so drop the column unless it means something"
        )


def _numbers_rows(x: Table, column: Column) -> bool:
    """Whether it may number the rows: whole numbers, each once, in any order, in a range of at most twice as many.

    `Column.note` has those that count the rows one by one, which is certain.
    """
    if column.text or column.missing or len(x) < FEWEST:
        return False
    values = x.chosen(x.column(column.name).data)
    if values.dtype.kind not in "iu" or int(values.max()) - int(values.min()) >= 2 * len(values):
        return False
    return int(np.bincount((values - values.min()).astype(np.int64)).max()) == 1
