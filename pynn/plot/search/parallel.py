"""All trials of a search as lines through their parameters to their scores: parallel coordinates."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.figure import FigureBase
from matplotlib.ticker import LogLocator, MaxNLocator

from ... import searched
from ...searched import MOST, is_wide, score
from ...typing import Array
from ..figures import TITLE, WIDTH, Into, one
from .scales import Scale, counted, scales, spoken, written

HEIGHT = 3.9  # inches
ABSENT = -0.14  # where a trial without the parameter crosses its axis
NOT_USED, NO_SCORE = "not used", "no score"  # what stands there
PALEST = 0.92  # of the scale of colours, on which the best is darkest
SMALL = 8  # points
LETTER = 0.085  # inches of a letter of a name
DENSE = 100  # trials, from which on lines are thinner


def parallel_coordinates(result: Any, ax: Into = None) -> Axes:
    """Draw each trial of a search as a line through its parameters to its score.

    Parameters
    ----------
    result : pynn.search.Result
        What a search has found.
    ax : axes, optional
        Where to draw. By default a new figure.

    Returns
    -------
    axes
        The axes; its attribute `figure` is the figure.

    Raises
    ------
    ValueError
        If there are no trials.

    Notes
    -----
    Every axis has its parameter's own scale. The better the darker; the best is black. A trial that does not have a
    parameter passes below its axis; one without a score, which is grey, passes below that of the scores. If no trial
    has a score, there is no axis of scores.

    References
    ----------
    .. [1] Inselberg, "The plane with parallel coordinates", 1985.

    Examples
    --------
    >>> axes = pynn.plot.parallel_coordinates(search.run(trials=60, epochs=10))
    """
    found = scales(result)
    axes = one(ax, HEIGHT)
    _draw(axes, result, found)
    axes.set_title(title(result), loc="left", fontsize=TITLE)
    return axes


def title(result: Any) -> str:
    """What is drawn."""
    few = f"the best {MOST:,} of " if len(result.trials) > MOST else ""
    if not any(math.isfinite(score(one)) for one in result.trials):
        return f"parameters of {few}{counted(result.trials)}, none of which has a score"
    return f"parameters and score of {few}{counted(result.trials)}: darker is better, black is the best"


def draw_into(figure: FigureBase, result: Any) -> None:
    """The lines, in a part of a figure."""
    _draw(figure.subplots(), result, scales(result))
    figure.suptitle(title(result), x=0.01, ha="left", fontsize=TITLE)


def _draw(axes: Axes, result: Any, found: Mapping[str, Scale]) -> None:
    ordered = [one for one in searched.ordered(result) if one.params]
    absent = _absent(result, found)
    ends, marks = _scores(result, ordered)
    lines = [_line(trial, found, end) for trial, end in zip(ordered, ends, strict=True)]
    if not marks:
        lines = [line[:-1] for line in lines]
    known = [place for place, end in enumerate(ends) if end != ABSENT]
    lost = [lines[place] for place, end in enumerate(ends) if end == ABSENT]
    width = 1.3 if len(lines) <= DENSE else 0.7
    axes.add_collection(LineCollection(lost, colors="0.75", linewidths=0.8, linestyles="dashed", zorder=1))
    shades = colormaps["viridis"](PALEST * np.linspace(0, 1, max(len(known), 1)))
    paths = [lines[place] for place in known]
    axes.add_collection(
        LineCollection(paths[::-1], colors=shades[::-1], linewidths=width, alpha=0.75, zorder=2)  # the best on top
    )
    if result.ranked:
        axes.add_collection(LineCollection(paths[:1], colors="black", linewidths=2.6, zorder=3))
    for place, scale in enumerate(found.values()):
        _axis(axes, place, scale.marks(_letters(len(found))), NOT_USED if absent[place] else "")
    if marks:
        _axis(axes, len(found), marks, NO_SCORE if lost else "", right=True)
    _dress(axes, [*found, *([result.metric] if marks else [])], any(absent) or (len(lost) > 0 and bool(marks)))


def _absent(result: Any, found: Mapping[str, Scale]) -> list[bool]:
    """Of each parameter whether a trial does not have it."""
    return [any(name not in trial.params for trial in result.trials) for name in found]


def _line(trial: Any, found: Mapping[str, Scale], end: float) -> Array:
    """The corners of a trial's line."""
    heights = [scale.share(trial.params[name]) if name in trial.params else ABSENT for name, scale in found.items()]
    return np.array(list(enumerate([*heights, end])))


def _scores(result: Any, ordered: Sequence[Any]) -> tuple[list[float], list[tuple[float, str]]]:
    """Where each trial ends on the axis of scores, 0..1, and the numbers of that axis."""
    values = np.array([score(trial) for trial in ordered])
    known = values[np.isfinite(values)]
    if not len(known):
        return [ABSENT] * len(values), []
    low, high = float(known.min()), float(known.max())
    if low == high:
        return np.where(np.isfinite(values), 0.5, ABSENT).tolist(), [(0.5, f"{low:.4g}")]
    logarithmic = is_wide(result, values.tolist())
    ticks = (LogLocator(numticks=6) if logarithmic else MaxNLocator(5)).tick_values(low, high)
    scaled = [np.log(each) if logarithmic else np.asarray(each) for each in (values, ticks, [low, high])]
    places, ends = ((each - scaled[2][0]) / (scaled[2][1] - scaled[2][0]) for each in scaled[:2])
    marks = [(float(place), f"{tick:.4g}") for place, tick in zip(ends, ticks, strict=True) if 0.06 < place < 0.94]
    shown = [(0.0, f"{low:.4g}"), *marks, (1.0, f"{high:.4g}")]
    return np.where(np.isfinite(places), places, ABSENT).tolist(), shown


def _axis(axes: Axes, place: int, marks: Sequence[tuple[float, str]], absent: str, right: bool = False) -> None:
    """An upright axis with its numbers, which have a white ground over the lines. absent: what stands below it."""
    axes.plot([place, place], [0, 1], color="0.25", linewidth=1.2, zorder=4)
    if absent:
        axes.plot([place, place], [ABSENT, 0], color="0.25", linewidth=0.8, linestyle=":", zorder=4)
    for height, text in [*marks, *([(ABSENT, absent)] if absent else [])]:
        axes.plot([place], [height], marker="_", markersize=6, color="0.25", zorder=4)
        axes.annotate(
            text, (place, height), (6 if right else -6, 0), textcoords="offset points", fontsize=SMALL, zorder=5,
            ha="left" if right else "right", va="center",
            bbox={"facecolor": "white", "alpha": 0.85, "linewidth": 0, "pad": 1},
        )  # fmt: skip


def _dress(axes: Axes, names: Sequence[str], absent: bool) -> None:
    axes.set_xlim(-0.15, max(len(names) - 1, 0.5) + 0.15)
    axes.set_ylim(ABSENT - 0.05 if absent else -0.05, 1.05)
    axes.spines[:].set_visible(False)
    texts = [_wrapped(spoken(name), int(WIDTH / len(names) / LETTER)) for name in names]
    axes.set_xticks(range(len(names)), texts)
    axes.tick_params(length=0)
    axes.set_yticks([])


def _letters(count: int) -> int:
    """Letters of a value beside an axis, of which there are so many."""
    return max(5, int(WIDTH / (count + 1) / LETTER) - 4)


def _wrapped(name: str, longest: int) -> str:
    """A name broken after underscores where it is too long for its axis."""
    lines = [""]
    for part in name.replace("_", "_\0").split("\0"):
        if lines[-1] and len(lines[-1]) + len(part) > longest:
            lines.append("")
        lines[-1] += part
    return "\n".join(written(line, max(longest, 6)) for line in lines)
