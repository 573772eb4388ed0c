"""Text as numbers, dates and booleans: what the distinct values of a column can be read as. Knows no files."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any, NamedTuple

import numpy as np

from ...typing import Array

# Words that stand for a missing value, besides those of pandas ("", NA, NaN, null, None, n/a, ...).
MISSING = {"?", "-", "--", "---", ".", "..", "*", "unknown", "missing", "n.a.", "n. a.", "na.", "k.a.", "nil", "none"}
TRUTH = {"true": True, "false": False, "t": True, "f": False, "yes": True, "no": False, "y": True, "n": False,
         "1": True, "0": False, "1.0": True, "0.0": False}  # fmt: skip
DATES = (
    "ISO8601", "%Y/%m/%d", "%Y/%m/%d %H:%M:%S", "%Y/%m/%d %H:%M", "%d.%m.%Y", "%d.%m.%Y %H:%M", "%d.%m.%Y %H:%M:%S",
    "%m/%d/%Y", "%d/%m/%Y", "%m/%d/%Y %H:%M", "%d/%m/%Y %H:%M", "%m/%d/%Y %H:%M:%S", "%d/%m/%Y %H:%M:%S",
    "%m/%d/%y", "%d/%m/%y", "%d-%m-%Y", "%m-%d-%Y", "%d-%b-%Y", "%d %b %Y", "%d %B %Y", "%b %d, %Y", "%B %d, %Y",
)  # fmt: skip
ISO = re.compile(r"\d{4}-\d\d")
_FRAME = r"([-+]?)\s*[$€£¥]?\s*([-+]?)({body}(?:[eE][-+]?\d+)?)\s*[$€£¥%]?"
NUMBER = {
    ".": re.compile(_FRAME.format(body=r"(?:\d{1,3}(?:,\d{3})+|\d+|(?=\.\d))(?:\.\d*)?")),
    ",": re.compile(_FRAME.format(body=r"(?:\d{1,3}(?:\.\d{3})+|\d+|(?=,\d))(?:,\d*)?")),
}
PADDED = re.compile(r"0\d+")
SAMPLE = 1000  # distinct values that are tried before all of them are


class Numbers(NamedTuple):
    """Distinct values as numbers. words: those that mean "missing"; odd: one that is neither, share: of such ones."""

    values: dict[str, float]
    words: tuple[str, ...]
    odd: str | None
    share: float


def number(text: str, decimal: str) -> float | None:
    """The number in text such as 1,234.5 or $12 or 7 %, or None."""
    match = NUMBER[decimal].fullmatch(text.strip())
    if match is None or (match[1] and match[2]):
        return None
    digits = match[3].replace(".", "").replace(",", ".") if decimal == "," else match[3].replace(",", "")
    return float(f"{match[1] or match[2]}{digits}")


def numbers(distinct: list[str], decimal: str) -> Numbers:
    """The distinct values as numbers, words for a missing one, and what is neither."""
    if len(distinct) > SAMPLE and (tried := numbers(distinct[:SAMPLE], decimal)).share > 0.5:
        return tried
    values: dict[str, float] = {}
    words: list[str] = []
    odd, count = None, 0
    for text in distinct:
        value = number(text, decimal)
        if value is not None:
            values[text] = value
        elif text.strip().lower() in MISSING:
            words.append(text)
        else:
            odd, count = odd if odd is not None else text, count + 1
    return Numbers(values, tuple(words), odd, count / max(len(distinct), 1))


def padded(distinct: Iterable[str]) -> bool:
    """Whether any is a whole number with a leading zero, as zip codes and other codes have."""
    return any(PADDED.fullmatch(text.strip()) for text in distinct)


def date_format(distinct: list[str]) -> tuple[str, str | None, tuple[str, ...]] | None:
    """The format of dates that reads all distinct values, another that reads them too, and words for a missing one."""
    import pandas

    words = tuple(text for text in distinct if text.strip().lower() in MISSING)
    kept = [text for text in distinct if text not in words]
    if not kept or not re.search(r"\d", kept[0]) or len(kept[0]) > 40:
        return None
    fitting = [each for each in DATES if _reads(pandas, kept[:50], each) and _reads(pandas, kept, each)]
    if not fitting:
        return None
    first = fitting[0]
    other = next((each for each in fitting[1:] if each != first and sorted(each) == sorted(first)), None)
    return first, other, words


def _reads(pandas: Any, distinct: list[str], form: str) -> bool:
    if form == "ISO8601" and not all(ISO.match(text.strip()) for text in distinct):
        return False
    return bool(dates(pandas.Series(distinct, dtype=object), form).notna().all())


def dates(column: Any, form: str) -> Any:
    """A column of text as dates without time zone; what does not fit is missing."""
    import pandas

    found = pandas.to_datetime(column.str.strip(), format=form, errors="coerce", utc=True)
    return found.dt.tz_localize(None)


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
