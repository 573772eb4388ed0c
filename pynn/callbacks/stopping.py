"""Callbacks that end a run early: without improvement, by the clock, or on NaN and infinity."""

from __future__ import annotations

import math
from collections.abc import Mapping
from time import monotonic
from typing import Any

from ..checks import FLAG, POSITIVE, Choice, Count, OrNone, expect_count
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
    patience : int or None, default 5
        Stop after this many epochs without improvement, at least 1. None never stops: the best epoch is restored when
        all are done.
    min_delta : float, default 0
        Only a change larger than this is an improvement.
    restore_best : bool, default True
        Whether the model gets the parameters and running statistics of its best epoch when the run ends, even by an
        error or Ctrl-C. They are kept in memory. The optimizer's state and the counts of epochs and steps are not
        restored.
    mode : {"auto", "min", "max"}, default "auto"
        Whether lower or higher is better; "auto" knows it for losses and pynn's metrics.
    ties : {"first", "last"}, default "first"
        Which of several epochs with exactly the best measurement is the best epoch. Neither is an improvement over the
        other: with "last" too, patience counts since the first.

    Attributes
    ----------
    best_epoch : int or None
        Number of the best epoch in the model's life, None before it.
    waited : int
        Epochs since the last improvement.

    Raises
    ------
    ValueError or TypeError
        For settings out of range; for patience=None with restore_best=False, which would do nothing.

    Notes
    -----
    NaN is never an improvement.

    References
    ----------
    .. [1] CS231n, "Neural Networks Part 3: Learning and Evaluation".
    """

    _takes = takes(patience=OrNone(Count(1)), restore_best=FLAG, ties=Choice("first", "last"))

    def __init__(
        self,
        monitor: str = "val_loss",
        patience: int | None = 5,
        *,
        min_delta: float = 0.0,
        restore_best: bool = True,
        mode: str = "auto",
        ties: str = "first",
    ) -> None:
        if patience is None and not restore_best:
            raise ValueError("EarlyStopping(patience=None, restore_best=False) does nothing; leave one of the two out")
        self.monitor, self._watched, self.patience, self.min_delta = monitor, monitor, patience, min_delta
        self.restore_best, self.mode, self.ties = restore_best, mode, ties
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
        improved = self._best.improved(trainer.values)
        self.waited = 0 if improved else self.waited + 1
        if improved or (self.ties == "last" and self._is_tie(trainer.values[self._watched])):
            self.best_epoch = trainer.epoch
            if self.restore_best:
                self._keep(trainer.model.tensors())
        self._stop_if_out_of_patience(trainer)

    def _is_tie(self, value: float) -> bool:
        return value == self.best

    def _keep(self, tensors: Mapping[str, Any]) -> None:
        for name, tensor in tensors.items():
            if name in self._kept:
                self._kept[name][...] = tensor
            else:
                self._kept[name] = tensor.copy()

    def _stop_if_out_of_patience(self, trainer: Run) -> None:
        if self.patience is not None and self.waited >= self.patience:
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


class Deadline(Callback):
    """End the run after the step at which its time is over.

    Parameters
    ----------
    seconds : float
        Time from the beginning of the run, above 0.

    Notes
    -----
    At least one step is taken. An epoch that is cut short is neither measured nor counted; history.stopped says why the
    run ended. A resumed run gets the whole time anew. Of several processes that train together, the first whose time
    is over ends all.

    Examples
    --------
    >>> model.fit(x, y, validation=0.1, epochs=1000, callbacks=[pynn.EarlyStopping(), pynn.Deadline(60)])
    """

    _takes = takes(seconds=POSITIVE)

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self._ends: dict[int, float] = {}  # of the runs that it is in, in several threads

    def on_train_begin(self, trainer: Run) -> None:
        self._ends[id(trainer)] = monotonic() + self.seconds

    def on_step_end(self, trainer: Run) -> None:
        if monotonic() >= self._ends[id(trainer)]:
            trainer.stop(f"the time of {self.seconds:g} seconds is over")

    def on_epoch_end(self, trainer: Run) -> None:
        self.on_step_end(trainer)  # validation takes time too

    def on_train_end(self, trainer: Run) -> None:
        self._ends.pop(id(trainer), None)


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
