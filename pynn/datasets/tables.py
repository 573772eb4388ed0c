"""Tables of numbers from CSV files."""

from __future__ import annotations

import math
import os
from array import array
from collections.abc import Iterator, Sequence
from csv import Error, reader
from typing import Any, TextIO

import numpy as np
from numpy.typing import NDArray

from ..messages.terminal import brief, printable
from ..saving.files import expect_file
from .common import Samples, StrPath, class_names

_CELLS = 1 << 18  # converted at once: text takes about ten times the memory of numbers
_COLUMNS = 1 << 18  # in a row; a header may have one more per 10 characters, up to a million
_LONGEST = 1 << 26  # characters of a line
_HINT = "is a quote never closed?"


def csv(
    path: StrPath, target: str, labels: bool = True, classes: Sequence[str] | None = None, delimiter: str = ","
) -> Samples:
    """Read a CSV file: a header, one target column, and finite numbers in all other columns.

    Parameters
    ----------
    path : path
        UTF-8 text; fields may be in double quotes; empty lines are skipped.
    target : str
        Name of the column to predict.
    labels : bool, default True
        Whether the target holds class names, text or numbers; False for regression targets.
    classes : sequence of str, optional
        Classes in label order, such as those of the training file for a test file. By default all that occur, sorted:
        by value if all are numbers (1 and 1.0 are the same class), else as text.
    delimiter : str, default ","
        Character between fields.

    Returns
    -------
    Samples
        (x, y, classes): x float64 (N, D), the other columns in their order; y int64 (N,), 0..C-1, and the class names;
        or, for labels=False, y float64 (N,) and ().

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ValueError
        For a field that is not a finite number, a line with too many or too few fields, an empty or repeated header
        name, no rows, a label that is not in classes, or more columns than about ten times the file's size in memory
        can hold (262,144 with the shortest names). The message names the file, the line and the column.
    """
    path = os.fspath(path)
    shown = printable(path)
    if not (isinstance(delimiter, str) and len(delimiter) == 1 and delimiter not in '"\r\n'):
        raise ValueError(f"delimiter: expected one character, no quote and no line break; got {brief(delimiter)}")
    if classes is not None and not labels:
        raise ValueError("classes name labels, but labels=False means regression targets")
    if os.path.isdir(path):
        raise ValueError(f"{shown}: expected a CSV file, got a folder")
    expect_file(path, "a CSV file")
    class_list = None if classes is None else class_names(classes)
    try:
        with open(path, newline="", encoding="utf-8-sig") as file:
            lines = _Lines(shown, file, delimiter)
            rows = reader(lines, delimiter=delimiter, strict=True)
            try:
                names = _header(shown, next(rows, []), target)
                lines.fields, lines.most = 0, max(_COLUMNS, len(names))
                column = _Labels(shown, target, class_list) if labels else _Numbers(shown, target)
                x = _columns(shown, names, column, _blocks(shown, rows, lines, len(names)))
            except Error as cause:
                raise ValueError(f"{shown}, line {rows.line_num}: not valid CSV ({cause}); {_HINT}") from None
    except UnicodeDecodeError as cause:
        wide = cause.start == 0 and cause.object[:2] in (b"\xff\xfe", b"\xfe\xff")
        got = "it is UTF-16" if wide else f"{cause.reason} at byte {cause.start}"
        raise ValueError(f"{shown}: expected UTF-8 text ({got}); save it as UTF-8") from None
    return Samples(x, *column.result())


class _Lines:
    """The lines of a file; ValueError for a row that would take far more memory than its text.

    fields: number of fields of the row so far; whoever consumes the row sets it to 0. most: the largest allowed number.
    """

    def __init__(self, path: str, file: TextIO, delimiter: str) -> None:
        self.path, self.file, self.delimiter = path, file, delimiter
        self.fields, self.most = 0, _COLUMNS

    def __iter__(self) -> Iterator[str]:
        read, delimiter = self.file.readline, self.delimiter
        number = 0
        while line := read(_LONGEST):
            number += 1
            self.fields += line.count(delimiter)
            if self.fields >= self.most and self.fields >= self.most + min(len(line) // 10, 1 << 20):
                raise ValueError(f"{self.path}, line {number}: more than {self.most:,} fields in a row; {_HINT}")
            if len(line) == _LONGEST:
                raise ValueError(f"{self.path}, line {number}: more than {_LONGEST:,} characters; {_HINT}")
            yield line


def _header(path: str, names: list[str], target: str) -> list[str]:
    names = [name.strip() for name in names]
    if "" in names or len(set(names)) < len(names):
        seen: set[str] = set()
        for place, name in enumerate(names):
            if not name or name in seen:
                wrong = f"{_short(name)} twice" if name else f"no name for column {place + 1}"
                raise ValueError(f"{path}, line 1: expected a header, a different name for each column; got {wrong}")
            seen.add(name)
    if target not in names:
        known = printable(", ".join(names[:20]) + (", ..." if len(names) > 20 else ""))
        raise ValueError(f"{path}: expected a column {target!r}, the target; its header has: {known or 'nothing'}")
    if len(names) < 2:
        raise ValueError(f"{path}: expected at least one column besides {target!r}; is the delimiter wrong?")
    return names


def _short(text: str) -> str:
    return repr(text[:40])


def _blocks(path: str, rows: Any, lines: _Lines, width: int) -> Iterator[tuple[list[int], list[list[str]]]]:
    """Yield line numbers and fields of a few rows at once; a row's number is that of its last line."""
    most = max(1, _CELLS // width)
    numbers: list[int] = []
    block: list[list[str]] = []
    for row in rows:
        lines.fields = 0
        if not row:
            continue
        if len(row) != width:
            raise ValueError(f"{path}, line {rows.line_num}: expected {width} fields, as in the header; got {len(row)}")
        numbers.append(rows.line_num)
        block.append(row)
        if len(block) == most:
            yield numbers, block
            numbers, block = [], []
    if block:
        yield numbers, block


def _columns(
    path: str, names: list[str], column: _Labels | _Numbers, blocks: Iterator[tuple[list[int], list[list[str]]]]
) -> NDArray[np.float64]:
    """Return the columns of numbers; the target's values go into `column`."""
    place = names.index(column.target)
    others = names[:place] + names[place + 1 :]
    parts: list[NDArray[np.float64]] = []
    for lines, block in blocks:
        column.add(lines, [row.pop(place).strip() for row in block])
        parts.append(_numbers(path, block, lines, others))
    if not parts:
        raise ValueError(f"{path}: expected rows below its header, got none")
    x = np.empty((sum(map(len, parts)), len(others)))
    parts.reverse()
    start = 0
    while parts:  # free each part once copied, to avoid twice the memory
        part = parts.pop()
        x[start : start + len(part)] = part
        start += len(part)
    return x


def _numbers(path: str, rows: list[list[str]], lines: list[int], names: list[str]) -> NDArray[np.float64]:
    values = np.empty((len(rows), len(names)))
    for place, row in enumerate(rows):
        for column, text in enumerate(row):
            value = _number(text)
            if value is None:
                where = f"{path}, line {lines[place]}, column {_short(names[column])}"
                raise ValueError(f"{where}: expected a finite number, got {_short(text)}")
            values[place, column] = value
    return values


def _number(text: str) -> float | None:
    try:
        value = float(text)
    except ValueError:
        return None
    return value if math.isfinite(value) and "_" not in text else None


class _Numbers:
    """Collects the target column as numbers."""

    def __init__(self, path: str, target: str) -> None:
        self.path, self.target = path, target
        self.parts: list[NDArray[np.float64]] = []

    def add(self, lines: list[int], texts: list[str]) -> None:
        self.parts.append(_numbers(self.path, [[text] for text in texts], lines, [self.target])[:, 0])

    def result(self) -> tuple[NDArray[np.float64], tuple[str, ...]]:
        return np.concatenate(self.parts), ()


class _Labels:
    """Collects the target column as labels; classes: class names in label order, or None."""

    def __init__(self, path: str, target: str, classes: list[str] | None) -> None:
        self.path, self.target, self.classes = path, target, classes
        self.first_seen: dict[str, int] = {}  # order of each text's first appearance
        self.lines = array("q")  # where it appeared first; an array takes less memory than a list
        self.parts: list[NDArray[np.int64]] = []

    def add(self, lines: list[int], texts: list[str]) -> None:
        for line, text in zip(lines, texts, strict=True):
            if text not in self.first_seen:
                self.first_seen[text] = len(self.first_seen)
                self.lines.append(line)
        self.parts.append(np.array([self.first_seen[text] for text in texts], np.int64))

    def wrong(self, line: int, problem: str) -> ValueError:
        return ValueError(f"{self.path}, line {line}, column {_short(self.target)}: {problem}")

    def result(self) -> tuple[NDArray[np.int64], tuple[str, ...]]:
        if "" in self.first_seen:
            raise self.wrong(self.lines[self.first_seen[""]], "expected a class, got nothing")
        texts, self.first_seen = [*self.first_seen], {}  # free memory first: each takes a few times the file's size
        both = [*texts, *(self.classes or ())]
        numeric = all(_number(text) is not None for text in both)
        keys: list[Any] = [_number(text) for text in both] if numeric else both
        known = sorted({*keys}) if self.classes is None else keys[len(texts) :]
        order = {key: label for label, key in enumerate(known)}
        if len(order) < len(known):
            raise ValueError(f"classes: expected each class once, got {self.classes}")
        for text, key, line in zip(texts, keys, self.lines, strict=False):
            if key not in order:
                raise self.wrong(line, f"{_short(text)} is not among the {len(known)} classes")
        labels = np.array([order[key] for key in keys[: len(texts)]], np.int64)
        names = self.classes or ([_shown(key) for key in known] if numeric else known)
        return labels[np.concatenate(self.parts)], tuple(names)


def _shown(number: float) -> str:
    return str(int(number)) if number.is_integer() and abs(number) < 1e15 else repr(number)
