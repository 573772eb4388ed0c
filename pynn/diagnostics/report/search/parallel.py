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
    found, scores = axes.of(result), reading.scale(result, trials) if reading.has_scores(trials) else None
    begun = [(row, one) for row, one in enumerate(trials) if one.params and one.ended != searched.UNFINISHED]
    if not begun:
        return '<p class="hint">No trial has ended yet.</p>'
    if scores is None and len(found) < 2:
        return '<p class="hint">No trial has a score to draw.</p>'
    lines = [(row, one, _line(one, found, scores)) for row, one in begun]
    names = [*found] if scores is None else [*found, result.metric]
    drawn = frame.square(_axes(len(names)) + _groups(lines)) + _labels(found, scores, lines)
    xs = [(_across(place, len(names)), _broken(name)) for place, name in enumerate(names)]
    rows = [row for row, _, _ in reversed(lines)]
    told = (
        f"{words.several(len(lines), 'trial')} as lines through {', '.join(names)}. "
        f"Arrow keys read the trials{', from the best on' if scores else ''}."
    )
    caption = "Parameters and score" if scores else "Parameters"
    chart = frame.figure(
        "together", caption, told, [], xs, drawn, "", kind="of-trials parallel",
        data=words.data({"rows": rows}), legend=_legend(result, lines),
    )  # fmt: skip
    return f'<div style="--axes:{len(names)}">{chart}</div>'


def _broken(name: str) -> str:
    """A name that may be broken after underscores."""
    return words.escaped(name, 24).replace("_", "_<wbr>")


def _across(place: int, count: int) -> float:
    return (place + 0.5) / count


def _up(at: float) -> float:
    return BOTTOM + (TOP - BOTTOM) * at if math.isfinite(at) else ABSENT


def _line(trial: Any, found: Mapping[str, Axis], scores: Scale | None) -> str:
    """The path of a trial."""
    places = [axis.at(trial.params[name]) if name in trial.params else math.nan for name, axis in found.items()]
    if scores is not None:
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
            group = "unscored many" if lost > MANY else "unscored only" if lost == len(lines) else "unscored"
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


def _labels(found: Mapping[str, Axis], scores: Scale | None, lines: Sequence[Line]) -> str:
    """The values along each axis, as text over the lines; and where trials pass it that have none."""
    trials = [one for _, one, _ in lines]
    every = [
        axis.ends() + [(math.nan, "not used")] * any(name not in one.params for one in trials)
        for name, axis in found.items()
    ]
    if scores is not None:
        lost = any(not math.isfinite(searched.score(one)) for one in trials)
        every.append(frame.marks(scores, scores.ticks(5)) + [(math.nan, "no score")] * lost)
    spans = [
        f'<span style="left:{frame.percent(_across(place, len(every)))};bottom:{frame.percent(_up(at))}">{text}</span>'
        for place, marks in enumerate(every)
        for at, text in marks
    ]
    return f'<div class="at" aria-hidden="true">{"".join(spans)}</div>'


def _legend(result: Any, lines: Sequence[Line]) -> str:
    keys = []
    if result.ranked:
        keys.append(words.key("first", "the best"))
    scored = sum(math.isfinite(searched.score(one)) for _, one, _ in lines)
    if scored > bool(result.ranked):
        keys.append(words.key("rank0", "others (darker is better)"))
    if scored < len(lines):
        keys.append(words.key("unscored dashed", "diverged or failed"))
    return f'<div class="legend">{"".join(keys)}</div>'
