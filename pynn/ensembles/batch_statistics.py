"""Running statistics of batch normalization, measured anew over samples."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike

from .. import checks
from ..checks import expect_instance
from ..layers.batchnorm import BatchNorm
from ..models.sequential import Sequential
from ..training import inputs
from ..typing import Array

if TYPE_CHECKING:
    from ..training.trainable import Trainable


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
    checks.check_count("batch_size", batch_size, 2)
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
