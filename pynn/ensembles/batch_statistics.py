"""Re-estimating the running statistics of batch normalization over samples."""

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

    For parameters that were not reached by training steps, such as an average or an interpolation.

    Parameters
    ----------
    model : Sequential
        A built model. A frozen `BatchNorm` keeps its statistics.
    x : array (N, ...)
        Training samples, at least 2; raw if the model has preprocessing.
    batch_size : int, default 1024
        At least 2; the larger, the more exact.

    Raises
    ------
    RuntimeError
        If the model is not built.
    ValueError
        If the data do not fit; the statistics are unchanged then.

    Notes
    -----
    One pass over x, without dropout and noise. Each layer receives what the layers before it compute with the
    statistics of their batch, so a layer above another `BatchNorm` is exact up to the difference between a batch and
    all of x. Mean and variance (÷ (rows - 1)) are those of all rows, not means over batches.

    References
    ----------
    .. [1] Izmailov et al., "Averaging Weights Leads to Wider Optima and Better Generalization", 2018, section 3.
    """
    expect_instance(model, Sequential, "reestimate_statistics: model")
    if not model.built:
        raise RuntimeError("reestimate_statistics was called on a model that is not built yet: fit it or load it first")
    batches = raw_batches(model, x, batch_size)
    reestimate(model, batches)


def raw_batches(model: Sequential, x: ArrayLike, batch_size: int) -> Iterator[Array]:
    """Batches of raw samples x as input of the layers; x is checked at once."""
    checks.expect_count("", 2, batch_size=batch_size)
    samples = inputs.raw(model, x)
    inputs.accept(model, samples, "x")
    if len(samples) < 2 and estimated_layers(model):
        raise ValueError("x has 1 sample, expected at least 2: a single sample has no variance")
    return (inputs.transformed(model, samples[part]) for part in _parts(len(samples), batch_size))


def _parts(count: int, size: int) -> Iterator[slice]:
    """Slices of that size; the last slice includes a single sample that would be left over."""
    for start in range(0, max(count - 1, 1), size):
        yield slice(start, count if count - start <= size + 1 else start + size)


def estimated_layers(model: Trainable) -> list[BatchNorm]:
    """The layers whose statistics are re-estimated."""
    return [layer for layer in model.walk() if isinstance(layer, BatchNorm) and not layer.frozen]


def reestimate(model: Trainable, batches: Iterable[Array]) -> None:
    """Re-estimate from batches of the layers' input; on failure the old statistics are restored."""
    layers = estimated_layers(model)
    if not layers:
        return
    with model.lock:
        saved = [(layer.running_mean.copy(), layer.running_var.copy()) for layer in layers]
        moments = [_Moments(layer) for layer in layers]
        try:
            for moment in moments:
                vars(moment.layer).update(forward=moment.forward, momentum=0.0)
            for batch in batches:
                model.forward(batch)
        except BaseException:
            for layer, (mean, var) in zip(layers, saved, strict=True):
                layer.running_mean[...], layer.running_var[...] = mean, var
            raise
        finally:
            for moment in moments:
                moment.layer.momentum = moment.momentum
                vars(moment.layer).pop("forward", None)
        for moment, (mean, var) in zip(moments, saved, strict=True):
            moment.write(mean, var)


class _Moments:
    """Mean and variance of a layer's inputs over batches, by sums in float64 (Chan et al. 1983)."""

    def __init__(self, layer: BatchNorm) -> None:
        self.layer, self.momentum, self._forward = layer, layer.momentum, layer.forward
        self.rows = 0
        self.mean: Any = 0.0
        self.squares: Any = 0.0  # sum of squared distances from the mean

    def forward(self, x: Array, training: bool) -> Array:
        """The layer's forward with batch statistics; with momentum 0 these end up in the running statistics."""
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
        """Write to the layer; mean and var if it has seen no rows, as in a block that is skipped."""
        self.layer.running_mean[...] = self.mean if self.rows else mean
        self.layer.running_var[...] = self.squares / (self.rows - 1) if self.rows else var
