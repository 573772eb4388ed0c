"""Spaces and trials as text for the terminal."""

from __future__ import annotations

from typing import Any

from ...messages.numbers import told_apart
from ...messages.terminal import printable
from .. import messages

SHOWN = 10  # trials
LONGEST = 30  # characters of a value


def space(found: Any) -> str:
    """A line for each parameter: its name, what it is taken from, and the scale."""
    rows = list(_rows(found, ""))
    first, second = (max(len(row[column]) for row in rows) for column in (0, 1))
    lines = [f"{name:<{first}}  {values:<{second}}  {scale}".rstrip() for name, values, scale in rows]
    width = messages.width()
    return "\n".join(line if width is None else line[:width] for line in lines)


def _rows(found: Any, indent: str) -> list[tuple[str, str, str]]:
    rows = []
    for name, part in found.parts.items():
        shown = f"{indent}{printable(name, 60)}"
        if not hasattr(part, "options"):
            rows.append((shown, " .. ".join(told_apart((part.low, part.high))), "log scale" if part.log else ""))
            continue
        rows.append((shown, ", ".join(value(one) for one, _ in part.options), ""))
        for one, inner in part.options:
            if inner is not None:
                rows += [(f"{left} ({value(one)})", middle, right) for left, middle, right in _rows(inner, "  ")]
    return rows


def table(result: Any) -> str:
    """The best trials: a table, or a list where the terminal is too narrow for it; then how the others ended."""
    *table, endings = result.table(SHOWN).splitlines()
    width = messages.width()
    if width is None or max(map(len, table), default=0) <= width:
        return "\n".join([*table, messages.filled(endings)])
    lines = []
    for place, one in enumerate(result.ranked[:SHOWN], 1):
        staged = f", stage {one.stage}" if len(result.spaces) > 1 else ""
        lines.append(
            messages.filled(
                f"{place}. {result.metric} {one.score:.4g} (trial {one.number}{staged}): {params(one.params)}"
            )
        )
    return "\n".join([*lines, messages.filled(endings)])


def params(found: dict[str, Any]) -> str:
    """The parameters of a trial in a line."""
    return ", ".join(f"{printable(name, 60)} {value(one)}" for name, one in found.items())


def value(one: Any) -> str:
    """The value of a parameter."""
    if isinstance(one, (tuple, list)):
        return ",".join(map(value, one)) or "none"
    return f"{one:.4g}" if isinstance(one, float) else printable(one, LONGEST)
