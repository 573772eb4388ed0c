"""What the layers did in a run with a Monitor: sizes of steps, outputs, dead and saturated units."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import PercentFormatter

from .. import checks
from ..data.pictures import enlarged, mosaic
from ..typing import Array
from .figures import TITLE, Into, by_depth, dress, figure_of, given, log_scale, one, panels
from .sources import chosen, computing, layer_names, record_of, snapshots_of

USUAL_RATIO = 1e-3  # CS231n's rule of thumb for norm of update over norm of weights
NAMED = 8  # layers in a legend, at most
# Attribute of LayerStatistics: title, label of the axis, and the activations for which it is drawn (None: all).
STATISTICS: dict[str, tuple[str, str, tuple[str, ...] | None]] = {
    "mean": ("mean of the outputs", "mean", None),
    "spread": ("spread of the outputs", "standard deviation (log scale)", None),
    "dead": ("dead units: output 0 for all samples", "share of units", ("relu",)),
    "saturated": ("saturated outputs", "share of outputs", ("tanh", "sigmoid")),
}


def update_ratios(source: Any, ax: Into = None, *, layers: Sequence[str] | None = None) -> Axes:
    """Draw the norm of a step's update over the norm of the weights, for each layer over the steps.

    Parameters
    ----------
    source : History, Record or model
        Of a run with a `pynn.Monitor`.
    ax : axes, optional
        Where to draw. By default a new figure.
    layers : sequence of str, optional
        Names of layers. By default all with weights.

    Returns
    -------
    axes
        The axes; its attribute `figure` is the figure.

    Raises
    ------
    ValueError
        If there is no record, or no such layer.

    Notes
    -----
    About 1e-3 is usual: far more is a learning rate that is too large, far less one that is too small.

    References
    ----------
    .. [1] CS231n, "Neural Networks Part 3: Learning and Evaluation" (ratio of weights to updates).

    Examples
    --------
    >>> history = model.fit(x, y, callbacks=[pynn.Monitor()])
    >>> axes = pynn.plot.update_ratios(history)
    """
    snapshots = snapshots_of(source)
    steps, ratios = _curves(snapshots, lambda statistics: statistics.ratio)
    moving = [name for name, values in ratios.items() if np.isfinite(values).any()]
    if not moving:
        raise ValueError("the record has no step of a layer with weights; train for at least a step")
    names = chosen(moving, layers, len(moving))
    axes = one(ax)
    positive = {name: np.where(ratios[name] > 0, ratios[name], np.nan) for name in names}
    _draw(axes, steps, positive)
    axes.axhline(USUAL_RATIO, color="0.45", linestyle="--", linewidth=1)
    log_scale(axes)
    dress(axes, "size of a step: ‖Δw‖ / ‖w‖", "step", "ratio (log scale)", whole=True)
    axes.text(
        1, USUAL_RATIO, "usual: about 0.001 ", transform=axes.get_yaxis_transform(), ha="right", va="bottom",
        fontsize=9, color="0.35",
    )  # fmt: skip
    _name(axes, names, ax is None)
    return axes


def activations(source: Any, ax: Into = None, *, layers: Sequence[str] | None = None) -> Any:
    """Draw what the layers put out over the steps: mean, spread, shares of dead and of saturated units.

    Parameters
    ----------
    source : History, Record, model or array (H, W, C)
        Of a run with a `pynn.Monitor`, or the outputs of a convolution for one image, which become one picture for
        each channel.
    ax : axes or array of axes, optional
        Where to draw: the first axes get the mean, the second the spread, and so on; of feature maps a single one. By
        default a new figure.
    layers : sequence of str, optional
        Names of layers. By default those with weights or an activation.

    Returns
    -------
    axes or array of axes
        Of feature maps a single one; its attribute `figure` is the figure.

    Raises
    ------
    ValueError
        If there is no record, no such layer, or more axes than panels.

    Notes
    -----
    A panel for dead units is there if a layer ends in ReLU, one for saturated outputs if one ends in tanh or sigmoid.
    A spread that shrinks or grows from layer to layer says that the weights began with the wrong size.

    References
    ----------
    .. [1] Glorot and Bengio, "Understanding the difficulty of training deep feedforward neural networks", 2010.

    Examples
    --------
    >>> history = model.fit(x, y, callbacks=[pynn.Monitor()])
    >>> axes = pynn.plot.activations(history)
    >>> maps = pynn.plot.activations(pynn.transfer.features(model, x[:1], "relu1")[0])
    """
    if isinstance(source, np.ndarray):
        return _maps(source, ax)
    snapshots = snapshots_of(source)
    functions = {layer["name"]: layer["activation"] for layer in record_of(source).layers}
    names = computing(source, snapshots, layers)
    wanted = {}
    for statistic, (_, _, kinds) in STATISTICS.items():
        of = [name for name in names if kinds is None or functions.get(name, "") in kinds]
        if of:
            wanted[statistic] = of
    if ax is not None:
        count = len(given(ax))
        if count > len(wanted):
            raise ValueError(f"ax has {count} axes, expected at most {len(wanted)}: {', '.join(wanted)}")
        wanted = dict(list(wanted.items())[:count])
    axes = panels(ax, len(wanted), columns=2)
    colours = dict(zip(names, by_depth(len(names)), strict=True))
    for each, (statistic, of) in zip(axes, wanted.items(), strict=True):
        _statistic(each, snapshots, statistic, of, colours)
    _name(axes[0], names, ax is None)
    return axes


def _statistic(axes: Axes, snapshots: list[Any], statistic: str, names: list[str], colours: dict[str, Any]) -> None:
    title, label, _ = STATISTICS[statistic]
    steps, values = _curves(snapshots, lambda one: getattr(one, statistic))
    drawn = {name: values[name] for name in names}
    if statistic == "spread":
        drawn = {name: np.where(numbers > 0, numbers, np.nan) for name, numbers in drawn.items()}
    _draw(axes, steps, drawn, colours)
    if statistic == "spread":
        log_scale(axes)
    dress(axes, title, "step", label, whole=True)
    if statistic in ("dead", "saturated"):
        axes.yaxis.set_major_formatter(PercentFormatter(1, decimals=0))
        axes.set_ylim(0, max(0.1, 1.08 * max(float(np.nanmax(numbers, initial=0)) for numbers in drawn.values())))


def _curves(snapshots: list[Any], read: Callable[[Any], float | None]) -> tuple[Array, dict[str, Array]]:
    """Steps, and a number per snapshot of each layer; NaN where there is none."""
    steps = np.array([snapshot.step for snapshot in snapshots])
    curves = {}
    for name in layer_names(snapshots):
        found = [read(snapshot.layers[name]) if name in snapshot.layers else None for snapshot in snapshots]
        numbers = np.array([math.nan if value is None else value for value in found], np.float64)
        curves[name] = np.where(np.isfinite(numbers), numbers, np.nan)
    return steps, curves


def _draw(axes: Axes, steps: Array, curves: dict[str, Array], colours: dict[str, Any] | None = None) -> None:
    colours = dict(zip(curves, by_depth(len(curves)), strict=True)) if colours is None else colours
    size = 3 if len(steps) <= 40 else 0
    for name, values in curves.items():
        known = np.isfinite(values)
        axes.plot(
            steps[known], values[known], color=colours[name], marker="o", markersize=size, linewidth=1.4, label=name
        )


def _name(axes: Axes, names: list[str], whole: bool) -> None:
    """A legend of the layers, or of some of them from the first to the last. whole: at the side of the figure."""
    handles: list[Any]
    handles, labels = axes.get_legend_handles_labels()
    shown = chosen(labels, None, NAMED)
    some = [handles[labels.index(name)] for name in shown]
    title = "layer" if len(shown) == len(names) else f"{len(shown)} of {len(names)} layers"
    if whole:
        figure_of(axes).legend(some, shown, title=title, loc="outside right center", frameon=False)
    else:
        axes.legend(some, shown, title=title, frameon=False, fontsize="small")


def _maps(maps: Array, ax: Into) -> Axes:
    """The channels of one image's outputs in a grid, all on one scale."""
    if maps.ndim != 3:
        raise ValueError(f"source has shape {maps.shape}, expected (H, W, C): outputs of a convolution for one image")
    checks.expect_count("source", 1, channels=maps.shape[2])
    low, high = float(maps.min()), float(maps.max())
    tiles = (np.moveaxis(maps, 2, 0) - low) / ((high - low) or 1)
    columns = math.ceil(math.sqrt(len(tiles) * 1.6))
    axes = one(ax, height=6.0)
    axes.imshow(mosaic(enlarged(tiles), columns), cmap="gray", vmin=0, vmax=1, interpolation="nearest")
    axes.set_title(
        f"{len(tiles)} feature maps of {maps.shape[0]}×{maps.shape[1]}: black {low:.3g}, white {high:.3g}",
        loc="left", fontsize=TITLE,
    )  # fmt: skip
    axes.set_axis_off()
    return axes
