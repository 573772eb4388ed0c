"""Polyak averaging: replace the parameters by their mean over a run, and re-estimate batch normalization for it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike

from .. import kernels
from ..callbacks.base import Callback, Run
from ..callbacks.stopping import EarlyStopping
from ..checks import RATE, Count, OrNone, expect_count, expect_instance
from ..models.sequential import Sequential
from ..saving.config import expect_keys
from ..saving.state import expect_array
from ..signatures import takes
from ..training.sources import Batches
from ..typing import Array
from .batch_statistics import estimated_layers, raw_batches, reestimate

if TYPE_CHECKING:
    from ..training.trainable import Trainable


class PolyakAverage(Callback):
    """Average the parameters w over the steps of a run, and put the average into the model at the end.

    Parameters
    ----------
    decay : float or None, default 0.999
        0 <= decay < 1: the exponential average a_t = Σ_i decay^(t-i) w_i / Σ_i decay^(t-i), which does not depend on a
        start value (bias correction). None: the plain mean, (1/t) Σ_i w_i.
    start : int, default 0
        Number of epochs of the run to leave out first.
    every : int, default 1
        Average only every this many steps.

    Attributes
    ----------
    steps : int
        Number of steps in the average.

    Raises
    ------
    ValueError
        For settings out of range; for a run without an epoch after `start`; together with an `EarlyStopping` that
        restores the best epoch (both set the final parameters); and for a model with batch normalization that learns
        from an iterator, which cannot be restarted.

    Notes
    -----
    Training is not affected: measurements of an epoch use w, unless validation is a function that uses `applied`. At
    the end of the run the statistics of batch normalization are re-estimated in one more pass over its batches (see
    `reestimate_statistics`), and constraints are applied. Frozen parameters stay. A later run begins a new average. If
    an error or Ctrl-C ended the run, the model keeps w, also if `TerminateOnNaN` suppressed the error; `swap` puts the
    average in. A run resumed from a checkpoint ends with the same bits. The cost is one more vector, and one pass over
    it per step, by the kernel `polyak_step`.

    References
    ----------
    .. [1] Polyak & Juditsky, "Acceleration of Stochastic Approximation by Averaging", 1992.
    .. [2] Izmailov et al., "Averaging Weights Leads to Wider Optima and Better Generalization", 2018.

    Examples
    --------
    >>> average = pynn.PolyakAverage(decay=None, start=5)  # "stochastic weight averaging"
    >>> model.fit(x, y, epochs=10, callbacks=[average])
    >>> average.swap(model)  # back to the parameters of the last step
    """

    _takes = takes(decay=OrNone(RATE.with_hint(", or None for the plain mean")), start=Count(0), every=Count(1))

    def __init__(self, decay: float | None = 0.999, *, start: int = 0, every: int = 1) -> None:
        self.decay, self.start, self.every = decay, start, every
        self._begin()

    def _begin(self) -> None:
        self.steps = 0
        self._stored: Array | None = None  # the average or, while that is in the model, the model's parameters
        self._statistics: list[Array] | None = None  # those that belong to _stored; None: not known
        self._inside = False  # whether the average is in the model
        self._run: Run | None = None

    @property
    def average(self) -> Array:
        """The average (P,), in the order of `model.parameters`, read only; RuntimeError before the first step."""
        if self._inside:
            raise RuntimeError("PolyakAverage: the average is in the model now: model.parameters")
        view: Array = self._expect_average().view()
        view.flags.writeable = False
        return view

    def on_train_begin(self, trainer: Run) -> None:
        if self.start >= trainer.epochs > 0:
            raise ValueError(
                f"PolyakAverage: start is {self.start}, but the run has {trainer.epochs} epochs: nothing is averaged"
            )
        if any(isinstance(callback, EarlyStopping) and callback.restore_best for callback in trainer.callbacks):
            raise ValueError(
                "PolyakAverage and EarlyStopping would both put parameters into the model at the end: "
                "pass EarlyStopping(..., restore_best=False)"
            )
        once = isinstance(trainer.source, Batches) and isinstance(trainer.source.source, Iterator)
        if once and estimated_layers(trainer.model):
            raise ValueError(
                "PolyakAverage re-estimates the statistics of batch normalization in another pass over the batches, "
                "which an iterator does not allow; pass a list or an object whose __iter__ restarts"
            )
        if not trainer.resumed:
            self._begin()
        self._run = trainer

    def on_step_end(self, trainer: Run) -> None:
        if trainer.epoch - trainer.first_epoch < self.start or trainer.step % self.every:
            return
        if self._inside:
            raise RuntimeError("PolyakAverage: the average is in the model; swap it out before the next step")
        parameters = trainer.model.parameters
        if self._stored is None:
            self._stored = np.zeros_like(parameters)
        self.steps += 1
        self._statistics = None
        kernels.polyak_step(self._stored, parameters, 1 - self._weight(self.steps))

    def _weight(self, step: int) -> float:
        """Weight of the newest parameters in the average; 1 for the first ones."""
        if self.decay is None:
            return 1 / step
        return (1 - self.decay) / (1 - self.decay**step)

    def on_train_end(self, trainer: Run) -> None:
        if trainer.error is None and trainer.whole and self.steps and not self._inside:
            self._exchange(trainer.model, None)
        self._run = None

    def swap(self, model: Sequential, x: ArrayLike | None = None, batch_size: int = 1024) -> None:
        """Exchange the model's parameters and statistics with those of the average; the next call exchanges them back.

        Parameters
        ----------
        model : Sequential
            The model that was averaged.
        x : array (N, ...), optional
            Training samples for `reestimate_statistics`, needed by a model with batch normalization if the average has
            changed since it was last in the model; not needed during a run, whose batches are used.
        batch_size : int, default 1024
            As for `reestimate_statistics`.

        Raises
        ------
        RuntimeError
            Before the first averaged step.
        ValueError
            For a different model, or if x is missing.
        """
        expect_instance(model, Sequential, "PolyakAverage: model")
        if not model.built or model.parameters.shape != self._expect_average().shape:
            raise ValueError("PolyakAverage: the model has other parameters than the model that was averaged")
        if self._statistics is None and x is None and self._run is None and estimated_layers(model):
            raise ValueError("the model has batch normalization, whose statistics depend on its parameters: pass x")
        self._exchange(model, None if x is None else raw_batches(model, x, batch_size))

    @contextmanager
    def applied(self, model: Sequential, x: ArrayLike | None = None, batch_size: int = 1024) -> Iterator[Sequential]:
        """Put the average into the model within this context, to measure or save it; afterwards the model is as before.

        Parameters
        ----------
        model : Sequential
            The model that was averaged.
        x : array (N, ...), optional
            As for `swap`.
        batch_size : int, default 1024
            As for `swap`.

        Yields
        ------
        Sequential
            The model.

        Examples
        --------
        >>> def validate(model):  # fit(..., validation=validate) measures the average, not w
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
        stored, known = self._expect_average(), self._statistics
        with model.lock:
            parameters, statistics = model.parameters.copy(), [array.copy() for array in _arrays(model)]
            try:
                for segment in model.segments():
                    if not segment.frozen:
                        place = slice(segment.start, segment.stop)
                        model.parameters[place] = stored[place]
                if known is None:
                    model.constrain()
                    self._estimate(model, batches)
                else:
                    _write(_arrays(model), known)
            except BaseException:
                model.parameters[...] = parameters
                _write(_arrays(model), statistics)
                raise
        self._stored, self._statistics, self._inside = parameters, statistics, not self._inside

    def _estimate(self, model: Sequential, batches: Iterable[Array] | None) -> None:
        """Re-estimate the statistics from these batches, or else from those of the run."""
        if batches is not None:
            reestimate(model, batches)
        elif self._run is not None and estimated_layers(model):
            with closing(self._run.source.epoch(self._run.first_epoch)) as batches_of_run:  # fixed epoch, fixed bits
                reestimate(model, (x for x, *_ in batches_of_run))

    def _expect_average(self) -> Array:
        if self._stored is None:
            raise RuntimeError("PolyakAverage: there is no average yet; it starts with the first averaged step")
        return self._stored

    def state(self) -> dict[str, Any]:
        return {"steps": self.steps, "average": self._stored}

    def _expect(self, state: dict[str, Any], model: Trainable) -> None:
        expect_keys("PolyakAverage", state, ("steps", "average"), ())
        expect_count("PolyakAverage", 0 if state["average"] is None else 1, steps=state["steps"])
        if state["average"] is not None or state["steps"]:
            expect_array("PolyakAverage: the average", state["average"], model.parameters)

    def restore(self, state: dict[str, Any]) -> None:
        self._begin()
        self.steps = state["steps"]
        self._stored = None if state["average"] is None else np.array(state["average"])


def _arrays(model: Trainable) -> list[Array]:
    """The running statistics that are re-estimated."""
    return [array for layer in estimated_layers(model) for array in (layer.running_mean, layer.running_var)]


def _write(arrays: Sequence[Array], values: Sequence[Array]) -> None:
    for array, value in zip(arrays, values, strict=True):
        array[...] = value
