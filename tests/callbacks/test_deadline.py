"""Deadline: a run ends by the clock, after a step or an epoch, and a resumed one has its time anew."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scripted import Points, network

import pynn
from pynn.callbacks import stopping


class Clock:
    """Stands still but for what a run spends in each step and in validation."""

    now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(stopping, "monotonic", clock)
    return clock


class Spending(pynn.Callback):
    """A step takes a second, and validation two."""

    def __init__(self, clock: Clock) -> None:
        self.clock = clock

    def on_step_begin(self, trainer: pynn.Trainer) -> None:
        self.clock.now += 1

    def validate(self, model: pynn.Sequential) -> dict[str, float]:
        self.clock.now += 2
        return {"val_time": self.clock.now}


def trained(points: Points, clock: Clock, seconds: float, **options: Any) -> pynn.Sequential:
    """An epoch is of three steps."""
    model, spending = network(), Spending(clock)
    model.fit(
        *points, validation=spending.validate, batch_size=10, progress=False,
        callbacks=[spending, pynn.Deadline(seconds)], **{"epochs": 9, **options},
    )  # fmt: skip
    return model


@pytest.mark.parametrize(
    ("seconds", "steps", "epochs"),
    [(0.5, 1, 0), (2, 2, 0), (2.5, 3, 1), (3, 3, 1), (5, 3, 1), (5.5, 4, 1), (7.5, 6, 2), (1000, 27, 9)],
)
def test_a_run_ends_after_the_step_at_which_its_time_is_over(
    seconds: float, steps: int, epochs: int, points: Points, clock: Clock
) -> None:
    model = trained(points, clock, seconds)
    assert (model.context.step, model.epoch) == (steps, epochs)
    assert model.history is not None
    assert model.history.epochs == epochs
    over = f"the time of {seconds:g} seconds is over"
    assert model.history.stopped == (None if epochs == 9 else over)


def test_the_time_counts_anew_in_each_run_and_after_a_resume(points: Points, clock: Clock, tmp_path: Path) -> None:
    deadline, model = pynn.Deadline(2), network()
    for run in (1, 2):
        model.fit(*points, batch_size=10, epochs=5, progress=False, callbacks=[Spending(clock), deadline])
        assert model.context.step == 2 * run
    whole = trained(points, Clock(), 1000, epochs=2)
    for step in (4, 6):
        half = trained(points, clock, 5.5 if step == 4 else 1000, epochs=2, checkpoint=tmp_path, resume=step > 4)
        assert half.context.step == step
    np.testing.assert_array_equal(half.parameters, whole.parameters)


def test_it_needs_a_time() -> None:
    with pytest.raises(ValueError, match="Deadline: seconds is 0, expected a finite positive number"):
        pynn.Deadline(0)
    with pytest.raises(TypeError, match="Deadline"):
        pynn.Deadline()
    assert repr(pynn.Deadline(60).seconds) == "60"
