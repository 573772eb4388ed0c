"""The frame of a chart as HTML: its caption, the labels of its axes, and the square in which it is drawn.

What is drawn is in a square that the page stretches, labels are text of the page beside it: so both are legible at any
width. Knows no series and no records.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np

from ...typing import Array
from . import words
from .scales import Scale

SIZE = 1000  # of the square
Marks = Sequence[tuple[float, str]]  # places 0..1 along an axis, and what stands there as HTML


def figure(
    name: str, caption: str, told: str, ys: Marks, xs: Marks, drawn: str, across: str, *, up: str = "",
    kind: str = "", legend: str = "", data: str = "", notes: Iterable[str] = (), after: str = "",
) -> str:  # fmt: skip
    """A chart.

    name: unique on the page; told: the chart in words, for those who cannot see it; drawn: HTML inside its area;
    across, up: names of the axes; data: JSON for the page's script; notes, legend, after: HTML.
    """
    width = max((len(text) for _, text in ys), default=1)
    parts = [
        f'<figure class="chart{" " if kind else ""}{kind}" id="chart-{name}">',
        f"<figcaption>{words.escaped(caption)}</figcaption>{legend}",
        f'<div class="across left" aria-hidden="true">{words.escaped(up)}</div>' if up else "",
        f'<div class="plot" tabindex="0" role="group" aria-roledescription="chart" style="--labels:{width}ch" '
        f'aria-label="{words.escaped(told, 2000)}">',
        '<div class="ys" aria-hidden="true">',
        *(f'<span style="bottom:{percent(at)}">{text}</span>' for at, text in ys),
        f'</div><div class="area">{drawn}</div><div class="xs" aria-hidden="true">',
        *(f'<span style="left:{percent(at)}">{text}</span>' for at, text in xs),
        f'</div></div><div class="across" aria-hidden="true">{words.escaped(across)}</div>',
        f'<script type="application/json">{data}</script>' if data else "",
        *(f'<p class="note">{note}</p>' for note in notes if note),
        f"{after}</figure>",
    ]
    return "".join(parts)


def square(content: str) -> str:
    """The square with what is drawn in it."""
    return f'<svg viewBox="0 0 {SIZE} {SIZE}" preserveAspectRatio="none" aria-hidden="true">{content}</svg>'


def marks(scale: Scale, values: Sequence[float]) -> list[tuple[float, str]]:
    """The labels of an axis at these numbers."""
    return [(at, words.tick(value)) for at, value in zip(scale.at(values).tolist(), values, strict=True)]


def grid(xs: Iterable[float], ys: Iterable[float]) -> str:
    """Lines at places along the axes."""
    lines = "".join(f"M0 {down(at)}H{SIZE}" for at in ys) + "".join(f"M{right(at)} 0V{SIZE}" for at in xs)
    return f'<path class="grid" d="{lines or "M0 0"}"/>'


def dots(xs: Array, ys: Array) -> str:
    """The path of dots at these places; of none where a place is NaN."""
    good = np.isfinite(xs) & np.isfinite(ys)
    pairs = zip(xs[good].tolist(), ys[good].tolist(), strict=True)
    return "".join(f"M{right(a)} {down(b)}h0.01" for a, b in pairs) or "M0 0"


def percent(at: float) -> str:
    """A place as a length of the style."""
    return f"{100 * at:.2f}%"


def right(at: float) -> str:
    """A place across as a coordinate."""
    return f"{at * SIZE:.1f}".removesuffix(".0")


def down(at: float) -> str:
    """A place upwards as a coordinate."""
    return f"{(1 - min(max(at, -1), 2)) * SIZE:.1f}".removesuffix(".0")
