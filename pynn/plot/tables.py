"""Pictures of a model for tables: which columns it goes by, and predicted against true numbers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from numpy.typing import ArrayLike

from ..messages.terminal import brief, printable
from ..typing import Array
from .classes import NAMED, confusion
from .figures import COLOURS, Into, dress, new_figure, one
from .sources import measurements

MOST_POINTS = 5000  # of a scatter
DENSE = 500  # points, from which on they are drawn paler
BAR_HEIGHT = 0.28  # inches


def importance(importances: Mapping[str, float], ax: Into = None, *, measure: str = "error", limit: int = 10) -> Axes:
    """Draw which columns a model goes by: how much its error rises when a column is shuffled.

    Parameters
    ----------
    importances : mapping of str to float
        For each column the rise, such as the means of scikit-learn's ``permutation_importance`` by the columns' names.
    ax : axes, optional
        Where to draw. By default a new figure.
    measure : str, default "error"
        What rises, for the label.
    limit : int, default 10
        Only so many columns are drawn, from the most important.

    Returns
    -------
    axes
        The axes; its attribute `figure` is the figure.

    Raises
    ------
    ValueError
        For no columns, or numbers that are not finite.

    Examples
    --------
    >>> axes = pynn.plot.importance({"age": 0.12, "income": 0.31, "city": 0.02})
    """
    if not isinstance(importances, Mapping):
        raise TypeError(f"importances is {brief(importances)}, expected a mapping of columns' names to numbers")
    if not importances:
        raise ValueError("importances has no columns, so there is nothing to draw")
    rises = np.array([float(rise) for rise in importances.values()])
    if not np.isfinite(rises).all():
        raise ValueError("importances has NaN or infinite numbers, expected finite ones")
    order = np.argsort(-rises, kind="stable")[: max(limit, 1)]
    names = [_short(name) for name in importances]
    axes = one(ax, height=1.2 + BAR_HEIGHT * len(order), width=7.0)
    places = np.arange(len(order))
    axes.barh(places, rises[order], color=COLOURS[0], height=0.7)
    axes.set_yticks(places, [names[place] for place in order])
    axes.invert_yaxis()
    axes.xaxis.set_major_locator(MaxNLocator(4))
    more = f", the first {len(order)} of {len(rises)}" if len(order) < len(rises) else ""
    dress(axes, f"importance of the columns{more}", f"rise of the {printable(measure, 60)} when shuffled")
    axes.grid(axis="y", visible=False)
    return axes


def predicted(y_true: ArrayLike, y_pred: ArrayLike, ax: Into = None) -> Axes:
    """Draw predicted against true numbers; on the diagonal the prediction is right.

    Parameters
    ----------
    y_true, y_pred : array (N,)
        The numbers. Of more than 5,000, evenly spread ones are drawn; the title is about all.
    ax : axes, optional
        Where to draw. By default a new figure.

    Returns
    -------
    axes
        The axes; its attribute `figure` is the figure.

    Raises
    ------
    ValueError
        For arrays that do not fit, no samples, or numbers that are not finite.

    Examples
    --------
    >>> axes = pynn.plot.predicted(y_test, model.predict(x_test))
    """
    true, guess = _numbers(y_true, "y_true"), _numbers(y_pred, "y_pred")
    if len(true) != len(guess):
        raise ValueError(f"y_pred has {len(guess)} numbers, expected {len(true)}, one for each of y_true")
    axes = one(ax, height=4.8, width=5.2)
    chosen = np.unique(np.linspace(0, len(true) - 1, min(len(true), MOST_POINTS)).round().astype(np.int64))
    low, high = min(true.min(), guess.min()), max(true.max(), guess.max())
    pale = 0.5 if len(chosen) <= DENSE else 0.2
    axes.plot([low, high], [low, high], color="grey", linewidth=1, zorder=1)
    axes.scatter(true[chosen], guess[chosen], s=9, alpha=pale, color=COLOURS[0], linewidths=0, zorder=2)
    error = float(np.sqrt(np.mean((true - guess) ** 2)))
    spread = float(np.sum((true - true.mean()) ** 2))
    score = f", R² {1 - float(np.sum((true - guess) ** 2)) / spread:.3f}" if spread > 0 else ""
    dress(axes, f"RMSE {error:.4g}{score}", "true", "predicted")
    axes.xaxis.set_major_locator(MaxNLocator(5))
    axes.yaxis.set_major_locator(MaxNLocator(5))
    return axes


def table_report(
    histories: Sequence[Any],
    y_true: ArrayLike,
    y_pred: ArrayLike,
    importances: Mapping[str, float],
    *,
    classes: Sequence[Any] | None = None,
    measure: str = "error",
    kept: Sequence[int] = (),
) -> Figure:
    """Draw one picture of a model for tables: the training, the test, and the importance of the columns.

    Parameters
    ----------
    histories : sequence of History, Record, model or mapping
        Of each member of an ensemble, or of the one model.
    y_true, y_pred : array (N,)
        True and predicted classes or numbers of the test part.
    importances : mapping of str to float
        As for `importance`.
    classes : sequence, optional
        All classes, for a confusion matrix; None for numbers, which are drawn by `predicted`.
    measure : str, default "error"
        What rises, as for `importance`.
    kept : sequence of int, optional
        The epochs whose parameters the members have, counted from 1: an estimator's `best_epochs_`.

    Returns
    -------
    matplotlib.figure.Figure
        The figure.
    """
    figure = new_figure(9.0)
    grid = figure.add_gridspec(2, 2, height_ratios=[1.25, 1])
    second = figure.add_subplot(grid[0, 1])
    if classes is None:
        predicted(y_true, y_pred, second)
    elif len(classes) <= NAMED:
        confusion(_texts(y_true), _texts(y_pred), second, classes=list(map(str, classes)))
    else:
        right = float(np.mean(_texts(y_true) == _texts(y_pred)))
        second.set_title(f"{right:.1%} of {len(np.asarray(y_true)):,} rows right, {len(classes)} classes", loc="left")
        second.set_axis_off()
    _learning(figure.add_subplot(grid[0, 0]), histories, kept)
    importance(importances, figure.add_subplot(grid[1, :]), measure=measure)
    return figure


def _learning(axes: Axes, histories: Sequence[Any], kept: Sequence[int]) -> None:
    """The loss of training and validation over the epochs, of all members, and the epochs that were kept."""
    found = [measurements(each) for each in histories if each is not None]
    for number, values in enumerate(found):
        for key, label, colour in (("loss", "training", COLOURS[0]), ("val_loss", "validation", COLOURS[1])):
            if len(values.get(key, ())):
                epochs = np.arange(1, len(values[key]) + 1)
                name = label if number == 0 else "_"
                axes.plot(epochs, values[key], color=colour, label=name, alpha=1 if len(found) == 1 else 0.5)
    for epoch in kept:
        axes.axvline(epoch, color="grey", linestyle=":", label=f"epoch kept: {epoch}" if len(kept) == 1 else "_")
    members = f" of {len(found)} members" if len(found) > 1 else ""
    dress(axes, f"training{members}", "epoch", "loss", whole=True)
    if len(axes.lines) > 1:
        axes.legend(frameon=False)


def _texts(labels: ArrayLike) -> Array:
    return np.asarray(labels).astype(str)


def _numbers(values: ArrayLike, name: str) -> Array:
    array = np.asarray(values, np.float64)
    if array.ndim != 1 or not array.size:
        raise ValueError(f"{name} has shape {array.shape}, expected (N,), at least one number")
    if not np.isfinite(array).all():
        raise ValueError(f"{name} has NaN or infinite numbers, expected finite ones")
    return array


def _short(name: object) -> str:
    text = printable(str(name), 100)
    return text if len(text) <= 24 else text[:23] + "…"
