"""One picture of a search: the best trials' curves, the score against each parameter, parallel coordinates."""

from __future__ import annotations

from collections import Counter
from typing import Any

from matplotlib.figure import Figure

from ..figures import new_figure
from . import curves, parallel, points
from .scales import counted, scales, spoken

SHOWN = 10  # curves
LINE = 90  # characters of the title


def search_report(result: Any) -> Figure:
    """Draw one picture of a search, as `trials`, `parameters` and `parallel_coordinates` do.

    Parameters
    ----------
    result : pynn.search.Result
        What a search has found.

    Returns
    -------
    matplotlib.figure.Figure
        The figure.

    Raises
    ------
    ValueError
        If there are no trials.
    """
    found = scales(result)
    best = list(result.ranked[:SHOWN])
    heights = [points.height(len(found)), parallel.HEIGHT]
    if best:
        heights.insert(0, curves.height(best))
    figure = new_figure(sum(heights) + 0.5)
    figure.suptitle(_title(result), x=0.01, ha="left", fontsize=13)
    parts = list(figure.subfigures(len(heights), 1, height_ratios=heights, squeeze=False).ravel())
    if best:
        curves.draw_into(parts[0], result, best)
    points.draw_into(parts[-2], result)
    parallel.draw_into(parts[-1], result)
    return figure


def _title(result: Any) -> str:
    counts = Counter(one.ended for one in result.trials)
    ended = ", ".join(f"{count} {how}" for how, count in counts.most_common())
    if not result.ranked:
        return f"{counted(result.trials)}: {ended}"
    best = result.ranked[0]
    staged = f" of stage {best.stage}" if len(result.spaces) > 1 else ""
    found = f"best {spoken(result.metric)} {best.score:.4g} (trial {best.number}{staged})"
    trials = f"{counted(result.trials)}: {ended}"
    return f"{found}; {trials}" if len(found) + len(trials) < LINE else f"{found}\n{trials}"
