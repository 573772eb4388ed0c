"""Columns, scores and importance as text for a terminal. Knows no files and no models."""

from __future__ import annotations

import math
from collections.abc import Sequence

from ...messages.counting import several
from ...messages.terminal import printable
from .columns import Column
from .importance import Importance
from .scores import Score

SHOWN = 40  # columns in the table
WIDTH, LONGEST = 80, 24  # of the terminal if it is none; of a column's name
TOP = 10  # columns whose importance is shown
EIGHTHS = " ▏▎▍▌▋▊▉"


def columns(found: Sequence[Column], width: int | None) -> str:
    """A line for each of the first columns, and of the others with notes: name, kind, missing share, values, notes."""
    width = width or WIDTH
    noted = [column for column in found[SHOWN:] if column.notes]
    shown = [*found[:SHOWN], *noted[:SHOWN]]
    names = [_cut(column.name, LONGEST) for column in shown]
    first = max(len("column"), *map(len, names))
    lines = [f"{'column':<{first}}  {'kind':<8}  missing  values"]
    lines.append("-" * min(width, first + 49))
    room = width - first - 21
    for name, column in zip(names, shown, strict=True):
        begin = f"{name:<{first}}  {column.kind:<8}  {_share(column):>7}  "
        notes = "; ".join(printable(note, 200) for note in column.notes)
        if not notes or len(column.shown) + 2 + len(notes) <= room:
            lines.append((begin + _cut(column.shown, room) + (f"  {notes}" if column.shown else notes)).rstrip())
            continue
        lines.append(begin + _cut(column.shown, room) if column.shown else begin.rstrip())
        lines.extend(f"{'':{first}}            {line}" for line in _wrapped(notes, width - first - 12))
    if len(found) > len(shown):
        rest = len(noted) - len(noted[:SHOWN])
        with_notes = f", {rest:,} of them with notes" if rest else ""
        lines.append(f"and {several(len(found) - len(shown), 'more column')}{with_notes}")
    return "\n".join(lines)


def _share(column: Column) -> str:
    if not column.missing:
        return "."
    share = column.missing / column.rows
    return f"{share:.1%}" if share >= 0.001 else "< 0.1%"


def scores(found: Sequence[Score], trivial: str, unit: str) -> str:
    """The scores of the model beside those of the trivial one."""
    rows = []
    for score in found:
        signs = decimals(score.model)
        name = score.spoken + unit * (score.name in ("rmse", "mae"))
        rows.append((name, f"{score.model:,.{signs}f}", f"{round(score.trivial, signs) + 0.0:,.{signs}f}", score))
    first = max(len(row[0]) for row in rows)
    cell = max(8, *(len(text) for row in rows for text in row[1:3]))
    lines = [f"{'':{first}}  {'model':>{cell}}  {'baseline':>{cell}}  ({trivial})"]
    for name, model, other, score in rows:
        better = "" if score.better else "  not better"
        lines.append(f"{name:<{first}}  {model:>{cell}}  {other:>{cell}}{better}")
    return "\n".join(lines)


def number(value: float) -> str:
    """A score with four digits, or four decimals."""
    return f"{value:,.{decimals(value)}f}"


def decimals(value: float) -> int:
    """Decimals with which a number has four digits, or four decimals: 0.8123, 12.34, 512.3, 51,234."""
    size = abs(value)
    if not math.isfinite(size) or size == 0:
        return 4
    return min(max(3 - math.floor(math.log10(size)), 0), 4 if size >= 0.01 else 12)


def importance(found: Importance, measure: str, width: int | None, plain: bool = False) -> str:
    """The columns that the model goes by, with bars.

    plain: whether the terminal shows no blocks.
    """
    width = width or WIDTH
    names = [_cut(name, LONGEST) for name in found.names[:TOP]]
    rises, spreads = found.rises[:TOP].tolist(), found.spreads[:TOP].tolist()
    signs = decimals(rises[0])
    pairs = [(f"{rise:,.{signs}f}", f"{spread:,.{signs}f}") for rise, spread in zip(rises, spreads, strict=True)]
    widest = max(len(spread) for _, spread in pairs)
    cells = [f"{rise} ± {spread:>{widest}}" for rise, spread in pairs]
    first, cell = max(map(len, names)), max(map(len, cells))
    room = max(width - first - cell - 4, 5)
    top = max(max(rises), 1e-300)
    lines = [f"Rise of the {measure} on {several(found.rows, 'test row')} when a column is shuffled:"]
    for name, text, rise in zip(names, cells, rises, strict=True):
        lines.append(f"{name:<{first}}  {text:>{cell}}  {_bar(max(rise, 0) / top, room, plain)}".rstrip())
    if len(found.names) > TOP:
        lines.append(f"and {several(len(found.names) - TOP, 'more column')} below")
    return "\n".join(lines)


def _bar(share: float, room: int, plain: bool) -> str:
    eighths = round(share * room * 8)
    if plain:
        return "#" * (eighths // 8)
    return "█" * (eighths // 8) + EIGHTHS[eighths % 8].strip()


def _cut(text: str, most: int) -> str:
    text = printable(text, 200)
    return text if len(text) <= most else text[: max(most - 1, 1)] + "…"


def _wrapped(text: str, width: int) -> list[str]:
    import textwrap

    return textwrap.wrap(text, max(width, 20), break_long_words=False, break_on_hyphens=False)
