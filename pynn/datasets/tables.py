"""Tables of numbers from CSV files."""

from __future__ import annotations

import math
import os
from collections.abc import Iterator, Sequence
from csv import Error, reader
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .common import Samples, StrPath, class_names

_ROWS = 4096  # converted at once: text takes some ten times the memory of numbers


def csv(
    path: StrPath, target: str, labels: bool = True, classes: Sequence[str] | None = None, delimiter: str = ","
) -> Samples:
    """A CSV file: a header, one column that is predicted, all others finite numbers.

    path: UTF-8 text; fields may stand in double quotes; empty lines are left out.
    target: the name of the column that is predicted.
    labels: True (default): it holds names of classes, text or numbers; False: numbers to predict.
    classes: the classes in the order of their labels, such as those of the training file for the test file; None takes
        all that occur, sorted: by value where all are numbers (1 and 1.0 are the same class), else as text.
    delimiter: the character between fields.
    Returns (x, y, classes): x float64 (N, D), the columns in their order without the target's; y int64 (N,), 0..C-1,
    and the classes' names, or float64 (N,) and () for labels=False.
    Raises FileNotFoundError where there is no file; ValueError, which names the file, the line and the column, for
    everything that is no number (empty fields, nan and inf are none), a line with too many or too few fields, header
    names that are empty or stand twice, no rows, a label that is not in classes.
    """
    path = os.fspath(path)
    if not (isinstance(delimiter, str) and len(delimiter) == 1 and delimiter not in '"\r\n'):
        raise ValueError(f"delimiter: expected one character, no quote and no line break; got {delimiter!r}")
    if classes is not None and not labels:
        raise ValueError("classes are of labels, but labels=False asks for numbers")
    if not os.path.exists(path):
        raise FileNotFoundError(f"{path}: there is no such file; expected a CSV file")
    try:
        with open(path, newline="", encoding="utf-8-sig") as file:
            rows = reader(file, delimiter=delimiter, strict=True)
            try:
                names = _header(path, next(rows, []), target)
                x, texts, lines = _columns(path, names, target, rows)
            except Error as cause:
                raise ValueError(f"{path}, line {rows.line_num}: no CSV ({cause})") from None
    except UnicodeDecodeError as cause:
        raise ValueError(f"{path}: expected UTF-8 text ({cause.reason} at byte {cause.start})") from None
    except IsADirectoryError:
        raise ValueError(f"{path}: expected a CSV file, got a folder") from None
    if labels:
        return Samples(x, *_labels(path, texts, lines, target, classes))
    return Samples(x, _numbers(path, [[text] for text in texts], lines, [target])[:, 0], ())


def _header(path: str, names: list[str], target: str) -> list[str]:
    names = [name.strip() for name in names]
    for place, name in enumerate(names):
        if not name or name in names[:place]:
            wrong = f"{name!r} twice" if name else f"no name for column {place + 1}"
            raise ValueError(f"{path}, line 1: expected a header, a different name for each column; got {wrong}")
    if target not in names:
        known = ", ".join(names[:20]) + (", ..." if len(names) > 20 else "")
        raise ValueError(f"{path}: expected a column {target!r}, the target; its header has: {known or 'nothing'}")
    if len(names) < 2:
        raise ValueError(f"{path}: expected at least one column beside {target!r}; is the delimiter another?")
    return names


def _columns(
    path: str, names: list[str], target: str, rows: Any
) -> tuple[NDArray[np.float64], list[str], NDArray[np.int64]]:
    """The columns of numbers, the target's texts, and the line that each row ends in."""
    place = names.index(target)
    others = names[:place] + names[place + 1 :]
    parts, texts, lines = [], [], []
    for block in _blocks(path, rows, len(names)):
        texts += [row.pop(place).strip() for _, row in block]
        numbers = [line for line, _ in block]
        parts.append(_numbers(path, [row for _, row in block], numbers, others))
        lines += numbers
    if not parts:
        raise ValueError(f"{path}: expected rows below its header, got none")
    return np.concatenate(parts), texts, np.array(lines)


def _blocks(path: str, rows: Any, width: int) -> Iterator[list[tuple[int, list[str]]]]:
    block = []
    for row in rows:
        if not row:
            continue
        if len(row) != width:
            raise ValueError(f"{path}, line {rows.line_num}: expected {width} fields, as in the header; got {len(row)}")
        block.append((rows.line_num, row))
        if len(block) == _ROWS:
            yield block
            block = []
    if block:
        yield block


def _numbers(path: str, rows: list[list[str]], lines: Any, names: list[str]) -> NDArray[np.float64]:
    array = np.empty((len(rows), len(names)))
    for place, row in enumerate(rows):
        for column, text in enumerate(row):
            value = _number(text)
            if value is None:
                where = f"{path}, line {lines[place]}, column {names[column]!r}"
                raise ValueError(f"{where}: expected a finite number, got {text[:40]!r}")
            array[place, column] = value
    return array


def _number(text: str) -> float | None:
    try:
        value = float(text)
    except ValueError:
        return None
    return value if math.isfinite(value) and "_" not in text else None


def _labels(
    path: str, texts: list[str], lines: Any, target: str, classes: Sequence[str] | None
) -> tuple[NDArray[np.int64], tuple[str, ...]]:
    given = None if classes is None else class_names(classes)
    numbers = {text: _number(text) for text in {*texts, *(given or ())}}
    if "" in texts:
        raise ValueError(f"{path}, line {lines[texts.index('')]}, column {target!r}: expected a class, got nothing")
    numeric = None not in numbers.values()
    keys: dict[str, Any] = numbers if numeric else {text: text for text in numbers}
    known = sorted({keys[text] for text in texts}) if given is None else [keys[name] for name in given]
    order = {key: label for label, key in enumerate(known)}
    if len(order) < len(known):
        raise ValueError(f"classes: expected each class once, got {given}")
    for text, line in zip(texts, lines, strict=True):
        if keys[text] not in order:
            raise ValueError(
                f"{path}, line {line}, column {target!r}: {text[:40]!r} is none of the {len(known)} classes"
            )
    shown = [_shown(key) for key in known] if numeric else known
    return np.array([order[keys[text]] for text in texts], np.int64), tuple(shown if given is None else given)


def _shown(number: float) -> str:
    return str(int(number)) if number.is_integer() and abs(number) < 1e15 else repr(number)
