"""Numbers and dates that a table holds as text."""

from __future__ import annotations

import datetime
import re
from collections.abc import Callable, Sequence

import numpy as np

from ..typing import Array
from .frames import date_days

GAPS = ("", "na", "n/a", "nan", "null", "none", "nil", "?", "-", "--", ".", "missing", "nat", "<na>")  # lower case
FEW = 10  # fewer different numbers or dates stay categories
STRAY = 0.01  # share of other values that become missing
NUMBER = re.compile(r"\s*[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d{1,3})?\s*", re.ASCII)
ZEROS = re.compile(r"\s*[+-]?0\d", re.ASCII)  # of zip codes and phone numbers
DATE = re.compile(r"\d{4}-\d\d-\d\d([T ]\d\d:\d\d(:\d\d(\.\d{1,9})?)?(Z|[+-]\d\d:?\d\d)?)?", re.ASCII)


def numbers(values: Sequence[str]) -> Array:
    """The number that each text is; NaN for other text."""
    return np.array([float(value) if NUMBER.fullmatch(value) else np.nan for value in values], np.float64)


def dates(values: Sequence[str]) -> tuple[Array, bool]:
    """The days since 1970 of each text in ISO form, NaN for other text; and whether they have a time zone."""
    parsed = [_date(value.strip()) for value in values]
    aware = any(date is not None and getattr(date, "tzinfo", None) is not None for date in parsed)
    days = np.full(len(parsed), np.nan)
    for place, date in enumerate(parsed):
        if date is not None and (getattr(date, "tzinfo", None) is not None) == aware:
            days[place] = date_days(date, aware, "")
    return days, aware


def _date(value: str) -> datetime.datetime | None:
    if not DATE.fullmatch(value):
        return None
    value = re.sub(r"(\.\d{1,6})\d*", lambda found: found[1].ljust(7, "0"), value.replace("Z", "+00:00"))
    value = re.sub(r"([+-]\d\d)(\d\d)$", r"\1:\2", value) if "T" in value or " " in value else value
    try:
        return datetime.datetime.fromisoformat(value)
    except ValueError:
        return None


def are_numbers(values: Sequence[str], counts: Array) -> bool:
    """Whether these different texts, each so often, are numbers, a few strays and words for "missing" aside."""
    return _nearly_all(values, counts, lambda value: NUMBER.fullmatch(value) is not None) and not any(
        map(ZEROS.match, values)
    )


def are_dates(values: Sequence[str], counts: Array) -> bool:
    """Whether these different texts are dates in ISO form, likewise."""
    return _nearly_all(values, counts, lambda value: _date(value.strip()) is not None)


def _nearly_all(values: Sequence[str], counts: Array, parses: Callable[[str], bool]) -> bool:
    if len(values) < FEW or sum(map(parses, values[:100])) < min(len(values), 100) / 2:  # quickly, for most text
        return False
    parsed = np.array([parses(value) for value in values])
    gaps = np.array([value.strip().lower() in GAPS for value in values])
    strays = counts[~parsed & ~gaps].sum()
    return bool(np.count_nonzero(parsed) >= FEW and strays <= STRAY * counts[~gaps].sum())
