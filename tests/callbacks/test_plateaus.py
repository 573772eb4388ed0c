"""EarlyStopping and ReduceOnPlateau agree on how epochs are counted and which way is better."""

from __future__ import annotations

import numpy as np
import pytest
from scripted import run

import pynn


@pytest.mark.parametrize("patience", [1, 2, 3])
def test_patience_is_counted_alike(patience: int) -> None:
    """Both act after `patience` epochs in a row without improvement."""
    values = [3.0, 2.0, 2.0, 2.0, 2.0, 2.0]
    schedule, acted = pynn.ReduceOnPlateau(1, patience=patience, factor=0.5), []
    for value in values:
        schedule.observe({"loss": value})
        acted.append(schedule(0) < 1)
    assert acted.index(True) + 1 == 2 + patience
    stopping = pynn.EarlyStopping(patience=patience)
    rng = np.random.default_rng(0)
    model = run((rng.normal(size=(20, 3)), np.arange(20) % 3), tuple(values), stopping)
    assert model.epoch == 2 + patience


@pytest.mark.parametrize(
    ("monitor", "grows"),
    [("val_accuracy", True), ("val_top5", True), ("f1", True), ("r2", True), ("loss", False), ("val_mae", False)],
)
def test_the_direction_is_chosen_alike(monitor: str, grows: bool) -> None:
    better, worse = ([0.1, 0.2, 0.3, 0.4], [0.4, 0.3, 0.2, 0.1])[:: 1 if grows else -1]
    for values, falls in ((better, False), (worse, True)):
        schedule = pynn.ReduceOnPlateau(1, patience=2, monitor=monitor)
        for value in values:
            schedule.observe({monitor: value})
        assert (schedule(0) < 1) is falls
    assert pynn.EarlyStopping(monitor)._best.sign == (-1 if grows else 1)


def test_a_direction_that_is_not_known_must_be_said() -> None:
    for make in (
        lambda **mode: pynn.EarlyStopping("my_number", **mode),
        lambda **mode: pynn.ReduceOnPlateau(0.1, monitor="my_number", **mode),
        lambda **mode: pynn.ModelCheckpoint("m", "my_number", save_best_only=True, **mode),
    ):
        with pytest.raises(
            ValueError, match="not known whether lower or higher is better for my_number; pass mode='min' or 'max'"
        ):
            make()
        make(mode="max")
        with pytest.raises(ValueError, match="mode is 'up', expected one of auto, min, max"):
            make(mode="up")


def test_a_plateau_of_an_older_checkpoint_goes_on() -> None:
    """Its state had a mode of "min" and no sign."""
    old = {
        "rate": 0.1, "factor": 0.1, "patience": 3, "min_delta": 0.0001, "cooldown": 0, "minimum": 0.0, "monitor": None,
        "mode": "min", "current": 0.01, "best": 0.5, "waited": 1, "resting": 0,
    }  # fmt: skip
    schedule = pynn.ReduceOnPlateau(0.1, patience=3)
    schedule.restore(old)
    assert (schedule(0), schedule.best, schedule.waited) == (0.01, 0.5, 1)
    for _ in range(2):
        schedule.observe({"loss": 0.6})
    assert schedule(0) == pytest.approx(0.001)
