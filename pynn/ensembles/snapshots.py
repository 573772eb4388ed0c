"""Snapshots of one run at the ends of its learning-rate cycles: an ensemble at the cost of one training run."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ..callbacks.base import Callback, Run
from ..checks import Count, OrNone
from ..messages.terminal import brief
from ..models.sequential import Sequential
from ..saving.config import expect_keys
from ..saving.state import expect_tensors
from ..signatures import takes
from ..typing import Array
from .ensemble import Ensemble

if TYPE_CHECKING:
    from ..training.trainable import Trainable


class SnapshotEnsemble(Callback):
    """Keep parameters and running statistics at the end of each learning-rate cycle, for an `Ensemble`.

    Parameters
    ----------
    epochs_per_cycle : int
        At least 1, as in the schedule.
    keep : int, optional
        Number of newest snapshots to keep, at least 1; by default all.

    Attributes
    ----------
    snapshots : list of dict
        The tensors of each snapshot by name, as from ``model.tensors()``.

    Raises
    ------
    ValueError
        For settings out of range, and for a run shorter than a cycle.

    Notes
    -----
    Epochs are counted like those of schedules, since the optimizer first ran; an incomplete cycle at the end of a run
    adds nothing. Every run begins without snapshots, except one resumed from a checkpoint. The model itself is not
    changed. A snapshot takes as much memory as the model's file.

    References
    ----------
    .. [1] Huang et al., "Snapshot Ensembles: Train 1, Get M for Free", 2017.

    Examples
    --------
    >>> snapshots = pynn.SnapshotEnsemble(5)
    >>> rate = pynn.CosineRestarts(0.1, epochs_per_cycle=5)
    >>> model.fit(x, y, epochs=25, optimizer=pynn.Momentum(rate), callbacks=[snapshots])
    >>> snapshots.ensemble().evaluate(x_test, y_test)
    """

    _takes = takes(epochs_per_cycle=Count(1), keep=OrNone(Count(1)))

    def __init__(self, epochs_per_cycle: int, keep: int | None = None) -> None:
        self.epochs_per_cycle, self.keep = epochs_per_cycle, keep
        self.snapshots: list[dict[str, Array]] = []
        self._model: Sequential | None = None

    def on_train_begin(self, trainer: Run) -> None:
        if 0 < trainer.epochs < self.epochs_per_cycle:
            raise ValueError(
                f"SnapshotEnsemble: a cycle has {self.epochs_per_cycle} epochs, but the run has {trainer.epochs}"
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
        """Make an ensemble of the snapshots, independent of the model.

        Returns
        -------
        Ensemble
            The ensemble.

        Raises
        ------
        RuntimeError
            If there is no snapshot.
        """
        if self._model is None or not self.snapshots:
            raise RuntimeError("SnapshotEnsemble: there is no snapshot yet: give it to fit(callbacks=[...]) first")
        return Ensemble.of_snapshots(self._model, self.snapshots)

    def state(self) -> dict[str, Any]:
        return {"snapshots": self.snapshots}

    def _expect(self, state: dict[str, Any], model: Trainable) -> None:
        expect_keys("SnapshotEnsemble", state, ("snapshots",), ())
        if not isinstance(state["snapshots"], list):
            raise ValueError(f"SnapshotEnsemble: snapshots is {brief(state['snapshots'])}, expected a list")
        for number, snapshot in enumerate(state["snapshots"]):
            expect_tensors(f"SnapshotEnsemble: snapshot {number}", snapshot, model.tensors())

    def restore(self, state: dict[str, Any]) -> None:
        self.snapshots = [
            {name: np.array(array) for name, array in snapshot.items()} for snapshot in state["snapshots"]
        ]
