"""Callbacks and schedules in a second run: they start afresh, go on with their optimizer, or refuse."""

from __future__ import annotations

import copy
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scripted import Points, network, run

import pynn


def test_early_stopping_starts_afresh_in_a_second_run(points: Points, backend: str) -> None:
    stopping = pynn.EarlyStopping(patience=2)
    assert run(points, (1, 2, 3, 4), stopping).epoch == 3
    second = run(points, (9, 8, 7, 6), stopping)
    assert (second.epoch, stopping.best, stopping.best_epoch) == (4, 6, 4)
    alone = run(points, (9, 8, 7, 6), pynn.EarlyStopping(patience=2))
    np.testing.assert_array_equal(second.parameters, alone.parameters)


def test_a_model_checkpoint_starts_afresh_in_a_second_run(points: Points, tmp_path: Path, backend: str) -> None:
    keeper = pynn.ModelCheckpoint(tmp_path / "{epoch}-{val_loss:.0f}.safetensors", save_best_only=True)
    run(points, (1, 2), keeper)
    run(points, (9, 8, 8), keeper)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["1-1.safetensors", "1-9.safetensors", "2-8.safetensors"]


def test_a_plateau_goes_on_with_its_optimizer_and_serves_no_other(points: Points, backend: str) -> None:
    schedule = pynn.ReduceOnPlateau(0.1, patience=1, factor=0.5)
    optimizer = pynn.SGD(schedule)
    model = run(points, (1, 2, 3), optimizer=optimizer)
    best = schedule.best
    rate = optimizer.learning_rate
    model.fit(*points, epochs=1, progress=False)
    assert schedule.best <= best
    assert optimizer.learning_rate <= rate
    with pytest.raises(
        ValueError,
        match=r"this ReduceOnPlateau already sets the rate of another optimizer; give each optimizer its own Re",
    ):
        pynn.Adam(schedule)
    with pytest.raises(ValueError, match="already sets the rate of another optimizer"):
        pynn.Adam(pynn.Warmup(schedule, 1))
    other = pynn.Adam(0.5)
    with pytest.raises(ValueError, match="already sets the rate of another optimizer"):
        other.learning_rate = schedule
    assert (other.learning_rate, other.schedule) == (0.5, None)
    optimizer.learning_rate = 0.3
    optimizer.learning_rate = schedule
    assert optimizer.schedule is schedule


def test_schedules_without_a_memory_serve_any_number_of_optimizers() -> None:
    for schedule in (pynn.CosineDecay(0.1, 3), pynn.Warmup(pynn.StepDecay(0.1, 2), 1), pynn.Warmup(0.1, 2)):
        assert not schedule.listens
        assert pynn.SGD(schedule).schedule is pynn.Adam(schedule).schedule
        pynn.LearningRateSchedule(schedule)
    assert pynn.Warmup(pynn.ReduceOnPlateau(0.1), 1).listens


@pytest.mark.parametrize("again", [copy.copy, copy.deepcopy, lambda one: pickle.loads(pickle.dumps(one))])
def test_a_copy_of_a_schedule_is_free(again: Any) -> None:
    schedule = pynn.ReduceOnPlateau(0.1, patience=2)
    optimizer = pynn.SGD(schedule)
    assert pynn.SGD(again(schedule)).learning_rate == 0.1
    both = copy.deepcopy(optimizer)
    assert both.schedule is not schedule
    both.learning_rate = both.schedule  # type: ignore[assignment]


def test_an_ensemble_gives_each_member_a_schedule(points: Points) -> None:
    ensemble = pynn.Ensemble.fit(
        lambda seed: network(seed=seed),
        2,
        *points,
        epochs=1,
        progress=False,
        optimizer=pynn.SGD(pynn.ReduceOnPlateau(1)),
    )
    assert len(ensemble) == 2
