"""The target of a table: the task, its values, rows that are left out, and the test part."""

from __future__ import annotations

import difflib
from collections.abc import Collection
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from pynn import random as random_module

from ...data import parsing
from ...data.columns import Column
from ...messages.counting import several
from ...messages.terminal import printable
from ...typing import Array
from . import columns, reading, values
from .reading import Source, quoted

CLASSIFICATION, REGRESSION = "classification", "regression"
FEW = 10  # different whole numbers that are taken for classes
FEWEST_ROWS = 10
HELD_OUT = 3  # purpose of random numbers, besides random.WEIGHTS, random.ORDER and that of `train`


class Target(NamedTuple):
    """What is predicted. rows: of the frame that are used; y: their values; why: sentences for the user.

    words: text in place of a value, whose rows are left out.
    """

    name: str
    task: str
    rows: NDArray[np.intp]
    y: Array
    why: tuple[str, ...]
    words: tuple[str, ...]

    @property
    def is_classification(self) -> bool:
        """Whether classes are predicted."""
        return self.task == CLASSIFICATION


def find(frame: Any, name: str, source: Source) -> str:
    """The column of this name; ValueError with similar names if it is missing."""
    present = list(map(str, frame.columns))
    if name in present:
        return name
    same = [each for each in present if each.strip().lower() == name.strip().lower()]
    close = same or difflib.get_close_matches(name, present, 3, 0.5)
    hint = f"; did you mean {' or '.join(map(quoted, close))}?" if close else ""
    shown = ", ".join(map(quoted, present[:12])) + (f" and {len(present) - 12} more" if len(present) > 12 else "")
    place = printable(source.path) if source.dialect is None else f"{printable(source.path)}, line 1"
    if source.dialect is not None and all(parsing.number(each, source.decimal) is not None for each in present):
        hint = "; that line seems to hold values: the first line must name the columns"
    raise ValueError(f"{place}: there is no column {quoted(name)}{hint} (it has {shown})")


def prepared(frame: Any, name: str, task: str | None, source: Source) -> Target:
    """The target; ValueError if it cannot be predicted."""
    where = f"{printable(source.path)}, column {quoted(name)}"
    present = frame[name].notna().to_numpy(bool)
    rows = np.flatnonzero(present)
    why = [] if present.all() else _missing(name, ~present, source)
    if not len(rows):
        raise ValueError(f"{where}: all values are missing, so there is nothing to learn")
    series, column = columns.one(frame[name].iloc[rows], name, source)
    kept = series.notna().to_numpy(bool)
    if not kept.all():  # "?" in a column of numbers
        why.append(_left_out(int(np.count_nonzero(~kept)), f"where {quoted(name)} is {columns.listed(column.words)}"))
        rows, series = rows[kept], series[kept]
    if column.kind == columns.DATE:
        raise ValueError(f"{where}: it holds dates, expected classes or numbers; put the days since one in its place")
    distinct = int(series.nunique())
    if distinct < 2:
        raise ValueError(f"{where}: all {len(rows):,} rows have {quoted(series.iloc[0])}, so there is nothing to learn")
    if len(rows) < FEWEST_ROWS:
        raise ValueError(f"{where}: {several(len(rows), 'row')} with a value, expected at least {FEWEST_ROWS}")
    guessed, reason = _guess(series, column, distinct)
    chosen = task or guessed
    if task is None:
        other = REGRESSION if guessed == CLASSIFICATION else CLASSIFICATION
        choose = "" if _is_text(column) else f"; --task {other} chooses the other"
        why.insert(0, f"{guessed} (guessed: {quoted(name)} has {reason}{choose})")
    else:
        why.insert(0, f"{task}, as asked for by --task")
    if chosen == REGRESSION:
        return Target(name, chosen, rows, _numbers(series, column, source), tuple(why), column.words)
    rows, y = _classes(series, column, where, rows, distinct, why)
    return Target(name, chosen, rows, y, tuple(why), column.words)


def _missing(name: str, missing: NDArray[np.bool_], source: Source) -> list[str]:
    """Sentences about the rows without a value; a word that may be a class is named."""
    words = reading.words_for_missing(source, name, missing)
    written = sum(words.values())
    empty = int(np.count_nonzero(missing)) - written
    why = [_left_out(empty, f"without a value of {quoted(name)}")] if empty else []
    if words:
        said = _left_out(written, f"where {quoted(name)} is {columns.listed(words)}")
        why.append(f"{said}, a word for a missing value; if it is a class, write another word in the file")
    return why


def _left_out(count: int, why: str) -> str:
    return f"{several(count, 'row')} {why} left out"


def _guess(series: Any, column: Column, distinct: int) -> tuple[str, str]:
    if column.kind == columns.TRUTH:
        return CLASSIFICATION, "true and false"
    if _is_text(column):
        return CLASSIFICATION, f"{distinct:,} different values of text"
    numbers = series.to_numpy("float64")
    if values.whole(numbers):
        if distinct == 2 or (distinct <= FEW and 4 * distinct <= len(numbers)):
            return CLASSIFICATION, f"{distinct} different whole numbers"
        return REGRESSION, f"{distinct:,} different whole numbers"
    if distinct == 2:
        return CLASSIFICATION, "2 different numbers"
    return REGRESSION, f"{distinct:,} different numbers"


def _is_text(column: Column) -> bool:
    return column.kind not in (columns.NUMBER, columns.TRUTH)


def _numbers(series: Any, column: Column, source: Source) -> Array:
    if not _is_text(column):
        return np.asarray(series.to_numpy("float64"))
    texts = series.astype(object).tolist()
    found = [parsing.number(text, source.decimal) for text in texts]
    if None not in found:  # text because of leading zeros
        return np.array(found, np.float64)
    first = found.index(None)
    place = source.place(int(series.index[first]), str(column.name))
    raise ValueError(
        f"{place}: {quoted(texts[first])} is not a number, which --task regression needs; correct it, or choose --task "
        "classification"
    )


def _classes(
    series: Any, column: Column, where: str, rows: NDArray[np.intp], distinct: int, why: list[str]
) -> tuple[NDArray[np.intp], Array]:
    """Rows and classes: text, booleans or whole numbers. Classes with a single row are left out."""
    if distinct > 0.5 * len(rows) and distinct > 2:
        kind = "a different value in each row"
        if distinct < len(rows):
            kind = f"{distinct:,} values in {len(rows):,} rows"
        other = "; for numbers choose --task regression" if column.kind == columns.NUMBER else ""
        raise ValueError(f"{where}: it has {kind}, like an id, and no classes{other}; name another --target")
    y = _plain(series, column)
    names, codes, counts = np.unique(y, return_inverse=True, return_counts=True)
    single = counts < 2
    if single.any():
        listed = ", ".join(quoted(each) for each in names[single][:5].tolist()) + (", ..." if single.sum() > 5 else "")
        why.append(
            f"{several(int(single.sum()), 'row')} left out whose class occurs once, which can be learned or tested, "
            f"not both: {listed}"
        )
        kept = ~single[codes]
        rows, y = rows[kept], y[kept]
    if (~single).sum() < 2:
        raise ValueError(f"{where}: only one class has more than one row, so there is nothing to learn")
    return rows, y


def _plain(series: Any, column: Column) -> Array:
    """The classes as an array of text, booleans or integers."""
    if column.kind == columns.TRUTH:
        return np.asarray(series.to_numpy(bool))
    if _is_text(column):
        return np.array(series.astype(object).tolist(), dtype=object).astype(str)
    numbers = series.to_numpy("float64")
    if values.whole(numbers) and np.abs(numbers).max() < 2**53:
        return np.asarray(numbers.astype(np.int64))
    return np.asarray(values.as_text(series).to_numpy(object).astype(str))  # 0.5 and 1.5: no labels for an estimator


# Of a trained model -------------------------------------------------------------------------------


def kind(classes: list[Any] | None) -> str:
    """What the targets of a model are; classes: None for one of numbers."""
    names = list(map(str, classes or ()))
    if {*names} == {"True", "False"}:
        return columns.TRUTH
    return columns.NUMBER if all(each == _as_number(each, parsing.POINT) for each in names) else columns.CATEGORY


def _as_number(text: str, decimal: str) -> str | None:
    """A number as it is the name of a class: 1.0 as 1; None for other text."""
    number = parsing.number(text, decimal)
    return None if number is None else values.written(number)


def known(series: Any, classes: list[Any] | None, words: Collection[str], source: Source) -> Any:
    """The values of a model's target: numbers, or names of classes. Words for "missing" that are no class are missing.

    words: other ones. ValueError for text where numbers are expected.
    """
    if classes is None:
        column = Column(str(series.name), columns.NUMBER, "", words=tuple(words))
        return columns.as_known(series, column, source, stray=0)
    names, of = {*map(str, classes)}, kind(classes)

    def name(text: str) -> Any:
        found: str | None = text
        if of == columns.NUMBER:
            found = _as_number(text, source.decimal)
        elif of == columns.TRUTH and text.strip().lower() in values.TRUTH:
            found = str(values.TRUTH[text.strip().lower()])
        return np.nan if found not in names and (text in words or parsing.is_gap(text)) else found or text

    text = values.as_text(series)
    return text.map({each: name(each) for each in text.dropna().unique().tolist()})


def split(target: Target, share: float, seed: int) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Places in `target.rows` to train on and to test, drawn by the seed: a share of each class, or of all rows."""
    random = random_module.generator(seed, 0, HELD_OUT)
    count = len(target.y)
    held_out = np.zeros(count, bool)
    if not target.is_classification:
        held_out[random.permutation(count)[: min(max(round(count * share), 1), count - 2)]] = True
    else:
        _, codes = np.unique(target.y, return_inverse=True)
        order = random.permutation(count)
        order = order[np.argsort(codes[order], kind="stable")]
        starts = np.flatnonzero(np.diff(codes[order], prepend=-1))
        for places in np.split(order, starts[1:]):
            held_out[places[: min(max(round(len(places) * share), 1), len(places) - 1)]] = True
    return np.flatnonzero(~held_out), np.flatnonzero(held_out)
