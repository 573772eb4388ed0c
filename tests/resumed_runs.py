"""Runs that end as if the process were killed, and what two runs must have alike."""

from __future__ import annotations

from typing import Any

import numpy as np

import pynn


class Killed(Exception):
    pass


class KilledAt(pynn.Callback):
    """Ends the run after a step as if the process were gone: no callback writes anything after it."""

    def __init__(self, step: int) -> None:
        self.at = step

    def on_step_end(self, trainer: pynn.Trainer) -> None:
        if trainer.step == self.at:
            raise Killed


Data = tuple[np.ndarray, np.ndarray]


def network(**settings: Any) -> pynn.Sequential:
    return pynn.Sequential(
        pynn.Conv2d(4), pynn.BatchNorm(), pynn.ReLU(), pynn.FractionalMaxPool2d(1.5), pynn.Flatten(),
        pynn.Dropout(0.3), pynn.Affine(3), **settings,
    )  # fmt: skip


def fit(
    data: Data, folder: Any = None, resume: bool = False, optimizer: Any = None, callbacks: Any = (), **settings: Any
) -> pynn.Sequential:
    model = settings.pop("model", None) or network()
    settings = {"validation": data, "epochs": 3, "batch_size": 8, "progress": False, **settings}
    model.fit(*data, optimizer=optimizer, callbacks=callbacks, checkpoint=folder, resume=resume, **settings)
    return model


def assert_same(one: pynn.Sequential, other: pynn.Sequential) -> None:
    for name, tensor in one.tensors().items():
        np.testing.assert_array_equal(other.tensors()[name], tensor, err_msg=name)
    assert one.optimizer is not None
    assert other.optimizer is not None
    mine, theirs = one.optimizer.state(), other.optimizer.state()
    for slot, vector in mine.pop("slots").items():
        np.testing.assert_array_equal(theirs["slots"][slot], vector)
    theirs.pop("slots")
    assert mine == theirs
    assert (one.epoch, one.context.step) == (other.epoch, other.context.step)
    assert one.history is not None
    assert other.history is not None
    assert list(one.history) == list(other.history)
    for name in one.history:
        if name != "samples_per_second":
            assert one.history[name] == other.history[name], name
