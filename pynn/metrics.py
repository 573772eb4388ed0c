"""Metrics: what is measured beside the loss, by name in `fit(metrics=[...])` and `evaluate`.

| name | object | of |
|---|---|---|
| accuracy | | labels, attributes, structures: the share that is right, as the loss says |
| top5, top3, ... | TopK(k) | labels: the share that is among the k highest scores |
| precision, recall, f1 | Precision(), Recall(), F1() | labels, attributes: the mean over them ("macro") |
| multilabel_accuracy | MultilabelAccuracy() | attributes: the share of all that is right |
| mae | MeanAbsoluteError() | numbers: the mean over samples and outputs of |f - y| |
| r2 | R2() | numbers: 1 - Σ(y - f)² / Σ(y - mean y)², the mean over outputs |

All are those of the whole data, not means over batches, and weighted where samples are. An own one is a function
(outputs, targets) -> number: the mean of its values over batches, weighted by their sizes (or weights), under its name.
What needs more than that is a `Metric` of its own.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .checks import Constructed, expect_count
from .losses import Loss
from .losses.attributes import AttributeLoss
from .losses.labels import LabelLoss

__all__ = [
    "F1", "METRICS", "R2", "MeanAbsoluteError", "Metric", "MultilabelAccuracy", "Precision", "Recall", "TopK",
    "metric",
]  # fmt: skip

Array = NDArray[Any]


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
        """Take up the sums `state` that the method of that name gave."""
        vars(self).update({name: one for name, one in state.items() if name in vars(self)})

    def _refuse(self, loss: Loss, what: str) -> None:
        raise TypeError(f"the metric {self.name} goes with losses of {what}, which {type(loss).__name__} is not")


class _Mean(Metric):
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


class TopK(_Mean):
    """The share of samples whose label is among the k highest scores. Names "top5", "top3", ...

    k: at least 1 (default 5). Of scores that are equal the one of the lower label comes first.
    """

    def __init__(self, k: int = 5) -> None:
        expect_count("TopK", 1, k=k)
        self.k, self.name = int(k), f"top{k}"

    def check(self, loss: Loss) -> None:
        if not _of_labels(loss):
            self._refuse(loss, "class labels")

    def each(self, outputs: Array, targets: Array) -> Array:
        scores = outputs if isinstance(self.loss, LabelLoss) else self.loss.probabilities(outputs)
        labels = np.asarray(targets)[..., None]
        own = np.take_along_axis(scores, labels, axis=-1)
        before = (scores > own) | ((scores == own) & (np.arange(scores.shape[-1]) < labels))
        return np.asarray((np.count_nonzero(before, axis=-1) < self.k).reshape(len(scores), -1).mean(axis=1))


class MultilabelAccuracy(_Mean):
    """The share of all answers of yes or no that are right. Name "multilabel_accuracy".

    "accuracy" is the share of samples of which all are.
    """

    name = "multilabel_accuracy"

    def check(self, loss: Loss) -> None:
        if not isinstance(loss, AttributeLoss):
            self._refuse(loss, "attributes")

    def each(self, outputs: Array, targets: Array) -> Array:
        said, true = _attributes(self.loss, outputs, targets)
        return np.asarray((said == true).mean(axis=1))


class MeanAbsoluteError(_Mean):
    """Mean over samples and outputs of |f - y|. Name "mae"."""

    name = "mae"

    def check(self, loss: Loss) -> None:
        _expect_numbers(self, loss)

    def each(self, outputs: Array, targets: Array) -> Array:
        found, wanted = _rows(outputs, targets)
        return np.asarray(np.abs(found - wanted).mean(axis=1))


class _PerClass(Metric):
    """Counts for each class or attribute: how often it was said, how often true, how often both."""

    def check(self, loss: Loss) -> None:
        if not (_of_labels(loss) or isinstance(loss, AttributeLoss)):
            self._refuse(loss, "class labels or attributes")

    def reset(self) -> None:
        self.said = self.true = self.both = np.zeros(0)

    def add(self, outputs: Array, targets: Array, weights: Array | None) -> None:
        if isinstance(self.loss, AttributeLoss):
            said, true = _attributes(self.loss, outputs, targets)
            each = np.ones(len(said)) if weights is None else weights.astype(float)
            counts = np.stack([each @ said, each @ true, each @ (said & true)])
        else:
            classes, labels = self.loss.classes(outputs.shape[1:]) or 0, self.loss.predict(outputs)
            weights = weights if weights is None else np.repeat(weights, labels.size // len(labels))
            labels, targets = labels.ravel(), np.ravel(targets)  # places of sequences count like samples
            hit = labels == targets
            counts = np.stack([
                np.bincount(labels, weights, classes),
                np.bincount(targets, weights, classes),
                np.bincount(targets[hit], None if weights is None else weights[hit], classes),
            ]).astype(float)  # fmt: skip
        if not self.said.size:
            self.said, self.true, self.both = np.zeros((3, counts.shape[1]))
        self.said, self.true, self.both = self.said + counts[0], self.true + counts[1], self.both + counts[2]

    def value(self) -> float:
        occurs = np.ones(self.said.shape, bool) if isinstance(self.loss, AttributeLoss) else self.said + self.true > 0
        if not occurs.any():
            return 0.0
        over = self._over()[occurs]
        return float((self.both[occurs] / np.where(over > 0, over, 1)).mean())

    def _over(self) -> Array:
        """What the hits of each class are divided by; 0 counts as no hits."""
        raise NotImplementedError


class Precision(_PerClass):
    """How often a class is right where it is predicted, the mean over classes that occur (or attributes).

    A class that is never predicted counts 0. Name "precision".
    """

    name = "precision"

    def _over(self) -> Array:
        return self.said


class Recall(_PerClass):
    """How often a class is found where it is true, the mean over classes that occur (or attributes).

    A class that is predicted but never true counts 0. Name "recall".
    """

    name = "recall"

    def _over(self) -> Array:
        return self.true


class F1(_PerClass):
    """2·precision·recall/(precision + recall) of each class, the mean over classes that occur (or attributes). "f1"."""

    name = "f1"

    def _over(self) -> Array:
        return (self.said + self.true) / 2


class R2(Metric):
    """1 - Σ(y - f)² / Σ(y - mean y)² for each output, the mean over outputs. Name "r2".

    Where all targets of an output are equal it is 1 for a perfect output, else 0.
    """

    name = "r2"

    def check(self, loss: Loss) -> None:
        _expect_numbers(self, loss)

    def reset(self) -> None:
        self.weight = 0.0
        self.mean = self.spread = self.errors = np.zeros(0)  # of each output: of the targets; Σ(y - mean)²; Σ(y - f)²

    def add(self, outputs: Array, targets: Array, weights: Array | None) -> None:
        found, wanted = _rows(outputs, targets)
        each = np.ones(len(found)) if weights is None else weights.astype(float)
        total = float(each.sum())
        if not total:
            return
        if not self.mean.size:
            self.mean, self.spread, self.errors = np.zeros((3, wanted.shape[1]))
        mean = each @ wanted / total
        apart, share = mean - self.mean, total / (self.weight + total)
        self.spread = self.spread + each @ (wanted - mean) ** 2 + apart**2 * self.weight * share
        self.mean, self.weight = self.mean + apart * share, self.weight + total
        self.errors = self.errors + each @ (wanted - found) ** 2

    def value(self) -> float:
        if not self.mean.size:
            return 0.0
        flat = self.spread == 0
        return float(np.where(flat, self.errors == 0, 1 - self.errors / np.where(flat, 1, self.spread)).mean())


class Own(_Mean):
    """A user's function of a batch."""

    def __init__(self, function: Callable[[Array, Array], float]) -> None:
        self.function, self.name = function, str(getattr(function, "__name__", type(function).__name__))

    def add(self, outputs: Array, targets: Array, weights: Array | None) -> None:
        value = self.function(outputs, targets)
        if np.ndim(value) != 0 or np.asarray(value).dtype.kind not in "fiub":
            raise TypeError(f"the metric {self.name} returned {type(value).__name__}, expected a number")
        count = len(outputs) if weights is None else float(weights.sum(dtype=float))
        self.total += float(value) * count
        self.weight += count


METRICS: dict[str, Callable[[], Metric]] = {
    "precision": Precision,
    "recall": Recall,
    "f1": F1,
    "multilabel_accuracy": MultilabelAccuracy,
    "mae": MeanAbsoluteError,
    "r2": R2,
}


def metric(choice: str | Metric | Callable[[Array, Array], float]) -> Metric:
    """A metric: choice is its name, itself or a function; ValueError lists the names, TypeError for anything else."""
    if isinstance(choice, str):
        if choice.startswith("top") and choice[3:].isdigit() and int(choice[3:]) > 0:
            return TopK(int(choice[3:]))
        if choice in METRICS:
            return METRICS[choice]()
        from .words.names import renamed  # here: only errors need it

        known = f"accuracy, top5 (or another number), {', '.join(METRICS)}"
        hint = renamed("metrics", choice)
        raise ValueError(f"metrics: {choice!r} is unknown, {hint}expected one of {known}, or a function")
    if isinstance(choice, Metric):
        return choice
    if isinstance(choice, type) or not callable(choice):
        hint = f"; write {choice.__name__}()" if isinstance(choice, type) else ""
        raise TypeError(f"metrics holds {choice!r}, expected names, pynn.metrics objects or functions{hint}")
    return Own(choice)


def _of_labels(loss: Loss) -> bool:
    return type(loss).classes is not Loss.classes


def _expect_numbers(metric: Metric, loss: Loss) -> None:
    if type(loss).predict is not Loss.predict:
        metric._refuse(loss, "numbers")


def _rows(outputs: Array, targets: Array) -> tuple[Array, Array]:
    """Outputs and targets (B, K) in float64."""
    return outputs.reshape(len(outputs), -1).astype(float), np.reshape(targets, (len(outputs), -1)).astype(float)


def _attributes(loss: Loss, outputs: Array, targets: Array) -> tuple[Array, Array]:
    """Which attributes (B, K) are predicted, and which are there."""
    assert isinstance(loss, AttributeLoss)
    said, true = loss.predict(outputs) > loss._middle, np.reshape(targets, outputs.shape) > loss._middle
    return said.reshape(len(outputs), -1), true.reshape(len(outputs), -1)
