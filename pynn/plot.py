"""Pictures of a training run: curves, misclassified samples, whitened images. Needs matplotlib (extra `plot`).

Figures are independent objects: no pyplot, no window, no global state. Knows no models.
"""

from __future__ import annotations

import io
import math
import os
from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

import numpy as np
from numpy.typing import ArrayLike

from .typing import Array

try:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure, FigureBase
    from matplotlib.layout_engine import ConstrainedLayoutEngine
    from matplotlib.ticker import MaxNLocator
except ModuleNotFoundError as cause:
    raise ImportError('pictures need matplotlib: pip install "pynn-cpu[plot]"') from cause

from . import checks
from .checks import expect_instance
from .data import arrays
from .messages import terminal
from .preprocessing import Whitening
from .saving import files

__all__ = ["history", "learning_rate_range", "misread", "report", "save", "schedule", "whitening"]


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


WIDTH = 10.0  # inches, of every figure
CURVES_HEIGHT = 3.9
COLUMNS = 6  # of the strip of samples
TILE_HEIGHT = 1.8  # of a sample with its caption
TITLE_HEIGHT = 0.55


def history(history: Mapping[str, Sequence[float]]) -> Figure:
    """Draw curves of loss and accuracy side by side over the epochs, of training and validation.

    Parameters
    ----------
    history : mapping
        What `model.fit` returns, or any mapping with "loss" and "accuracy" (and "val_loss", "val_accuracy"). With a
        penalty, the loss without it is drawn too, which is comparable with the validation loss.

    Returns
    -------
    matplotlib.figure.Figure
        The figure.

    Raises
    ------
    ValueError
        If there is no epoch.
    """
    figure = _figure(CURVES_HEIGHT)
    _draw_curves(figure, history)
    return figure


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
    figure = _figure(strip.height)
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
    figure = _figure(CURVES_HEIGHT + strip.height)
    grid = figure.add_gridspec(2, 1, height_ratios=[CURVES_HEIGHT, strip.height])
    _draw_curves(figure.add_subfigure(grid[0]), history)
    strip.draw(figure.add_subfigure(grid[1]))
    return figure


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
    figure = _figure(CURVES_HEIGHT)
    axes = figure.subplots()
    points = np.linspace(0, epochs, 2001)
    axes.plot(points, [rate(float(epoch)) for epoch in points], linewidth=1.6)
    axes.set(xlabel="epoch", ylabel="learning rate", xlim=(0, epochs))
    axes.set_ylim(bottom=0)
    axes.set_title(title, loc="left", fontsize=11)
    axes.grid(alpha=0.25)
    axes.spines[["top", "right"]].set_visible(False)
    return figure


def learning_rate_range(found: RateCurve) -> Figure:
    """Draw the loss over the learning rate of a range test, with the suggestion marked.

    Parameters
    ----------
    found : LearningRateRange
        What `pynn.diagnostics.learning_rate_range` returns.

    Returns
    -------
    matplotlib.figure.Figure
        The figure.
    """
    figure = _figure(CURVES_HEIGHT)
    axes = figure.subplots()
    axes.plot(found.rates, found.losses, color="0.75", linewidth=1, label="loss")
    axes.plot(found.rates, found.smoothed, label="running mean")
    marks = {"steepest": found.steepest, "valley": found.valley, "suggestion": found.suggestion}
    for (name, rate), style in zip(marks.items(), (":", "--", "-"), strict=True):
        if rate is not None:
            axes.axvline(rate, color="C1", linestyle=style, linewidth=1, label=f"{name} {rate:.2g}")
    axes.set_xscale("log")
    axes.set_xlabel("learning rate")
    axes.set_ylabel("loss")
    axes.grid(True, alpha=0.3)
    axes.legend()
    return figure


def whitening(images: ArrayLike, fitted: Whitening | None = None, components: int = 144, limit: int = 49) -> Figure:
    """Draw four mosaics: images, top components, images rebuilt from these components, whitened images.

    Parameters
    ----------
    images : array (N, H, W), (N, H, W, 1) or (N, H, W, 3)
        The images.
    fitted : Whitening, optional
        Fitted on images of this shape, in either form. By default it is fitted to images, which takes some seconds for
        32x32x3 pixels.
    components : int, default 144
        Number of components to draw and to rebuild images from, at most all.
    limit : int, default 49
        Draw the first images, at most this many.

    Returns
    -------
    matplotlib.figure.Figure
        The figure.

    Raises
    ------
    ValueError
        If fitted was fitted on images of another shape.

    Notes
    -----
    Whitened images are drawn in the zca form, as pixels. Each component is scaled to its largest number, whitened
    images to 3 standard deviations.

    References
    ----------
    .. [1] CS231n, "Neural Networks Part 2: Setting up the Data and the Loss".
    """
    for name, count in (("components", components), ("limit", limit)):
        checks.expect_count("", 1, **{name: count})
    _pictures(images)  # checks
    array = arrays.samples("images", images)
    fitted = Whitening().fit(array) if fitted is None else fitted
    expect_instance(fitted, Whitening, "fitted")
    samples = arrays.to_model(fitted.accepted(array[:limit], "images"), np.dtype(np.float64))
    ends = (0, 1) if array.dtype == np.uint8 else (samples.min(), samples.max())
    shape, directions, variance = samples.shape[1:], fitted.components_, fitted.explained_variance_
    coordinates = (samples.reshape(len(samples), -1) - fitted.mean_) @ directions.T
    top = directions[:components]
    rebuilt = coordinates[:, : len(top)] @ top + fitted.mean_
    white = coordinates / np.sqrt(variance + fitted.epsilon) @ directions
    share = variance[: len(top)].sum() / (variance.sum() or 1)
    parts = (
        (f"the first {len(samples)} of {len(array):,} images", samples, ends),
        (f"top {len(top)} of {len(directions):,} components", top / top.max(axis=1, keepdims=True), (-1, 1)),
        (f"images rebuilt from {len(top)} components ({share:.1%} of the variance)", rebuilt, ends),
        (f"whitened images (zca, epsilon {fitted.epsilon:.3g})", white, (-3 * white.std(), 3 * white.std())),
    )
    figure = _figure(WIDTH)
    for axes, (title, pictures, (low, high)) in zip(np.ravel(figure.subplots(2, 2)), parts, strict=True):
        scaled = np.clip((pictures.reshape(-1, *shape) - low) / ((high - low) or 1), 0, 1)
        axes.imshow(_mosaic(_pictures(scaled)), cmap="gray", vmin=0, vmax=1, interpolation="nearest")
        axes.set_title(title, fontsize=11)
        axes.set_axis_off()
    return figure


def save(figure: Figure, path: str | os.PathLike[str]) -> None:
    """Write a figure to a file.

    Parameters
    ----------
    figure : matplotlib.figure.Figure
        The figure.
    path : path
        The file; its ending chooses the format: .png, .svg, .pdf or another format that matplotlib writes.

    Raises
    ------
    ValueError
        For another ending.
    FileNotFoundError
        If the folder does not exist.
    """
    file = files.named(path)
    endings = [f".{kind}" for kind in sorted(figure.canvas.get_supported_filetypes())]
    if file.suffix.lower() not in endings:
        got = repr(file.suffix) if file.suffix else "no ending"
        raise ValueError(
            f"{terminal.printable(file)}: expected a name that ends in one of {', '.join(endings)}, got {got}"
        )
    content = io.BytesIO()
    figure.savefig(content, dpi=120, format=file.suffix[1:].lower())
    files.write_whole(file, content.getvalue())


def _figure(height: float) -> Figure:
    return Figure(figsize=(WIDTH, height), layout=ConstrainedLayoutEngine(w_pad=0.12, h_pad=0.08, wspace=0.03))


def _draw_curves(into: FigureBase, history: Mapping[str, Sequence[float]]) -> None:
    measures = [name for name in ("loss", "accuracy") if name in history and len(history[name])]
    if not measures:
        raise ValueError("the history has no epochs, so there is nothing to draw; fit the model for at least one epoch")
    for axes, name in zip(np.ravel(into.subplots(1, len(measures), squeeze=False)), measures, strict=True):
        for key, label, style in (
            (name, "training", "C0-"), (f"data_{name}", "training, without the penalty", "C0--"),
            (f"val_{name}", "validation", "C1-"),
        ):  # fmt: skip
            if key in history:
                _draw_curve(axes, history[key], label, style)
        axes.set(xlabel="epoch", ylabel=name)
        axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
        axes.grid(alpha=0.25)
        axes.spines[["top", "right"]].set_visible(False)
        if len(axes.lines) > 1:
            axes.legend(frameon=False)


def _draw_curve(axes: Axes, values: Sequence[float], label: str, style: str) -> None:
    epochs, size = np.arange(1, len(values) + 1), 4 if len(values) <= 40 else 0
    axes.plot(epochs, values, style, marker="o", markersize=size, linewidth=1.6, label=label)


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
        self.images, self.labels, self.predictions = _pictures(images), np.asarray(labels), np.asarray(predictions)
        self.classes = [terminal.printable(name, 100) for name in classes]  # fonts cannot draw lone surrogates
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


def _pictures(images: ArrayLike) -> Array:
    """Images as imshow takes them: (N, H, W) or (N, H, W, 3)."""
    array = np.asarray(images)
    if array.ndim == 4 and array.shape[3] == 1:
        array = array[..., 0]
    if not (array.ndim == 3 or (array.ndim == 4 and array.shape[3] == 3)):
        raise ValueError(f"images has shape {array.shape}, expected (N, H, W), (N, H, W, 1) or (N, H, W, 3)")
    return array


def _mosaic(pictures: Array) -> Array:
    """Pictures of 0..1 in a square grid, separated by white lines."""
    side = math.ceil(math.sqrt(len(pictures)))
    height, width = pictures.shape[1] + 1, pictures.shape[2] + 1
    mosaic: Array = np.ones((side * height - 1, side * width - 1, *pictures.shape[3:]))
    for place, picture in enumerate(pictures):
        top, left = place // side * height, place % side * width
        mosaic[top : top + height - 1, left : left + width - 1] = picture
    return mosaic


def _short(name: str) -> str:
    return name if len(name) <= 12 else name[:11] + "…"
