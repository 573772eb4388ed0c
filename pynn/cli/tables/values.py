"""Text as numbers, dates and booleans: what the distinct values of a column can be read as. Knows no files."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any, NamedTuple

import numpy as np

from ...data import parsing
from ...typing import Array

TRUTH = {"true": True, "false": False, "t": True, "f": False, "yes": True, "no": False, "y": True, "n": False,
         "1": True, "0": False, "1.0": True, "0.0": False}  # fmt: skip
PADDED = re.compile(r"0\d+")
SAMPLE = 1000  # distinct values that are tried before all of them are


class Numbers(NamedTuple):
    """Distinct values as numbers. words: those that mean "missing"; odd: one that is neither, share: of such ones."""

    values: dict[str, float]
    words: tuple[str, ...]
    odd: str | None
    share: float


def numbers(distinct: list[str], decimal: str) -> Numbers:
    """The distinct values as numbers, words for a missing one, and what is neither."""
    if len(distinct) > SAMPLE and (tried := numbers(distinct[:SAMPLE], decimal)).share > 0.5:
        return tried
    values: dict[str, float] = {}
    words: list[str] = []
    odd, count = None, 0
    for text in distinct:
        value = parsing.number(text, decimal)
        if value is not None:
            values[text] = value
        elif parsing.is_gap(text):
            words.append(text)
        else:
            odd, count = odd if odd is not None else text, count + 1
    return Numbers(values, tuple(words), odd, count / max(len(distinct), 1))


def padded(distinct: Iterable[str]) -> bool:
    """Whether any is a whole number with a leading zero, as zip codes and other codes have."""
    return any(PADDED.fullmatch(text.strip()) for text in distinct)


def date_format(distinct: list[str]) -> tuple[str, str | None, tuple[str, ...]] | None:
    """The format of dates that reads all distinct values, another that reads them too, and words for a missing one."""
    words = tuple(text for text in distinct if parsing.is_gap(text))
    kept = [text for text in distinct if text not in words]
    if not kept or not re.search(r"\d", kept[0]) or len(kept[0]) > 40:
        return None
    fitting = parsing.date_forms(kept)
    return (fitting[0], parsing.swapped(fitting[0], fitting[1:]) or None, words) if fitting else None


def dates(column: Any, form: str) -> Any:
    """A column of text as dates without time zone; what does not fit is missing."""
    from datetime import timezone

    known = {text: parsing.date(text, form) for text in column.dropna().unique().tolist()}
    for text, found in known.items():
        if found is not None and found.tzinfo is not None:
            known[text] = found.astimezone(timezone.utc).replace(tzinfo=None)
    return column.map(known, na_action="ignore").astype("datetime64[us]")


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
        return column.map(_written, na_action="ignore").astype(object)
    return column.map(str, na_action="ignore").astype(object)


def _written(value: Any) -> str:
    if isinstance(value, (bool, np.bool_)):
        return str(bool(value))
    return str(int(value)) if float(value).is_integer() else repr(float(value))


def distinct_text(column: Any) -> list[str] | None:
    """The distinct values of a column of text; None if it holds anything else."""
    found = column.dropna().unique()
    values = found.tolist() if hasattr(found, "tolist") else list(found)
    return values if all(isinstance(value, str) for value in values) else None


def whole(values: Array) -> bool:
    """Whether all numbers that are not missing are whole."""
    finite = values[np.isfinite(values)]
    return bool((finite == np.round(finite)).all())
