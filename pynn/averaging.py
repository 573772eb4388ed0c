"""Polyak averaging: the mean of a run's parameters in their place; statistics of batch normalization anew for it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING, Any, cast

import numpy as np
from numpy.typing import ArrayLike, NDArray

from . import data, inputs, kernels
from .callbacks.base import Callback
from .callbacks.stopping import EarlyStopping
from .checks import RATE, expect_count, expect_numbers
from .describe import expect_instance, expect_keys
from .layers.batchnorm import BatchNorm
from .memory import expect_array
from .sequential import Sequential
from .sources import Batches

if TYPE_CHECKING:
    from .sources import Trainable
    from .trainer import Trainer

Array = NDArray[Any]


def reestimate_statistics(model: Sequential, x: ArrayLike, batch_size: int = 1024) -> None:
    """Set the running statistics of each `BatchNorm` to the mean and variance of its inputs over the samples x.

    For parameters that were not trained by steps: an average, an interpolation. x (N, ...), N at least 2: training
    samples, raw where the model has preprocessing. One pass over x: dropout and other noise are off, as in `predict`;
    each layer gets what those before it make with their batch's own statistics, so that a layer above another one is
    exact up to how a batch differs from all of x. Within that mean and variance (÷ (rows - 1)) are those of all rows,
    not a mean over batches. batch_size: at least 2 (default 1024); the larger, the more exact.
    A frozen `BatchNorm` keeps its statistics. Does nothing to a model without batch normalization.
    Raises RuntimeError for a model that is not built, ValueError or TypeError for data it cannot take; then the
    statistics are as before. Source: Izmailov et al. 2018, "Averaging Weights Leads to Wider Optima", section 3.
    """
    expect_instance(model, Sequential, "reestimate_statistics: model")
    if not model.built:
        raise RuntimeError("reestimate_statistics was called on a model that is not built yet: fit it or load it first")
    batches = _batches(model, x, batch_size)
    _reestimate(model, batches)


def _batches(model: Sequential, x: ArrayLike, batch_size: int) -> Iterator[Array]:
    """Batches of raw samples x, which are checked at once, as the model's layers take them."""
    data.check_count("batch_size", batch_size, 2)
    samples = inputs.raw(model, x)
    inputs.accept(model, samples, "x")
    if len(samples) < 2 and _estimated(model):
        raise ValueError("x has 1 sample, expected at least 2: one has no variance")
    return (inputs.transformed(model, samples[part]) for part in _parts(len(samples), batch_size))


def _parts(count: int, size: int) -> Iterator[slice]:
    """Parts of that size; the last one takes a single sample that would be left, too."""
    for start in range(0, max(count - 1, 1), size):
        yield slice(start, count if count - start <= size + 1 else start + size)


def _estimated(model: Trainable) -> list[BatchNorm]:
    """The layers whose statistics follow the data."""
    return [layer for layer in model.walk() if isinstance(layer, BatchNorm) and not layer.frozen]


def _reestimate(model: Trainable, batches: Iterable[Array]) -> None:
    """The same for batches as the model's layers take them; the old statistics come back where it fails."""
    layers = _estimated(model)
    if not layers:
        return
    with model.lock:
        kept = [(layer.running_mean.copy(), layer.running_var.copy()) for layer in layers]
        moments = [_Moments(layer) for layer in layers]
        try:
            for one in moments:
                vars(one.layer).update(forward=one.forward, momentum=0.0)
            for batch in batches:
                model.forward(batch)
        except BaseException:
            for layer, (mean, var) in zip(layers, kept, strict=True):
                layer.running_mean[...], layer.running_var[...] = mean, var
            raise
        finally:
            for one in moments:
                one.layer.momentum = one.momentum
                vars(one.layer).pop("forward", None)
        for one, (mean, var) in zip(moments, kept, strict=True):
            one.write(mean, var)


class _Moments:
    """Mean and variance of a layer's inputs over batches, by sums in float64 (Chan et al. 1983)."""

    def __init__(self, layer: BatchNorm) -> None:
        self.layer, self.momentum, self._forward = layer, layer.momentum, layer.forward
        self.rows = 0
        self.mean: Any = 0.0
        self.squares: Any = 0.0  # of distances from the mean, summed

    def forward(self, x: Array, training: bool) -> Array:
        """The layer's with the batch's statistics; with a momentum of 0 they are what is left in the running ones."""
        self.layer.running_mean[...] = self.layer.running_var[...] = 0
        y = self._forward(x, True)
        rows = x.size // x.shape[-1]
        away = self.layer.running_mean.astype(np.float64) - self.mean
        total = self.rows + rows
        self.mean = self.mean + away * (rows / total)
        self.squares = self.squares + self.layer.running_var.astype(np.float64) * (rows - 1)
        self.squares = self.squares + away**2 * (self.rows * rows / total)
        self.rows = total
        return y

    def write(self, mean: Array, var: Array) -> None:
        """Into the layer; mean and var where no row came by, as in a block that is left out."""
        self.layer.running_mean[...] = self.mean if self.rows else mean
        self.layer.running_var[...] = self.squares / (self.rows - 1) if self.rows else var


class PolyakAverage(Callback):
    """An average a of the parameters w over the steps of a run, which the model has in the end in their place.

    decay: 0 <= decay < 1 (default 0.999): the exponential average a_t = Σ_i decay^(t-i) w_i / Σ_i decay^(t-i), which
    leans on no start value (bias correction). None: the uniform one, (1/t) Σ_i w_i. start: so many epochs of the run
    are left out (default 0). every: steps of the model between two that count (default 1).

    >>> average = pynn.PolyakAverage(decay=None, start=5)              # as in "stochastic weight averaging"
    >>> model.fit(x, y, epochs=10, callbacks=[average])
    >>> average.swap(model)                                            # the parameters of the last step again

    Training goes on undisturbed: what an epoch measures is that of the parameters w, unless validation is a function
    that uses `applied`. At the end of the run the statistics of batch normalization are re-estimated in one more pass
    over its batches (see `reestimate_statistics`); constraints are applied. What is frozen stays as it is. A later run
    begins a new average, with the parameters that the model has then. Where an error or Ctrl-C ended the run, the model
    keeps w, also where `TerminateOnNaN` took the error away, and `swap` puts the average in. A run that is resumed from
    a checkpoint ends with the same bits.
    steps: how many are in the average. It costs one more vector and a pass over it a step, by the kernel `polyak_step`.
    Raises ValueError for other settings, for a run that has no epoch after `start`, beside `EarlyStopping` that
    restores the best epoch (both would have the last word), and for a model with batch normalization that learns from
    an iterator, which cannot be gone through again. Source: Polyak & Juditsky 1992; Izmailov et al. 2018.
    """

    def __init__(self, decay: float | None = 0.999, *, start: int = 0, every: int = 1) -> None:
        if decay is not None:
            expect_numbers("PolyakAverage", RATE, ", or None for the plain mean", decay=decay)
        expect_count("PolyakAverage", 0, start=start)
        expect_count("PolyakAverage", 1, every=every)
        self.decay, self.start, self.every = decay, start, every
        self._begin()

    def _begin(self) -> None:
        self.steps = 0
        self._held: Array | None = None  # the average; while that is in the model, the model's own parameters
        self._statistics: list[Array] | None = None  # that go with what is held; None: not known
        self._inside = False  # whether the model has the average
        self._run: Trainer | None = None

    @property
    def average(self) -> Array:
        """The average (P,), in the order of `model.parameters`, read only; RuntimeError before the first step."""
        if self._inside:
            raise RuntimeError("PolyakAverage: the average is in the model now: model.parameters")
        view: Array = self._expect_average().view()
        view.flags.writeable = False
        return view

    def on_train_begin(self, trainer: Trainer) -> None:
        if self.start >= trainer.epochs > 0:
            raise ValueError(
                f"PolyakAverage: start is {self.start}, but the run has {trainer.epochs} epochs: nothing is averaged"
            )
        if any(isinstance(one, EarlyStopping) and one.restore_best for one in trainer.callbacks):
            raise ValueError(
                "PolyakAverage and EarlyStopping would both put parameters into the model at the end: "
                "pass EarlyStopping(..., restore_best=False)"
            )
        once = isinstance(trainer.source, Batches) and isinstance(trainer.source.source, Iterator)
        if once and _estimated(trainer.model):
            raise ValueError(
                "PolyakAverage re-estimates the statistics of batch normalization over the batches once more, which "
                "an iterator does not allow; pass a list or an object whose __iter__ starts anew"
            )
        if not trainer.resumed:
            self._begin()
        self._run = trainer

    def on_step_end(self, trainer: Trainer) -> None:
        if trainer.epoch - trainer.first_epoch < self.start or trainer.step % self.every:
            return
        if self._inside:
            raise RuntimeError("PolyakAverage: the average is in the model; swap it out before the next step")
        parameters = trainer.model.parameters
        if self._held is None:
            self._held = np.zeros_like(parameters)
        self.steps += 1
        self._statistics = None
        kernels.polyak_step(self._held, parameters, 1 - self._taken(self.steps))

    def _taken(self, step: int) -> float:
        """The newest parameters' share of the average; 1 of the first ones."""
        if self.decay is None:
            return 1 / step
        return (1 - self.decay) / (1 - self.decay**step)

    def on_train_end(self, trainer: Trainer) -> None:
        if trainer.error is None and trainer.whole and self.steps and not self._inside:
            self._exchange(cast(Sequential, trainer.model), None)
        self._run = None

    def swap(self, model: Sequential, x: ArrayLike | None = None, batch_size: int = 1024) -> None:
        """Exchange the model's parameters with the average, and back with the next call; statistics go along.

        x: training samples for `reestimate_statistics`, which a model with batch normalization needs where the average
        was not in it since it changed; None (default) where they are known, and in a run, whose batches are taken.
        batch_size: default 1024. Raises RuntimeError before the first step that counts, ValueError for another model.
        """
        expect_instance(model, Sequential, "PolyakAverage: model")
        if not model.built or model.parameters.shape != self._expect_average().shape:
            raise ValueError("PolyakAverage: the model has other parameters than the model that was averaged")
        if self._statistics is None and x is None and self._run is None and _estimated(model):
            raise ValueError("the model has batch normalization, whose statistics go with its parameters: pass x")
        self._exchange(model, None if x is None else _batches(model, x, batch_size))

    @contextmanager
    def applied(self, model: Sequential, x: ArrayLike | None = None, batch_size: int = 1024) -> Iterator[Sequential]:
        """A context in which the model has the average, after which it is as before: to measure or save it meanwhile.

        x, batch_size (default 1024) as in `swap`.

        >>> def validate(model):                       # fit(..., validation=validate): the average is measured, not w
        ...     with average.applied(model):
        ...         return model.evaluate(x_val, y_val)
        """
        if self._inside:
            yield model
            return
        self.swap(model, x, batch_size)
        try:
            yield model
        finally:
            self._exchange(model, None)

    def _exchange(self, model: Sequential, batches: Iterable[Array] | None) -> None:
        held, known = self._expect_average(), self._statistics
        with model.lock:
            parameters, statistics = model.parameters.copy(), [array.copy() for array in _arrays(model)]
            try:
                for segment in model.segments():
                    if not segment.frozen:
                        place = slice(segment.start, segment.stop)
                        model.parameters[place] = held[place]
                if known is None:
                    model.constrain()
                    self._estimate(model, batches)
                else:
                    _write(_arrays(model), known)
            except BaseException:
                model.parameters[...] = parameters
                _write(_arrays(model), statistics)
                raise
        self._held, self._statistics, self._inside = parameters, statistics, not self._inside

    def _estimate(self, model: Sequential, batches: Iterable[Array] | None) -> None:
        """The statistics of the average, from these batches or else from those of the run."""
        if batches is not None:
            _reestimate(model, batches)
        elif self._run is not None and _estimated(model):
            with closing(self._run.source.epoch(self._run.first_epoch)) as found:  # whenever it is: the same bits
                _reestimate(model, (x for x, *_ in found))

    def _expect_average(self) -> Array:
        if self._held is None:
            raise RuntimeError("PolyakAverage: there is no average yet: it comes with the first step that counts")
        return self._held

    def state(self) -> dict[str, Any]:
        return {"steps": self.steps, "average": self._held}

    def _expect(self, state: dict[str, Any], model: Trainable) -> None:
        expect_keys("PolyakAverage", state, ("steps", "average"), ())
        expect_count("PolyakAverage", 0 if state["average"] is None else 1, steps=state["steps"])
        if state["average"] is not None or state["steps"]:
            expect_array("PolyakAverage: the average", state["average"], model.parameters)

    def restore(self, state: dict[str, Any]) -> None:
        self._begin()
        self.steps = state["steps"]
        self._held = None if state["average"] is None else np.array(state["average"])


def _arrays(model: Trainable) -> list[Array]:
    """The running statistics that are re-estimated."""
    return [array for layer in _estimated(model) for array in (layer.running_mean, layer.running_var)]


def _write(arrays: Sequence[Array], values: Sequence[Array]) -> None:
    for array, value in zip(arrays, values, strict=True):
        array[...] = value
