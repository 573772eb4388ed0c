"""Numbers and names as text of a page: short, and escaped. Knows no records."""

from __future__ import annotations

import html
import json
import math
from collections.abc import Iterable, Sequence
from typing import Any

from ...messages.counting import several as several
from ...messages.numbers import told_apart
from ...messages.terminal import printable


def escaped(text: object, most: int = 300) -> str:
    """Text of the user for HTML, without control characters, the middle of a long text left out."""
    return html.escape(printable(text, most))


def number(value: Any, digits: int = 4) -> str:
    """A number for a reader: 0.9132, 12,345, 1.2e-05; a dash for None."""
    if value is None:
        return "–"
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return escaped(value)
    if isinstance(value, int) or (abs(value) < 1e15 and value == int(value) and abs(value) >= 1000):
        return f"{int(value):,}"
    if not math.isfinite(value):
        return {math.inf: "∞", -math.inf: "−∞"}.get(value, "NaN")
    if value and not 1e-4 <= abs(value) < 1e6:
        return f"{value:.{max(digits - 2, 0)}e}".replace("e-0", "e-").replace("e+0", "e")
    text = f"{value:.{digits}g}"
    return f"{float(text):,.0f}" if "e" in text else text


def tick(value: float) -> str:
    """A number at an axis: as short as it can be."""
    if value and not 1e-3 <= abs(value) < 1e6:
        return _short(f"{value:.3g}")
    return f"{value:,.6g}" if abs(value) < 1000 else f"{value:,.0f}"


def _short(text: str) -> str:
    return text.replace("e-0", "e-").replace("e+0", "e")


def ticks(values: Sequence[float]) -> list[str]:
    """Numbers along an axis: as short as they can be, and not alike."""
    texts = [tick(value) for value in values]
    if len(set(texts)) == len(set(values)):
        return texts
    return [_short(text) for text in told_apart(values, 3)]


def ends(low: float, high: float) -> tuple[str, str]:
    """Both ends of a range; integers in full."""
    if isinstance(low, int) and isinstance(high, int):
        return f"{low:,}", f"{high:,}"
    first, last = ticks((low, high))
    return first, last


def seconds(value: float) -> str:
    """A duration."""
    if value < 60:
        return f"{value:.2g} s" if value < 1 else f"{value:.1f} s"
    minutes, rest = divmod(round(value), 60)
    return f"{minutes} min {rest} s" if minutes < 60 else f"{minutes // 60} h {minutes % 60} min"


def data(value: Any) -> str:
    """JSON for a script element: no text in it can end the element; numbers have five digits."""
    text = json.dumps(_rounded(value), separators=(",", ":"), allow_nan=False, ensure_ascii=True)
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


def _rounded(value: Any) -> Any:
    if isinstance(value, float):
        if not math.isfinite(value):
            return None
        short = float(f"{value:.5g}")
        return int(short) if short == int(short) and abs(short) < 1e9 else short
    if isinstance(value, dict):
        return {key: _rounded(item) for key, item in value.items()}
    return [_rounded(item) for item in value] if isinstance(value, list) else value


def table(
    head: Sequence[str], rows: Iterable[Sequence[str]], *, caption: str = "", kind: str = "", rowhead: bool = True
) -> str:
    """An HTML table of cells that are HTML already; the first cell of a row is its heading."""
    lines = [f'<div class="scroll" tabindex="0"><table class="{kind}">']
    if caption:
        lines.append(f"<caption>{caption}</caption>")
    if head:
        lines.append("<thead><tr>" + "".join(f'<th scope="col">{cell}</th>' for cell in head) + "</tr></thead>")
    lines.append("<tbody>")
    for row in rows:
        first = f'<th scope="row">{row[0]}</th>' if rowhead else f"<td>{row[0]}</td>"
        lines.append("<tr>" + first + "".join(f"<td>{cell}</td>" for cell in row[1:]) + "</tr>")
    return "".join(lines) + "</tbody></table></div>"


def key(kind: str, name: str) -> str:
    """A name beside its colour, a class of the style sheet."""
    return f'<span class="key"><i class="{kind}"></i>{escaped(name, 60)}</span>'


def pairs(rows: Iterable[tuple[str, str]]) -> str:
    """Names and values, which are HTML already."""
    inner = "".join(f"<div><dt>{name}</dt><dd>{value}</dd></div>" for name, value in rows)
    return f'<dl class="pairs">{inner}</dl>'
