"""Metric: the base class of all metrics, and the mean over samples that most of them are. Must not know models."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..losses import Loss
from ..saving.state import checked_attributes, is_ours
from ..signatures import Constructed
from ..typing import Array


class Metric(Constructed):
    """Base of all metrics: something measured over all batches of a pass over data.

    Notes
    -----
    A custom metric overrides `reset`, `add` and `value`, and has a name. It keeps its sums in attributes that are
    numbers, text or arrays: checkpoints store those.

    Examples
    --------
    >>> class Largest(pynn.metrics.Metric):
    ...     name = "largest_error"
    ...     def reset(self):
    ...         self.largest = 0.0
    ...     def add(self, outputs, targets, weights):
    ...         self.largest = max(self.largest, float(abs(outputs - targets).max()))
    ...     def value(self):
    ...         return self.largest
    """

    name = ""
    loss: Loss
    costly = False  # whether `value` is too slow for a progress bar

    def begin(self, loss: Loss) -> None:
        """Begin a pass over data.

        Parameters
        ----------
        loss : Loss
            The loss that the model is trained with.

        Raises
        ------
        TypeError
            If the metric is undefined for its targets.
        """
        self.check(loss)
        self.loss = loss
        self.reset()

    def check(self, loss: Loss) -> None:
        """Raise TypeError if the metric is undefined for the targets of a loss.

        Parameters
        ----------
        loss : Loss
            The loss.
        """

    def reset(self) -> None:
        """Forget all batches."""
        raise NotImplementedError(f"{type(self).__name__} has no reset()")

    def add(self, outputs: Array, targets: Array, weights: Array | None) -> None:
        """Add a batch.

        Parameters
        ----------
        outputs : array (B, ...)
            The model's outputs.
        targets : array (B, ...)
            Targets, as the loss reads them.
        weights : array (B,) or None
            Sample weights.
        """
        raise NotImplementedError(f"{type(self).__name__} has no add(outputs, targets, weights)")

    def value(self) -> float:
        """Return the metric over all batches since `reset`.

        Returns
        -------
        float
            The metric.
        """
        raise NotImplementedError(f"{type(self).__name__} has no value()")

    def state(self) -> dict[str, Any]:
        """Return the sums, for a checkpoint.

        Returns
        -------
        dict
            Attributes by name.
        """
        kinds = (bool, int, float, str, np.generic, np.ndarray, type(None))
        return {name: value for name, value in vars(self).items() if isinstance(value, kinds)}

    def restore(self, state: dict[str, Any]) -> None:
        """Take over the sums of a checkpoint.

        Parameters
        ----------
        state : dict
            What `state` returned.

        Raises
        ------
        ValueError
            If it does not fit.
        """
        sums = checked_attributes(self, self.state(), state)
        if is_ours(self) and len({value.shape for value in sums.values() if isinstance(value, np.ndarray)}) > 1:
            raise ValueError(f"the sums of the metric {self.name} are of different shapes")
        vars(self).update(sums)

    def _refuse(self, loss: Loss, targets: str) -> None:
        raise TypeError(f"the metric {self.name} needs a loss of {targets}, which {type(loss).__name__} is not")


class Mean(Metric):
    """The mean over samples of `each`."""

    def reset(self) -> None:
        self.total = self.weight = 0.0

    def each(self, outputs: Array, targets: Array) -> Array:
        """Return the value of each sample of a batch.

        Parameters
        ----------
        outputs, targets : array (B, ...)
            As in `add`.

        Returns
        -------
        array (B,)
            The values.
        """
        raise NotImplementedError

    def add(self, outputs: Array, targets: Array, weights: Array | None) -> None:
        values = self.each(outputs, targets)
        self.total += float(values.sum(dtype=float) if weights is None else values @ weights.astype(float))
        self.weight += len(values) if weights is None else float(weights.sum(dtype=float))

    def value(self) -> float:
        return self.total / self.weight if self.weight else 0.0


def of_numbers(loss: Loss) -> bool:
    """Whether the targets of the loss are numbers, which its outputs predict."""
    return type(loss).predict is Loss.predict or loss._has_points


def of_labels(loss: Loss) -> bool:
    """Whether the targets of the loss are labels, one class out of C."""
    return type(loss).classes is not Loss.classes


def or_nan(loss: Loss, outputs: Array, values: Array) -> Array:
    """The values (B,) of samples, NaN where the outputs are."""
    undefined = loss._undefined(outputs)
    return np.asarray(values) if undefined is None else np.where(undefined, np.nan, values)
