"""All trials of a search as lines through their parameters to their scores: parallel coordinates.

Reference: Inselberg, "The plane with parallel coordinates", 1985.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Mapping, Sequence
from typing import Any

from .... import searched
from .. import frame, words
from ..frame import down, right
from ..scales import Scale
from . import axes, reading
from .axes import Axis

BOTTOM, TOP, ABSENT = 0.1, 0.97, 0.02  # of the height: an axis, and where a trial without the parameter crosses it
GROUPS = (10, 40, 140, 440, 1440)  # places after which lines become weaker: hundreds must not hide the best ten
MANY = 100  # trials without a score


def html(result: Any, trials: Sequence[Any]) -> str:
    """The section."""
    found, scores = axes.of(result), reading.scale(result, trials)
    begun = [(row, one) for row, one in enumerate(trials) if one.params and one.ended != searched.UNFINISHED]
    if not begun:
        return '<p class="hint">No trial has ended yet.</p>'
    lines = [(row, one, _line(one, found, scores)) for row, one in begun]
    drawn = frame.square(_axes(len(found) + 1) + _groups(lines)) + _labels(found, scores)
    names = [*found, result.metric]
    xs = [(_across(place, len(names)), words.escaped(name, 24)) for place, name in enumerate(names)]
    rows = [row for row, _, _ in reversed(lines)]
    told = (
        f"{words.several(len(lines), 'trial')} as lines through {', '.join(names)}. "
        "Arrow keys read the trials, from the best on."
    )
    chart = frame.figure(
        "together", "Parameters and score", told, [], xs, drawn, "", kind="of-trials parallel",
        data=words.data({"rows": rows}), legend=_legend(result, lines), notes=[_absent(found, lines)],
    )  # fmt: skip
    return f'<div style="--axes:{len(names)}">{chart}</div>'


def _across(place: int, count: int) -> float:
    return (place + 0.5) / count


def _up(at: float) -> float:
    return BOTTOM + (TOP - BOTTOM) * at if math.isfinite(at) else ABSENT


def _line(trial: Any, found: Mapping[str, Axis], scores: Scale) -> str:
    """The path of a trial."""
    places = [axis.at(trial.params[name]) if name in trial.params else math.nan for name, axis in found.items()]
    places.append(float(scores.at([searched.score(trial)])[0]))
    corners = [f"{right(_across(place, len(places)))} {down(_up(at))}" for place, at in enumerate(places)]
    return f'<path d="M{"L".join(corners)}"/>'


Line = tuple[int, Any, str]  # the row of the table, the trial and its path


def _groups(lines: Sequence[Line]) -> str:
    """The paths, the best on top, in groups of the same strength."""
    lost = sum(not math.isfinite(searched.score(one)) for _, one, _ in lines)
    parts, last = list[str](), ""
    for place, (_, one, path) in reversed(list(enumerate(lines))):
        group = f"rank{bisect_right(GROUPS, place)}"
        if not math.isfinite(searched.score(one)):
            group = "unscored many" if lost > MANY else "unscored"
        elif place == 0 and one.ended == searched.FINISHED:
            group = "first"
        if group != last:
            parts.append(f'{"</g>" if last else ""}<g class="{group}">')
        parts.append(path)
        last = group
    return f"{''.join(parts)}</g>"


def _axes(count: int) -> str:
    lines = "".join(f"M{right(_across(place, count))} {down(BOTTOM)}V{down(TOP)}" for place in range(count))
    return f'<path class="axis" d="{lines}"/>'


def _labels(found: Mapping[str, Axis], scores: Scale) -> str:
    """The values along each axis, as text over the lines."""
    every = [axis.ends() for axis in found.values()] + [frame.marks(scores, scores.ticks(5))]
    spans = [
        f'<span style="left:{frame.percent(_across(place, len(every)))};bottom:{frame.percent(_up(at))}">{text}</span>'
        for place, marks in enumerate(every)
        for at, text in marks
    ]
    return f'<div class="at" aria-hidden="true">{"".join(spans)}</div>'


def _absent(found: Mapping[str, Axis], lines: Sequence[Line]) -> str:
    """What it means to cross an axis below it."""
    absent = any(name not in one.params for name in found for _, one, _ in lines)
    return "A line below an axis is a trial without this parameter, or without a score." if absent else ""


def _legend(result: Any, lines: Sequence[Line]) -> str:
    keys = []
    if result.ranked:
        keys.append(words.key("first", "the best"))
    keys.append(words.key("rank0", "others: the better, the stronger"))
    if any(not math.isfinite(searched.score(one)) for _, one, _ in lines):
        keys.append(words.key("unscored dashed", "without a score"))
    return f'<div class="legend">{"".join(keys)}</div>'
