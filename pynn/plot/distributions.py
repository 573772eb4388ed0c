"""Distributions: histograms of outputs and gradients over the steps, of weights, and of arrays."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import PowerNorm
from numpy.typing import ArrayLike

from .. import checks
from ..messages.terminal import brief, printable
from ..typing import Array
from .figures import COLOURS, Into, Panels, dress, panels
from .sources import chosen, computing, is_record, layer_names, snapshots_of

KINDS = ("outputs", "gradients", "weights")
GRID = 48  # bins of a picture
TAIL = 0.005  # of the numbers, which the axis may leave out at each end
BINS = 60
TICKS = 6


def histograms(
    source: Any, ax: Into = None, *, of: str | None = None, layers: Sequence[str] | None = None, limit: int = 12
) -> Panels:
    """Draw distributions, a panel for each layer: over the steps of a run, or of the weights as they are.

    Parameters
    ----------
    source : History, Record, model, mapping of str to array, or array
        A run with a `pynn.Monitor`, whose outputs or gradients are drawn over the steps; a model, whose weights are
        drawn; or arrays, each in a panel of its own.
    ax : array of axes, optional
        Where to draw, one for each panel. By default a new figure.
    of : {"outputs", "gradients", "weights"}, optional
        What to draw. "gradients" are those of the loss with respect to the outputs. By default "weights" of a model,
        "outputs" of a run.
    layers : sequence of str, optional
        Names of layers, or of arrays. By default those with weights or an activation, or all
        arrays, but at most `limit`, spread over the depth.
    limit : int, default 12
        Largest number of panels if layers are not named.

    Returns
    -------
    array of axes
        One for each panel; its attribute `figure` is the figure.

    Raises
    ------
    ValueError
        If there is no record, nothing finite, no such layer, or a wrong number of axes.

    Notes
    -----
    Over the steps, snapshots stand side by side: the axis is not to scale. Darker is more; the scale is the square root
    of the share, so that tails show. The axis leaves out up to 0.5 % of the numbers at each end.

    Examples
    --------
    >>> history = model.fit(x, y, callbacks=[pynn.Monitor()])
    >>> axes = pynn.plot.histograms(history, of="gradients")
    >>> axes = pynn.plot.histograms(model)  # of its weights
    """
    checks.expect_count("", 1, limit=limit)
    if of is not None:
        checks.expect_choice("", KINDS, of=of)
    if is_record(source) or isinstance(getattr(source, "_values", None), dict):  # a History, with or without a record
        if of == "weights":
            raise ValueError("a record has no histograms of weights; pass the model: pynn.plot.histograms(model)")
        return _over_steps(source, of or "outputs", ax, layers, limit)
    if hasattr(source, "walk") and of in ("outputs", "gradients"):
        return _over_steps(source, of, ax, layers, limit)
    arrays = _weights(source) if hasattr(source, "walk") else _arrays(source, of)
    names = chosen(list(arrays), layers, limit)
    axes = panels(ax, len(names), columns=3, height=2.6)
    for each, name in zip(axes, names, strict=True):
        _bars(each, printable(name, 60), arrays[name])
    return axes


def _over_steps(source: Any, of: str, ax: Into, layers: Sequence[str] | None, limit: int) -> Panels:
    found: dict[str, list[tuple[int, Any]]] = {}
    snapshots = snapshots_of(source)
    for name in layer_names(snapshots):
        pairs = [(one.step, getattr(one.layers[name], of)) for one in snapshots if name in one.layers]
        kept = [(step, histogram) for step, histogram in pairs if histogram is not None]
        if kept:
            found[name] = kept
    if not found:
        raise ValueError(f"the record has no {of} with finite numbers")
    usual = [name for name in computing(source, snapshots, None) if name in found] or list(found)
    names = chosen(usual if layers is None else list(found), layers, limit)
    axes = panels(ax, len(names), columns=3, height=2.6)
    label = "output" if of == "outputs" else "gradient"
    mesh = None
    for each, name in zip(axes, names, strict=True):
        mesh = _heat(each, found[name])
        dress(each, printable(name, 40), "step (not to scale)", label)
        each.grid(False)
    if ax is None:
        figure = axes.figure
        some = f", {len(names)} of {len(usual)} layers" if len(names) < len(usual) else ""
        figure.suptitle(f"{of} of the layers on the probe{some}", x=0.012, ha="left", fontsize=12)
        bar = figure.colorbar(mesh, ax=list(axes), shrink=0.8, aspect=30)
        bar.set_label("numbers in a bin / most in a bin of the panel")
        bar.set_ticks([0, 0.1, 0.25, 0.5, 1])
    return axes


def _heat(axes: Axes, pairs: list[tuple[int, Any]]) -> Any:
    """A column for each snapshot."""
    edges = [np.linspace(one.low, one.high or 0.0, len(one.counts) + 1) for _, one in pairs]
    sums = [np.concatenate([[0], np.cumsum(one.counts)]) / max(int(np.sum(one.counts)), 1) for _, one in pairs]
    low = min(float(np.interp(TAIL, share, edge)) for share, edge in zip(sums, edges, strict=True))
    high = max(float(np.interp(1 - TAIL, share, edge)) for share, edge in zip(sums, edges, strict=True))
    if high <= low:
        low, high = low - 0.5, high + 0.5
    grid = np.linspace(low, high, GRID + 1)
    columns = [np.diff(_shares(grid, edge, share)) for edge, share in zip(edges, sums, strict=True)]
    image = np.stack(columns, axis=1)
    image /= image.max() or 1
    mesh = axes.pcolormesh(
        np.arange(len(pairs) + 1) - 0.5, grid, image, cmap="Blues", norm=PowerNorm(0.5, 0, 1), rasterized=True
    )
    places = np.unique(np.linspace(0, len(pairs) - 1, min(TICKS, len(pairs))).round().astype(int))
    axes.set_xticks(places.tolist(), [f"{pairs[place][0]:,}" for place in places.tolist()])
    return mesh


def _shares(grid: Array, edges: Array, sums: Array) -> Array:
    """The share of numbers below each line of the grid."""
    if edges[-1] <= edges[0]:  # all are equal
        return np.asarray(grid > edges[0], np.float64)
    return np.interp(grid, edges, sums)


def _weights(model: Any) -> dict[str, Array]:
    """The weights of each layer that has some; biases left out."""
    if not model.built:
        raise RuntimeError("the model is not built yet, so it has no weights: fit it, load it or build it")
    found = {}
    for layer in model.walk():
        if layer is not model and layer.declared:
            parameter = layer.declared[0]
            found[f"{layer.name}.{parameter.name}"] = np.asarray(parameter.value)
    if not found:
        raise ValueError("the model has no layer with weights")
    return found


def _arrays(source: Any, of: str | None) -> dict[str, Array]:
    if of is not None:
        raise ValueError("of is for a run or a model; arrays are drawn as they are")
    named: Mapping[str, ArrayLike] = source if isinstance(source, Mapping) else {"": source}
    found = {}
    for name, values in named.items():
        array = np.asarray(values)
        if array.dtype.kind not in "fiub":
            raise TypeError(f"source is {brief(values)}, expected a History, a Record, a model or arrays of numbers")
        found[name] = array
    if not found:
        raise ValueError("source has no arrays, so there is nothing to draw")
    return found


def _bars(axes: Axes, name: str, values: Array) -> None:
    flat = np.asarray(values, np.float64).ravel()
    finite = flat[np.isfinite(flat)]
    if not finite.size:
        raise ValueError(f"{name or 'source'} has no finite number, so there is nothing to draw")
    counts, edges = np.histogram(finite, bins=int(np.clip(np.sqrt(finite.size), 10, BINS)))
    axes.stairs(counts, edges, fill=True, color=COLOURS[0])
    lost = f", {flat.size - finite.size:,} not finite" if finite.size < flat.size else ""
    dress(axes, name, f"value (mean {_short(finite.mean())}, sd {_short(finite.std())}{lost})", "count")


def _short(value: float) -> str:
    return f"{value:.2g}" if abs(value) > 1e-12 else "0"
