"""Callbacks that end a run early: without improvement, or on NaN and infinity."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from ..checks import FLAG, Count, expect_count
from ..monitor import Best, expect_best
from ..saving.config import expect_keys
from ..saving.state import expect_tensors
from ..signatures import takes
from .base import Callback, Run


class EarlyStopping(Callback):
    """Stop when a measurement has not improved for `patience` epochs, and restore the best epoch.

    Parameters
    ----------
    monitor : str, default "val_loss"
        Name of the measurement.
    patience : int, default 5
        Stop after this many epochs without improvement, at least 1.
    min_delta : float, default 0
        Only a change larger than this is an improvement.
    restore_best : bool, default True
        Whether the model gets the parameters and running statistics of its best epoch when the run ends, even by an
        error or Ctrl-C. They are kept in memory. The optimizer's state and the counts of epochs and steps are not
        restored.
    mode : {"auto", "min", "max"}, default "auto"
        Whether lower or higher is better; "auto" knows it for losses and pynn's metrics.

    Attributes
    ----------
    best_epoch : int or None
        Number of the best epoch in the model's life, None before it.
    waited : int
        Epochs since then.

    Notes
    -----
    NaN is never an improvement.

    References
    ----------
    .. [1] CS231n, "Neural Networks Part 3: Learning and Evaluation".
    """

    _takes = takes(patience=Count(1), restore_best=FLAG)

    def __init__(
        self,
        monitor: str = "val_loss",
        patience: int = 5,
        *,
        min_delta: float = 0.0,
        restore_best: bool = True,
        mode: str = "auto",
    ) -> None:
        self.monitor, self._watched, self.patience, self.min_delta = monitor, monitor, patience, min_delta
        self.restore_best, self.mode = restore_best, mode
        self._begin()

    def _begin(self) -> None:
        self._best = Best("EarlyStopping", self._watched, self.mode, self.min_delta)
        self.best_epoch: int | None = None
        self.waited = 0
        self._kept: dict[str, Any] = {}

    @property
    def best(self) -> float | None:
        """The best measurement so far, None before the first."""
        return self._best.value

    def on_train_begin(self, trainer: Run) -> None:
        if not trainer.resumed:
            self._begin()
        self._stop_if_out_of_patience(trainer)

    def on_epoch_end(self, trainer: Run) -> None:
        if self._best.improved(trainer.values):
            self.best_epoch, self.waited = trainer.epoch, 0
            if self.restore_best:
                self._keep(trainer.model.tensors())
        else:
            self.waited += 1
        self._stop_if_out_of_patience(trainer)

    def _keep(self, tensors: Mapping[str, Any]) -> None:
        for name, tensor in tensors.items():
            if name in self._kept:
                self._kept[name][...] = tensor
            else:
                self._kept[name] = tensor.copy()

    def _stop_if_out_of_patience(self, trainer: Run) -> None:
        if self.waited >= self.patience:
            best = "always NaN" if self.best is None else f"best: {self.best:.6g} in epoch {self.best_epoch}"
            trainer.stop(f"{self.monitor} has not improved for {self.waited} epochs ({best})")

    def on_train_end(self, trainer: Run) -> None:
        if self._kept:
            with trainer.model.lock:
                for name, tensor in trainer.model.tensors().items():
                    tensor[...] = self._kept[name]
            self._kept = {}  # free the copies

    def state(self) -> dict[str, Any]:
        return {"best": self.best, "best_epoch": self.best_epoch, "waited": self.waited, "kept": self._kept}

    def _expect(self, state: dict[str, Any], model: Any) -> None:
        expect_keys("EarlyStopping", state, ("best", "best_epoch", "waited", "kept"), ())
        expect_best("EarlyStopping", state["best"])
        begun = {} if state["best_epoch"] is None else {"best_epoch": state["best_epoch"]}
        expect_count("EarlyStopping", 0, waited=state["waited"], **begun)
        if state["kept"] != {}:
            expect_tensors("EarlyStopping", state["kept"], model.tensors())

    def restore(self, state: dict[str, Any]) -> None:
        self._begin()
        self._best.value, self.best_epoch = state["best"], state["best_epoch"]
        self.waited, self._kept = state["waited"], dict(state["kept"])


class TerminateOnNaN(Callback):
    """Stop without raising if the loss or another measurement is NaN or infinite; history.stopped holds the reason.

    Notes
    -----
    Without it, `fit` raises FloatingPointError if the training loss is NaN or infinite, or if parameters are not finite
    after the last step. In the first case the model keeps the parameters from before that step, with this callback or
    without; in the second, with this callback, it keeps the parameters as they are.
    """

    def on_epoch_end(self, trainer: Run) -> None:
        for name, value in trainer.values.items():
            if not math.isfinite(value):
                trainer.stop(f"{name} is {value}")

    def on_train_end(self, trainer: Run) -> None:
        if isinstance(trainer.error, FloatingPointError):
            trainer.stop(str(trainer.error))
            trainer.error = None
