"""Metric: what every metric is, and the mean over samples that most of them are. Must not know models."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..losses import Loss
from ..saving.state import is_ours, taken_up
from ..signatures import Constructed
from ..typing import Array


class Metric(Constructed):
    """Base of all metrics. An own one overrides `reset`, `add` and `value`, and has a name:

    >>> class Largest(pynn.metrics.Metric):
    ...     name = "largest_error"
    ...     def reset(self):
    ...         self.largest = 0.0
    ...     def add(self, outputs, targets, weights):
    ...         self.largest = max(self.largest, float(abs(outputs - targets).max()))
    ...     def value(self):
    ...         return self.largest

    What it sums up stands in attributes that are numbers, text or arrays: a checkpoint keeps those.
    """

    name = ""
    loss: Loss
    costly = False  # whether `value` takes long, so that a progress bar leaves it out

    def begin(self, loss: Loss) -> None:
        """Begin a pass over data of this loss; TypeError where the metric means nothing for its targets."""
        self.check(loss)
        self.loss = loss
        self.reset()

    def check(self, loss: Loss) -> None:
        """TypeError where the metric means nothing for the targets of this loss."""

    def reset(self) -> None:
        """Forget all batches."""
        raise NotImplementedError(f"{type(self).__name__} has no reset()")

    def add(self, outputs: Array, targets: Array, weights: Array | None) -> None:
        """Take note of a batch: the model's outputs (B, ...), targets as the loss reads them, weights (B,) or None."""
        raise NotImplementedError(f"{type(self).__name__} has no add(outputs, targets, weights)")

    def value(self) -> float:
        """The metric over all batches since the beginning of the pass."""
        raise NotImplementedError(f"{type(self).__name__} has no value()")

    def state(self) -> dict[str, Any]:
        """The sums, for a checkpoint."""
        kinds = (bool, int, float, str, np.generic, np.ndarray, type(None))
        return {name: one for name, one in vars(self).items() if isinstance(one, kinds)}

    def restore(self, state: dict[str, Any]) -> None:
        """Take up the sums `state` that the method of that name gave; ValueError for anything else."""
        found = taken_up(self, self.state(), state)
        if is_ours(self) and len({one.shape for one in found.values() if isinstance(one, np.ndarray)}) > 1:
            raise ValueError(f"the sums of the metric {self.name} are of different shapes")
        vars(self).update(found)

    def _refuse(self, loss: Loss, what: str) -> None:
        raise TypeError(f"the metric {self.name} goes with losses of {what}, which {type(loss).__name__} is not")


class Mean(Metric):
    """The mean over samples of `each`."""

    def reset(self) -> None:
        self.total = self.weight = 0.0

    def each(self, outputs: Array, targets: Array) -> Array:
        """Its values (B,) for the outputs and targets of a batch."""
        raise NotImplementedError

    def add(self, outputs: Array, targets: Array, weights: Array | None) -> None:
        values = self.each(outputs, targets)
        self.total += float(values.sum(dtype=float) if weights is None else values @ weights.astype(float))
        self.weight += len(values) if weights is None else float(weights.sum(dtype=float))

    def value(self) -> float:
        return self.total / self.weight if self.weight else 0.0
