"""What each column of a table holds, and the frame in that form: numbers, booleans, categories, dates."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ...data import columns as kinds
from ...data import parsing
from ...messages.terminal import printable, say
from . import values
from .reading import Source, quoted
from .values import as_text

ID = re.compile(r"(^|[^a-z])(id|uuid|guid|key|index|nr|rownames|row)$|^column 1$|[a-z]I[dD]$|^Unnamed: \d+$")
MANY = 1000  # categories that get a word of warning
LIKE_ID = "looks like an id"
FEW_ROWS = 20  # below them all values may differ by chance
NUMBER, TRUTH, CATEGORY, DATE = "number", "yes/no", "category", "date"
NAMED = {NUMBER: "numbers", TRUTH: "true and false", DATE: "dates"}


@dataclass
class Column:
    """A column as it is understood. left_out: why the model does not get it; text, format, words: how text is read."""

    name: str
    kind: str
    rows: int = 0
    missing: int = 0
    distinct: int = 0
    shown: str = ""
    notes: list[str] = field(default_factory=list)
    left_out: bool = False
    text: bool = False
    format: str | None = None
    words: tuple[str, ...] = ()

    def known(self) -> dict[str, Any]:
        """What another table needs to be read alike, as JSON."""
        found: dict[str, Any] = {"kind": self.kind}
        if self.format is not None:
            found["format"] = self.format
        if self.words:
            found["words"] = list(self.words)
        return found


def forms(described: Collection[Column], source: Source) -> dict[str, tuple[str, tuple[str, ...]]]:
    """How the text of numbers and dates is read, and words that it has: what Python needs to read it alike."""
    found = {}
    for column in described:
        if column.kind == NUMBER and (column.text or source.decimal != parsing.POINT):
            found[column.name] = source.decimal, column.words
        elif column.kind == DATE and column.text:
            found[column.name] = column.format or parsing.ISO, column.words
    return found


def understood(frame: Any, source: Source, categorical: Collection[str] = ()) -> tuple[Any, list[Column]]:
    """The frame of the columns that a model can use, each in its form, and what was understood of every column.

    categorical: columns of categories, though they hold numbers.
    """
    import pandas

    described, kept = [], {}
    for name in frame.columns:
        series, column = form(frame[name], str(name), source, name in categorical)
        _expect_finite(series, column.name, column.kind, source)
        _describe(series, column)
        described.append(column)
        if not column.left_out:
            kept[name] = series
    return pandas.DataFrame(kept, index=frame.index, copy=False), described


def form(series: Any, name: str, source: Source, categorical: bool = False) -> tuple[Any, Column]:
    """The column in the form that a model takes, and its kind, of which nothing is counted yet."""
    kind = str(series.dtype)
    if categorical or kind == "category":
        return as_text(series).astype("category"), Column(name, CATEGORY)
    if kind in ("bool", "boolean"):
        return series, Column(name, TRUTH)
    if kind.startswith(("datetime64", "date32", "date64", "timestamp")):
        zone = getattr(series.dtype, "tz", None)
        return series if zone is None else series.dt.tz_convert("UTC").dt.tz_localize(None), Column(name, DATE)
    if kind.startswith("timedelta"):
        return series.dt.total_seconds() / 86400, Column(name, NUMBER, notes=["days"])  # as TableEncoder has them
    if _is_number(series):
        return series, Column(name, NUMBER)
    return _objects(series, name, source)


def _is_number(series: Any) -> bool:
    from pandas.api.types import is_numeric_dtype

    return bool(is_numeric_dtype(series.dtype)) and getattr(series.dtype, "kind", "") != "c"


def _objects(series: Any, name: str, source: Source) -> tuple[Any, Column]:
    """A column of text or Python objects."""
    distinct = values.distinct_text(series) if _hashable(series, name, source) else []
    if not distinct:
        return _other(series, name, source, distinct)
    lower = {text.strip().lower() for text in distinct}
    if lower <= {"true", "false"}:
        return values.truths(series), Column(name, TRUTH)
    found = values.numbers(distinct, source.decimal)
    if found.odd is None and values.padded(found.values):
        return series.astype("category"), Column(name, CATEGORY, notes=["has leading zeros, like zip codes: text"])
    if found.odd is None and found.values:
        column = Column(name, NUMBER, text=True, words=found.words, notes=["numbers stored as text"])
        if found.words:
            column.notes.append(f"{listed(found.words)} read as missing")
        return series.map(found.values, na_action="ignore").astype("float64"), column
    dated = values.date_format(distinct)
    if dated is not None:
        column = Column(name, DATE, text=True, format=dated[0], words=dated[2])
        if dated[1] is not None:
            column.notes.append(f"read as {parsing.spoken(dated[0])}, could be {parsing.spoken(dated[1])}")
        return values.dates(series.astype(object), dated[0]), column
    column = Column(name, CATEGORY)
    if found.odd is not None and found.share < 0.2 and len(found.values) > FEW_ROWS:
        row = int(np.argmax((series == found.odd).fillna(False).to_numpy(bool)))
        where = source.place(row).rsplit(", ", 1)[-1]
        column.notes.append(f"mostly numbers, but {quoted(found.odd)} in {where}")
    return series.astype("category"), column


def _other(series: Any, name: str, source: Source, distinct: list[str] | None) -> tuple[Any, Column]:
    """A column without values, or of Python objects other than text."""
    from datetime import date
    from decimal import Decimal
    from numbers import Real

    import pandas

    present = series.dropna()
    if distinct is not None and not len(present):
        return series, Column(name, CATEGORY)
    types = {type(value) for value in present.unique().tolist()}
    if types <= {bool, np.bool_}:
        return values.truths(series), Column(name, TRUTH)
    if all(issubclass(kind, (Real, Decimal)) for kind in types):
        return series.astype("float64"), Column(name, NUMBER)
    if all(issubclass(kind, date) for kind in types):
        return pandas.to_datetime(series, utc=True).dt.tz_localize(None), Column(name, DATE)
    return as_text(series).astype("category"), Column(name, CATEGORY, notes=["of several kinds, read as text"])


def _hashable(series: Any, name: str, source: Source) -> bool:
    """True; ValueError for a column of lists and the like."""
    try:
        series.dropna().unique()
    except (TypeError, NotImplementedError):  # the latter for Arrow's lists
        first = series.dropna().iloc[0]
        raise ValueError(
            f"{printable(source.path)}, column {quoted(name)}: it holds {type(first).__name__}s, expected numbers, "
            f"text or dates; leave it out: --drop {name}"
        ) from None
    return True


def _expect_finite(series: Any, name: str, kind: str, source: Source) -> None:
    """ValueError for infinity, with its place."""
    if kind != NUMBER or getattr(series.dtype, "kind", "f") in "iub":
        return
    infinite = np.isinf(series.to_numpy("float64", na_value=np.nan))
    if infinite.any():
        place = int(np.argmax(infinite))
        raise ValueError(
            f"{source.place(int(series.index[place]), name)}: {series.iloc[place]}, expected finite numbers; correct "
            "it, or leave a missing value empty"
        )


def _describe(series: Any, column: Column) -> None:
    """Count, and note what deserves a word."""
    column.rows, column.missing = len(series), int(series.isna().sum())
    present = series.dropna()
    column.distinct = int(present.nunique())
    if column.distinct < 2:
        column.left_out = True
        column.shown = "" if not column.distinct else _short(written(present.iloc[0], column.kind))
        column.notes = ["constant: ignored" if column.distinct else "empty: ignored"]
        column.kind = column.kind if column.distinct else "empty"
        if column.distinct and column.missing and column.kind in (CATEGORY, TRUTH):
            column.left_out, column.notes = False, ["one value or missing"]
        return
    if column.kind in (NUMBER, DATE):
        low, high = present.min(), present.max()
        column.shown = f"{written(low, column.kind)} .. {written(high, column.kind)}"
    else:
        counts = series.value_counts()
        column.shown = f"{column.distinct:,}: {', '.join(_short(str(name)) for name in counts.index[:8])}"
    _note_ids(present, column)
    if column.kind == DATE:
        parts = kinds.describe({"date": present.to_numpy()})[0].parts
        column.notes.insert(0, f"dates as {', '.join(parts)}")


def _note_ids(present: Any, column: Column) -> None:
    """A word on ids and on text with too many values."""
    if len(present) < FEW_ROWS:
        return
    different = column.distinct == len(present)
    if column.kind == CATEGORY and different:
        column.left_out = True
        column.notes.append("every value differs, like an id: ignored")
    elif column.kind == CATEGORY and (column.distinct > MANY or column.distinct > 0.5 * len(present)):
        column.notes.append("many values: an id or free text?")
    elif column.kind == NUMBER and different:
        numbers = present.to_numpy("float64")
        steps = np.diff(numbers)
        if len(steps) and (steps == 1).all():
            named = ID.search(column.name) is not None or ID.search(column.name.lower()) is not None
            column.left_out = named
            column.notes.append("row numbers: ignored" if named else "counts the rows: an id?")
        elif values.whole(numbers) and (ID.search(column.name) or ID.search(column.name.lower())):
            column.notes.append(LIKE_ID)


def applied(frame: Any, known: Mapping[str, Mapping[str, Any]], source: Source) -> Any:
    """The columns of `known` in the form that they had in training; ValueError names what does not fit."""
    import pandas

    expect_columns(frame, list(known), source)
    columns = {}
    for name, about in known.items():
        columns[name] = as_known(frame[name], name, about, source) if "kind" in about else frame[name]
    return pandas.DataFrame(columns, index=frame.index, copy=False)


def expect_columns(frame: Any, wanted: list[str], source: Source) -> None:
    """ValueError for columns that are not there, with those of a similar name."""
    import difflib

    present = list(map(str, frame.columns))
    missing = [name for name in wanted if name not in frame.columns]
    if not missing:
        return
    others = [name for name in present if name not in wanted]
    close = [(name, *difflib.get_close_matches(name, others, 1, 0.7)) for name in missing]
    hints = [f"{quoted(found[1])} may be {quoted(found[0])}: rename it" for found in close if len(found) > 1]
    shown = ", ".join(map(quoted, missing[:5])) + (f" and {len(missing) - 5} more" if len(missing) > 5 else "")
    add = "add them" if len(missing) > 1 else "add it"
    raise ValueError(
        f"{source.path}: the column{'s' if len(missing) > 1 else ''} {shown} of the training "
        f"{'are' if len(missing) > 1 else 'is'} missing; {hints[0] if hints else add}"
        + (f" (it has {', '.join(map(quoted, present[:10]))}{', ...' if len(present) > 10 else ''})")
    )


def as_known(series: Any, name: str, about: Mapping[str, Any], source: Source) -> Any:
    """The column in the form that `about` describes; ValueError names the first value that does not fit."""
    kind, words = about["kind"], {str(word).strip() for word in about.get("words", ())}
    if kind == CATEGORY:
        return as_text(series).astype("category")
    found = _converted(series, kind, about, source.decimal)
    _expect_finite(found, name, kind, source)
    wrong = found.isna().to_numpy() & ~series.isna().to_numpy()
    if wrong.any():
        text = series.map(str, na_action="ignore").astype(object)
        wrong &= ~text.str.strip().isin(words | {""}).fillna(False).to_numpy(bool)
    if wrong.any():
        row = int(np.argmax(wrong))
        more = f" ({np.count_nonzero(wrong) - 1:,} more)" if np.count_nonzero(wrong) > 1 else ""
        like = f" written as {parsing.spoken(about['format'])}" if about.get("format") else ""
        raise ValueError(
            f"{source.place(row, name)}: {quoted(_short(str(series.iloc[row]), 40))}{more}, expected {NAMED[kind]}"
            f"{like}, as in the training; correct it, or leave a missing value empty"
        )
    return found


def _converted(series: Any, kind: str, about: Mapping[str, Any], decimal: str) -> Any:
    """The column as this kind; what does not fit is missing."""
    import pandas

    dtype = str(series.dtype)
    if kind == TRUTH:
        return values.truths(series)
    if kind == DATE:
        if dtype.startswith(("datetime64", "timestamp", "date")):
            found = form(series, "", Source("", None))[0]
        else:
            text = as_text(series)
            found = values.dates(text, about.get("format") or _format(text))
        return found.dt.tz_localize("UTC") if about.get("aware") else found
    if dtype.startswith("timedelta"):
        return series.dt.total_seconds() / 86400
    if _is_number(series):
        return series
    text = as_text(series)
    if dtype in ("bool", "boolean") or dtype == "category":
        return pandas.to_numeric(text, errors="coerce")
    distinct = {value: parsing.number(value, decimal) for value in text.dropna().unique().tolist()}
    return text.map(distinct, na_action="ignore").astype("float64")


def _format(text: Any) -> str:
    """The format of dates, where the model does not know it, as it was saved from Python."""
    found = values.date_format(text.dropna().unique().tolist())
    if found is not None and found[1] is not None:
        read, other = parsing.spoken(found[0]), parsing.spoken(found[1])
        say(f"pynn: the dates in {quoted(text.name)} are read as {read}, could be {other}")
    return parsing.ISO if found is None else found[0]


def written(value: Any, kind: str) -> str:
    """A value for people."""
    if kind == DATE:
        text = str(value)
        return text.removesuffix(" 00:00:00")
    if kind == NUMBER:
        number = float(value)
        return str(int(number)) if number.is_integer() and abs(number) < 1e9 else f"{number:.4g}"
    return str(value)


def _short(text: str, most: int = 16) -> str:
    text = printable(text, 200)
    return text if len(text) <= most else text[: most - 1] + "…"


def listed(words: Collection[str]) -> str:
    """Quoted words, separated by commas."""
    return ", ".join(map(quoted, words))
