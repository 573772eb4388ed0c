"""Monitor: a callback that watches a training run at little cost, stops a hopeless one, and keeps what it saw."""

from __future__ import annotations

import math
import os
import time
from typing import Any
from weakref import WeakKeyDictionary

import numpy as np

from .. import checks
from ..callbacks.base import Callback, Run
from ..checks import FLAG, Count
from ..data import arrays
from ..data.batches import Samples
from ..saving import files
from ..signatures import takes
from ..typing import Array
from . import observing, surroundings
from .measuring import Twin
from .record import Part, Record
from .run_folder import Writer
from .verdicts import Verdicts

PROBE = 128  # rows that every snapshot measures
NUMBERS = 1 << 20  # of the rows that are kept, at most
ROWS = 1000  # that are kept, at most
GATHERED = 40  # batches of an iterable whose samples are kept
SNAPSHOTS = 200  # then every second one is dropped, and the interval doubled
FACTOR = 3.0  # times the first loss: a run this far off is lost
PATIENCE = 20  # steps whose mean is compared

OUTPUTS = 1 << 22  # numbers that the largest layer may give for the rows that snapshots measure

_LAST: WeakKeyDictionary[Any, Record] = WeakKeyDictionary()


class Monitor(Callback):
    """Watch a run: activations, gradients and updates of every layer, losses of every step, data and predictions.

    Parameters
    ----------
    folder : path, optional
        A folder for this run, which `pynn report`, `pynn doctor` and `diagnose` read, also while the run goes on and
        after it was killed. Created if it does not exist; an earlier run in it is replaced. It holds numbers, and up to
        1000 rows of the data.
    interval : int, default 250
        Steps between two snapshots of all layers; in the beginning they are closer: steps 0, 1, 4, 16, 64.
    stop : bool, default True
        Whether to end the run if the mean loss of 20 steps is over 3 times the first loss.

    Attributes
    ----------
    record : Record or None
        What was seen; also in ``model.history.record``, where `diagnose` and the report find it.

    Raises
    ------
    ValueError or RuntimeError
        Before training, if the folder has files of something else, or another run writes there.
    """

    _takes = takes(interval=Count(1), stop=FLAG)
    watches = True
    record: Record | None = None
    _folder: Writer | None = None
    _twin: Twin | None = None
    _probe: Samples | None = None  # the rows that snapshots measure
    _before: Array | None = None  # the parameters before a step whose update is to be measured
    _gathered: list[Samples] | None = None  # of an iterable, until there are enough

    def __init__(self, folder: str | os.PathLike[str] | None = None, *, interval: int = 250, stop: bool = True) -> None:
        if folder is not None:
            files.named(folder)
        self.folder, self.interval, self.stop = folder, interval, stop
        self.writes = folder is not None  # if several processes train one model, the first one writes

    def on_train_begin(self, trainer: Run) -> None:
        self._twin = self._probe = self._before = self._gathered = self.record = None
        self._every, self._started = self.interval, time.perf_counter()
        self._limit = math.inf
        self._next = trainer.step
        self._first_step = trainer.step
        self._labels: list[Array] = []
        self._earlier = 0  # losses of runs before this one
        if self.folder is not None:
            self._folder = Writer(self.folder)
        if trainer.model.built and hasattr(trainer.source, "samples"):
            self._begin(trainer, trainer.source.samples)

    def on_step_begin(self, trainer: Run) -> None:
        if trainer.step >= self._next:
            if self.record is None:
                self._begin(trainer, trainer.samples)
            self._take(trainer)

    def on_step_end(self, trainer: Run) -> None:
        losses = self._losses
        losses.append(trainer.batch_loss)  # type: ignore[arg-type]  # None only before the first step
        self._rates.append(float(trainer.optimizer.learning_rate))
        if self._before is not None:
            self._compare(trainer)
            if self._folder is not None and self.record is not None:
                self._folder.update(self.record)
        elif self._folder is not None and self.record is not None:
            self._folder.step(self.record)
        if self._gathered is not None:
            self._gather(trainer)
        taken = len(losses) - self._earlier
        if taken <= 2 * PATIENCE or not taken % PATIENCE:
            self._judge(trainer)

    def on_epoch_end(self, trainer: Run) -> None:
        if self._gathered is not None:
            self._keep_gathered(trainer)
        if self.record is not None:
            seconds = time.perf_counter() - self._started
            self.record.epochs.append({**trainer.values, "steps": len(self._losses), "seconds": seconds})
            if self._folder is not None:
                self._folder.update(self.record)

    def on_train_end(self, trainer: Run) -> None:
        try:
            self._finish(trainer)
        finally:
            folder, self._folder = self._folder, None
            if folder is not None:
                folder.end(self.record)

    def verdicts(self, trainer: Run) -> Verdicts:
        """What is wrong with the run so far, between two steps; the run stays the same to the bit.

        Parameters
        ----------
        trainer : Trainer
            The run.

        Returns
        -------
        Verdicts
            As of `diagnose`; empty before the first step.
        """
        from .diagnosis import of_record  # here: it reads what a Monitor wrote

        if self.record is None:
            return Verdicts()
        if not self.record.snapshots or self.record.snapshots[-1].step != trainer.step:
            self._snapshot(trainer)
        self._predict(trainer)
        return of_record(self.record)

    def _finish(self, trainer: Run) -> None:
        record = self.record
        if record is None:
            return
        if self._gathered is not None:
            self._keep_gathered(trainer)
        if not record.snapshots or trainer.step != record.snapshots[-1].step:
            self._snapshot(trainer)
        error = trainer.error
        record.ended = {
            "steps": len(self._losses),
            "seconds": time.perf_counter() - self._started,
            "stopped": trainer.stopped,
            "error": None if error is None else f"{type(error).__name__}: {error}",
        }
        self._predict(trainer)
        record.first_weights = surroundings.first_weights(trainer.model)
        record.facts.update(observing.facts_of_batches(self._labels))
        if isinstance(error, FloatingPointError):
            trainer.error = self._explained(trainer, error)
        self._twin = self._probe = self._before = None

    def _predict(self, trainer: Run) -> None:
        """Keep what the model puts out for the rows at the end."""
        assert self.record is not None
        if self._twin is None:
            return
        try:
            if not self._twin.follows(trainer.model):
                self._twin = Twin(trainer.model, trainer.loss)
            for part in (self.record.train, self.record.validation):
                if part is not None:
                    part.outputs = self._twin.outputs(trainer.model, part.x)
        except Exception as cause:
            self._give_up(cause)

    def _give_up(self, cause: Exception) -> None:
        """Go on without the layers: a layer or loss of the user's own does not take the rows that are measured."""
        assert self.record is not None
        self.record.settings["unwatched"] = f"{type(cause).__name__}: {cause}"
        self._twin = self._before = None

    def _explained(self, trainer: Run, error: FloatingPointError) -> FloatingPointError:
        """The error, with the layer where it began and the likely cause."""
        from .diagnosis import of_record  # here: it reads what a Monitor wrote

        assert self.record is not None
        where = ""
        if self._twin is not None and trainer.samples is not None and not trainer.model.context.group.size > 1:
            try:
                layer = self._twin.lost(trainer.model, trainer.samples.x)
            except Exception as cause:
                self._give_up(cause)
                layer = ""
            where = f"; outputs of {layer} are the first that are not finite" if layer else ""
        found = next((verdict for verdict in of_record(self.record) if verdict.severity != "info"), None)
        likely = f". Likely cause: {found.name}: {found.evidence}. {found.cure}" if found is not None else ""
        explained = FloatingPointError(f"{error}{where}{likely}").with_traceback(error.__traceback__)
        explained.__cause__ = error.__cause__
        return explained

    def _begin(self, trainer: Run, samples: Samples) -> None:
        self._look(trainer, samples)
        if self._folder is not None and self.record is not None:
            self._folder.begin(self.record, trainer.step if trainer.resumed else None)
            self._earlier = len(self.record.losses)

    def _look(self, trainer: Run, samples: Samples) -> None:
        model = trainer.model
        self.record = record = observing.begun(trainer, samples)
        self._losses, self._rates = record.losses, record.rates
        previous = _LAST.get(model)
        whole = previous is not None and not (previous.ended.get("stopped") or previous.ended.get("error"))
        if previous is not None and whole and model.epoch and observing.continues(record, previous):
            observing.join(record, previous)
            self._earlier = len(record.losses)
        _LAST[model] = record
        trainer.history.record = record
        record.environment = surroundings.environment()
        record.settings.update(surroundings.names(model))
        try:
            self._twin = Twin(model, trainer.loss)
        except Exception as cause:  # of a custom layer that cannot be copied
            self._give_up(cause)
            return
        if hasattr(trainer.source, "samples"):
            record.train = _part(samples, model, trainer.source)
            record.train.raw = observing.before_preprocessing(model, record.train.x)
            record.facts.update(observing.of_augmentation(trainer.source, samples, record))
        else:
            self._gathered = []
        if trainer.held_out is not None:
            record.validation = _part(trainer.held_out, model)
        self._probe = _probe(samples, model, trainer.source)

    def _gather(self, trainer: Run) -> None:
        """Keep some samples of each batch of an iterable."""
        assert self._gathered is not None
        x, y, _ = trainer.samples
        size = max(math.prod(x.shape[1:]), 1)
        wanted = min(ROWS, max(NUMBERS // size, 64))
        chosen = arrays.spread(len(x), max(1, wanted // GATHERED))
        self._gathered.append(Samples(np.array(x[chosen]), np.array(y[chosen]), None))
        if len(self._gathered) >= GATHERED:
            self._keep_gathered(trainer)

    def _keep_gathered(self, trainer: Run) -> None:
        """Make the training rows and the probe of what was gathered."""
        assert self.record is not None
        parts, self._gathered = self._gathered, None
        if not parts:
            return
        together = Samples(np.concatenate([part.x for part in parts]), np.concatenate([part.y for part in parts]), None)
        self.record.train = _part(together, trainer.model)
        self._probe = _probe(together, trainer.model)
        observing.learn(self.record, trainer, together)

    def _take(self, trainer: Run) -> None:
        """Measure before this step, and plan the next time."""
        assert self.record is not None
        done = trainer.step - self._first_step
        self._next = trainer.step + (self._every if done >= self._every else min(max(3 * done, 1), self._every - done))
        self._snapshot(trainer)
        if self._twin is not None:
            self._before = trainer.model.parameters.copy()
        if len(self._labels) < 20 and trainer.samples is not None:
            self._labels.append(np.array(trainer.samples.y))
        snapshots = self.record.snapshots
        if len(snapshots) > SNAPSHOTS:
            del snapshots[11:-1:2]
            self._every *= 2

    def _snapshot(self, trainer: Run) -> None:
        if self._twin is None or self.record is None or self._probe is None:
            return
        rate = trainer.optimizer.learning_rate
        try:
            if not self._twin.follows(trainer.model):
                self._twin = Twin(trainer.model, trainer.loss)
            self.record.snapshots.append(self._twin.snapshot(trainer.model, self._probe, rate, trainer.penalty))
        except Exception as cause:
            self._give_up(cause)

    def _compare(self, trainer: Run) -> None:
        """Set the update ratios of the last snapshot."""
        assert self.record is not None
        before, self._before = self._before, None
        snapshots = self.record.snapshots
        if snapshots and before is not None and before.shape == trainer.model.parameters.shape:
            with np.errstate(all="ignore"):
                observing.set_ratios(snapshots[-1], trainer.model, before)

    def _judge(self, trainer: Run) -> None:
        """Stop a run whose loss is far above the first."""
        assert self.record is not None
        if not self.stop or not self.record.snapshots:
            return
        losses = self._losses[self._earlier :]
        if self._limit == math.inf:
            self._limit = FACTOR * max(observing.first_loss(self.record), losses[0])
        recent = losses[-PATIENCE:]
        if len(recent) < PATIENCE:
            return
        level = min(sum(recent) / PATIENCE, float(np.median(recent)))
        if level > self._limit > 0:
            reason = (
                f"the loss of the last {PATIENCE} steps is {level:.4g}, over {FACTOR:g} times the first "
                f"({self._limit / FACTOR:.4g}), at step {trainer.step}"
            )
            trainer.stop(reason)
            checks.warn(f"{reason}; print(pynn.diagnose(model)) says what is wrong, Monitor(stop=False) goes on")


def _part(samples: Samples, model: Any, source: Any = None) -> Part:
    """The rows that are kept, spread over the data."""
    size = max(math.prod(samples.x.shape[1:]), math.prod(samples.y.shape[1:]), math.prod(model.output_shape), 1)
    places = arrays.spread(len(samples.x), min(max(NUMBERS // size, 16), ROWS))
    x = observing.rows(samples.x, places, model.dtype, source)
    return Part(x, np.array(samples.y[places]), places, len(samples.x))


def _probe(samples: Samples, model: Any, source: Any = None) -> Samples:
    """The rows that snapshots measure, spread over the data."""
    largest = max(math.prod(layer.output_shape) for layer in model.walk())
    places = arrays.spread(len(samples.x), min(PROBE, max(OUTPUTS // max(largest, 1), 2)))
    weights = None if samples.weights is None else samples.weights[places]
    return Samples(observing.rows(samples.x, places, model.dtype, source), np.array(samples.y[places]), weights)
