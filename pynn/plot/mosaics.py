"""Mosaics of pictures: the weights of a layer, and images with their components."""

from __future__ import annotations

from typing import Any

import numpy as np
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import ArrayLike

from .. import checks
from ..checks import expect_instance
from ..data import arrays
from ..data.pictures import enlarged, mosaic, of_weights, pictures
from ..messages.terminal import brief, printable
from ..preprocessing import Whitening
from ..typing import Array, Shape
from .figures import TITLE, WIDTH, Into, dress, figure_of, new_figure, one


def weights(source: Any, ax: Into = None, *, layer: str | None = None, limit: int = 64) -> Axes:
    """Draw the weights of a layer: one picture for each unit, or the matrix where its inputs are no image.

    Parameters
    ----------
    source : model or array
        A built model, or weights: (rows, columns, in, out) of a convolution, (in, out) of an affine layer.
    ax : axes, optional
        Where to draw. By default a new figure.
    layer : str, optional
        Name of a layer of the model. By default its first with a weight matrix or filters.
    limit : int, default 64
        Largest number of pictures, which are those of the first units.

    Returns
    -------
    axes
        The axes; its attribute `figure` is the figure.

    Raises
    ------
    ValueError
        If there is no such layer, or it has no such weights.

    Notes
    -----
    Each picture is divided by its largest number. Filters of one channel run from blue (negative) over white (0) to
    red (positive), of three channels they are colours around grey; of other numbers of channels each has a picture.

    References
    ----------
    .. [1] CS231n, "Visualizing what ConvNets learn".

    Examples
    --------
    >>> axes = pynn.plot.weights(model)
    """
    checks.expect_count("", 1, limit=limit)
    name, weight, input_shape = _chosen(source, layer)
    if weight.dtype.kind not in "fiu":
        raise TypeError(f"source is {brief(source)}, expected a model or an array of numbers")
    tiles = of_weights(weight, input_shape)
    if tiles is None and weight.ndim != 2:
        raise ValueError(f"the weights have shape {weight.shape}, expected 2 or 4 dimensions")
    axes = one(ax, height=5.6 if tiles is None else 7.0, width=WIDTH if tiles is None else 7.0)
    if tiles is None:
        _matrix(axes, name, weight, ax is None)
    else:
        _tiles(axes, name, tiles, limit, ax is None)
    return axes


def _chosen(source: Any, layer: str | None) -> tuple[str, Array, Shape]:
    """Name, weights and the shape of the image that they read, () if there is none."""
    if not hasattr(source, "walk"):
        if layer is not None:
            raise ValueError("layer is for a model; an array is drawn as it is")
        return "weights", np.asarray(source), ()
    if not source.built:
        raise RuntimeError("the model is not built yet, so it has no weights: fit it, load it or build it")
    parents = [one for one in source.walk() if one is not source and one.declared]
    able = [one for one in parents if np.ndim(one.declared[0].value) in (2, 4)]
    found = [one for one in able if layer in (None, one.name)]
    if not found:
        names = ", ".join(printable(one.name) for one in able) or "no layer"
        came = "the model has no layer with such weights" if layer is None else f"layer is {brief(layer)}"
        raise ValueError(f"{came}; a weight matrix or filters: {names}")
    # Only the first layer reads the image itself, through Flatten.
    reads = source.input_shape if parents and found[0] is parents[0] else ()
    return found[0].name, np.asarray(found[0].declared[0].value), reads


def _tiles(axes: Axes, name: str, tiles: Array, limit: int, whole: bool) -> None:
    shown = enlarged(tiles[:limit])
    if shown.ndim == 4:
        axes.imshow(mosaic((shown + 1) / 2), interpolation="nearest")
    else:
        colours = colormaps["RdBu_r"].with_extremes(bad="0.25")  # of the lines between them: white is the number 0
        picture = axes.imshow(mosaic(shown, line=np.nan), cmap=colours, vmin=-1, vmax=1, interpolation="nearest")
        if whole:
            bar = figure_of(axes).colorbar(picture, ax=axes, shrink=0.6, ticks=[-1, 0, 1])
            bar.set_label("weight / largest of the picture")
    count = f"{len(tiles)}" if len(shown) == len(tiles) else f"the first {len(shown)} of {len(tiles):,}"
    key = ", grey is 0" if shown.ndim == 4 else ""
    axes.set_title(f"{printable(name, 40)}: {count} pictures{key}", loc="left", fontsize=TITLE)
    axes.set_axis_off()


def _matrix(axes: Axes, name: str, weight: Array, whole: bool) -> None:
    largest = float(np.abs(weight).max(initial=0.0)) or 1.0
    picture = axes.imshow(weight, cmap="RdBu_r", vmin=-largest, vmax=largest, aspect="auto", interpolation="nearest")
    shape = f"{weight.shape[0]:,} inputs, {weight.shape[1]:,} units"
    dress(axes, f"{printable(name, 40)}: weights of {shape}", "unit", "input")
    axes.grid(False)
    if whole:
        figure_of(axes).colorbar(picture, ax=axes).set_label("weight")


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
    pictures(images)  # checks
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
    figure = new_figure(WIDTH)
    for axes, (title, rows, (low, high)) in zip(np.ravel(figure.subplots(2, 2)), parts, strict=True):
        scaled = np.clip((rows.reshape(-1, *shape) - low) / ((high - low) or 1), 0, 1)
        axes.imshow(mosaic(pictures(scaled)), cmap="gray", vmin=0, vmax=1, interpolation="nearest")
        axes.set_title(title, fontsize=11)
        axes.set_axis_off()
    return figure
