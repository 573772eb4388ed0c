"""What a trial measures, and whether the score is among it. Knows no studies and no spaces."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

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
            f"Search: metric is {brief(metric)}, which is not measured; there are {', '.join(there)}, and build may "
            "return further metrics among the settings of fit"
        )
