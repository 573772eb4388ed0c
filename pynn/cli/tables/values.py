"""Text as numbers, dates and booleans, and all of them as text. Knows no files."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from ...data import parsing
from ...typing import Array

TRUTH = {"true": True, "false": False, "t": True, "f": False, "yes": True, "no": False, "y": True, "n": False,
         "1": True, "0": False, "1.0": True, "0.0": False}  # fmt: skip
PADDED = re.compile(r"0\d+")


def padded(distinct: Iterable[str]) -> bool:
    """Whether any is a whole number with a leading zero, as zip codes and other codes have."""
    return any(PADDED.fullmatch(text.strip()) for text in distinct)


def numbers(column: Any, forms: Sequence[str]) -> Any:
    """A column of text as numbers, in the first of these forms that reads all of it, or else the first."""
    distinct = column.dropna().unique().tolist()
    kept = [text for text in distinct if not parsing.is_gap(text)]
    form = next((form for form in forms if all(parsing.number(text, form) is not None for text in kept)), forms[0])
    return column.map({text: parsing.number(text, form) for text in distinct}, na_action="ignore").astype("float64")


def dates(column: Any, form: str, where: str) -> Any:
    """A column of text as dates without time zone; what does not fit is missing.

    ValueError, which begins with `where`, if only some have a zone.
    """
    distinct = column.dropna().unique().tolist()
    found = times(parsing.dates(distinct, form, where)[0])
    return column.map(dict(zip(distinct, found, strict=True)), na_action="ignore").astype("datetime64[us]")


def times(days: Array) -> Array:
    """Days since 1970 as NumPy's dates with times."""
    missing = np.isnan(days)
    found: Array = np.round(np.where(missing, 0, days) * 864e8).astype(np.int64).view("datetime64[us]")
    found[missing] = np.datetime64("NaT")
    return found


def truths(column: Any) -> Any:
    """A column as pandas' booleans; what is neither true nor false is missing."""
    import pandas

    if str(column.dtype) in ("bool", "boolean"):
        return column.astype("boolean")
    words = column.map(lambda value: TRUTH.get(str(value).strip().lower()), na_action="ignore")
    found = [None if word is None or word != word else bool(word) for word in words]
    return pandas.Series(found, index=column.index, dtype="boolean")


def as_text(column: Any) -> Any:
    """A column as text, numbers that are whole without a decimal point; missing values stay missing."""
    kind = getattr(column.dtype, "kind", "O")
    if str(column.dtype) == "category":
        column = column.astype(column.cat.categories.dtype)
        kind = getattr(column.dtype, "kind", "O")
    if kind in "fiu" or kind == "b" or str(column.dtype) == "boolean":
        return column.map(written, na_action="ignore").astype(object)
    return column.map(str, na_action="ignore").astype(object)


def written(value: Any) -> str:
    """A number as text, a whole one without a decimal point."""
    if isinstance(value, (bool, np.bool_)):
        return str(bool(value))
    return str(int(value)) if float(value).is_integer() else repr(float(value))


def whole(values: Array) -> bool:
    """Whether all numbers that are not missing are whole."""
    finite = values[np.isfinite(values)]
    return bool((finite == np.round(finite)).all())
