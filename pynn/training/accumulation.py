"""A training step of several batches: the mean of their gradients, weighted by their numbers of samples."""

from __future__ import annotations

import math

import numpy as np

from .. import regularizers
from ..losses import Loss
from ..optimizers import Optimizer
from ..regularizers import Penalty
from ..typing import Array
from . import measures
from .trainable import Trainable


class Accumulation:
    """Collects the gradients of batches until `step` updates the parameters by the mean over all their samples.

    Until then running statistics also keep their values, so that the model can be saved at any time.
    """

    def __init__(self, model: Trainable, loss: Loss, optimizer: Optimizer, penalty: Penalty | None) -> None:
        self.model, self.loss, self.optimizer, self.penalty = model, loss, optimizer, penalty
        self.samples = 0
        self._sum: Array | None = None  # sum of gradients times samples
        self._moved: list[Array] = []  # running statistics after the batches so far

    def add(self, x: Array, y: Array, weights: Array | None) -> float:
        """Run forward and backward on one batch; return its loss. FloatingPointError if that is not finite."""
        model = self.model
        before = [array.copy() for array in model.statistics()]
        try:
            if self.samples:
                self._move_statistics()
            value = model.loss_of(x, y, self.loss, weights)
            if not math.isfinite(value):
                raise measures.diverged(model, value, self.optimizer.learning_rate, x, y)
            model.backward(self.loss.backward())
            self._moved = [array.copy() for array in model.statistics()]
        finally:
            for array, one in zip(model.statistics(), before, strict=True):
                array[...] = one
        model.gradients[...] *= len(x)
        if self._sum is None:
            self._sum = np.zeros_like(model.gradients)
        self._sum += model.gradients
        self.samples += len(x)
        return value

    def step(self) -> float | None:
        """Update the parameters; return the penalty before the update, None without a penalty."""
        model, penalty = self.model, None
        assert self._sum is not None
        np.divide(self._sum, self.samples, out=model.gradients)
        if self.penalty is not None or model.has_penalties:
            penalty = regularizers.total(model, None) if self.penalty is None else self.penalty.apply(model)
            if not math.isfinite(penalty):
                raise measures.diverged(model, penalty, self.optimizer.learning_rate, 0.0, 0)
        self._sum.fill(0)
        self.samples = 0
        self._move_statistics()
        self.optimizer.step(model)
        return penalty

    def _move_statistics(self) -> None:
        for array, moved in zip(self.model.statistics(), self._moved, strict=True):
            array[...] = moved
