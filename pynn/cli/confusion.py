"""Confusion counts as text that fits the terminal."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ..messages import terminal
from ..typing import Array

LONGEST_NAME = 60  # characters of a class's name


def table(counts: Array, classes: Sequence[str], width: int | None = None) -> str:
    """The confusion counts as text, with a row and accuracy for each true class.

    width: of the terminal; if the columns do not fit, each class is followed by its most frequent mistakes.
    """
    classes = [terminal.printable(name, LONGEST_NAME) for name in classes]
    numbers = [str(number) for number in range(len(classes))]
    short = max(map(len, classes)) <= 4
    heads = classes if short else numbers
    names = classes if short else [f"{number} {name}" for number, name in zip(numbers, classes, strict=True)]
    first = max(map(len, (*names, "true")))
    cell = max(len(str(counts.max(initial=0))), *map(len, heads))
    for gap in (2, 1):
        if width is None or first + len(heads) * (cell + gap) + 10 <= width:
            return _matrix(counts, names, heads, first, cell + gap)
    return _mistakes(counts, names, first, width or 80)


def _matrix(counts: Array, names: list[str], heads: list[str], first: int, width: int) -> str:
    lines = [f"{'':{first}}  predicted", f"{'true':<{first}}" + "".join(f"{head:>{width}}" for head in heads)]
    lines[1] += "  accuracy"
    lines.append("-" * len(lines[1]))
    for place, (name, row) in enumerate(zip(names, counts, strict=True)):
        cells = "".join(f"{count or '.':>{width}}" for count in row.tolist())
        lines.append(f"{name:<{first}}{cells}  {_accuracy(row, place)}")
    return "\n".join(lines)


def _mistakes(counts: Array, names: list[str], first: int, width: int) -> str:
    """A line for each class: its count, the accuracy, and as many mistakes as fit."""
    lines = [f"{'true':<{first}}  count  accuracy  taken for"]
    lines.append("-" * min(width, len(lines[0]) + 20))
    for place, (name, row) in enumerate(zip(names, counts, strict=True)):
        line = f"{name:<{first}}  {row.sum():>5}  {_accuracy(row, place)}"
        wrong = [other for other in np.argsort(-row, kind="stable") if other != place and row[other]]
        for number, other in enumerate(wrong):
            text = f"{', ' if number else '  '}{names[other]} ({row[other]})"
            if len(line) + len(text) > width:
                break
            line += text
        lines.append(line)
    return "\n".join(lines)


def _accuracy(row: Array, place: int) -> str:
    total = row.sum()
    return f"{row[place] / total:8.4f}" if total else f"{'-':>8}"
