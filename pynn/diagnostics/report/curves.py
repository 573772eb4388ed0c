"""The charts of a run as a whole: loss, accuracy and metrics by epoch; losses of steps, rate and gradient by step."""

from __future__ import annotations

import numpy as np

from ...typing import Array
from ..record import Record
from . import words
from .charts import Chart, thinned
from .charts import Series as Line

NOT_MEASURED = ("learning_rate", "samples_per_second", "steps", "seconds", "penalty", "data_loss")
HELD = "val_"
RATES = 400  # steps whose learning rate is drawn
MEANS = 200  # of the losses of steps: fewer show the trend in the noise


def measured(record: Record) -> list[str]:
    """Names of what was measured of training data, loss first, whether or not of validation too."""
    names = dict.fromkeys(name for epoch in record.epochs for name in epoch if name not in NOT_MEASURED)
    plain = dict.fromkeys(name.removeprefix(HELD) for name in names)
    return sorted(plain, key=lambda name: name != "loss")


def epochs(record: Record) -> Array:
    """The numbers of the epochs."""
    return np.arange(1.0, len(record.epochs) + 1)


def steps(record: Record) -> Array:
    """The numbers of the steps of `record.losses`."""
    begin = record.snapshots[0].step if record.snapshots else 0
    return np.arange(begin + 1.0, begin + len(record.losses) + 1)


def wide(values: Array) -> bool:
    """Whether numbers are better seen on a logarithmic scale."""
    finite = values[np.isfinite(values)]
    return bool(len(finite)) and bool(finite.min() > 0) and bool(finite.max() > 50 * np.median(finite))


def html(record: Record) -> str:
    """The section, or a line that says why there is none."""
    charts = [*by_epoch(record), single_steps(record), on_probe(record), rate(record), gradient(record)]
    drawn = "".join(chart.html() for chart in charts if chart)
    notes = []
    if not record.epochs:
        notes.append("No epoch was completed: there are no curves by epoch.")
    elif len(record.epochs) == 1:
        notes.append("One epoch: the curves are single points.")
    if record.epochs and not any(name.startswith(HELD) for epoch in record.epochs for name in epoch):
        notes.append("There was no validation: whether the model generalizes cannot be seen.")
    told = "".join(f'<p class="hint">{note}</p>' for note in notes)
    return f'{told}<div class="grid">{drawn}</div>' if drawn or told else ""


def by_epoch(record: Record) -> list[Chart]:
    """A chart for each measurement."""
    charts: list[Chart] = []
    x = epochs(record)
    for name in measured(record):
        train, held = record.curve(name), record.curve(HELD + name)
        title = name.replace("_", " ").capitalize()
        series = [Line(f"training {name}", "train", x, train), Line(f"validation {name}", "validation", x, held)]
        note = ""
        if np.isfinite(held).any() and np.isfinite(train).any():
            gap = held[-1] - train[-1]
            note = f"Gap at the end, validation minus training: {'+' if gap > 0 else ''}{words.number(float(gap), 3)}."
            if np.isfinite(held).all() and len(held) > 2 and name == "loss":
                best = int(np.argmin(held))
                note += f" Lowest validation loss {words.number(float(held[best]))} after epoch {best + 1}."
        charts.append(
            Chart(
                f"epoch-{len(charts)}",
                title,
                series,
                "epoch",
                note,
                log=wide(np.concatenate([train, held])),
                zero=name == "loss",
                between=(f"training {name}", f"validation {name}"),
            )
        )
    return charts


def broken(values: Array, first: float) -> str:
    """Where numbers stop to be finite."""
    bad = np.flatnonzero(~np.isfinite(values))
    return f"NaN or infinite from step {int(first + bad[0]):,} on." if len(bad) else ""


def single_steps(record: Record) -> Chart | None:
    """The loss of each step."""
    losses = np.array(record.losses, np.float64)
    if not len(losses):
        return None
    x = steps(record)
    line = thinned("loss of the step", "train", x, losses, MEANS)
    note = "The line is a mean of neighbouring steps, the area their range." if line.band else ""
    return Chart(
        "losses", "Loss of single steps", [line], "step", note, log=wide(losses), zero=True,
        notes=[broken(losses, x[0])],
    )  # fmt: skip


def on_probe(record: Record) -> Chart | None:
    """The loss on the same samples at every snapshot: in training mode, as predicted, and the penalty beside it."""
    snapshots = record.snapshots
    if len(snapshots) < 2:
        return None
    x = np.array([float(snapshot.step) for snapshot in snapshots])
    training, predicted, penalty = (
        np.array([getattr(snapshot, name) for snapshot in snapshots])
        for name in ("loss", "loss_as_predicted", "penalty")
    )
    series = [Line("as it trains", "train", x, training), Line("as it predicts", "validation", x, predicted)]
    if np.nanmax(np.abs(penalty), initial=0.0) > 0:
        series.append(Line("penalty", "third", x, penalty))
    if len(series) == 2 and np.array_equal(training, predicted, equal_nan=True):
        series = [Line("loss", "train", x, training)]
    return Chart(
        "probe", "Loss on the same training samples", series, "step",
        "Always the same up to 256 samples, measured between the steps.", log=wide(training), zero=True,
    )  # fmt: skip


def learning_rates(record: Record) -> tuple[Array, Array]:
    """Steps and their learning rates, the first and the last among them; of older folders those of the snapshots."""
    every = np.array(record.rates, np.float64)
    known = np.flatnonzero(np.isfinite(every))
    if not len(known):
        snapshots = record.snapshots
        return np.array([float(one.step) for one in snapshots]), np.array([one.rate for one in snapshots])
    places = known[np.linspace(0, len(known) - 1, min(len(known), RATES)).round().astype(int)]
    return steps(record)[places], every[places]


def rate(record: Record) -> Chart | None:
    """The learning rate."""
    x, rates = learning_rates(record)
    if not len(x):
        return None
    note = f"Constant: {words.number(float(rates[0]))}." if len(set(rates.tolist())) == 1 else ""
    return Chart("rate", "Learning rate", [Line("learning rate", "train", x, rates)], "step", note, zero=True)


def gradient(record: Record) -> Chart | None:
    """The norm of the gradient with respect to all parameters."""
    if len(record.snapshots) < 2:
        return None
    x = np.array([float(snapshot.step) for snapshot in record.snapshots])
    norms = np.array([snapshot.norm for snapshot in record.snapshots])
    line = Line("norm", "train", x, norms)
    return Chart("norm", "Norm of the gradient", [line], "step", log=wide(norms), zero=True)
