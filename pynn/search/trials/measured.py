"""What a trial measures, and whether the score is among it. Knows no studies and no spaces."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ...messages.names import NAMES
from ...messages.terminal import brief
from ...models.sequential import Sequential
from ...training.measures import Measures
from ...training.trainable import chosen_loss

ALWAYS = ("loss", "val_loss")  # that every trial measures


def names(model: Sequential, settings: Mapping[str, Any]) -> list[str]:
    """The measurements of `fit` with these settings and validation data, those left out that differ in every run."""
    found = Measures(settings.get("metrics")).names(chosen_loss(model, settings.get("loss")))
    penalized = [] if settings.get("penalty") is None else ["data_loss", "penalty"]
    return [*found, *(f"val_{name}" for name in found), *penalized, "learning_rate"]


def expect(metric: str, model: Sequential, settings: Mapping[str, Any]) -> None:
    """ValueError if `fit` does not measure the metric."""
    if metric not in ALWAYS and metric not in (there := names(model, settings)):
        raise ValueError(
            f"Search: metric is {brief(metric)}, which is not measured; there are {', '.join(there)}; "
            f"{instead(metric, there)}"
        )


def instead(metric: str, there: Sequence[str]) -> str:
    """What to write in place of a metric that is not measured."""
    from difflib import get_close_matches  # here: only errors need it

    plain = metric.removeprefix("val_")
    own = NAMES["metrics"].get(plain, plain).strip("'")
    if f"val_{own}" in there:
        return f"did you mean 'val_{own}'?"
    if _is_known(own):
        named = "" if own == plain else f", and take metric='val_{own}'"
        return f'have build return it among the settings of fit: {{"metrics": ["{own}"]}}{named}'
    close = get_close_matches(plain, [one.removeprefix("val_") for one in there], 1)
    if close:
        return f"did you mean {brief(close[0] if f'val_{close[0]}' not in there else f'val_{close[0]}')}?"
    return "build may return further metrics among the settings of fit"


def _is_known(name: str) -> bool:
    """Whether it is a metric of pynn."""
    try:
        Measures([name])
    except ValueError:
        return False
    return True
