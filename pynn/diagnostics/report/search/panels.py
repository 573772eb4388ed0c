"""The curves of a search's best trials, a small chart for each, in the order of their scores."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from .... import searched
from .. import scales, words
from ..charts import Chart, Series
from ..curves import HELD
from ..scales import Scale
from . import reading

SHOWN = 10


def html(result: Any) -> str:
    """The section; a line if no trial has finished."""
    best = list(result.ranked[:SHOWN])
    drawn = [_series(one, result.metric) for one in best]
    every = [line for lines in drawn for line in lines]
    values = np.concatenate([part for line in every for part in (line.y, *(line.band or ()))] or [np.zeros(0)])
    if not np.isfinite(values).any():
        return '<p class="hint">No trial has finished, so there are no curves to rank.</p>'
    longest = max(len(line.y) for lines in drawn for line in lines)
    x = Scale(1.0, float(longest)) if longest > 1 else Scale(0.5, 1.5)
    y = scales.around(values, log=searched.is_wide(result, values))
    charts = [
        Chart(f"curve-{place}", _title(result, place, one), lines, "epoch", x=x, y=y, small=True, notes=_notes(one))
        for place, (one, lines) in enumerate(zip(best, drawn, strict=True), 1)
    ]
    return f'{_told(result, drawn)}<div class="panels">{"".join(chart.html() for chart in charts)}</div>'


def _series(trial: Any, metric: str) -> list[Series]:
    """The score over the epochs, and the same on training data; of several folds the mean, and the scores' range."""
    lines = []
    mean = f", mean of {len(trial.curves)} folds" if len(trial.curves) > 1 else ""
    for name in dict.fromkeys((metric.removeprefix(HELD), metric)):
        found = searched.of_folds(trial, name)
        if found is not None:
            held = name == metric
            x = np.arange(1.0, len(found[0]) + 1)
            band = found[1:] if held and mean else None
            colour = "validation" if held else "train"
            lines.append(Series(_spoken(name) + mean, colour, x, found[0], dashed=not held, band=band))
    return lines


def _spoken(name: str) -> str:
    return f"validation {name.removeprefix(HELD)}" if name.startswith(HELD) else f"training {name}"


def _title(result: Any, place: int, trial: Any) -> str:
    return f"{place}. {words.number(float(trial.score))} ({reading.called(result, trial)})"


def _notes(trial: Any) -> list[str]:
    epochs = ", ".join(map(str, trial.best_epochs))
    best = f"best in epoch {epochs}" if len(trial.best_epochs) == 1 else f"best in epochs {epochs} of the folds"
    return [reading.settings(trial.params), f"{best}; {words.seconds(trial.seconds)}"]


def _told(result: Any, drawn: Sequence[Sequence[Series]]) -> str:
    few = f"The best {len(drawn)} of {len(result.ranked):,} trials" if len(drawn) < len(result.ranked) else "The trials"
    kinds = {line.colour for lines in drawn for line in lines}
    keys = [words.key("validation", _spoken(result.metric))]
    if "train" in kinds:
        keys.append(words.key("train dashed", _spoken(result.metric.removeprefix(HELD))))
    folds = ""
    if any(line.band for lines in drawn for line in lines):
        folds = " Lines are means over the folds, the area is the range of the folds."
    return (
        f'<p class="hint">{few} that finished, in the order of their scores; all charts have the same axes.{folds}</p>'
        f'<div class="legend">{"".join(keys)}</div>'
    )
