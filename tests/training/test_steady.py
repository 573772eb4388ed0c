"""Memory stays flat: over 200 epochs, over 1,000 calls of fit, over checkpoints."""

from __future__ import annotations

import gc
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import pynn

Points = tuple[np.ndarray, np.ndarray]


def network() -> pynn.Sequential:
    return pynn.Sequential(pynn.Affine(64), pynn.BatchNorm(), pynn.ReLU(), pynn.Dropout(0.2), pynn.Affine(3))


def grown(work: Callable[[], Any]) -> int:
    """Bytes that are held after the work and were not held before it."""
    gc.collect()
    tracemalloc.start()
    try:
        before = tracemalloc.get_traced_memory()[0]
        work()
        gc.collect()
        return tracemalloc.get_traced_memory()[0] - before
    finally:
        tracemalloc.stop()


@pytest.mark.slow
def test_two_hundred_epochs_hold_no_more_than_their_history(points: Points, tmp_path: Path) -> None:
    model = network()
    settings: dict[str, Any] = {
        "validation": points,
        "batch_size": 10,
        "progress": False,
        "metrics": ["f1", "accuracy"],
    }

    def train(epochs: int, folder: str) -> None:
        callbacks = [pynn.EarlyStopping(patience=1000), pynn.CSVLogger(tmp_path / "run.csv")]
        model.fit(*points, epochs=epochs, callbacks=callbacks, checkpoint=tmp_path / folder, **settings)

    train(3, "warm")
    assert grown(lambda: train(200, "run")) < 200 * 8 * 40 + 20_000  # 8 numbers an epoch


@pytest.mark.slow
@pytest.mark.parametrize("ends", ["well", "in an error"])
def test_a_thousand_calls_hold_no_more_than_one(ends: str, points: Points) -> None:
    model = network()

    def fail(trainer: pynn.Trainer) -> None:
        raise RuntimeError("at an epoch's end")

    def train(calls: int) -> None:
        for _ in range(calls):
            if ends == "well":
                model.fit(*points, epochs=1, batch_size=30, progress=False, callbacks=[pynn.Callback()])
            else:
                with pytest.raises(RuntimeError):
                    model.fit(*points, epochs=1, batch_size=30, progress=False, callbacks=[fail])

    train(3)
    assert grown(lambda: train(1000)) < 60_000  # a history that stays takes 500 and more; NumPy keeps some small blocks


@pytest.mark.slow
def test_models_that_are_dropped_are_gone(points: Points) -> None:
    """A run that is over holds no model."""

    def train(calls: int) -> None:
        for _ in range(calls):
            network().fit(*points, epochs=1, batch_size=12, validation=0.2, progress=False)

    train(3)
    assert grown(lambda: train(200)) < 160_000  # a model that stays takes 5,000 and more; NumPy keeps some small blocks
