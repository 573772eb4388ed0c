"""The curves of a search's best trials, a panel for each, in the order of their scores."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.figure import FigureBase

from ... import checks
from ...searched import is_wide, of_folds, score
from ...typing import Array
from ..figures import TITLE, Into, Panels, as_panels, dress, given, log_scale, new_figure
from .scales import counted, expect_result, short, spoken, written

COLUMNS, FEWEST = 5, 3
HEIGHT, LINE = 1.75, 0.15  # inches of a panel, and of each line below it
LETTERS = 25  # of a line below a panel, at most
SMALL = 8  # points
PALEST = 0.85  # of the scale of colours, on which the best is darkest


def trials(result: Any, ax: Into = None, *, limit: int = 10) -> Panels:
    """Draw the curves of the best trials of a search, each with its parameters, the best first.

    Parameters
    ----------
    result : pynn.search.Result
        What a search has found.
    ax : axes or array of axes, optional
        Where to draw, one for each trial, from the best on. By default a new figure.
    limit : int, default 10
        Largest number of trials.

    Returns
    -------
    array of axes
        One for each trial; its attribute `figure` is the figure.

    Raises
    ------
    ValueError
        If no trial has finished.

    Notes
    -----
    Solid is the validation, with the best epoch marked; dashed is the training. Of folds, lines are means, and the area
    is the range of their scores; a mark is the best epoch of a fold. All panels have the same axis.

    References
    ----------
    .. [1] Saito, "Deep Learning from Scratch", 2016, section 6.5 (its panels of the best 20 trials).

    Examples
    --------
    >>> axes = pynn.plot.trials(search.run(trials=60, epochs=10))
    """
    checks.expect_count("", 1, limit=limit)
    best = ranked(result, limit)
    if ax is None:
        return draw_into(new_figure(height(best)), result, best)
    axes = as_panels(given(ax, len(best)))
    draw(axes, result, best)
    return axes


def ranked(result: Any, limit: int) -> list[Any]:
    """The best trials."""
    expect_result(result)
    if not result.ranked:
        raise ValueError("no trial of the search has finished, so there are no curves to draw")
    return list(result.ranked[:limit])


def title(result: Any, best: Sequence[Any]) -> str:
    """What is drawn."""
    other = f", dashed: {training_of(result.metric)} in training" if _has_training(result, best) else ""
    few = f"the best {len(best)} of {counted(result.trials)}" if len(best) < len(result.trials) else counted(best)
    folds = "; lines: mean of the folds, area: their range" if any(len(one.folds) > 1 for one in best) else ""
    return f"{spoken(result.metric)} of {few} over the epochs{other}{folds}"


def height(best: Sequence[Any]) -> float:
    """Of the panels with their title, in inches."""
    return math.ceil(len(best) / COLUMNS) * (HEIGHT + LINE * max(len(one.params) for one in best)) + 0.4


def draw_into(figure: FigureBase, result: Any, best: Sequence[Any]) -> Panels:
    """The panels, in a figure or in a part of one."""
    columns = min(COLUMNS, max(len(best), FEWEST))
    grid = figure.subplots(math.ceil(len(best) / columns), columns, squeeze=False).ravel()
    for empty in grid[len(best) :]:
        empty.remove()
    axes = as_panels(grid[: len(best)])
    draw(axes, result, best)
    for place, each in enumerate(axes):
        each.tick_params(labelleft=place % columns == 0)
    figure.suptitle(title(result, best), x=0.01, ha="left", fontsize=TITLE)
    return axes


def draw(axes: Panels, result: Any, best: Sequence[Any]) -> None:
    """A panel for each trial."""
    drawn = [_curves(one, result.metric) for one in best]
    logarithmic = is_wide(result, _values(drawn).tolist())
    staged = len(result.spaces) > 1
    for place, (each, one, curves) in enumerate(zip(axes, best, drawn, strict=True)):
        colour = colormaps["viridis"](PALEST * place / max(len(best) - 1, 1))
        for curve in curves:
            _draw_curve(each, curve, colour, len(one.folds) > 1)
        _mark(each, one, result.metric, colour)
        _dress(each, f"{place + 1}: {score(one):.4g}", one, staged)
    _limit(axes, drawn, logarithmic)


def training_of(metric: str) -> str:
    """The measurement on training data beside one on validation data."""
    return metric.removeprefix("val_")


def _has_training(result: Any, best: Sequence[Any]) -> bool:
    other = training_of(result.metric)
    return other != result.metric and any(other in fold for one in best for fold in one.curves)


class Curve(NamedTuple):
    """A measurement over the epochs: the mean of the folds, and their range."""

    mean: Array
    low: Array
    high: Array
    is_training: bool


def _curves(trial: Any, metric: str) -> list[Curve]:
    """The score over the epochs, and the same on training data."""
    names = dict.fromkeys((training_of(metric), metric))
    return [Curve(*found, name != metric) for name in names if (found := of_folds(trial, name)) is not None]


def _values(drawn: Sequence[Sequence[Curve]]) -> Array:
    return np.concatenate([part for curves in drawn for curve in curves for part in (curve.low, curve.high)])


def _draw_curve(axes: Axes, curve: Curve, colour: Any, has_folds: bool) -> None:
    x = np.arange(1, len(curve.mean) + 1)
    size = 3 if len(x) == 1 else 0
    axes.plot(
        x, curve.mean, "--" if curve.is_training else "-", color=colour, linewidth=1.1 if curve.is_training else 1.6,
        marker="o", markersize=size, alpha=0.8 if curve.is_training else 1,
    )  # fmt: skip
    if has_folds and not curve.is_training:
        axes.fill_between(x, curve.low, curve.high, color=colour, alpha=0.2, linewidth=0)


def _mark(axes: Axes, trial: Any, metric: str, colour: Any) -> None:
    """The best epoch of each fold."""
    size = 4 if len(trial.curves) == 1 else 2.5
    for fold, epoch in zip(trial.curves, trial.best_epochs, strict=False):
        values: Mapping[str, Sequence[float]] = fold
        if len(values.get(metric, ())) >= epoch:
            axes.plot([epoch], [values[metric][epoch - 1]], "o", color=colour, markersize=size)


def _dress(axes: Axes, text: str, trial: Any, staged: bool) -> None:
    dress(axes, text, whole=True)
    axes.tick_params(labelsize=SMALL)
    lines = [f"{'stage ' + str(trial.stage) + ', ' if staged else ''}trial {trial.number}"]
    for name, value in trial.params.items():
        found = written(value, LETTERS // 2)
        lines.append(f"{short(name, max(LETTERS - 1 - len(found), 8))} {found}")
    axes.set_xlabel("\n".join(lines), fontsize=SMALL, loc="left", color="0.25")


def _limit(axes: Panels, drawn: Sequence[Sequence[Curve]], logarithmic: bool) -> None:
    """The same axes for all panels."""
    values = _values(drawn)
    low, high = float(np.nanmin(values)), float(np.nanmax(values))
    if logarithmic:
        limits = low / 1.2, high * 1.2
    else:
        pad = 0.06 * (high - low) or 0.05 * (abs(high) or 1)
        limits = low - pad, high + pad
    longest = max((len(curve.mean) for curves in drawn for curve in curves), default=1)
    for each in axes:
        each.set_ylim(*limits)
        each.set_xlim(*((0.5, 1.5) if longest == 1 else (1 - 0.03 * longest, longest * 1.03)))
        if logarithmic:
            log_scale(each)
