"""A training step of several batches: their gradients put together, each by its share of the samples."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from . import measuring, regularizers
from .losses import Loss
from .optimizers import Optimizer
from .regularizers import Penalty
from .sources import Trainable

Array = NDArray[Any]


class Accumulation:
    """Gathers the gradients of batches until `step` moves the parameters by the mean over all their samples."""

    def __init__(self, model: Trainable, loss: Loss, optimizer: Optimizer, penalty: Penalty | None) -> None:
        self.model, self.loss, self.optimizer, self.penalty = model, loss, optimizer, penalty
        self.samples = 0
        self._sum: Array | None = None  # of gradients times their samples
        self._statistics: list[Array] = []  # running ones, before the step

    def add(self, x: Array, y: Array, weights: Array | None) -> float:
        """Forward and backward on one batch; returns its loss. FloatingPointError where that is no number."""
        model = self.model
        if not self.samples:
            self._statistics = [array.copy() for array in model.statistics()]
        try:
            value = model.loss_of(x, y, self.loss, weights)
            if not math.isfinite(value):
                raise measuring.diverged(model, value, self.optimizer.learning_rate, x, y)
        except BaseException:
            for array, before in zip(model.statistics(), self._statistics, strict=True):
                array[...] = before
            raise
        model.backward(self.loss.backward())
        model.gradients[...] *= len(x)
        if self._sum is None:
            self._sum = np.zeros_like(model.gradients)
        self._sum += model.gradients
        self.samples += len(x)
        return value

    def step(self) -> float | None:
        """Move the parameters; returns the penalty before that, None without one."""
        model, penalty = self.model, None
        assert self._sum is not None
        np.divide(self._sum, self.samples, out=model.gradients)
        if self.penalty is not None or model.has_penalties:
            penalty = regularizers.total(model, None) if self.penalty is None else self.penalty.apply(model)
            if not math.isfinite(penalty):
                raise measuring.diverged(model, penalty, self.optimizer.learning_rate, 0.0, 0)
        self._sum.fill(0)
        self.samples = 0
        self.optimizer.step(model)
        return penalty
