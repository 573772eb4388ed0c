"""Watcher: the callback of a trial. It keeps the best epoch, and ends what has become hopeless. Knows no studies."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from ...callbacks.base import Callback, Run
from ...checks import expect_count
from ...diagnostics.monitor import Monitor
from ...monitor import Best, expect_best
from ...saving.config import expect_keys
from ...saving.state import expect_tensors
from ...typing import Array
from .training_loss import TrainingLoss

FACTOR = 3.0  # times the first loss: a run this far off is lost
# In its first steps a good run may be that far off: large rates overshoot, and come back.
EARLY_FACTOR, EARLY_STEPS, EARLY_SHARE = 100.0, 50, 0.1
PATIENCE = 5  # steps in a row that far off
LONG = 200  # steps from which a Monitor costs little beside the training
FEW = 5  # epochs from which there is something to save
JUDGED = (0.2, 0.3, 0.4)  # of the epochs: then a trial that is behind is judged
# Verdicts that tell trials apart. Those on data and task are the same for all trials.
HOPELESS = (
    "initialization", "exploding", "vanishing_gradient", "dead_units", "saturation", "learning_rate_too_large",
    "learning_rate_too_small", "over_regularized", "frozen",
)  # fmt: skip
FINISHED, DIVERGED, STOPPED, PRUNED, FAILED, UNFINISHED = ENDINGS = (
    "finished", "diverged", "stopped", "pruned", "failed", "unfinished",
)  # fmt: skip
Report = Callable[[int, float], "str | None"]  # of an epoch and a score: why the trial shall end, or None


class Middle(NamedTuple):
    """What others had reached after an epoch: the score of the best quarter, and how far the loss of half had fallen.

    Losses themselves say little of trials that have hardly begun to learn: they depend on the first weights.
    """

    score: float
    fall: float


def fall(curve: Mapping[str, Sequence[float]], epoch: int) -> float:
    """How far the training loss, penalties left out, fell from the first epoch to this one; NaN if it is not there."""
    losses = curve.get("data_loss") or curve.get("loss") or ()
    return losses[0] - losses[epoch - 1] if len(losses) >= epoch else math.nan


def judged(epochs: int) -> tuple[int, ...]:
    """The epochs after which trials of so many epochs are judged."""
    return tuple(sorted({max(math.ceil(share * epochs), 2) for share in JUDGED})) if epochs >= FEW else ()


class Watcher(Callback):
    """Keeps the best epoch of a fold, and ends it if its loss runs away, its diagnosis is bad, or the time is over.

    Parameters
    ----------
    metric, mode : str
        What is compared, and how, as for `EarlyStopping`.
    stop : bool
        Whether to end hopeless runs.
    middles : dict of int to Middle
        What others had reached, by epoch. Only a run that is behind is judged.
    keep : callable, optional
        Whether the weights of an epoch of this score are worth keeping; by default they always are.
    report : callable, optional
        Told of every epoch; returns why the run shall end.
    start : dict of str to array, optional
        Weights to go on from, if the model has the same tensors.
    ends : float, optional
        When the time is over, by `time.time`.
    over : callable, optional
        Asked after each step whether the run is to be left to the next search.
    """

    watches = True  # it sees the parameters before callbacks of the user's restore others

    def __init__(
        self, metric: str, mode: str, *, stop: bool = True, middles: Mapping[int, Middle] | None = None,
        keep: Callable[[float], bool] | None = None, report: Report | None = None,
        start: Mapping[str, Array] | None = None, ends: float | None = None, over: Callable[[], bool] | None = None,
    ) -> None:  # fmt: skip
        self.monitor, self.mode, self.stop, self.middles = metric, mode, stop, middles or {}
        self.keep, self.report, self.start, self.ends, self.over = keep, report, start, ends, over
        self.best = Best("Search", metric, mode)
        self.best_epoch = 0
        self.first = math.nan  # the loss with the first weights, those of `start` left out
        self.ended = ""  # how the run ended, if not by its last epoch
        self.went_on = False  # from the weights of `start`
        self.verdicts: list[str] = []
        self._kept: dict[str, Array] = {}
        self._off: list[float] = []  # the losses of steps in a row that look far off
        self._watch: Monitor | None = None

    # Events ---------------------------------------------------------------------------------------

    def on_train_begin(self, trainer: Run) -> None:
        self._loss = TrainingLoss(trainer)
        if not trainer.resumed:
            self.first = self._loss.now()
            self.went_on = self.start is not None and _put(self.start, trainer.model.tensors())
        steps = (trainer.batches or 0) * trainer.epochs
        self._early = max(EARLY_STEPS, EARLY_SHARE * steps)
        self._limited = self.stop and self.first > 0 and not trainer.first_epoch
        self._explained = 0.0  # losses of batches and epochs up to which the loss need not be measured anew
        if self.stop and self.middles and steps >= LONG:
            self._watch = Monitor(stop=False)
            self._watch.on_train_begin(trainer)

    def on_step_begin(self, trainer: Run) -> None:
        if self._watch is not None:
            self._watch.on_step_begin(trainer)

    def on_step_end(self, trainer: Run) -> None:
        if self.ends is not None and time.time() >= self.ends:
            self._end(trainer, UNFINISHED, "the time is over")
        if self.over is not None and self.over():
            self._end(trainer, UNFINISHED, "the search was interrupted")
        if self._watch is not None:
            self._watch.on_step_end(trainer)
        loss = (trainer.batch_loss or 0.0) - (trainer.model.penalty_value or 0.0)
        self._off = [*self._off, loss] if loss > max(self._limit(trainer), self._explained) else []
        if len(self._off) >= PATIENCE:
            self._check(trainer, min(self._off))

    def on_epoch_end(self, trainer: Run) -> None:
        score = trainer.values[self.monitor]  # type: ignore[index]
        if self.best.improved(trainer.values):
            self.best_epoch = trainer.epoch - trainer.first_epoch
            if self.keep is None or self.keep(score):
                self._keep(trainer.model.tensors())
        if self._watch is not None:
            self._watch.on_epoch_end(trainer)
        if trainer.stopped is not None:
            return
        loss = trainer.values.get("data_loss", trainer.values["loss"])
        if loss > max(self._limit(trainer), self._explained):
            self._check(trainer, loss)
            if trainer.stopped is None and loss > self._factor(trainer) * max(self.first, self._loss.of_all()):
                self._end(trainer, DIVERGED, self._too_high(trainer, loss))  # in between: units may have died
        if trainer.stopped is None and trainer.epoch - trainer.first_epoch < trainer.epochs:
            self._judge(trainer)

    def on_train_end(self, trainer: Run) -> None:
        self._watch = None
        if self._kept:
            with trainer.model.lock:
                _put(self._kept, trainer.model.tensors())
            self._kept = {}

    # Parts ----------------------------------------------------------------------------------------

    def _end(self, trainer: Run, ended: str, why: str) -> None:
        if not self.ended:
            self.ended = ended
            trainer.stop(why)

    def _factor(self, trainer: Run) -> float:
        """The factor over the first loss from which the run is lost."""
        return FACTOR if trainer.step > self._early else EARLY_FACTOR

    def _limit(self, trainer: Run) -> float:
        return self._factor(trainer) * self.first if self._limited else math.inf

    def _check(self, trainer: Run, seen: float) -> None:
        """End the run if the loss on the samples of the first loss has risen so far, too: others may be outliers."""
        loss = self._loss.now()
        if loss <= self._limit(trainer):
            self._explained, self._off = FACTOR * seen, []  # so that there are few false alarms
        else:
            self._end(trainer, DIVERGED, self._too_high(trainer, loss))

    def _too_high(self, trainer: Run, loss: float) -> str:
        return f"the loss is {loss:.4g}, over {self._factor(trainer):g} times the first ({self.first:.4g})"

    def _judge(self, trainer: Run) -> None:
        """End the run if Optuna's pruner says so, or if it is behind the others and its diagnosis is bad."""
        epoch = trainer.epoch - trainer.first_epoch
        if self.report is not None and self.best.value is not None:
            why = self.report(epoch, trainer.values[self.monitor])  # type: ignore[index]
            if why is not None:
                self._end(trainer, PRUNED, why)
        if self._watch is None or not self._behind(epoch, trainer.history):
            return
        found = [one for one in self._watch.verdicts(trainer) if one.severity != "info"]
        self.verdicts = [one.name for one in found]
        bad = next((one for one in found if one.name in HOPELESS), None)
        if bad is not None:
            self._end(trainer, STOPPED, f"{bad.name}{f' ({bad.where})' if bad.where else ''}: {bad.evidence}")

    def _behind(self, epoch: int, curve: Mapping[str, Sequence[float]]) -> bool:
        """Whether its score is not in the best quarter, and its loss has fallen less than those of half of all."""
        middle = self.middles.get(epoch)
        if middle is None:
            return False
        best = -math.inf if self.best.value is None else -self.best.sign * self.best.value
        return best <= -self.best.sign * middle.score and not fall(curve, epoch) > middle.fall

    def _keep(self, tensors: Mapping[str, Array]) -> None:
        for name, tensor in tensors.items():
            if name in self._kept:
                self._kept[name][...] = tensor
            else:
                self._kept[name] = tensor.copy()

    # Checkpoints ----------------------------------------------------------------------------------

    def state(self) -> dict[str, Any]:
        return {"best": self.best.value, "best_epoch": self.best_epoch, "first": self.first, "kept": self._kept,
                "went_on": self.went_on}  # fmt: skip

    def _expect(self, state: dict[str, Any], model: Any) -> None:
        expect_keys("Search", state, ("best", "best_epoch", "first", "kept", "went_on"), ())
        expect_best("Search", state["best"])
        expect_count("Search", 0, best_epoch=state["best_epoch"])
        if state["kept"] != {}:
            expect_tensors("Search", state["kept"], model.tensors())

    def restore(self, state: dict[str, Any]) -> None:
        self.best.value, self.best_epoch, self.first = state["best"], state["best_epoch"], state["first"]
        self._kept, self.went_on = dict(state["kept"]), state["went_on"]


def _put(values: Mapping[str, Array], tensors: Mapping[str, Array]) -> bool:
    """Copy the values of these names; return False, and copy nothing, if one is not there or has another shape."""
    if any(name not in values or values[name].shape != tensor.shape for name, tensor in tensors.items()):
        return False
    for name, tensor in tensors.items():
        tensor[...] = values[name]
    return True
