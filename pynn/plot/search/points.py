"""The score of a search's trials against each parameter, on its own scale, with the ends at which the best ones sit."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import FigureBase
from matplotlib.lines import Line2D
from matplotlib.patches import Rectangle
from matplotlib.ticker import FixedLocator, FuncFormatter, LogLocator, MaxNLocator, NullFormatter, NullLocator
from matplotlib.transforms import ScaledTranslation

from ...messages.numbers import told_apart
from ...searched import EARLY, FINISHED, LESS, LOST, UNFINISHED, is_wide, score
from ..figures import COLOURS, TITLE, Into, Panels, as_panels, dress, log_scale, panels
from .scales import Scale, chosen, counted, scales, spoken, written

COLUMNS = 3
HEIGHT = 2.7  # inches of a panel
STAGES = ("#0b65a8", "#007a5e", "#a0478a", "#2f9bd6", "#7a6a00", "#555b61")  # as on the page of a search
LANE = 0.09  # of a panel's height, for trials without a score
WARNING = COLOURS[1]
MARKERS = "os^Dv*"
SMALL = 9  # points
BAR = 6.0  # points, for the bar of each stage


def parameters(result: Any, ax: Into = None, *, names: Sequence[str] | None = None) -> Panels:
    """Draw the score of a search's trials against each parameter.

    Parameters
    ----------
    result : pynn.search.Result
        What a search has found.
    ax : axes or array of axes, optional
        Where to draw, one for each parameter. By default a new figure.
    names : sequence of str, optional
        Names of parameters. By default all.

    Returns
    -------
    array of axes
        One for each parameter; its attribute `figure` is the figure.

    Raises
    ------
    ValueError
        If there are no trials, or no such parameter.

    Notes
    -----
    A filled mark is a trial that finished, a hollow one was stopped or pruned. A cross diverged or failed: it has no
    score, so it lies in a grey lane beyond the axis. A star is the best. The end of a range at which the best trials
    sit is shaded: better values may lie beyond it. Of several stages, bars above the panel show the range of each.

    References
    ----------
    .. [1] CS231n notes, "Neural Networks Part 3", hyperparameter optimization.

    Examples
    --------
    >>> axes = pynn.plot.parameters(search.run(trials=60, epochs=10))
    """
    found = scales(result)
    shown = chosen(list(found), names)
    axes = panels(ax, len(shown), columns=COLUMNS, height=HEIGHT)
    _draw_all(axes, result, {name: found[name] for name in shown})
    if ax is None:
        axes.figure.suptitle(title(result), x=0.01, ha="left", fontsize=TITLE)
        _name(axes.figure, result)
    return axes


def title(result: Any) -> str:
    """What is drawn."""
    if not any(math.isfinite(score(one)) for one in result.trials):
        return f"values of {counted(result.trials)}, none of which has a score"
    return f"{spoken(result.metric)} of {counted(result.trials)} against each parameter"


def height(count: int) -> float:
    """Of so many panels, in inches."""
    return HEIGHT * math.ceil(count / COLUMNS) + 0.6


def draw_into(figure: FigureBase, result: Any) -> None:
    """The panels, in a part of a figure."""
    found = scales(result)
    columns = min(COLUMNS, len(found))
    grid = figure.subplots(math.ceil(len(found) / columns), columns, squeeze=False).ravel()
    for empty in grid[len(found) :]:
        empty.remove()
    _draw_all(as_panels(grid[: len(found)]), result, found)
    figure.suptitle(title(result), x=0.01, ha="left", fontsize=TITLE)
    _name(figure, result)


def _draw_all(axes: Panels, result: Any, found: Mapping[str, Scale]) -> None:
    scores = [score(one) for one in result.trials]
    logarithmic = is_wide(result, scores)
    for place, (each, (name, scale)) in enumerate(zip(axes, found.items(), strict=True)):
        _draw(each, result, name, scale)
        _limit(each, result, scores, logarithmic)
        if place % COLUMNS == 0 and any(map(math.isfinite, scores)):
            each.set_ylabel(spoken(result.metric))


def _draw(axes: Axes, result: Any, name: str, scale: Scale) -> None:
    dress(axes, spoken(name))
    _scale(axes, scale)
    for stage in range(1, len(result.spaces) + 1):
        own = [one for one in result.trials if one.stage == stage and name in one.params]
        colour, marker = STAGES[(stage - 1) % len(STAGES)], MARKERS[(stage - 1) % len(MARKERS)]
        finished = [one for one in own if one.ended == FINISHED]
        early = [one for one in own if one.ended in EARLY and math.isfinite(score(one))]
        seen = {*finished, *early}
        lost = [one for one in own if one not in seen and one.ended != UNFINISHED]
        pale = 0.75 if len(own) <= 200 else 0.4
        for drawn, filled in ((early, False), (finished, True)):
            axes.scatter(
                [_place(one, name, scale) for one in drawn], [score(one) for one in drawn], s=22, marker=marker,
                facecolors=colour if filled else "none", edgecolors=colour, linewidths=0 if filled else 1,
                alpha=pale, zorder=3,
            )  # fmt: skip
        height = _lane(result)[1]
        axes.scatter(
            [_place(one, name, scale) for one in lost], [height] * len(lost), s=22, marker="x", color="0.45",
            linewidths=1, alpha=pale, transform=axes.get_xaxis_transform(), zorder=3,
        )  # fmt: skip
    if result.ranked and name in result.ranked[0].params:
        best = result.ranked[0]
        axes.plot(
            [_place(best, name, scale)],
            [score(best)],
            "*",
            color="black",
            markersize=13,
            markeredgecolor="white",
            zorder=4,
        )
    _mark_ranges(axes, result, name, scale)


def _place(trial: Any, name: str, scale: Scale) -> float:
    """Where a trial is drawn."""
    return scale.place(trial.params[name]) + scale.beside(trial.number)


def _scale(axes: Axes, scale: Scale) -> None:
    """The scale of x, a little wider than the range, so that marks at its ends are whole."""
    if scale.named:
        texts, turned = [written(value, 18) for value in scale.values], dict[str, Any]()
        if max(map(len, texts)) > 28 / len(texts):
            turned = {"rotation": 30, "ha": "right", "rotation_mode": "anchor"}
        axes.set_xticks(range(len(texts)), texts, fontsize=SMALL, **turned)
        axes.set_xlim(-0.6, len(texts) - 0.4)
        axes.grid(axis="x", visible=False)
        if len(texts) == 1:
            axes.set_xlabel("the only choice", fontsize=SMALL, color="0.35")
        return
    if scale.log:
        axes.set_xscale("log")
        decades = math.log10(scale.high / scale.low)
        between = (1.0,) if decades > 2.5 else (1.0, 3.0) if decades > 1.5 else (1.0, 2.0, 5.0)
        axes.xaxis.set_major_locator(LogLocator(subs=between, numticks=6))
        axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
        axes.xaxis.set_minor_formatter(NullFormatter())
        factor = (scale.high / scale.low) ** 0.04
        axes.set_xlim(scale.low / factor, scale.high * factor)
        axes.set_xlabel("log scale", fontsize=SMALL, color="0.35")
        return
    long = max(map(len, told_apart((scale.low, scale.high)))) > 4
    axes.xaxis.set_major_locator(MaxNLocator(3 if long else 5, integer=scale.whole))
    pad = max(0.04 * (scale.high - scale.low), LESS if scale.few else 0)
    axes.set_xlim(scale.low - pad, scale.high + pad)


def _mark_ranges(axes: Axes, result: Any, name: str, scale: Scale) -> None:
    """The end at which the best sit, and of several stages a bar for the range of each."""
    staged, sentences = len(result.spaces) > 1, []
    for stage, (space, edges) in enumerate(zip(result.spaces, result.edges, strict=True), 1):
        for part in space.flat().get(name, ()) if staged else ():
            _bar(axes, part, scale, BAR * (len(result.spaces) - stage + 0.8), STAGES[(stage - 1) % len(STAGES)])
        end = edges.get(name)
        if end is not None:
            part = space.active(next(one for one in result.ranked if one.stage == stage).params)[name]
            _shade(axes, part, end)
            sentences.append(f"the best sit at the {end} end" + (f" (stage {stage})" if staged else ""))
    if staged:
        axes.set_title(axes.get_title(loc="left"), loc="left", fontsize=TITLE, pad=6 + BAR * len(result.spaces))
    if sentences:
        axes.set_xlabel(sentences[-1], fontsize=SMALL, color=WARNING)


def _bar(axes: Axes, part: Any, scale: Scale, height: float, colour: str) -> None:
    """A bar over the panel for a range. height: in points."""
    above = ScaledTranslation(0, height / 72, axes.figure.dpi_scale_trans)
    spans = [(part.low, part.high)] if not scale.named and not hasattr(part, "options") else []
    if hasattr(part, "options"):
        spans = [(scale.place(value) - 0.4, scale.place(value) + 0.4) for value, _ in part.options]
    for low, high in spans:
        axes.plot(
            [low, high], [1, 1], color=colour, linewidth=3.5, solid_capstyle="butt", clip_on=False,
            transform=axes.get_xaxis_transform() + above,
        )  # fmt: skip


def _shade(axes: Axes, part: Any, end: str) -> None:
    """The end of a range."""
    axes.axvspan(*part.edge(end), color=WARNING, alpha=0.18, linewidth=0, zorder=1)
    axes.axvline(part.low if end == "lower" else part.high, color=WARNING, linewidth=1.4, zorder=2)


def _limit(axes: Axes, result: Any, scores: Sequence[float], logarithmic: bool) -> None:
    """The same axis of scores for all panels, with room for crosses."""
    known = np.array([value for value in scores if math.isfinite(value)])
    start, middle, end = _lane(result)
    if end > start:
        lane = Rectangle((0, start), 1, end - start, transform=axes.transAxes, color="0.92", linewidth=0, gid="lane")
        axes.add_patch(lane).set_zorder(0)
    if not len(known):
        axes.set_yticks([])
        axes.set_ylim(0, 1)
        return
    low, high = float(known.min()), float(known.max())
    room = 1.12 * LANE / (1 - LANE) if end > start else 0.0
    below, above = (0.06 + room, 0.06) if middle < 0.5 else (0.06, 0.06 + room)
    if logarithmic:
        wide = high / low
        axes.set_ylim(low / wide**below, high * wide**above)
        log_scale(axes)
    else:
        wide = (high - low) or 0.1 * abs(high) or 1.0
        axes.set_ylim(low - below * wide, high + above * wide)
    if end > start:
        _leave_out(axes, (start, end))


def _lane(result: Any) -> tuple[float, float, float]:
    """Where trials without a score lie, as shares of the height: from the lower end of their lane to the upper one."""
    if not any(math.isfinite(score(one)) for one in result.trials):
        return 0.0, 0.5, 1.0
    if not any(one.ended in LOST for one in result.trials):
        return 0.0, 0.0, 0.0
    return (0.0, LANE / 2, LANE) if result.mode == "max" else (1 - LANE, 1 - LANE / 2, 1.0)


def _leave_out(axes: Axes, lane: tuple[float, float]) -> None:
    """Leave out the ticks of y within the lane, where there are no scores."""
    ticks = axes.get_yticks()
    shares = axes.transAxes.inverted().transform(axes.transData.transform([(1.0, tick) for tick in ticks]))[:, 1]
    inside = (shares >= 0) & (shares <= 1) & ~((shares > lane[0]) & (shares < lane[1]))
    axes.yaxis.set_major_locator(FixedLocator(ticks[inside].tolist()))
    axes.yaxis.set_minor_locator(NullLocator())


def _name(figure: FigureBase, result: Any) -> None:
    """A legend of the marks that occur."""
    ended = {one.ended for one in result.trials}
    handles: list[Any] = []
    if len(result.spaces) > 1:
        for stage in range(len(result.spaces)):
            marker, colour = MARKERS[stage % len(MARKERS)], STAGES[stage % len(STAGES)]
            handles.append(_handle(f"stage {stage + 1}, range above", marker, colour, markersize=5))
    elif FINISHED in ended:
        handles.append(_handle("finished", "o", STAGES[0], markersize=5))
    if ended & set(EARLY):
        handles.append(_handle("stopped or pruned", "o", "0.35", markersize=5, markerfacecolor="none"))
    if ended & LOST:
        handles.append(_handle("diverged or failed", "x", "0.45", markersize=5))
    if result.ranked:
        handles.append(_handle("the best", "*", "black", markersize=10))
    figure.legend(handles=handles, loc="outside lower center", ncols=len(handles), frameon=False, fontsize=SMALL)


def _handle(text: str, marker: str, colour: str, **options: Any) -> Line2D:
    return Line2D([], [], marker=marker, color=colour, linestyle="none", label=text, **options)
