"""Several runs on one page: verdicts side by side, curves over each other, the settings that differ."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence

import numpy as np

from ...typing import Array
from ..diagnosis import of_record
from ..record import Record
from ..sources import Source
from . import about, curves, words
from .charts import Chart, Series, thinned

COLOURS = 8


def names(sources: Sequence[Source]) -> list[str]:
    """A name for each run that no other run has."""
    given = [source.name or "run" for source in sources]
    counts = Counter(given)
    seen: Counter[str] = Counter()
    result = []
    for name in given:
        seen[name] += 1
        result.append(f"{name} ({seen[name]})" if counts[name] > 1 else name)
    return result


def _colour(place: int) -> str:
    return f"run{place % COLOURS}"


def _key(place: int, name: str) -> str:
    return words.key(_colour(place), name)


def overview(sources: Sequence[Source], named: list[str]) -> str:
    """A row for each run: how it ended, its last and best numbers."""
    measured = list(dict.fromkeys(name for source in sources for name in curves.measured(source.record)))[:3]
    columns = [prefix + name for name in measured for prefix in ("", curves.HELD)]
    columns = [name for name in columns if any(np.isfinite(source.record.curve(name)).any() for source in sources)]
    head = ["run", *(words.escaped(name.replace(curves.HELD, "validation "), 40) for name in columns)]
    head += ["lowest validation loss", "epochs", "time", "end"]
    rows = []
    for place, (source, name) in enumerate(zip(sources, named, strict=True)):
        record = source.record
        kind, sentence = about.ending(source)
        held = record.curve(curves.HELD + "loss")
        finite = held[np.isfinite(held)]
        best = f"{words.number(float(finite.min()))} (epoch {int(np.nanargmin(held)) + 1})" if len(finite) else "–"
        took = record.ended.get("seconds") or (record.epochs[-1].get("seconds", 0.0) if record.epochs else 0.0)
        end = {"fine": "as planned", "running": "still running"}.get(kind, sentence)
        numbers = [_last(record.curve(column)) for column in columns]
        rows.append([_key(place, name), *numbers, best, str(len(record.epochs)), words.seconds(float(took)), end])
    return words.table(head, rows, kind="numbers overview")


def _last(values: Array) -> str:
    finite = values[np.isfinite(values)]
    return words.number(float(finite[-1])) if len(finite) else "–"


def verdicts(sources: Sequence[Source], named: list[str]) -> str:
    """The verdicts of each run in a column of its own."""
    columns = []
    for place, (source, name) in enumerate(zip(sources, named, strict=True)):
        found = of_record(source.record)
        columns.append(f"<div><h3>{_key(place, name)}</h3>{about.verdicts(found, source)}</div>")
    return f'<div class="columns">{"".join(columns)}</div>'


def curves_of(sources: Sequence[Source], named: list[str]) -> str:
    """Each measurement of all runs in one chart; training dashed where there is validation."""
    charts: list[Chart] = []
    records = [source.record for source in sources]
    measured = dict.fromkeys(name for record in records for name in curves.measured(record))
    for name in measured:
        series = []
        for place, (record, run) in enumerate(zip(records, named, strict=True)):
            x, held = curves.epochs(record), record.curve(curves.HELD + name)
            has_held = bool(np.isfinite(held).any())
            series.append(Series(f"{run}: training", _colour(place), x, record.curve(name), dashed=has_held))
            if has_held:
                series.append(Series(f"{run}: validation", _colour(place), x, held))
        title = name.replace("_", " ").capitalize()
        log = curves.wide(np.concatenate([one.y for one in series]))
        charts.append(Chart(f"epoch-{len(charts)}", title, series, "epoch", log=log, zero=name == "loss"))
    kinds: list[tuple[str, str, Callable[[Record], tuple[Array, Array]]]] = [
        (
            "losses",
            "Loss of single steps (means of neighbours)",
            lambda record: (curves.steps(record), np.array(record.losses, float)),
        ),
        ("rate", "Learning rate", curves.learning_rates),
        ("norm", "Norm of the gradient", _norms),
    ]
    for key, title, get in kinds:
        series = []
        for place, (record, run) in enumerate(zip(records, named, strict=True)):
            line = thinned(run, _colour(place), *get(record), curves.MEANS)
            series.append(Series(run, line.colour, line.x, line.y))
        everything = np.concatenate([one.y for one in series])
        charts.append(Chart(key, title, series, "step", log=curves.wide(everything), zero=True))
    drawn = "".join(chart.html() for chart in charts)
    return f'<div class="grid">{drawn}</div>' if drawn else '<p class="hint">No run has completed a step.</p>'


def _norms(record: Record) -> tuple[Array, Array]:
    snapshots = record.snapshots
    return np.array([float(one.step) for one in snapshots]), np.array([one.norm for one in snapshots])


def settings(sources: Sequence[Source], named: list[str]) -> str:
    """The settings that differ, and those that all runs share; layers and versions too."""
    every = [_settings(source.record) for source in sources]
    keys = list(dict.fromkeys(key for one in every for key in one))
    differing = [key for key in keys if len({one.get(key, "–") for one in every}) > 1]
    rows = [[key, *(one.get(key, "–") for one in every)] for key in differing]
    head = ["setting", *(_key(place, name) for place, name in enumerate(named))]
    text = "<h3>What differs</h3>"
    text += words.table(head, rows, kind="settings") if rows else "<p>Nothing: the runs have the same settings.</p>"
    shared = [(key, every[0][key]) for key in keys if key not in differing]
    return text + "<h3>What is the same</h3>" + words.pairs(shared)


def _settings(record: Record) -> dict[str, str]:
    layers = [f"{layer['kind']} {' × '.join(map(str, layer['outputs']))}" for layer in record.layers]
    found = about.named_settings(record)
    found["layers"] = words.escaped(", ".join(layers), 600)
    for name in ("pynn", "backend", "numpy", "python", "machine", "threads"):
        if name in record.environment:
            found[about.ENVIRONMENT[name]] = about.shown(record.environment[name])
    return found
