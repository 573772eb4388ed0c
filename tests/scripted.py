"""A small run whose validation loss is as a test says: what callbacks and schedules are shown."""

from __future__ import annotations

from typing import Any

import numpy as np

import pynn

Points = tuple[np.ndarray, np.ndarray]


def network(**settings: Any) -> pynn.Sequential:
    return pynn.Sequential(pynn.Affine(8), pynn.ReLU(), pynn.Affine(3), **settings)


class Scripted(pynn.Callback):
    """Puts numbers of its own in the place of a measurement."""

    def __init__(self, *values: float) -> None:
        self.values = values

    def on_epoch_end(self, trainer: pynn.Trainer) -> None:
        trainer.values["val_loss"] = self.values[trainer.history.epochs - 1]


def run(points: Points, values: tuple[float, ...], *callbacks: pynn.Callback, **settings: Any) -> pynn.Sequential:
    model = network()
    model.fit(
        *points, validation=points, epochs=len(values), progress=False, callbacks=[Scripted(*values), *callbacks],
        **settings,
    )  # fmt: skip
    return model
