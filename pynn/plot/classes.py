"""The confusion matrix as a picture."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import PowerNorm
from matplotlib.ticker import PercentFormatter
from numpy.typing import ArrayLike

from ..messages.terminal import printable
from ..typing import Array
from .figures import TITLE, Into, figure_of, one
from .sources import is_record, record_of

WRITTEN = 25  # classes whose cells carry numbers, at most
NAMED = 40  # classes with names at the axes, at most


def confusion(
    y_true: Any, y_pred: ArrayLike | None = None, ax: Into = None, *, classes: Sequence[Any] | None = None
) -> Axes:
    """Draw which classes are taken for which: counts in the cells, colours by the share of the true class.

    Parameters
    ----------
    y_true : array (N,) of labels, array (C, C) of counts, History, Record or model
        With y_pred, the true labels. Alone, a confusion matrix with a row for each true class, or a run with a
        `pynn.Monitor`, of which the validation samples that it kept are drawn (without validation, training samples).
    y_pred : array (N,), optional
        Predicted labels.
    ax : axes, optional
        Where to draw. By default a new figure.
    classes : sequence, optional
        The labels in the order of the rows, or names for labels 0..C-1. By default the labels, sorted.

    Returns
    -------
    axes
        The axes; its attribute `figure` is the figure.

    Raises
    ------
    ValueError
        For arrays that do not fit, or a run without labels or without a record.

    Examples
    --------
    >>> axes = pynn.plot.confusion(y_test, model.predict(x_test))
    """
    part = ""
    if y_pred is not None:
        counts, names = _counted(np.asarray(y_true), np.asarray(y_pred), classes)
    elif is_record(y_true) or hasattr(y_true, "record") or hasattr(y_true, "history"):
        counts, part = _of_run(record_of(y_true))
        known = classes if classes is not None else getattr(y_true, "classes", None)
        names = _names(counts, known)
    else:
        counts = _matrix(y_true)
        names = _names(counts, classes)
    side = min(max(4.6, 0.5 * len(counts) + 2), 11.0)
    axes = one(ax, height=side, width=side + 1.2)
    _draw(axes, counts, names, part, ax is None)
    return axes


def _draw(axes: Axes, counts: Array, names: list[str], part: str, whole: bool) -> None:
    rows = counts.sum(axis=1, keepdims=True)
    shares = counts / np.where(rows == 0, 1, rows)
    # A square root: one mistake in a hundred is seen.
    image = axes.imshow(shares, cmap="Blues", norm=PowerNorm(0.5, 0, 1), interpolation="nearest")
    if len(counts) <= WRITTEN:
        for row, column in np.argwhere(counts > 0).tolist():
            colour = "white" if shares[row, column] > 0.35 else "black"
            axes.text(column, row, f"{counts[row, column]:,g}", ha="center", va="center", color=colour, fontsize=9)
    total, right = float(counts.sum()), float(np.trace(counts))
    share = f"{right / total:.1%} of {total:,g} {part}samples right" if total else "no samples"
    axes.set_title(share, loc="left", fontsize=TITLE)
    axes.set(xlabel="predicted class", ylabel="true class")
    if len(names) <= NAMED:
        places = list(range(len(names)))
        long = max(map(len, names), default=0) > 3
        turned: dict[str, Any] = {"rotation": 45, "ha": "right", "rotation_mode": "anchor"} if long else {}
        axes.set_xticks(places, names, **turned)
        axes.set_yticks(places, names)
    if whole:
        bar = figure_of(axes).colorbar(image, ax=axes, shrink=0.8)
        bar.set_label("share of the true class")
        bar.set_ticks([0, 0.05, 0.25, 0.5, 1])
        bar.ax.yaxis.set_major_formatter(PercentFormatter(1, decimals=0))


def _counted(true: Array, predicted: Array, classes: Sequence[Any] | None) -> tuple[Array, list[str]]:
    """The matrix of labels, and the names of its rows."""
    for name, labels in (("y_true", true), ("y_pred", predicted)):
        if labels.ndim != 1 or labels.shape != true.shape:
            hint = "; take model.predict(x), not probabilities" if labels.ndim == 2 else ""
            raise ValueError(f"{name} has shape {labels.shape}, expected (N,), one label for each sample{hint}")
    found = np.unique(np.concatenate([true, predicted])) if true.size else np.array([], np.int64)
    order = found if classes is None else np.asarray(classes)
    if classes is not None and found.dtype.kind in "iub" and not np.isin(found, order).all():
        order = np.arange(len(order))  # classes are names of 0..C-1
    places = {label: place for place, label in enumerate(order.tolist())}
    unknown = [label for label in found.tolist() if label not in places]
    if unknown:
        raise ValueError(f"the label {unknown[0]!r} is not among the {len(places)} classes")
    if not places:
        raise ValueError("y_true has no samples, so there is nothing to draw")
    counts = np.zeros((len(places), len(places)), np.int64)
    pairs = np.array([[places[label] for label in labels.tolist()] for labels in (true, predicted)])
    np.add.at(counts, (pairs[0], pairs[1]), 1)
    return counts, _names(counts, order if classes is None else classes)


def _matrix(counts: Any) -> Array:
    array = np.asarray(counts)
    if array.ndim != 2 or array.shape[0] != array.shape[1] or not array.size:
        hint = "; with labels pass y_pred too" if array.ndim == 1 else ""
        raise ValueError(f"y_true has shape {array.shape}, expected a matrix (C, C) of counts{hint}")
    if array.dtype.kind not in "fiu" or not np.isfinite(array).all() or (array < 0).any():
        raise ValueError("y_true has negative or missing counts, expected numbers of at least 0")
    return array


def _names(counts: Array, classes: Any) -> list[str]:
    names = [str(number) for number in range(len(counts))] if classes is None else [str(name) for name in classes]
    if len(names) != len(counts):
        raise ValueError(f"classes has {len(names)} names, expected {len(counts)}, one for each row")
    return [name if len(name) <= 16 else name[:15] + "…" for name in (printable(name, 100) for name in names)]


def _of_run(record: Any) -> tuple[Array, str]:
    """The matrix of the samples that a Monitor kept, and which these are."""
    part, which = (record.train, "training ") if record.validation is None else (record.validation, "validation ")
    if part is None or part.outputs is None:
        raise ValueError("the record has no predictions: the run has not ended, or the model could not be copied")
    found = record.choices(part)
    if found is None:
        raise ValueError("the run has no single label for each sample; a confusion matrix needs labels")
    count = record.settings.get("classes") or 2
    counts = np.zeros((count, count), np.int64)
    np.add.at(counts, found, 1)
    return counts, which
