"""Measuring a model on batches: the loss, the accuracy and other metrics; errors for losses that are not finite."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from ..checks import expect_count, is_number
from ..data.batches import Samples
from ..layers.batchnorm import BatchNorm, warn_of_unused_statistics
from ..layers.context import ALONE, Group
from ..layers.embedding import UnknownCode
from ..losses import Loss
from ..messages.terminal import brief
from ..saving.config import expect_keys
from ..typing import Array
from .trainable import Trainable

if TYPE_CHECKING:
    from ..metrics import Metric


Metrics: TypeAlias = Iterable["str | Metric | Callable[[Array, Array], float]"]


class Measures:
    """What one pass over data measures besides the loss: accuracy (or not) and metrics."""

    def __init__(self, metrics: Metrics | None = None) -> None:
        if isinstance(metrics, str):
            raise TypeError(f"metrics is {brief(metrics)}, expected a list, [{brief(metrics)}]")
        self.accuracy = metrics is None
        self.metrics: list[Metric] = []
        taken = ["loss", "data_loss", "penalty", "accuracy", "learning_rate", "samples_per_second"]
        for chosen in () if metrics is None else metrics:
            if isinstance(chosen, str) and chosen == "accuracy":
                self.accuracy = True
                continue
            from ..metrics import metric  # here: few runs measure more than the accuracy

            self.metrics.append(metric(chosen))
            name = self.metrics[-1].name
            if not name.isidentifier() or name in taken:
                raise ValueError(f"metrics: {name!r} is not a valid name, or occurs twice; give every metric its own")
            taken.append(name)
        self._asked = metrics is not None and self.accuracy

    def check(self, loss: Loss) -> None:
        """TypeError for a metric that is meaningless for the targets of this loss."""
        if self._asked and not _knows_right(loss):
            raise TypeError(
                f"metrics: accuracy needs a loss of labels or attributes, which {type(loss).__name__} is not; for "
                "numbers use 'mae', 'mse', 'rmse' and 'r2'"
            )
        for metric in self.metrics:
            metric.check(loss)

    def names(self, loss: Loss) -> list[str]:
        """Names of the measurements, the loss first."""
        right = ["accuracy"] if self.accuracy and _knows_right(loss) else []
        return ["loss", *right, *(metric.name for metric in self.metrics)]

    def begun(self, loss: Loss) -> list[Metric]:
        """Copies of the metrics, ready for a pass. Their containers are copied too: `reset` may empty them in place."""
        metrics = [copy.copy(metric) for metric in self.metrics]
        for metric in metrics:
            mutable = {
                name: container
                for name, container in vars(metric).items()
                if isinstance(container, (list, dict, set, np.ndarray))
            }
            vars(metric).update({name: container.copy() for name, container in mutable.items()})
            metric.begin(loss)
        return metrics


def _knows_right(loss: Loss) -> bool:
    """Whether predictions can be right or wrong; of a user's own loss that is not known."""
    return type(loss).correct is not Loss.correct or not type(loss).__module__.startswith("pynn.")


def measure(model: Trainable, batches: Iterable[Samples], measures: Measures, group: Group = ALONE) -> dict[str, float]:
    """Loss and measurements of the model, as it predicts, over batches of checked data, which the group shares out."""
    loss = model.loss
    running = Running(measures.begun(loss), measures.accuracy)
    with model.lock.held(), loss.used(model):
        for x, y, weights in batches:
            try:
                outputs = group.forward(model, x)
            except UnknownCode as error:
                if group is ALONE:
                    error.place_after(running.count)
                raise
            value = loss.forward(outputs, y) if weights is None else loss.forward(outputs, y, weights=weights)
            right = hits(loss, outputs, y, weights) if measures.accuracy else None
            if right is not None and loss.hits is None and loss._undefined(outputs) is not None:
                right = math.nan
            running.add(value, right, len(x), total(weights))
            running.add_to_metrics(*in_units(model, outputs, y), weights)
    return running.means()


def in_units(model: Trainable, outputs: Array, targets: Array) -> tuple[Array, Array]:
    """Outputs and targets as metrics see them, numbers in the units of the user's targets."""
    form = model.targets
    if form is None:
        return model.loss._numbers(outputs), targets
    return form.measured(model.loss, outputs), form.units(targets)


def hits(loss: Loss, outputs: Array, targets: Array, weights: Array | None) -> float | None:
    """Number (or total weight) of correct outputs, counted by the loss or by its `correct`."""
    counted = loss.hits
    if counted is not None:
        return counted
    right = loss.correct(outputs, targets)
    if isinstance(right, np.ndarray) and right.ndim > 1:  # several predictions per sample
        right = right.reshape(len(right), math.prod(right.shape[1:])).mean(axis=1)
        return float(right.sum() if weights is None else right @ weights.astype(float))
    if right is None or np.ndim(right) == 0:  # a bare count does not tell which samples' weights to add
        return None if right is None or weights is not None else float(np.asarray(right))
    return (
        float(np.count_nonzero(right)) if weights is None else float(weights[np.asarray(right, bool)].sum(dtype=float))
    )


def total(weights: Array | None) -> float | None:
    """Sum of the weights."""
    return None if weights is None else float(weights.sum(dtype=float))


def diverged(model: Trainable, value: float, learning_rate: float, x: Any, y: Any) -> BaseException:
    """The error for a training loss that is not finite; x, y: the batch, or the largest numbers in it."""
    group, where = model.context.group, not_finite(model)
    in_x, in_y = group.largest(largest(x), largest(y))
    before = f", where {where} already: an earlier step went too far" if where else ""
    targets = f" and targets (the largest is {in_y:.3g})" if np.asarray(y).dtype.kind == "f" else ""
    error = FloatingPointError(
        f"the loss is {value} at step {model.context.step}; the parameters are those before this step{before}. "
        f"Lower the learning rate ({learning_rate}) or scale the inputs (the largest is {in_x:.3g}){targets}"
    )
    return group.raised(error)


def largest(values: Any) -> float:
    """The largest absolute value."""
    return float(np.abs(values).max(initial=0))


def not_finite(model: Trainable) -> str:
    """Which parameter or running statistic holds a NaN or infinity, as text; "" if none does."""
    statistics = [array for layer in model.walk() if not layer.is_custom for array in layer.state.values()]
    if all(_finite(array) for array in (model.parameters, *statistics)):
        return ""
    for name, array in model.tensors().items():
        if not _finite(array):
            return f"{name} holds {array[~np.isfinite(array)].flat[0]}"
    return ""


def _finite(array: Array) -> bool:
    """Whether all numbers are finite, without the memory that `numpy.isfinite` takes for a large array."""
    return not array.size or bool(np.isfinite(array.min()) and np.isfinite(array.max()))


def warn_of_statistics_of_the_start(model: Trainable) -> None:
    """Warn of running statistics that no training step has updated: predictions with them are meaningless."""
    for layer in model.walk():
        if isinstance(layer, BatchNorm):
            warn_of_unused_statistics(layer)


def lost(model: Trainable, learning_rate: float) -> FloatingPointError | None:
    """The error for parameters or running statistics that are not finite after a step, else None."""
    where = not_finite(model)
    if not where:
        return None
    return FloatingPointError(
        f"{where} after step {model.context.step}: a step went too far, and training cannot go on from there. "
        f"Lower the learning rate ({learning_rate}), and rebuild the model or load one"
    )


class Running:
    """Means over the batches of an epoch, weighted by batch size; the accuracy by sample weights.

    metrics: `pynn.metrics` objects that have begun a pass. accuracy: whether it is measured.
    """

    def __init__(self, metrics: Sequence[Metric] = (), accuracy: bool = True) -> None:
        self.loss, self.count, self.weight = 0.0, 0, 0.0
        self.hits: float | None = 0 if accuracy else None
        self.penalty: float | None = None
        self.metrics = metrics

    def add(
        self, loss: float, hits: float | None, count: int, weight: float | None = None, penalty: float | None = None
    ) -> None:
        """Add a batch of `count` samples: mean loss including the penalty, number of hits, total weight, penalty."""
        self.loss += loss * count
        self.hits = None if hits is None or self.hits is None else self.hits + hits
        if penalty is not None:
            self.penalty = (self.penalty or 0.0) + penalty * count
        self.count += count
        self.weight += count if weight is None else weight

    def add_to_metrics(self, outputs: Any, targets: Any, weights: Any) -> None:
        """Add the same batch to the metrics."""
        for metric in self.metrics:
            metric.add(outputs, targets, weights)

    def state(self) -> dict[str, Any]:
        """The sums, for a checkpoint."""
        return {**vars(self), "metrics": [metric.state() for metric in self.metrics]}

    def restore(self, state: dict[str, Any]) -> None:
        """Set the sums from a `state`; ValueError for anything else."""
        numbers = {name: value for name, value in state.items() if name != "metrics"}
        expect_keys("the sums of the epoch", state, vars(self), ())
        for name, value in numbers.items():
            if not is_number(value) and not (value is None and name in ("hits", "penalty")):
                raise ValueError(f"the sums of the epoch: {name} is {brief(value)}, expected a number")
        expect_count("the sums of the epoch", 0, count=state["count"])
        sums = state["metrics"]
        if not isinstance(sums, list) or len(sums) != len(self.metrics):
            raise ValueError(f"the sums of the epoch: metrics is {brief(sums)}, expected those of {len(self.metrics)}")
        for metric, value in zip(self.metrics, sums, strict=True):
            metric.restore(value)
        vars(self).update(numbers)

    def means(self, costly: bool = True) -> dict[str, float]:
        """All measurements so far; costly: including metrics whose value is slow to compute."""
        accuracy = {} if self.hits is None else {"accuracy": self.hits / self.weight if self.weight else 0.0}
        count = max(self.count, 1)
        metrics = {metric.name: metric.value() for metric in self.metrics if costly or not metric.costly}
        loss, parts = self.loss / count, {}
        if self.penalty is not None:
            parts = {"data_loss": loss - self.penalty / count, "penalty": self.penalty / count}
        return {"loss": loss, **parts, **accuracy, **metrics}
