"""Curves: measurements over the epochs, a schedule, a learning-rate range test."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure, FigureBase

from ..messages.terminal import brief
from ..typing import Array
from .figures import COLOURS, CURVES_HEIGHT, Into, Panels, as_panels, dress, given, new_figure, one, panels
from .sources import measurements

NOTHING = "the history has no epochs, so there is nothing to draw; fit the model for at least one epoch"
USUAL = ("loss", "accuracy")


class RateCurve(Protocol):
    """What `learning_rate_range` draws."""

    @property
    def rates(self) -> Array: ...
    @property
    def losses(self) -> Array: ...
    @property
    def smoothed(self) -> Array: ...
    @property
    def valley(self) -> float | None: ...
    @property
    def steepest(self) -> float | None: ...
    @property
    def suggestion(self) -> float | None: ...


def history(history: Any, ax: Into = None, *, names: Sequence[str] | None = None) -> Panels:
    """Draw curves of loss and accuracy side by side over the epochs, of training and validation.

    Parameters
    ----------
    history : History, Record, model or mapping
        What `model.fit` returns, or any mapping with "loss" and "accuracy" (and "val_loss", "val_accuracy"). With a
        penalty, the loss without it is drawn too, which is comparable with the validation loss.
    ax : axes or array of axes, optional
        Where to draw, one for each measurement; a single one gets the loss. By default a new figure.
    names : sequence of str, optional
        Other measurements, such as "learning_rate"; validation curves come by themselves.

    Returns
    -------
    array of axes
        One for each measurement; its attribute `figure` is the figure.

    Raises
    ------
    ValueError
        If there is no epoch, or a name was not measured.

    Notes
    -----
    This function used to return the figure. Attributes of a figure still work on what it returns, with a
    DeprecationWarning; `History.plot` returns the figure as ever.

    Examples
    --------
    >>> axes = pynn.plot.history(model.fit(x, y, validation=0.1, epochs=10))
    >>> pynn.plot.save(axes, "run.png")
    """
    values = measurements(history)
    chosen = _chosen(values, names)
    if ax is not None and names is None:
        chosen = chosen[: len(given(ax))]
    axes = panels(ax, len(chosen), columns=2)
    for each, name in zip(axes, chosen, strict=True):
        _draw(each, values, name)
    return axes


def draw_into(figure: FigureBase, history: Any) -> None:
    """The curves of `history`, in a part of a figure."""
    values = measurements(history)
    chosen = _chosen(values, None)
    for axes, name in zip(as_panels(np.ravel(figure.subplots(1, len(chosen), squeeze=False))), chosen, strict=True):
        _draw(axes, values, name, titled=False)


def _chosen(values: Mapping[str, Sequence[float]], names: Sequence[str] | None) -> list[str]:
    measured = [name for name in values if len(values[name])]
    if not measured or (names is None and not set(USUAL) & set(measured)):
        raise ValueError(NOTHING)
    if names is None:
        return [name for name in USUAL if name in measured]
    chosen = [names] if isinstance(names, str) else list(names)
    unknown = [name for name in chosen if name not in measured]
    if unknown or not chosen:
        came = brief(unknown[0]) if unknown else "nothing"
        raise ValueError(f"names has {came}, expected some of those that were measured: {', '.join(measured)}")
    return chosen


def _draw(axes: Axes, values: Mapping[str, Sequence[float]], name: str, *, titled: bool = True) -> None:
    last = []
    for key, label, colour, style in (
        (name, "training", COLOURS[0], "-"), (f"data_{name}", "training, without the penalty", COLOURS[0], "--"),
        (f"val_{name}", "validation", COLOURS[1], "-"),
    ):  # fmt: skip
        if key in values and len(values[key]):
            _curve(axes, values[key], label, colour, style)
            if not key.startswith("data_"):
                last.append(f"{values[key][-1]:.3g}")
    text = name.replace("_", " ")
    title = f"{text} {last[0]}" + (f", validation {last[1]}" if len(last) > 1 else "")
    dress(axes, title if titled else "", "epoch", text, whole=True)
    if len(axes.lines) > 1:
        axes.legend(frameon=False)


def _curve(axes: Axes, values: Sequence[float], label: str, colour: str, style: str) -> None:
    epochs, size = np.arange(1, len(values) + 1), 4 if len(values) <= 40 else 0
    axes.plot(epochs, values, style, color=colour, marker="o", markersize=size, linewidth=1.6, label=label)


def schedule(rate: Callable[[float], float], epochs: float, title: str = "") -> Figure:
    """Draw a learning rate over the epochs.

    Parameters
    ----------
    rate : callable
        rate(epoch), for example a `Schedule`.
    epochs : float
        Where the curve ends.
    title : str, default ""
        Title of the figure.

    Returns
    -------
    matplotlib.figure.Figure
        The figure.
    """
    figure = new_figure(CURVES_HEIGHT)
    axes = figure.subplots()
    points = np.linspace(0, epochs, 2001)
    axes.plot(points, [rate(float(epoch)) for epoch in points], color=COLOURS[0], linewidth=1.6)
    dress(axes, title, "epoch", "learning rate")
    axes.set_xlim(0, epochs)
    axes.set_ylim(bottom=0)
    return figure


def learning_rate_range(found: RateCurve, ax: Into = None) -> Axes:
    """Draw the loss over the learning rate of a range test, with the suggestion marked.

    Parameters
    ----------
    found : LearningRateRange
        What `pynn.diagnostics.learning_rate_range` returns.
    ax : axes, optional
        Where to draw. By default a new figure.

    Returns
    -------
    axes
        The axes; its attribute `figure` is the figure.

    Raises
    ------
    TypeError
        If found is something else.

    Examples
    --------
    >>> axes = pynn.plot.learning_rate_range(pynn.diagnostics.learning_rate_range(model, x, y))
    """
    if not hasattr(found, "smoothed"):
        raise TypeError(f"found is {brief(found)}, expected what pynn.diagnostics.learning_rate_range returns")
    axes = one(ax)
    axes.plot(found.rates, found.losses, color="0.7", linewidth=1, label="loss after the step")
    axes.plot(found.rates, found.smoothed, color=COLOURS[0], linewidth=1.8, label="running mean")
    # The valley is often the suggestion: wide and pale, it shows on both sides of that line.
    marks = (
        ("steepest", found.steepest, ":", 1.4, 1.0),
        ("valley", found.valley, "-", 6.0, 0.3),
        ("suggestion", found.suggestion, "-", 1.4, 1.0),
    )
    for name, rate, style, width, alpha in marks:
        if rate is not None:
            text = f"{name} {rate:.2g}"
            axes.axvline(rate, color=COLOURS[1], linestyle=style, linewidth=width, alpha=alpha, label=text)
    axes.set_xscale("log")
    best = "no suggestion" if found.suggestion is None else f"try {found.suggestion:.2g}"
    dress(axes, f"learning-rate range test: {best}", "learning rate (log scale)", "loss")
    # A sweep that ends in a divergence would press the fall into a line.
    low, high = float(np.min(found.smoothed)), float(found.smoothed[0])
    if high > low:
        axes.set_ylim(low - 0.1 * (high - low), min(float(np.max(found.losses)), high + 0.6 * (high - low)) * 1.02)
    axes.legend(frameon=False)
    return axes
