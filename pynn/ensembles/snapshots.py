"""Snapshots of one run, taken where a cyclic learning rate has come down: an ensemble at the price of one training."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ..callbacks.base import Callback, Run
from ..checks import expect_count
from ..messages.terminal import brief
from ..models.sequential import Sequential
from ..saving.config import expect_keys
from ..saving.state import expect_tensors
from ..typing import Array
from .ensemble import Ensemble

if TYPE_CHECKING:
    from ..training.trainable import Trainable


class SnapshotEnsemble(Callback):
    """Keep parameters and running statistics at the end of each cycle of the learning rate, for an `Ensemble`.

    epochs_per_cycle: at least 1, those of the schedule. keep: so many of the newest (default None: all), at least 1.

    >>> snapshots = pynn.SnapshotEnsemble(5)
    >>> rate = pynn.CosineRestarts(0.1, epochs_per_cycle=5)
    >>> model.fit(x, y, epochs=25, optimizer=pynn.Momentum(rate), callbacks=[snapshots])
    >>> snapshots.ensemble().evaluate(x_test, y_test)

    Epochs are counted as schedules count them, since the optimizer first ran; the rest of a cycle at the end of a run
    adds nothing. Every run begins with none, but for one that is resumed from a checkpoint, which has those of before.
    The model itself is left alone.
    snapshots: the tensors of each, by name, as `model.tensors()` has them. A snapshot costs what the model's file does.
    Raises ValueError for other settings and for a run that is shorter than a cycle. Source: Huang et al. 2017,
    "Snapshot Ensembles: Train 1, get M for free".
    """

    def __init__(self, epochs_per_cycle: int, keep: int | None = None) -> None:
        expect_count("SnapshotEnsemble", 1, epochs_per_cycle=epochs_per_cycle)
        if keep is not None:
            expect_count("SnapshotEnsemble", 1, keep=keep)
        self.epochs_per_cycle, self.keep = epochs_per_cycle, keep
        self.snapshots: list[dict[str, Array]] = []
        self._model: Sequential | None = None

    def on_train_begin(self, trainer: Run) -> None:
        if 0 < trainer.epochs < self.epochs_per_cycle:
            raise ValueError(
                f"SnapshotEnsemble: a cycle has {self.epochs_per_cycle} epochs, but the run {trainer.epochs}"
            )
        if not trainer.resumed:
            self.snapshots = []
        self._model = trainer.model

    def on_epoch_end(self, trainer: Run) -> None:
        if (trainer.epoch - (trainer.optimizer.first_epoch or 0)) % self.epochs_per_cycle == 0:
            self.snapshots.append({name: array.copy() for name, array in trainer.model.tensors().items()})
            if self.keep is not None:
                del self.snapshots[: -self.keep]

    def ensemble(self) -> Ensemble:
        """The snapshots as an ensemble, which is independent of the model from then on; RuntimeError without any."""
        if self._model is None or not self.snapshots:
            raise RuntimeError("SnapshotEnsemble: there is no snapshot yet: give it to fit(callbacks=[...]) first")
        return Ensemble.of_snapshots(self._model, self.snapshots)

    def state(self) -> dict[str, Any]:
        return {"snapshots": self.snapshots}

    def _expect(self, state: dict[str, Any], model: Trainable) -> None:
        expect_keys("SnapshotEnsemble", state, ("snapshots",), ())
        if not isinstance(state["snapshots"], list):
            raise ValueError(f"SnapshotEnsemble: snapshots is {brief(state['snapshots'])}, expected a list")
        for number, one in enumerate(state["snapshots"]):
            expect_tensors(f"SnapshotEnsemble: snapshot {number}", one, model.tensors())

    def restore(self, state: dict[str, Any]) -> None:
        self.snapshots = [{name: np.array(array) for name, array in one.items()} for one in state["snapshots"]]
