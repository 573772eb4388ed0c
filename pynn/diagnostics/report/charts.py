"""Charts as SVG in HTML: lines over steps or epochs, with values under a crosshair (page.js) and as a table.

Colours are classes of style.css. Knows no records.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from ...messages.terminal import printable
from ...typing import Array
from . import frame, scales, words
from .frame import SIZE, down, right
from .scales import Scale

POINTS = 500  # of a line, at most; more are drawn as the range of neighbours
ROWS = 12  # of the table of values


@dataclass(frozen=True, eq=False)
class Series:
    """A line: its name, its colour (a class of the style sheet), places and values; band: the range around them."""

    name: str
    colour: str
    x: Array
    y: Array
    dashed: bool = False
    band: tuple[Array, Array] | None = None


@dataclass(eq=False)
class Chart:
    """A chart of lines.

    name: unique on the page; marked: a range of values that is good, and what it is called; between: names of two
    series whose gap is shaded and told; picture: a data URI behind the lines; keys: whether a single line is named too;
    small: a low chart, without names of lines and table; x, y: scales, by default those of the values.
    """

    name: str
    title: str
    series: list[Series]
    across: str = "step"
    note: str = ""
    x: Scale | None = None
    y: Scale | None = None
    log: bool = False
    zero: bool = False
    marked: tuple[float, float, str] | None = None
    between: tuple[str, str] | None = None
    picture: str = ""
    small: bool = False
    keys: bool = False
    notes: list[str] = field(default_factory=list)

    def html(self) -> str:
        """The chart as a figure; "" if it has no number to show."""
        series = [one for one in self.series if len(one.x) and np.isfinite(one.y).any()]
        if not series:
            return ""
        x = self.x or _across(series)
        y = self.y or self._up(series)
        ys, xs = y.ticks(5 if self.small else 6), x.ticks(4)
        if self.across in ("step", "epoch"):
            xs = [value for value in xs if value == int(value)]
        return frame.figure(
            self.name, self.title, self._told(series), frame.marks(y, ys), frame.marks(x, xs),
            self._drawn(series, x, y, xs, ys), self.across, kind="small" if self.small else "",
            legend="" if self.small else self._legend(series), data=self._data(series, x),
            notes=(self.note, *self.notes), after="" if self.small else self._table(series),
        )  # fmt: skip

    def _up(self, series: list[Series]) -> Scale:
        values = [one.y for one in series] + [edge for one in series if one.band for edge in one.band]
        if self.marked and self.log:
            values.append(np.array(self.marked[:2]))
        return scales.around(np.concatenate(values), log=self.log, zero=self.zero)

    def _drawn(self, series: list[Series], x: Scale, y: Scale, xs: list[float], ys: list[float]) -> str:
        parts = []
        if self.marked:
            low, high = np.clip(y.at(self.marked[:2]), 0, 1)
            parts.append(
                f'<rect class="marked" x="0" width="{SIZE}" y="{down(high)}" height="{(high - low) * SIZE:.1f}"/>'
            )
        parts.append(frame.grid(x.at(xs), y.at(ys)))
        if self.picture:
            parts.append(f'<image href="{self.picture}" width="{SIZE}" height="{SIZE}" preserveAspectRatio="none"/>')
        if self.between:
            parts.append(self._gap(series, x, y))
        for one in series:
            if one.band is not None:
                parts.append(f'<path class="band {one.colour}" d="{_area(x.at(one.x), y, *one.band)}"/>')
        for one in series:
            style = f"line {one.colour}{' dashed' if one.dashed else ''}"
            parts.append(f'<path class="{style}" d="{_line(x.at(one.x), y.at(one.y))}"/>')
        return frame.square("".join(parts))

    def _gap(self, series: list[Series], x: Scale, y: Scale) -> str:
        pair = [one for name in self.between or () for one in series if one.name == name]
        if len(pair) < 2 or len(pair[0].x) != len(pair[1].x):
            return ""
        return f'<path class="gap" d="{_area(x.at(pair[0].x), y, pair[0].y, pair[1].y)}"/>'

    def _legend(self, series: list[Series]) -> str:
        keys = [words.key(f"{one.colour} dashed" if one.dashed else one.colour, one.name) for one in series]
        if self.marked:
            keys.append(words.key("marked", self.marked[2]))
        if self.between and len(series) > 1:
            keys.append(words.key("gap", "gap"))
        return f'<div class="legend">{"".join(keys)}</div>' if len(keys) > 1 or self.keys else ""

    def _told(self, series: list[Series]) -> str:
        """The chart in words, for those who cannot see it."""
        told = []
        for one in series[:10]:
            finite = one.y[np.isfinite(one.y)]
            told.append(f"{one.name} from {words.number(float(finite[0]))} to {words.number(float(finite[-1]))}")
        return f"{self.title} by {self.across}: {'; '.join(told)}. Arrow keys read the values."

    def _data(self, series: list[Series], x: Scale) -> str:
        shared = all(len(one.x) == len(series[0].x) and np.array_equal(one.x, series[0].x) for one in series)
        lines = []
        for one in series:
            line = {"name": printable(one.name, 60), "colour": one.colour, "y": one.y.tolist()}
            if not shared:
                line["x"] = one.x.tolist()
            lines.append(line)
        content = {"across": self.across, "low": x.low, "high": x.high, "series": lines}
        if shared:
            content["x"] = series[0].x.tolist()
        if self.between and len(series) > 1:
            content["between"] = list(self.between)
        return words.data(content)

    def _table(self, series: list[Series]) -> str:
        """Values at some places, in rows."""
        places = np.unique(np.concatenate([one.x for one in series]))
        chosen = places[np.unique(np.linspace(0, len(places) - 1, min(len(places), ROWS)).round().astype(int))]
        rows = []
        for place in chosen.tolist():
            values = [one.y[one.x == place][:1].tolist() for one in series]
            rows.append([words.number(place), *(words.number(value[0]) if value else "" for value in values)])
        note = f" ({len(chosen)} of {len(places):,})" if len(chosen) < len(places) else ""
        names = [words.escaped(one.name, 60) for one in series]
        inner = words.table([words.escaped(self.across), *names], rows, kind="numbers")
        return f'<details class="values" id="values-{self.name}"><summary>Values{note}</summary>{inner}</details>'


def thinned(name: str, colour: str, x: Array, y: Array, points: int = POINTS) -> Series:
    """A series of many values as means of neighbours within their range."""
    x, y = np.asarray(x, np.float64), np.asarray(y, np.float64)
    if len(x) <= points:
        return Series(name, colour, x, y)
    edges = np.linspace(0, len(x), points + 1).astype(int)[:-1]
    lengths = np.diff([*edges, len(x)])
    with np.errstate(all="ignore"):
        finite = np.where(np.isfinite(y), y, np.nan)
        means = np.add.reduceat(np.where(np.isfinite(finite), finite, 0), edges)
        counts = np.add.reduceat(np.isfinite(finite).astype(float), edges)
        means = np.where(counts > 0, means / np.maximum(counts, 1), np.nan)
        low, high = np.fmin.reduceat(finite, edges), np.fmax.reduceat(finite, edges)
    return Series(name, colour, x[edges] + (lengths - 1) / 2, means, band=(low, high))


def _across(series: list[Series]) -> Scale:
    ends = np.concatenate([one.x for one in series])
    low, high = float(ends.min()), float(ends.max())
    return Scale(low - 0.5, high + 0.5) if low == high else Scale(low, high)


def _runs(*arrays: Array) -> list[slice]:
    """Stretches in which all are finite."""
    good = np.concatenate([[False], np.all(np.isfinite(arrays), axis=0), [False]])
    edges = np.flatnonzero(good[1:] != good[:-1])
    return [slice(begin, end) for begin, end in zip(edges[::2].tolist(), edges[1::2].tolist(), strict=True)]


def _line(x: Array, y: Array) -> str:
    """A path; a value alone is a dot."""
    parts = []
    for run in _runs(x, y):
        points = [f"{right(a)} {down(b)}" for a, b in zip(x[run].tolist(), y[run].tolist(), strict=True)]
        parts.append(f"M{'L'.join(points)}" if len(points) > 1 else f"M{points[0]}h0.01")
    return "".join(parts) or "M0 0"


def _area(x: Array, y: Scale, low: Array, high: Array) -> str:
    bottom, top = y.at(low), y.at(high)
    parts = []
    for run in _runs(x, bottom, top):
        there = [f"{right(a)} {down(b)}" for a, b in zip(x[run].tolist(), top[run].tolist(), strict=True)]
        back = [f"{right(a)} {down(b)}" for a, b in zip(x[run].tolist(), bottom[run].tolist(), strict=True)]
        parts.append(f"M{'L'.join(there + back[::-1])}Z")
    return "".join(parts) or "M0 0"


def scatter(name: str, title: str, x: Array, y: Array, across: str, up: str) -> str:
    """Points of predicted against true numbers, with the line on which both are equal."""
    finite = np.isfinite(x) & np.isfinite(y)
    x, y = x[finite], y[finite]
    if not len(x):
        return ""
    scale = scales.around(np.concatenate([x, y]))
    ticks, at, ups = scale.ticks(4), scale.at(x), scale.at(y)
    error = float(np.sqrt(np.mean((y - x) ** 2)))
    told = f"{title}: {len(x)} points, root of the mean squared error {words.number(error)}"
    equal = f'<path class="line dashed neutral" d="M0 {SIZE}L{SIZE} 0"/>'
    dots = f'<path class="dots train" d="{frame.dots(at, ups)}"/>'
    content = {"across": across, "up": up, "low": scale.low, "high": scale.high, "points": [x.tolist(), y.tolist()]}
    return frame.figure(
        name, title, told, frame.marks(scale, ticks), frame.marks(scale, ticks),
        frame.square(frame.grid(scale.at(ticks), scale.at(ticks)) + equal + dots), across, up=up, kind="scatter",
        data=words.data(content), notes=(f"{words.escaped(told)}.",),
    )  # fmt: skip
