"""Numbers and dates that a table holds as text: how a column writes them, and what each text is."""

from __future__ import annotations

import datetime
import functools
import math
import re
from collections.abc import Sequence
from numbers import Real
from typing import Any, NamedTuple

import numpy as np

from ..typing import Array
from . import tables
from .frames import Raw, date_days

# Words for a missing value, in lower case.
GAPS = frozenset({
    "", "na", "n/a", "n.a.", "n. a.", "na.", "k.a.", "nan", "nat", "null", "none", "nil", "<na>", "#n/a", "?", "-",
    "--", "---", ".", "..", "*", "missing", "unknown",
})  # fmt: skip
FEW = 10  # fewer different numbers or dates stay categories
TRIED = 50  # of the different texts, the most frequent ones, and as many others, before all are read
STRAY = 0.01  # share of other text that becomes missing
MIXED = 0.1  # the same among numbers of Python
POINT, COMMA, ISO = ".", ",", "ISO8601"  # forms: 1,234.5 and 1.234,5 and 2020-01-31T12:00
DATES = (
    ISO, "%Y/%m/%d", "%Y/%m/%d %H:%M:%S", "%Y/%m/%d %H:%M", "%d.%m.%Y", "%d.%m.%Y %H:%M", "%d.%m.%Y %H:%M:%S",
    "%m/%d/%Y", "%d/%m/%Y", "%m/%d/%Y %H:%M", "%d/%m/%Y %H:%M", "%m/%d/%Y %H:%M:%S", "%d/%m/%Y %H:%M:%S",
    "%m/%d/%y", "%d/%m/%y", "%d-%m-%Y", "%m-%d-%Y", "%d-%b-%Y", "%d %b %Y", "%d %B %Y", "%b %d, %Y", "%B %d, %Y",
    "%Y-%m-%d",
)  # fmt: skip
FORMS = (POINT, COMMA, *DATES)
MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
LONG = ("january", "february", "march", "april", "may", "june", "july", "august", "september", "october", "november",
        "december")  # fmt: skip

PLAIN = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d{1,3})?", re.ASCII)
_FRAME = r"([-+]?)\s*[$€£¥]?\s*([-+]?)({body}(?:[eE][-+]?\d{{1,3}})?)\s*[$€£¥%]?"
NUMBER = {
    POINT: re.compile(_FRAME.format(body=r"(?:[1-9]\d{0,2}(?:,\d{3})+|\d+|(?=\.\d))(?:\.\d*)?"), re.ASCII),
    COMMA: re.compile(_FRAME.format(body=r"(?:[1-9]\d{0,2}(?:\.\d{3})+|\d+|(?=,\d))(?:,\d*)?"), re.ASCII),
}
ZEROS = re.compile(r"\s*[+-]?0\d", re.ASCII)  # of zip codes and phone numbers
DATE = re.compile(
    r"\d{4}-\d\d(-\d\d([T ]\d\d(:\d\d(:\d\d(\.\d{1,9})?)?)?(Z|[+-]\d\d(:?\d\d)?)?)?)?", re.ASCII
)  # fmt: skip
LIKE = re.compile(  # numbers with a unit, and dates, however they are written
    r"[^\w]{0,3}\d[\d.,' ]*\D{0,8}|\d\d?:\d\d.*|[A-Z]{3} ?\d[\d.,' ]*|(\w{2,9}\.?,? )?(\d{1,4}|[^\W\d]{3,9})[-/. ]{1,2}"
    r"(\d{1,2}|[^\W\d]{3,9})[-/., ]{1,2}\d{1,4}([T ,]+\d\d?[:.h]\d\d.*)?"
)
DIRECTIVES = {
    "%Y": r"(?P<Y>\d{4})", "%y": r"(?P<y>\d\d)", "%m": r"(?P<m>\d{1,2})", "%d": r"(?P<d>\d{1,2})",
    "%b": r"(?P<b>[A-Za-z]{3,9})\.?", "%B": r"(?P<b>[A-Za-z]{3,9})", "%H": r"(?P<H>\d{1,2})", "%M": r"(?P<M>\d{1,2})",
    "%S": r"(?P<S>\d{1,2})",
}  # fmt: skip


class Form(NamedTuple):
    """How the texts of a column are read. other: a form that reads all of them too; odd: texts that it cannot read."""

    form: str
    other: str
    odd: tuple[str, ...]


def is_gap(text: str) -> bool:
    """Whether the text stands for a missing value."""
    return text.strip().lower() in GAPS


# One text -----------------------------------------------------------------------------------------


def number(text: str, form: str = POINT) -> float | None:
    """The number in text such as 1,234.5 or $12 or 7 %, or None."""
    text = text.strip()
    if form == POINT and PLAIN.fullmatch(text):
        return float(text)
    match = NUMBER[form].fullmatch(text)
    if match is None or (match[1] and match[2]):
        return None
    digits = match[3].replace(".", "").replace(",", ".") if form == COMMA else match[3].replace(",", "")
    return float(f"{match[1] or match[2]}{digits}")


def date(text: str, form: str = ISO) -> datetime.datetime | None:
    """The date in text of this form, or None."""
    text = text.strip()
    if form == ISO:
        return _iso(text)
    match = _pattern(form).fullmatch(text)
    if match is None:
        return None
    found = match.groupdict()
    if "b" in found:
        name = found["b"].lower()
        names = LONG if name in LONG else MONTHS
        if name not in names:
            return None
        month = names.index(name) + 1
    else:
        month = int(found["m"])
    year = int(found["Y"]) if "Y" in found else int(found["y"]) + (1900 if int(found["y"]) > 68 else 2000)
    try:
        hour, minute, second = (int(found.get(part) or 0) for part in "HMS")
        return datetime.datetime(year, month, int(found["d"]), hour, minute, second)
    except ValueError:
        return None


@functools.cache
def _pattern(form: str) -> re.Pattern[str]:
    pattern = re.escape(form).replace(r"\ ", r"\s+").replace("%%", "%")
    for directive, part in DIRECTIVES.items():
        pattern = pattern.replace(directive, part)
    return re.compile(pattern, re.ASCII)


def _iso(text: str) -> datetime.datetime | None:
    if not DATE.fullmatch(text):
        return None
    if len(text) == 7:  # a month
        text += "-01"
    text = re.sub(r"(\.\d{1,6})\d*", lambda found: found[1].ljust(7, "0"), text.replace("Z", "+00:00"))
    if len(text) > 10:
        text = re.sub(r"([+-]\d\d)(\d\d)?$", lambda found: f"{found[1]}:{found[2] or '00'}", text, count=1)
    try:
        return datetime.datetime.fromisoformat(text)
    except ValueError:
        return None


def _reads(text: str, form: str) -> bool:
    return (number(text, form) if form in NUMBER else date(text, form)) is not None


# All texts ----------------------------------------------------------------------------------------


def numbers(values: Sequence[str], form: str = POINT) -> Array:
    """The number that each text is; NaN for other text."""
    found = (number(value, form) for value in values)
    return np.array([np.nan if value is None else value for value in found], np.float64)


def dates(values: Sequence[str], form: str, where: str) -> tuple[Array, bool]:
    """The days since 1970 of each text, NaN for other text; and whether they have a time zone.

    ValueError, which begins with `where`, if only some have one.
    """
    parsed = [date(value, form) for value in values]
    aware = any(found is not None and found.tzinfo is not None for found in parsed)
    days = [np.nan if found is None else date_days(found, aware, where) for found in parsed]
    return np.array(days, np.float64), aware


def number_form(
    values: Sequence[str], counts: Array, few: int = FEW, decimal: str = POINT, stray: float = STRAY
) -> Form | None:
    """The form in which these different texts, each so often, are numbers, strays and words for "missing" aside.

    few: less different ones are none. decimal: the form that is taken of two that read the same.
    """
    if any(map(ZEROS.match, values)):
        return None
    return _form(values, counts, (POINT, COMMA) if decimal == POINT else (COMMA, POINT), few, stray)


def date_form(values: Sequence[str], counts: Array, few: int = FEW) -> Form | None:
    """The form in which they are dates, likewise."""
    return _form(values, counts, DATES, few, STRAY)


def frequent_first(values: Sequence[Any], counts: Array) -> Array:
    """The order of different values from the most frequent one, equal ones by their text: that of no library."""
    texts = [str(value) for value in values]
    order = np.array(sorted(range(len(texts)), key=texts.__getitem__), np.intp)
    return order[np.argsort(-counts[order], kind="stable")]


def _some(values: Sequence[str]) -> list[str]:
    """The first ones and others spread evenly, without words for "missing"."""
    first, rest = values[:TRIED], values[TRIED:]
    return [value for value in (*first, *rest[:: -(-len(rest) // TRIED) or 1]) if not is_gap(value)]


def _form(values: Sequence[str], counts: Array, forms: Sequence[str], few: int, stray: float) -> Form | None:
    """The form that reads most of the texts, if it reads nearly all of them; the first of equal ones."""
    tried = _some(values)
    if len(values) < few or not tried:
        return None
    best: tuple[int, str, Array] | None = None
    equal: list[str] = []
    gaps = np.array([is_gap(value) for value in values])
    for form in forms:
        if sum(_reads(value, form) for value in tried) < len(tried) / 4:  # quickly, for most text
            continue
        parsed = np.array([_reads(value, form) for value in values])
        read, strays = int(counts[parsed].sum()), int(counts[~parsed & ~gaps].sum())
        if np.count_nonzero(parsed) < few or strays > stray * (read + strays):
            continue
        if best is None or read > best[0]:
            best, equal = (read, form, parsed), []
        elif read == best[0]:
            equal.append(form)
    if best is None:
        return None
    odd = tuple(value for value, read in zip(values, best[2], strict=True) if not read)
    return Form(best[1], _doubt(best[1], equal, values), odd)


def _doubt(form: str, equal: Sequence[str], values: Sequence[str]) -> str:
    """The other form that would give other values, or ""."""
    if form in NUMBER:
        return equal[0] if equal and any(map(is_ambiguous, values)) else ""
    return next((each for each in equal if sorted(each) == sorted(form)), "")  # the same parts in another order


def is_ambiguous(text: str) -> bool:
    """Whether it is another number with decimal commas, as 1,234 and 7.042 are."""
    return len({None, number(text, POINT), number(text, COMMA)}) == 3


def unread(values: Sequence[str]) -> str | None:
    """A text that is neither number nor date, of texts that look like them; None if they do not."""
    tried = _some(values)
    if not tried or sum(LIKE.fullmatch(value.strip()) is not None for value in tried) < 0.9 * len(tried):
        return None
    return next((each for each in values if not is_gap(each) and not any(_reads(each, form) for form in FORMS)), None)


# A column -----------------------------------------------------------------------------------------


def are_text_or_numbers(values: Sequence[Any]) -> bool:
    """Whether they are nothing else; booleans are."""
    return all(isinstance(value, str) or (isinstance(value, Real) and not isinstance(value, bool)) for value in values)


def among_numbers(values: Sequence[Any], counts: Array) -> Form | None:
    """How the text among numbers is read; None if the column does not consist of numbers, but for a few words."""
    if not are_text_or_numbers(values):
        return None
    text = [value for value in values if isinstance(value, str)]
    if all(map(is_gap, text)):
        return Form(POINT, "", tuple(text))
    written = [value if isinstance(value, str) else repr(value) for value in values]
    form = number_form(written, counts, stray=MIXED)
    if form is None or form.form != POINT:
        return None
    return form if any(map(is_ambiguous, text)) else form._replace(other="")


def as_numbers(raw: Raw, form: str) -> Raw:
    text = numbers([value if isinstance(value, str) else "" for value in raw.values], form)
    found = [read if isinstance(value, str) else float(value) for value, read in zip(raw.values, text, strict=True)]
    return Raw("number", spread(np.array(found, np.float64), raw.data), raw.dtype)


def as_dates(raw: Raw, form: str, where: str) -> Raw:
    days, aware = dates(raw.values, form, where)
    return Raw("date", spread(days, raw.data), raw.dtype, aware=aware)


def spread(values: Array, codes: Array) -> Array:
    """The number of each row from the numbers of all categories; NaN where it is missing."""
    return np.append(values, np.nan)[codes]


def tolerated(rows: int, share: float = STRAY) -> float:
    """How much text that is not read may be in other rows than those of `fit`, where the share of it is at most this.

    In a few rows chance makes it more: three standard deviations of a share of 1 %. One of ten is told, one of one
    refused.
    """
    return share * rows + 3 * math.sqrt(min(share, STRAY) * rows)


def read_as(kind: str, form: Form) -> str:
    """How text is read, in words."""
    note = f"is text that is read as {kind}s" + ("" if form.form in (POINT, ISO) else f", {spoken(form.form)}")
    note += f" (it could be {spoken(form.other)})" if form.other else ""
    return note + (
        f"; {tables.listed(form.odd, 3)} {'become' if len(form.odd) > 1 else 'becomes'} missing" if form.odd else ""
    )


def spoken(form: str) -> str:
    """A form in words, such as day.month.year."""
    if form in NUMBER:
        return f"with decimal {'commas' if form == COMMA else 'points'}"
    names = {ISO: "year-month-day", "%Y": "year", "%y": "year", "%m": "month", "%d": "day", "%b": "month's name",
             "%B": "month's name", "%H": "hour", "%M": "minute", "%S": "second"}  # fmt: skip
    for directive, name in names.items():
        form = form.replace(directive, name)
    return form
