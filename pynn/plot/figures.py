"""Figures and axes: making them, accepting a caller's, and writing them to files."""

from __future__ import annotations

import io
import math
import os
from collections.abc import Iterable
from typing import Any, TypeAlias

import numpy as np
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.figure import Figure, SubFigure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullFormatter

from ..checks import warn
from ..messages.terminal import brief, printable
from ..saving import files
from ..typing import Array

WIDTH = 10.0  # inches, of every figure
CURVES_HEIGHT = 3.9
TITLE = 11  # points
# Okabe and Ito's colours, which people with any colour blindness tell apart; yellow is left out, too pale for lines.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")


class Panels(np.ndarray[Any, np.dtype[Any]]):
    """An array of axes; its attribute `figure` is their figure."""

    @property
    def figure(self) -> Any:
        """The figure."""
        return self.flat[0].figure

    def __getattr__(self, name: str) -> Any:
        """Attributes of the figure, which `history` used to return."""
        if name.startswith("_") or not self.size or not hasattr(self.figure, name):
            raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")
        warn(f"pynn.plot.history returns axes: write .figure.{name} for .{name}", DeprecationWarning)
        return getattr(self.figure, name)


Into: TypeAlias = "Axes | Iterable[Axes] | Array | None"


def new_figure(height: float, width: float = WIDTH) -> Figure:
    """An empty figure that belongs to nobody."""
    return Figure(figsize=(width, height), layout=ConstrainedLayoutEngine(w_pad=0.12, h_pad=0.08, wspace=0.03))


def one(ax: Into, height: float = CURVES_HEIGHT, width: float = WIDTH) -> Axes:
    """The caller's axes, or new ones."""
    return new_figure(height, width).subplots() if ax is None else given(ax, 1)[0]


def panels(ax: Into, count: int, *, columns: int, height: float = CURVES_HEIGHT, sharex: bool = False) -> Panels:
    """The caller's axes, of which there must be `count`, or a new figure of them. height: of a row."""
    if ax is not None:
        return as_panels(given(ax, count))
    columns = min(columns, count)
    rows = math.ceil(count / columns)
    grid = new_figure(height * rows).subplots(rows, columns, squeeze=False, sharex=sharex).ravel()
    for empty in grid[count:]:
        empty.remove()
    return as_panels(grid[:count])


def as_panels(axes: Iterable[Axes]) -> Panels:
    """The axes as an array of them."""
    found = list(axes)
    array = np.empty(len(found), dtype=object)
    array[:] = found
    return array.view(Panels)


def given(ax: Into, count: int | None = None) -> list[Axes]:
    """The caller's axes as a list; None for any number of them."""
    if isinstance(ax, Axes):
        axes: list[Any] = [ax]
    elif isinstance(ax, Iterable):
        axes = list(np.ravel(np.array(list(ax), dtype=object)))
    else:
        axes = [ax]
    for one in axes:
        if not isinstance(one, Axes):
            hint = "; pass figure.subplots()" if isinstance(one, (Figure, SubFigure)) else ""
            raise TypeError(f"ax is {brief(one)}, expected matplotlib axes or None{hint}")
    if not axes or (count is not None and len(axes) != count):
        raise ValueError(f"ax has {len(axes)} axes, expected {'at least 1' if count is None else count}")
    return axes


def dress(axes: Axes, title: str = "", xlabel: str = "", ylabel: str = "", *, whole: bool = False) -> None:
    """Title, labels and a pale grid. whole: x counts epochs or steps."""
    axes.set_title(title, loc="left", fontsize=TITLE)
    axes.set(xlabel=xlabel, ylabel=ylabel)
    axes.grid(alpha=0.25)
    axes.spines[["top", "right"]].set_visible(False)
    if whole:
        axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))


def log_scale(axes: Axes) -> None:
    """A logarithmic y with plain numbers at 1, 2 and 5."""
    axes.set_yscale("log")
    low, high = axes.get_ylim()
    wide = high > 200 * low
    axes.yaxis.set_major_locator(LogLocator(subs=(1.0,) if wide else (1.0, 2.0, 5.0)))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.yaxis.set_minor_formatter(NullFormatter())


def by_depth(count: int) -> list[Any]:
    """Colours of layers, from the first to the last: separate ones for a few, a scale for many."""
    if count <= len(COLOURS):
        return list(COLOURS[:count])
    return [colormaps["viridis"](share) for share in np.linspace(0, 0.92, count)]


def save(figure: Figure | Axes | Panels, path: str | os.PathLike[str]) -> None:
    """Write a figure to a file.

    Parameters
    ----------
    figure : Figure, axes, or array of axes
        The figure, or what a function of `pynn.plot` returned.
    path : path
        The file; its ending chooses the format: .png, .svg, .pdf or another format that matplotlib writes.

    Raises
    ------
    ValueError
        For another ending.
    FileNotFoundError
        If the folder does not exist.
    """
    whole = figure_of(figure)
    file = files.named(path)
    endings = [f".{kind}" for kind in sorted(whole.canvas.get_supported_filetypes())]
    if file.suffix.lower() not in endings:
        got = repr(file.suffix) if file.suffix else "no ending"
        raise ValueError(f"{printable(file)}: expected a name that ends in one of {', '.join(endings)}, got {got}")
    content = io.BytesIO()
    whole.savefig(content, dpi=120, format=file.suffix[1:].lower())
    files.write_whole(file, content.getvalue())


def figure_of(thing: Any) -> Figure:
    """The whole figure that axes or a part of a figure belong to."""
    if not isinstance(thing, (Figure, SubFigure)):
        thing = given(thing)[0].figure
    while isinstance(thing, SubFigure):
        thing = thing.figure
    assert isinstance(thing, Figure)
    return thing
