"""How many values of a category become one-hot columns, so that the table does not become too large for memory."""

from __future__ import annotations

from collections.abc import Collection

import numpy as np

from ..data import columns
from ..data.frames import Table
from .reports import warn

USUAL = 256  # values of one column, at most
COLUMNS = 2_000  # one-hot columns in all, at most
BYTES = 10**9  # of them, at most; but FEWEST columns they may be
FEWEST = 256


def most(source: Table, one_hot: int, wanted: int | None, categorical: Collection[str | int] = ()) -> int:
    """As many values of each column as there is room for, or as wanted; at least `one_hot`, and two. Warns if fewer.

    categorical: labels of columns whose numbers are categories.
    """
    if wanted is not None:
        return wanted
    counts = np.array(
        [len(column.categories) for column in columns.learn_all(source, categorical) if column.categories]
    )
    room = min(COLUMNS, max(BYTES // (4 * len(source)), FEWEST))

    def width(values: int) -> int:
        return int(np.minimum(counts, values).sum())

    if width(USUAL) <= room:
        return USUAL
    values = max(one_hot, 2)
    while width(values + 1) <= room:
        values += 1
    many = int(np.count_nonzero(counts > values))
    warn(
        f"{source.name} has {many} columns of many categories, which would become {width(USUAL):,} one-hot columns: of "
        f"each only the {values - 1} most frequent values get their own; take preset='full', which learns a vector for "
        f"each value, or set max_categories={USUAL}"
    )
    return values
