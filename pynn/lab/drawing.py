"""One style for all pictures: legible on a telephone, 390 pixels wide."""

from __future__ import annotations

import io
from typing import Any

from .outcome import Outcome

WIDTH = 5.4  # inches
STYLE: Any = {
    "font.size": 9.5,
    "axes.titlesize": 10.5,
    "axes.titlelocation": "left",
    "axes.labelsize": 9.5,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.alpha": 0.25,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "lines.linewidth": 1.7,
    "legend.frameon": False,
    "legend.fontsize": 9,
    "figure.facecolor": "white",
    "image.interpolation": "nearest",
    "image.cmap": "gray",
}


def png(outcome: Outcome) -> bytes:
    """The picture of an outcome."""
    try:
        from cycler import cycler  # here: experiments run without matplotlib
        from matplotlib import rc_context
        from matplotlib.figure import Figure

        from ..plot.figures import COLOURS
    except ModuleNotFoundError as cause:
        raise ImportError('pictures need matplotlib: pip install "pynn-cpu[plot]"') from cause
    experiment = outcome.experiment
    with rc_context({**STYLE, "axes.prop_cycle": cycler(color=COLOURS)}):
        figure = Figure(figsize=(WIDTH, experiment.height), layout="constrained")
        experiment.draw(figure, list(outcome.results.values()))
        content = io.BytesIO()
        figure.savefig(content, dpi=200, format="png", metadata={"Software": None})
    return content.getvalue()
