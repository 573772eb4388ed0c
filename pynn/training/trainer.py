"""Trainer: one training run, the loop that `fit` builds and callbacks read. Knows no arrays and no files."""

from __future__ import annotations

import math
import signal
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from types import FrameType

from .. import checks
from ..callbacks.base import Callback, hooks
from ..data.batches import Samples
from ..locks import Claim
from ..regularizers import Penalty
from .accumulation import Accumulation
from .ended import warn_of_ended
from .history import History
from .measures import Measures, Running, hits, in_units, lost, total, warn_of_statistics_of_the_start
from .sources import Source
from .trainable import Trainable


class Trainer:
    """One run of training: `fit` makes and runs it, and callbacks receive it.

    Parameters
    ----------
    model : Sequential
        Built or not, with its loss and optimizer.
    source : Source
        Where the batches come from.
    epochs : int
        Number of planned epochs.
    penalty : Penalty, optional
        As in `fit`.
    measures : Measures, optional
        What is measured besides the loss; by default the accuracy.
    validate : callable, optional
        Measures the model after each epoch; returns values by name.
    held_out : Samples, optional
        Validation data as the layers and the loss take them, if they are arrays.
    callbacks : list of Callback, default ()
        Called at each event.

    Attributes
    ----------
    model, loss, optimizer, source, penalty, held_out, epochs
        Of this run.
    samples : Samples or None
        The batch (x, y, weights) of the current step, as the layers and the loss take it; None before the first. The
        next step may overwrite its arrays.
    history : History
        One number per epoch so far.
    first_epoch : int
        The model's epoch when the run began.
    batch : int
        Number of batches done in this epoch.
    batch_loss : float or None
        Loss of the last step, penalties included; None before the first.
    values : dict
        Measurements of the epoch; empty until its end.
    stopped : str or None
        Why the run was stopped.
    error : BaseException or None
        The exception that ended the run.
    resumed : bool
        Whether the run continues from a checkpoint.
    running : Running
        The sums over this epoch.
    started : float
        When this epoch began, by `time.perf_counter`; earlier by what it took before a resumed run was killed.
    spent : float
        Seconds that the last epoch took.
    whole : bool
        False if an error occurred in the middle of a step.
    """

    def __init__(
        self,
        model: Trainable,
        source: Source,
        epochs: int,
        *,
        penalty: Penalty | None = None,
        measures: Measures | None = None,
        validate: Callable[[], dict[str, float]] | None = None,
        held_out: Samples | None = None,
        callbacks: Sequence[Callback] = (),
    ) -> None:
        if model.optimizer is None:
            raise ValueError("model.optimizer is None, expected an optimizer; fit takes care of it")
        self.model, self.loss, self.optimizer = model, model.loss, model.optimizer
        self.source, self.epochs, self.penalty, self.validate = source, epochs, penalty, validate
        self.held_out = held_out
        self.samples: Samples | None = None
        self.callbacks = list(callbacks)
        self.history = History()
        self.first_epoch, self.batch = model.epoch, 0
        self.batch_loss: float | None = None
        self.values: dict[str, float] = {}
        self.stopped: str | None = None
        self.error: BaseException | None = None
        self.resumed = False
        self.whole = True
        self.measures = Measures() if measures is None else measures
        self.running = self._fresh()
        self.started = 0.0
        self.spent = 0.0  # of a resumed run: seconds of this epoch in the process that was killed
        self.group = model.context.group
        called = [callback for callback in self.callbacks if self.group.rank == 0 or not callback.writes]
        self._called = sorted(called, key=lambda callback: not callback.watches)
        self._hooks = hooks(self._called)
        self._warned = False  # of a rate of 0
        self._uncounted = False  # whether this epoch began without a number of batches
        self._halting = False  # the current step is the last one
        self._interrupted = False  # by Ctrl-C
        self._waiting = False  # for a batch or a measurement: nothing is half done, so Ctrl-C may interrupt

    def _fresh(self) -> Running:
        return Running(self.measures.begun(self.loss), self.measures.accuracy)

    @property
    def epoch(self) -> int:
        """Epochs that the model has been trained in total: 0 during the first epoch, 1 at its end."""
        return self.model.epoch

    @property
    def step(self) -> int:
        """Steps that the model has been trained in total."""
        return self.model.context.step

    @property
    def batches(self) -> int | None:
        """Batches per epoch; None in the first epoch of an iterable without a length."""
        return self.source.batches

    def stop(self, reason: str = "a callback stopped it") -> None:
        """End the run after this step, or after this epoch if called at its end.

        An epoch that is stopped early is neither measured nor counted.

        Parameters
        ----------
        reason : str, default "a callback stopped it"
            Text for the user.
        """
        self.stopped = self.history.stopped = reason
        self._halting = True

    def run(self) -> History:
        """Train until the planned epochs are done or the run is stopped.

        Returns
        -------
        History
            The history, also in `model.history`.
        """
        self.group.start(self.model, self.measures.accuracy)
        self.model.history = self.history
        with _all_alone(self), _finishing_steps(self):
            begun: list[Callback] = []
            try:
                self.optimizer.end_schedule()  # forget an epoch that a loop of one's own has set
                self.model.context.epoch = float(self.optimizer.epochs_at(self.model.epoch))
                for callback in self._called:
                    begun.append(callback)
                    callback.on_train_begin(self)
                self._heed_interrupt()
                warn_of_ended(self.model, self.optimizer, self.first_epoch, self.epochs)
                while self.epoch < self.first_epoch + self.epochs and self.stopped is None:
                    with self.model.lock.held():
                        self._run_epoch()
            except BaseException as error:
                self.whole, self.error = self._waiting, error
                self._waiting = self._interrupted = False
                if isinstance(error, KeyboardInterrupt) and not error.args:
                    error.args = (f"training was interrupted after step {self.step}, in epoch {self.epoch + 1}",)
            self.optimizer.end_schedule()
            for callback in reversed(begun):
                self._end(callback)
            self.model.context.epoch = None
        if self._interrupted and self.error is None:  # Ctrl-C came while callbacks wrote their files
            self.error = KeyboardInterrupt("training was interrupted at its end")
        if self.error is not None:
            try:
                raise self.error
            finally:
                self.error = None  # its traceback refers to this frame, in a cycle that would keep the model alive
        return self.history

    def _end(self, callback: Callback) -> None:
        """Call on_train_end, which every callback gets even if others raise errors."""
        try:
            callback.on_train_end(self)
        except BaseException as error:
            error.__context__ = self.error
            self.error = error

    def _tell(self, name: str) -> None:
        for hook in self._hooks[name]:
            hook(self)

    def _heed_interrupt(self) -> None:
        interrupted, self.stopped = self.group.ended(self._interrupted, self.stopped)
        self.history.stopped = self.stopped
        if interrupted:
            self._waiting = True
            raise self.group.raised(KeyboardInterrupt())

    def _run_epoch(self) -> None:
        self.values, self.started = {}, time.perf_counter() - self.spent
        self._tell("on_epoch_begin")
        complete = self._train_epoch()
        self.spent = time.perf_counter() - self.started
        self.group.end_epoch(self.model)
        if (error := lost(self.model, self.optimizer.learning_rate)) is not None:
            raise self.group.raised(error)
        warn_of_statistics_of_the_start(self.model)
        self._heed_interrupt()
        if complete:
            self._close_epoch()
            self._tell("on_epoch_end")
            self._heed_interrupt()

    def _warn_of_a_rate_of_0(self) -> None:
        """Once per run: an epoch at a rate of 0 trains nothing, though a cycle or a warm-up may begin there."""
        optimizer = self.optimizer
        if optimizer.schedule is None or optimizer.learning_rate or self._warned:
            return
        begun = optimizer.epochs_at(self.model.epoch)
        if begun and optimizer.schedule._ended(begun):
            why = "has ended; its epochs count from the optimizer's first run. Give the optimizer a longer or a new one"
        elif self._uncounted and self.batch > 1:
            why = "starts at 0 and stays there while the number of batches is unknown; pass an iterable with a length"
        else:
            return
        self._warned = True
        checks.warn(f"the learning rate was 0 in all of epoch {self.epoch + 1}: {optimizer.schedule!r} {why}")

    def _begin_step(self) -> None:
        """Set the epoch, which the schedules of optimizer and layers follow, and call on_step_begin."""
        optimizer, share = self.optimizer, min(self.batch / (self.source.batches or math.inf), 1.0)
        self.model.context.epoch = epoch = optimizer.epochs_at(self.model.epoch) + share
        if optimizer.scheduled:
            optimizer.set_epoch(epoch)
        for hook in self._hooks["on_step_begin"]:
            hook(self)

    def _train_epoch(self) -> bool:
        """Train on the remaining batches; return whether all were taken."""
        if self.optimizer.first_epoch is None:
            self.optimizer.first_epoch = self.model.epoch
        self._uncounted = self.source.batches is None
        with closing(self.group.batches(self.source, self.model.epoch, self.batch)) as batches:
            complete = self._take_steps(batches) if self.source.accumulate == 1 else self._take_steps_in_parts(batches)
        if self.running.count == 0:
            raise ValueError("the iterable gave no batches; an exhausted iterator cannot be used again in every epoch")
        return complete

    def _take_steps(self, batches: Iterable[Samples]) -> bool:
        """One step per batch; return whether all batches were taken."""
        model, loss, optimizer, penalty, running = self.model, self.loss, self.optimizer, self.penalty, self.running
        counted, metrics, group = self.measures.accuracy, running.metrics, self.group
        ending, lock = self._hooks["on_step_end"], model.lock
        self._waiting = True
        for samples in batches:
            self._waiting = False
            self.samples = samples
            x, y, weights = samples
            self._begin_step()
            lock.begin()
            value = model.train_step(x, y, loss, optimizer, penalty, weights)
            lock.end()
            self.batch_loss = value
            totals = group.totals  # several processes count together: a part of the batch may have no samples
            if totals is None:
                right = hits(loss, model.outputs, y, weights) if counted else None
                totals = right, len(x), None if weights is None else total(weights)
            running.add(value, *totals, model.penalty_value)
            if metrics:
                outputs, y, weights = group.whole_batch(model, y, weights)
                running.add_to_metrics(*in_units(model, outputs, y), weights)
            self.batch += 1
            for hook in ending:
                hook(self)
            if group.any(self._halting):
                return self.batch == self.source.batches
            self._waiting = True
        self._waiting = False
        return True

    def _take_steps_in_parts(self, batches: Iterable[Samples]) -> bool:
        """One step per `accumulate` batches, the last one for the rest; return whether all were taken."""
        model, parts = self.model, Accumulation(self.model, self.loss, self.optimizer, self.penalty)
        done: list[tuple[float, float | None, int, float | None]] = []
        self._waiting = True
        for samples in batches:
            self._waiting = False  # until the step is done: a run cannot be resumed in half of one
            self.samples = samples
            x, y, weights = samples
            if not done:
                self._begin_step()
            model.lock.begin()
            value = parts.add(x, y, weights)
            model.lock.end()  # until the next batch comes, the model is as before the step
            right = hits(self.loss, model.outputs, y, weights) if self.measures.accuracy else None
            done.append((value, right, len(x), total(weights)))
            self.running.add_to_metrics(*in_units(model, model.outputs, y), weights)
            if len(done) == self.source.accumulate:
                self._end_parts(parts, done)
                if self._halting:
                    return self.batch == self.source.batches
                self._waiting = True
        self._waiting = False
        if done:
            self._end_parts(parts, done)
        return True

    def _end_parts(self, parts: Accumulation, done: list[tuple[float, float | None, int, float | None]]) -> None:
        """Take the step of these batches, and record them."""
        self.model.lock.begin()
        penalty = parts.step()
        self.model.lock.end()
        extra = penalty or 0.0
        self.batch_loss = extra + sum(one[0] * one[2] for one in done) / sum(one[2] for one in done)
        for value, right, count, weight in done:
            self.running.add(value + extra, right, count, weight, penalty)
        self.batch += len(done)
        done.clear()
        self._tell("on_step_end")

    def _close_epoch(self) -> None:
        """Measure, count and record an epoch whose batches are done."""
        values = self.running.means()
        if self.validate is not None:
            self._waiting = True
            values.update(self.validate())
            self._waiting = False
        values["learning_rate"] = self.optimizer.learning_rate
        self._warn_of_a_rate_of_0()
        values["samples_per_second"] = self.running.count / max(self.spent, 1e-9)
        self.values = values = self.group.of_first(values)
        self.history.append(values)
        self.model.epoch += 1
        self.batch, self.running, self.spent = 0, self._fresh(), 0.0
        if self.optimizer.schedule is not None:
            self.optimizer.schedule.observe(values)


@contextmanager
def _all_alone(trainer: Trainer) -> Iterator[None]:
    """Claim what keeps the state of one run, for a thread at a time: a custom loss, callbacks with memory or files."""
    held = [
        callback
        for callback in trainer.callbacks
        if callback.writes or callback.watches or type(callback).state is not Callback.state
    ]
    with ExitStack() as stack:
        stack.enter_context(trainer.loss.used(trainer.model))
        for callback in held:
            kind = type(callback).__name__
            refusal = f"this {kind} is in use by a run in another thread, whose state it holds; give each run its own"
            stack.enter_context(vars(callback).setdefault("_claim", Claim(refusal)).use())
        yield


@contextmanager
def _finishing_steps(trainer: Trainer) -> Iterator[None]:
    """Let Ctrl-C wait for the end of the current step; a second one does not wait.

    No effect outside the main thread, or if the signal already has another handler.
    """
    ours = threading.current_thread() is threading.main_thread()
    if not ours or signal.getsignal(signal.SIGINT) is not signal.default_int_handler:
        yield
        return

    def interrupt(number: int, frame: FrameType | None) -> None:
        if (trainer._waiting and trainer.group.size == 1) or trainer._interrupted:
            raise KeyboardInterrupt
        trainer._interrupted = trainer._halting = True

    signal.signal(signal.SIGINT, interrupt)
    try:
        yield
    finally:
        if signal.getsignal(signal.SIGINT) is interrupt:  # else a callback has installed its own handler
            signal.signal(signal.SIGINT, signal.default_int_handler)
