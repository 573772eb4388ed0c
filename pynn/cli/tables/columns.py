"""What each column of a table holds, and the frame in that form: numbers, booleans, categories, dates.

`pynn.data.columns` decides it; here is what belongs to files: decimal signs, lines of rows, numbers that count them.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ...data import columns as kinds
from ...data import matching, parsing
from ...data.frames import Table
from ...messages.terminal import printable, say
from . import values
from .reading import Source, quoted
from .values import as_text

ID = re.compile(r"(^|[^a-z])(id|uuid|guid|key|index|nr|rownames|row)$|^column 1$|[a-z]I[dD]$|^Unnamed: \d+$")
WHOLE = re.compile(r"(0|-?[1-9]\d*)\.0")  # as pandas writes a whole number beside a gap
LIKE_ID = "looks like an id"
FEW_ROWS = 20  # below them all values may differ by chance
MOSTLY = 0.8  # numbers among the values of a column of text
NUMBER, TRUTH, CATEGORY, DATE = "number", "boolean", "category", "date"
NAMED = {NUMBER: "numbers", TRUTH: "true and false", DATE: "dates"}


@dataclass
class Column:
    """A column as it is shown. left_out: whether the model does not get it; form, words: how its text is read."""

    name: str
    kind: str
    rows: int = 0
    missing: int = 0
    shown: str = ""
    notes: list[str] = field(default_factory=list)
    left_out: bool = False
    form: str = ""
    words: tuple[str, ...] = ()


def forms(described: Collection[Column], source: Source) -> dict[str, tuple[str, tuple[str, ...]]]:
    """How the text of numbers and dates is read, and words that it has: what Python needs to read it alike."""
    found = {}
    for column in described:
        comma = parsing.COMMA if column.kind == NUMBER and source.decimal == parsing.COMMA else ""
        if form := column.form or comma:
            found[column.name] = form, column.words
    return found


# A table to learn from ----------------------------------------------------------------------------


def understood(frame: Any, source: Source, categorical: Collection[str] = ()) -> tuple[Any, list[Column]]:
    """The frame of the columns that a model can use, each in its form, and what was understood of every column.

    categorical: columns of categories, though they hold numbers.
    """
    import pandas

    for name in frame.columns:
        _expect_finite(frame[name], str(name), source)
    if not len(frame.columns):
        return frame, []
    table = _table(frame, source)
    described, kept = [], {}
    for found in kinds.learn_all(table, categorical):
        series = _usable(frame[found.name], found, table)
        column = _described(series, found, source)
        described.append(column)
        if not column.left_out:
            kept[found.name] = series
    return pandas.DataFrame(kept, index=frame.index, copy=False), described


def one(series: Any, name: str, source: Source) -> tuple[Any, kinds.Column]:
    """A single column in the form that it has, and what it is."""
    _expect_finite(series, name, source)
    table = _table({name: series}, source)
    found = kinds.learn(table, name)
    return _usable(series, found, table), found


def _table(frame: Any, source: Source) -> Table:
    table = Table(frame, printable(source.path))
    table.decimal, table.written = source.decimal, True
    return table


def _usable(series: Any, column: kinds.Column, table: Table) -> Any:
    """The column in the form that a model takes, which reads it as here, whatever rows it sees."""
    import pandas

    if column.kind == NUMBER and not _is_number(series):
        return pandas.Series(kinds.read(column, table, column.name), series.index, "float64")
    if column.kind == DATE and not (str(series.dtype).startswith("datetime64[") and "," not in str(series.dtype)):
        return pandas.Series(values.times(kinds.read(column, table, column.name)), series.index)
    return as_text(series).astype("category") if column.kind == CATEGORY else series


def _is_number(series: Any) -> bool:
    from pandas.api.types import is_numeric_dtype

    return bool(is_numeric_dtype(series.dtype)) and getattr(series.dtype, "kind", "") in "iuf"


def _expect_finite(series: Any, name: str, source: Source) -> None:
    """ValueError for infinity, with its place."""
    if getattr(series.dtype, "kind", "") != "f":
        return
    infinite = np.isinf(series.to_numpy("float64", na_value=np.nan))
    if infinite.any():
        place = int(np.argmax(infinite))
        raise ValueError(
            f"{source.place(int(series.index[place]), name)}: {series.iloc[place]}, expected finite numbers; correct "
            "it, or leave a missing value empty"
        )


def _described(series: Any, found: kinds.Column, source: Source) -> Column:
    """The column with what is shown of it."""
    name, present = str(found.name), series.dropna()
    column = Column(name, found.kind, len(series), int(series.isna().sum()), left_out=not found.used)
    if found.text:
        column.form, column.words = found.form, found.words
    distinct = int(present.nunique())
    if found.kind in (NUMBER, DATE):
        low, high = present.min(), present.max()
        column.shown = f"{written(low, found.kind)} .. {written(high, found.kind)}"
    elif found.kind != "empty":
        counts = as_text(present).value_counts()
        first = ", ".join(_short(name.removesuffix(" 00:00:00")) for name in counts.index[:8])
        column.shown = first if found.kind == "constant" else f"{distinct:,}: {first}"
    column.notes = _notes(found, present, distinct, source)
    if found.note.startswith(kinds.COUNTING):
        column.left_out = _named_like_an_id(name)
        column.notes = ["row numbers: ignored" if column.left_out else "counts the rows: an id?"]
    return column


def _notes(found: kinds.Column, present: Any, distinct: int, source: Source) -> list[str]:
    """What deserves a word."""
    if found.kind in ("constant", "empty"):
        return ["ignored"]
    notes = [f"dates as {', '.join(found.parts)}"] if found.kind == DATE else []
    notes += ["days"] if found.dtype.startswith(("timedelta", "duration")) else []
    if found.note and found.note != parsing.read_as(DATE, parsing.Form(parsing.ISO, "", ())):
        notes.append(found.note.removeprefix("is text that is "))
    if found.kind in (CATEGORY, "id"):
        notes += _nearly_numbers(present, source)
    elif found.kind == NUMBER and distinct == len(present) >= FEW_ROWS and _named_like_an_id(str(found.name)):
        notes += [LIKE_ID] if values.whole(present.to_numpy("float64")) else []
    return notes


def _named_like_an_id(name: str) -> bool:
    return ID.search(name) is not None or ID.search(name.lower()) is not None


def _nearly_numbers(present: Any, source: Source) -> list[str]:
    """Why a column of text is none of numbers, if it is for a few values or for leading zeros."""
    texts = present.astype(object)
    distinct = [text for text in texts.unique().tolist() if not parsing.is_gap(str(text))]
    odd = [text for text in distinct if parsing.number(str(text), source.decimal) is None]
    if not odd and values.padded(map(str, distinct)):
        return ["has leading zeros, like zip codes: text"]
    if not odd or len(distinct) - len(odd) <= max(FEW_ROWS, MOSTLY * len(distinct)):
        return []
    line = source.place(int(present.index[int(np.argmax((texts == odd[0]).to_numpy()))])).rsplit(", ", 1)[-1]
    return [f"mostly numbers, but {quoted(odd[0])} in {line}"]


# Another table in the same form -------------------------------------------------------------------


def applied(frame: Any, known: Sequence[kinds.Column], source: Source) -> Any:
    """The columns of the training in the form that they had there; ValueError names what does not fit."""
    import pandas

    expect_columns(frame, [str(column.name) for column in known], source)
    return pandas.DataFrame({column.name: as_known(frame[column.name], column, source) for column in known}, copy=False)


def expect_columns(frame: Any, wanted: list[str], source: Source) -> None:
    """ValueError for columns that are not there, with those of a similar name."""
    present = list(map(str, frame.columns))
    missing = [name for name in wanted if name not in frame.columns]
    if not missing:
        return
    hint = matching.renamed(missing, [name for name in present if name not in wanted])
    shown = ", ".join(map(quoted, missing[:5])) + (f" and {len(missing) - 5} more" if len(missing) > 5 else "")
    add = "add them" if len(missing) > 1 else "add it"
    raise ValueError(
        f"{source.path}: the column{'s' if len(missing) > 1 else ''} {shown} of the training "
        f"{'are' if len(missing) > 1 else 'is'} missing; {hint or add}"
        + (f" (it has {', '.join(map(quoted, present[:10]))}{', ...' if len(present) > 10 else ''})")
    )


def is_text(column: kinds.Column) -> bool:
    """Whether its values are categories of text, though a file may hold digits."""
    return column.kind == CATEGORY and all(isinstance(each, str) for each in column.categories)


def as_known(series: Any, column: kinds.Column, source: Source, stray: float = parsing.STRAY) -> Any:
    """The column as the training had it; ValueError names the first value that does not fit.

    stray: share of such values that become missing, with a warning.
    """
    if column.kind == CATEGORY:
        return _as_codes(as_text(series), column.categories).astype("category") if is_text(column) else series
    found = _converted(series, column, source)
    _expect_finite(found, str(column.name), source)
    wrong = found.isna().to_numpy() & ~series.isna().to_numpy()
    if wrong.any():
        text = series.map(str, na_action="ignore").astype(object)
        usual = [each for each in text[wrong].unique() if parsing.is_gap(each) or each in column.words]
        wrong &= ~text.isin(usual).to_numpy(bool)
    if not wrong.any():
        return found
    count, row = np.count_nonzero(wrong), int(np.argmax(wrong))
    more = f" ({count - 1:,} more)" if count > 1 else ""
    like = f" written as {parsing.spoken(column.form)}" if column.kind == DATE and column.form else ""
    said = (
        f"{source.place(int(series.index[row]), str(column.name))}: {quoted(_short(str(series.iloc[row]), 40))}{more}, "
        f"expected {NAMED[column.kind]}{like}, as in the training"
    )
    if count > parsing.tolerated(int(series.notna().sum()), stray):
        raise ValueError(f"{said}; correct it, or leave a missing value empty")
    say(f"pynn: {said}; taken as missing")
    return found


def _as_codes(text: Any, categories: Sequence[str]) -> Any:
    """The text with whole numbers as the categories write them: 20095.0 for 20095, and the other way round."""
    usual = {_whole(each): each for each in categories}
    new = set(text.dropna().unique().tolist()).difference(categories)
    others = {each: usual[_whole(each)] for each in new if _whole(each) in usual}
    return text.map(lambda each: others.get(each, each), na_action="ignore").astype(object) if others else text


def _whole(text: str) -> str:
    return text.removesuffix(".0") if WHOLE.fullmatch(text) else text


def _converted(series: Any, column: kinds.Column, source: Source) -> Any:
    """The column as this kind; what does not fit is missing."""
    import pandas

    dtype = str(series.dtype)
    if column.kind == TRUTH:
        return values.truths(series)
    if column.kind == DATE:
        found = _dates(series, column, source)
        return found.dt.tz_localize("UTC") if column.aware else found
    if dtype.startswith("timedelta"):
        return series.dt.total_seconds() / 86400
    if _is_number(series):
        return series
    if dtype in ("bool", "boolean"):  # 0 and 1, as in Python
        return series.astype("float64")
    text = as_text(series)
    if dtype == "category":
        return pandas.to_numeric(text, errors="coerce")
    return values.numbers(text, (column.form or source.decimal, source.decimal, parsing.POINT, parsing.COMMA))


def _dates(series: Any, column: kinds.Column, source: Source) -> Any:
    """Dates without time zone, those of text in the form of the training, or in the one that fits."""
    where = f"{printable(source.path)}: column {quoted(column.name)}"
    if not str(series.dtype).startswith(("datetime64", "timestamp", "date")):
        text = as_text(series)
        return values.dates(text, column.form or _format(text), where)
    zone = getattr(series.dtype, "tz", None)
    return series if zone is None else series.dt.tz_convert("UTC").dt.tz_localize(None)


def _format(text: Any) -> str:
    """The format of dates, where the training had no text."""
    counts = text.value_counts()
    found = parsing.date_form(counts.index.tolist(), counts.to_numpy(), few=1)
    if found is not None and found.other:
        read, other = parsing.spoken(found.form), parsing.spoken(found.other)
        say(f"pynn: the dates in {quoted(text.name)} are read as {read}, could be {other}")
    return parsing.ISO if found is None else found.form


# Text ---------------------------------------------------------------------------------------------


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
