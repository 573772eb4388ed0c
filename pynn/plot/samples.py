"""Misclassified samples, without and with the curves of the run."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.figure import Figure, FigureBase
from numpy.typing import ArrayLike

from ..data.pictures import pictures
from ..messages.terminal import printable
from ..typing import Array
from .curves import draw_into
from .figures import CURVES_HEIGHT, new_figure

COLUMNS = 6  # of the strip of samples
TILE_HEIGHT = 1.8  # of a sample with its caption
TITLE_HEIGHT = 0.55


def misread(
    images: ArrayLike,
    labels: ArrayLike,
    predictions: ArrayLike,
    classes: Sequence[str],
    probabilities: ArrayLike | None = None,
    limit: int = 12,
) -> Figure:
    """Draw a strip of misclassified samples, each with "true → predicted".

    Parameters
    ----------
    images : array (N, H, W), (N, H, W, 1) or (N, H, W, 3)
        The samples.
    labels, predictions : array (N,)
        Indices into classes.
    classes : sequence of str
        Their names.
    probabilities : array (N, C), optional
        Draw the mistakes with the highest probability first. By default the order is kept.
    limit : int, default 12
        Largest number of samples drawn.

    Returns
    -------
    matplotlib.figure.Figure
        The figure.

    Raises
    ------
    ValueError
        If the arrays do not fit together.
    """
    strip = _Strip(images, labels, predictions, classes, probabilities, limit)
    figure = new_figure(strip.height)
    strip.draw(figure)
    return figure


def report(
    history: Mapping[str, Sequence[float]],
    images: ArrayLike,
    labels: ArrayLike,
    predictions: ArrayLike,
    classes: Sequence[str],
    probabilities: ArrayLike | None = None,
    limit: int = 12,
) -> Figure:
    """Draw one picture of a run: the curves of `history` above the strip of `misread`.

    Parameters
    ----------
    history : mapping
        As for `history`.
    images, labels, predictions, classes, probabilities, limit : see `misread`
        The same arguments; limit is 12 by default.

    Returns
    -------
    matplotlib.figure.Figure
        The figure.
    """
    strip = _Strip(images, labels, predictions, classes, probabilities, limit)
    figure = new_figure(CURVES_HEIGHT + strip.height)
    grid = figure.add_gridspec(2, 1, height_ratios=[CURVES_HEIGHT, strip.height])
    draw_into(figure.add_subfigure(grid[0]), history)
    strip.draw(figure.add_subfigure(grid[1]))
    return figure


class _Strip:
    """The misclassified samples of a data set, selected and ready to draw."""

    def __init__(
        self,
        images: ArrayLike,
        labels: ArrayLike,
        predictions: ArrayLike,
        classes: Sequence[str],
        probabilities: ArrayLike | None,
        limit: int,
    ) -> None:
        self.images, self.labels, self.predictions = pictures(images), np.asarray(labels), np.asarray(predictions)
        self.classes = [printable(name, 100) for name in classes]  # fonts cannot draw lone surrogates
        self.sure: Array | None = None if probabilities is None else np.asarray(probabilities)
        self._check()
        wrong = np.flatnonzero(self.labels != self.predictions)
        self.wrong = len(wrong)
        if self.sure is not None:
            self.sure = self.sure.max(axis=1)
            wrong = wrong[np.argsort(-self.sure[wrong], kind="stable")]
        self.chosen = wrong[: max(limit, 0)]
        self.rows = math.ceil(len(self.chosen) / COLUMNS)
        self.height = TITLE_HEIGHT + TILE_HEIGHT * self.rows

    def _check(self) -> None:
        sizes = {"labels": self.labels.shape, "predictions": self.predictions.shape}
        for name, shape in sizes.items():
            if shape != (len(self.images),):
                raise ValueError(f"{name} has shape {shape}, expected ({len(self.images)},), one for each image")
        if self.sure is not None and self.sure.shape != (len(self.images), len(self.classes)):
            raise ValueError(
                f"probabilities has shape {self.sure.shape}, expected ({len(self.images)}, {len(self.classes)}), "
                "a row for each image and a column for each class"
            )
        for name, numbers in (("labels", self.labels), ("predictions", self.predictions)):
            if numbers.size and (numbers.min() < 0 or numbers.max() >= len(self.classes)):
                raise ValueError(
                    f"{name} has numbers from {numbers.min()} to {numbers.max()}, but there are names for "
                    f"0..{len(self.classes) - 1}"
                )

    def draw(self, into: FigureBase) -> None:
        into.suptitle(self._title(), x=0.012, horizontalalignment="left", fontsize=12)
        if not self.rows:
            return
        grid = np.ravel(into.subplots(self.rows, COLUMNS, squeeze=False))
        for axes in grid:
            axes.set_axis_off()
        for axes, place in zip(grid, self.chosen, strict=False):
            image = self.images[place]
            axes.imshow(image, cmap="gray", vmin=0, vmax=255 if image.dtype == np.uint8 else None)
            axes.set_title(self._caption(place), fontsize=10)

    def _title(self) -> str:
        total = f"{len(self.images):,} samples"
        if not self.wrong:
            return f"None of {total} misread"
        kind = "first" if self.sure is None else "surest"
        shown = f", the {kind} {len(self.chosen)} shown" if len(self.chosen) < self.wrong else ""
        key = "true → predicted" + ("" if self.sure is None else " (its probability)")
        return f"{self.wrong:,} of {total} misread{shown}: {key}"

    def _caption(self, place: int) -> str:
        true, predicted = (_short(self.classes[numbers[place]]) for numbers in (self.labels, self.predictions))
        gap = " " if len(true) + len(predicted) <= 8 else "\n"
        share = "" if self.sure is None else f" ({self.sure[place]:.0%})"
        return f"{true}{gap}→ {predicted}{share}"


def _short(name: str) -> str:
    return name if len(name) <= 12 else name[:11] + "…"
