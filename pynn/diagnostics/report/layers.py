"""The charts of the layers over time: updates, gradients, spread, dead and saturated shares, histograms."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from ...typing import Array
from ..record import BINS, Histogram, LayerStatistics, Record
from . import pictures, words
from .charts import Chart, Series
from .scales import Scale

LINES, STRIPS, ROWS = 8, 10, 60  # layers in a chart, with histograms, in the table; others are left out
COLUMNS = 160  # of a heat strip
GOOD = (3e-4, 3e-3)  # ratio of update and weights; CS231n: "should be somewhere around 1e-3"
FEW = 0.005  # shares below it are none


def html(record: Record) -> str:
    """The section."""
    if not record.snapshots:
        why = record.settings.get("unwatched")
        reason = f": {words.escaped(why)}" if why else "; the run ended before its first step"
        return f'<p class="hint">The layers could not be watched{reason}.</p>{table(record)}'
    drawn = "".join(chart.html() for chart in lines(record))
    quiet = "".join(f'<p class="hint">{note}</p>' for note in silent(record))
    return f'<div class="grid">{drawn}</div>{quiet}{histograms(record)}{table(record)}'


def names(record: Record) -> list[str]:
    """The layers that were measured, in the order of the forward pass."""
    seen = {name for snapshot in record.snapshots for name in snapshot.layers}
    known = [layer["name"] for layer in record.layers if layer["name"] in seen]
    return known + sorted(seen - set(known))


def working(record: Record) -> list[str]:
    """Those that have parameters or an activation; all if none has."""
    does = {layer["name"] for layer in record.layers if layer["parameters"] or layer["activation"] or layer["custom"]}
    return [name for name in names(record) if name in does] or names(record)


def values(record: Record, name: str, what: str) -> Array:
    """One statistic of a layer at every snapshot, NaN where there is none."""
    found = (getattr(snapshot.layers.get(name), what, None) for snapshot in record.snapshots)
    return np.array([math.nan if value is None else float(value) for value in found])


def telling(record: Record, among: list[str], most: int) -> list[str]:
    """The first, the last, and those that are farthest from what is usual; in their order."""
    if len(among) <= most:
        return among
    scores = {name: _strangeness(record.snapshots[-1].layers.get(name)) for name in among[1:-1]}
    chosen = {among[0], among[-1], *sorted(scores, key=lambda name: -scores[name])[: most - 2]}
    return [name for name in among if name in chosen]


def _strangeness(statistics: LayerStatistics | None) -> float:
    if statistics is None:
        return 0.0
    ratio = statistics.ratio or 1e-3
    far = abs(math.log10(ratio / 1e-3)) / 3 if math.isfinite(ratio) else 1.0
    spread = statistics.spread
    wide = abs(math.log10(spread)) / 3 if 0 < spread < math.inf else 1.0
    return statistics.dead + statistics.saturated + far + wide


def colour(place: int, count: int) -> str:
    """The colour of a layer by its depth."""
    return f"depth{round(7 * place / max(count - 1, 1))}"


def lines(record: Record) -> list[Chart]:
    """A chart for each statistic, a line for each layer."""
    good = (*GOOD, "usual: around 0.001")
    wanted: list[tuple[str, str, dict[str, Any], Callable[[Array], bool]]] = [
        ("ratio", "Update / weights", {"log": True, "marked": good}, lambda ratios: bool(np.nanmax(ratios) > 0)),
        (
            "gradient",
            "Gradient that reaches a layer (root mean square)",
            {"log": True},
            lambda g: bool(np.nanmax(g) > 0),
        ),
        ("spread", "Spread of the outputs (standard deviation)", {"log": True}, lambda s: bool(np.nanmax(s) > 0)),
        ("dead", "Share of dead units (ReLU)", {"zero": True}, lambda dead: bool(np.nanmax(dead) > FEW)),
        ("saturated", "Share of saturated outputs (sigmoid, tanh)", {"zero": True}, lambda s: bool(np.nanmax(s) > FEW)),
    ]
    x = np.array([float(snapshot.step) for snapshot in record.snapshots])
    charts = []
    for what, title, options, shows in wanted:
        curves = {name: values(record, name, what) for name in working(record)}
        showing = [name for name, curve in curves.items() if np.isfinite(curve).any() and shows(curve)]
        zero = [name for name, curve in curves.items() if np.isfinite(curve).any() and not np.nanmax(np.abs(curve))]
        chosen = telling(record, showing, LINES)
        series = [Series(name, colour(i, len(chosen)), x, curves[name]) for i, name in enumerate(chosen)]
        note = left_out(len(showing) - len(chosen))
        if options.get("log") and zero:  # a logarithmic scale has no place for it
            note += f" Not drawn, as it is 0 all the time: {words.escaped(', '.join(zero[:8]))}"
            note += f" and {len(zero) - 8} others." if len(zero) > 8 else "."
        charts.append(Chart(what, title, series, "step", note.strip(), keys=True, **options))
    return charts


def left_out(count: int) -> str:
    """How many layers are not shown."""
    if count <= 0:
        return ""
    return f"The most telling layers; {words.several(count, 'other is', 'others are')} left out."


def silent(record: Record) -> list[str]:
    """Lines instead of charts in which nothing would be seen."""
    notes = []
    watched = {layer["name"]: layer["activation"] for layer in record.layers if layer["name"] in working(record)}
    for what, functions, told in (
        ("dead", ("relu",), "No unit was dead in {}."),
        ("saturated", ("tanh", "sigmoid"), "Nothing was saturated in {}."),
    ):
        those = [name for name, function in watched.items() if function in functions]
        if those and all(np.nanmax(values(record, name, what), initial=0.0) <= FEW for name in those):
            notes.append(told.format(words.several(len(those), "layer")))
    return notes


# Histograms -----------------------------------------------------------------------------------------


def histograms(record: Record) -> str:
    """Heat strips of outputs and gradients of each layer."""
    among = [
        name for name in working(record) if any(_has_strip(record, name, kind) for kind in ("outputs", "gradients"))
    ]
    chosen = telling(record, among, STRIPS)
    drawn = []
    for place, name in enumerate(chosen):
        for kind in ("outputs", "gradients"):
            chart = strip(record, name, kind, f"{kind}-{place}", f"{name}: {kind}")
            drawn.append(chart.html() if chart else "<div></div>")
    if not any("chart" in one for one in drawn):
        return ""
    note = left_out(len(among) - len(chosen))
    return (
        '<h3>Histograms over time</h3><p class="hint">Each column is the histogram of a snapshot: the stronger '
        "the colour, the more numbers lie there. Lines: the median, half of the numbers (dashed), nine tenths. "
        f"{note}</p>"
        f'<div class="grid pairwise">{"".join(drawn)}</div>'
    )


def _has_strip(record: Record, name: str, kind: str) -> bool:
    return any(getattr(snapshot.layers.get(name), kind, None) is not None for snapshot in record.snapshots)


def strip(record: Record, name: str, kind: str, key: str, title: str) -> Chart | None:
    """A heat strip: histograms as a picture behind the lines of their quantiles."""
    found = [
        (float(snapshot.step), histogram)
        for snapshot in record.snapshots
        if (histogram := getattr(snapshot.layers.get(name), kind, None)) is not None and histogram.counts.sum()
    ]
    if len(found) < 2:
        return None
    x = np.array([step for step, _ in found])
    quantiles = np.array([_quantiles(histogram, (0.05, 0.25, 0.5, 0.75, 0.95)) for _, histogram in found])
    scale = _scale(quantiles)
    if scale is None:
        return None
    columns = np.searchsorted(x, np.linspace(x[0], x[-1], COLUMNS), side="right") - 1
    picture = np.array([_column(histogram, scale) for _, histogram in found])[columns].T
    series = [
        Series(told, shade, x, quantiles[:, place])
        for place, (told, shade) in enumerate(
            [("5 %", "thin"), ("25 %", "thin dashed"), ("median", "middle"), ("75 %", "thin dashed"), ("95 %", "thin")]
        )
    ]
    return Chart(
        key, title, series, "step", y=scale, picture=pictures.uri(pictures.opacity(picture)), small=True
    )  # fmt: skip


def _quantiles(histogram: Histogram, shares: tuple[float, ...]) -> Array:
    """Values below which these shares of the numbers lie."""
    edges = np.linspace(histogram.low, histogram.high, BINS + 1)
    total = np.concatenate([[0], np.cumsum(histogram.counts)]) / max(int(histogram.counts.sum()), 1)
    return np.interp(shares, total, edges)


def _scale(quantiles: Array) -> Scale | None:
    """A scale for all snapshots; bent where they differ by orders of magnitude."""
    low, high = float(quantiles.min()), float(quantiles.max())
    if not (math.isfinite(low) and math.isfinite(high)):
        return None
    low, high = min(low, 0.0), max(high, 0.0)
    if low == high:
        high = low + 1.0
    pad = 0.08 * (high - low)
    sizes = np.abs(quantiles).max(axis=1)
    usual = float(np.median(sizes))
    if usual > 0 and max(-low, high) > 20 * usual:
        return Scale(low * 1.2, high * 1.2, "symlog", usual)
    return Scale(low - (pad if low < 0 else pad / 2), high + pad)


def _column(histogram: Histogram, scale: Scale) -> Array:
    """The histogram over the bins of the scale, top first, as shares of its highest bin; the root makes few visible."""
    height = 2 * BINS
    bottoms = np.linspace(0, 1, height + 1)
    edges = np.linspace(histogram.low, histogram.high, BINS + 1)
    total = np.concatenate([[0], np.cumsum(histogram.counts)]).astype(np.float64)
    places = scale.at(edges)
    if not np.isfinite(places).all() or places[0] == places[-1]:
        return np.zeros(height)
    mass = np.diff(np.interp(bottoms, places, total, left=0, right=total[-1]))
    shares: Array = np.sqrt(mass / (mass.max() or 1.0))
    return shares[::-1]


# Table ----------------------------------------------------------------------------------------------


def table(record: Record) -> str:
    """The layers as they are built, and what the last snapshot says."""
    last = record.snapshots[-1].layers if record.snapshots else {}
    ratios = next((snapshot.layers for snapshot in reversed(record.snapshots) if _has_ratio(snapshot.layers)), {})
    rows = []
    for layer in record.layers[:ROWS]:
        statistics, earlier = last.get(layer["name"]), ratios.get(layer["name"])
        about = [
            layer["kind"],
            *([layer["activation"]] if layer["activation"] not in ("", layer["kind"].lower()) else []),
        ]
        frozen = " (frozen)" if layer["frozen"] else ""
        rows.append(
            [
                words.escaped(layer["name"], 80),
                words.escaped(" + ".join(about), 80),
                " × ".join(map(str, layer["outputs"])),
                f"{layer['parameters']:,}{frozen}" if layer["parameters"] else "",
                "" if statistics is None else words.number(statistics.mean, 3),
                "" if statistics is None else words.number(statistics.spread, 3),
                "" if statistics is None or not statistics.gradient else words.number(statistics.gradient, 3),
                "" if earlier is None or earlier.ratio is None else words.number(earlier.ratio, 3),
                "" if statistics is None or layer["activation"] != "relu" else f"{100 * statistics.dead:.1f} %",
                ""
                if statistics is None or layer["activation"] not in ("tanh", "sigmoid")
                else f"{100 * statistics.saturated:.1f} %",
            ]
        )
    head = [
        "layer",
        "kind",
        "outputs",
        "parameters",
        "mean",
        "spread",
        "gradient",
        "update / weights",
        "dead",
        "saturated",
    ]
    more = len(record.layers) - len(rows)
    note = f'<p class="note">{words.several(more, "more layer")} not listed.</p>' if more > 0 else ""
    return f"<h3>Layers at the end</h3>{words.table(head, rows, kind='numbers')}{note}"


def _has_ratio(layers: dict[str, LayerStatistics]) -> bool:
    return any(statistics.ratio is not None for statistics in layers.values())
