"""The metrics that have names."""

from __future__ import annotations

import numpy as np

from ..checks import Count, Interval, OrNone
from ..losses import Loss
from ..losses.attributes import AttributeLoss
from ..losses.labels import LabelLoss
from ..losses.quantile import Quantile
from ..signatures import takes
from ..typing import Array
from .metric import Mean, Metric, of_labels, of_numbers, or_nan

EPSILON = float(np.finfo(np.float64).eps)


def pinball_losses(true: Array, predicted: Array, level: Array) -> Array:
    """max(t (y - f), (t - 1)(y - f)) of each number."""
    apart = true - predicted
    return np.asarray(np.maximum(level * apart, (level - 1) * apart))


class TopK(Mean):
    """Top-k accuracy: the share of samples whose label is among the k highest scores. Names "top5", "top3", ...

    Parameters
    ----------
    k : int, default 5
        At least 1. Of equal scores, that of the lower label comes first.
    """

    _takes = takes(k=Count(1))

    def __init__(self, k: int = 5) -> None:
        self.k, self.name = k, f"top{k}"

    def check(self, loss: Loss) -> None:
        if not of_labels(loss):
            self._refuse(loss, "class labels")

    def each(self, outputs: Array, targets: Array) -> Array:
        scores = outputs if isinstance(self.loss, LabelLoss) else self.loss.probabilities(outputs)
        labels = np.asarray(targets)[..., None]
        score = np.take_along_axis(scores, labels, axis=-1)
        before = (scores > score) | ((scores == score) & (np.arange(scores.shape[-1]) < labels))
        among = (np.count_nonzero(before, axis=-1) < self.k).reshape(len(scores), -1).mean(axis=1)
        return or_nan(self.loss, outputs, among)


class MultilabelAccuracy(Mean):
    """The share of all yes-or-no answers that are right. Name "multilabel_accuracy".

    "accuracy" is the share of samples with no wrong answer.
    """

    name = "multilabel_accuracy"

    def check(self, loss: Loss) -> None:
        if not isinstance(loss, AttributeLoss):
            self._refuse(loss, "attributes")

    def each(self, outputs: Array, targets: Array) -> Array:
        predicted, true = _attributes(self.loss, outputs, targets)
        return or_nan(self.loss, outputs, (predicted == true).mean(axis=1))


class MeanAbsoluteError(Mean):
    """Mean over samples and outputs of |f - y|. Name "mae"."""

    name = "mae"

    def check(self, loss: Loss) -> None:
        _expect_numbers(self, loss)

    def each(self, outputs: Array, targets: Array) -> Array:
        predicted, expected = _rows(self.loss, outputs, targets)
        return np.asarray(np.abs(predicted - expected).mean(axis=1))


class MeanSquaredError(MeanAbsoluteError):
    """Mean over samples and outputs of (f - y)². Name "mse"; the loss "l2" is the sum over outputs."""

    name = "mse"

    def each(self, outputs: Array, targets: Array) -> Array:
        predicted, expected = _rows(self.loss, outputs, targets)
        return np.asarray(((predicted - expected) ** 2).mean(axis=1))


class RootMeanSquaredError(MeanSquaredError):
    """The root of the mean over samples and outputs of (f - y)². Name "rmse"."""

    name = "rmse"

    def value(self) -> float:
        return float(np.sqrt(super().value()))


class MeanAbsolutePercentageError(MeanAbsoluteError):
    """Mean over samples and outputs of |f - y| / |y|, a share and no percentage. Name "mape".

    A target of 0 counts as 2e-16, as in scikit-learn: one such sample makes the mean huge.
    """

    name = "mape"

    def each(self, outputs: Array, targets: Array) -> Array:
        predicted, expected = _rows(self.loss, outputs, targets)
        return np.asarray((np.abs(predicted - expected) / np.maximum(np.abs(expected), EPSILON)).mean(axis=1))


def expect_level(name: str, loss: Loss, level: float | None) -> None:
    """ValueError if the loss is of quantiles, but of none of this level."""
    if isinstance(loss, Quantile) and level not in (None, *loss._each):
        levels = ", ".join(map(str, loss._each))
        raise ValueError(f"the metric {name} needs a quantile of level {level}, but there are {levels}")


class Pinball(MeanAbsoluteError):
    """Pinball loss in the units of y: mean over samples, outputs and levels of max(t (y - f), (t - 1)(y - f)).

    Name "pinball", or with a level of its own "pinball90", "pinball97_5", ...

    Parameters
    ----------
    level : float, optional
        0 < t < 1. By default the levels of `Quantile`; 0.5 for other losses, which is half of "mae". For `Quantile` it
        must be one of its levels.
    """

    _takes = takes(level=OrNone(Interval(0, 1, "()")))

    def __init__(self, level: float | None = None) -> None:
        self.level = level
        self.name = "pinball" if level is None else f"pinball{100 * level:g}".replace(".", "_")

    def check(self, loss: Loss) -> None:
        super().check(loss)
        expect_level(self.name, loss, self.level)

    def each(self, outputs: Array, targets: Array) -> Array:
        levels = [0.5] if self.level is None else [self.level]
        if isinstance(self.loss, Quantile):
            own = self.loss._each
            if self.level is not None:
                outputs = outputs[..., own.index(self.level), None]
            levels = levels if self.level is not None else list(own)
        else:
            outputs = self.loss._points(outputs)
        predicted = outputs.reshape(len(outputs), -1, len(levels)).astype(float)
        true = np.reshape(targets, (len(outputs), -1, 1)).astype(float)
        return np.asarray(pinball_losses(true, predicted, np.array(levels)).mean(axis=(1, 2)))


class ErrorRate(Mean):
    """The share of samples that are wrong: 1 - accuracy. Name "error"."""

    name = "error"

    def check(self, loss: Loss) -> None:
        if type(loss).correct is Loss.correct:
            self._refuse(loss, "labels or attributes")

    def each(self, outputs: Array, targets: Array) -> Array:
        right = self.loss.correct(outputs, targets)
        if not isinstance(right, np.ndarray) or not right.ndim:
            raise TypeError(f"the metric error needs booleans (N,) from {type(self.loss).__name__}.correct")
        return or_nan(self.loss, outputs, 1 - right.reshape(len(right), -1).mean(axis=1))


class _PerClass(Metric):
    """Counts for each class or attribute: predicted, true, and both."""

    def check(self, loss: Loss) -> None:
        if not (of_labels(loss) or isinstance(loss, AttributeLoss)):
            self._refuse(loss, "class labels or attributes")

    def reset(self) -> None:
        self.said = self.true = self.both = np.zeros(0)

    def add(self, outputs: Array, targets: Array, weights: Array | None) -> None:
        if isinstance(self.loss, AttributeLoss):
            predicted, true = _attributes(self.loss, outputs, targets)
            each = np.ones(len(predicted)) if weights is None else weights.astype(float)
            counts = np.stack([each @ predicted, each @ true, each @ (predicted & true)])
        else:
            classes, labels = self.loss.classes(outputs.shape[1:]) or 0, self.loss.predict(outputs)
            weights = weights if weights is None else np.repeat(weights, labels.size // len(labels))
            labels, targets = labels.ravel(), np.ravel(targets)  # positions of sequences count as samples
            hit = labels == targets
            counts = np.stack([
                np.bincount(labels, weights, classes),
                np.bincount(targets, weights, classes),
                np.bincount(targets[hit], None if weights is None else weights[hit], classes),
            ]).astype(float)  # fmt: skip
        if self.loss._undefined(outputs) is not None:
            counts[...] = np.nan
        if not self.said.size:
            self.said, self.true, self.both = np.zeros((3, counts.shape[1]))
        self.said, self.true, self.both = self.said + counts[0], self.true + counts[1], self.both + counts[2]

    def value(self) -> float:
        occurs = np.ones(self.said.shape, bool) if isinstance(self.loss, AttributeLoss) else self.said + self.true != 0
        if not occurs.any():
            return 0.0
        over = self._over()[occurs]
        return float((self.both[occurs] / np.where(over > 0, over, 1)).mean())

    def _over(self) -> Array:
        """The denominator of each class; 0 counts as no hits."""
        raise NotImplementedError


class Precision(_PerClass):
    """Precision: the share of predictions of a class that are right, the mean over classes that occur (or attributes).

    A class that is never predicted counts as 0. Name "precision".
    """

    name = "precision"

    def _over(self) -> Array:
        return self.said


class Recall(_PerClass):
    """Recall: the share of samples of a class that are recognized, the mean over classes that occur (or attributes).

    A class that is predicted but never true counts as 0. Name "recall".
    """

    name = "recall"

    def _over(self) -> Array:
        return self.true


class BalancedAccuracy(_PerClass):
    """Balanced accuracy: the mean over classes of the share of their samples that are recognized.

    Classes that never occur are left out, as in scikit-learn. Of attributes: the mean over attributes of that of their
    two classes, yes and no. Name "balanced_accuracy".
    """

    name = "balanced_accuracy"

    def reset(self) -> None:
        super().reset()
        self.false = self.neither = np.zeros(0)  # of attributes: how many are not true, and neither true nor predicted

    def add(self, outputs: Array, targets: Array, weights: Array | None) -> None:
        super().add(outputs, targets, weights)
        if not self.false.size:
            self.false, self.neither = np.zeros((2, len(self.true)))
        if isinstance(self.loss, AttributeLoss):
            predicted, true = _attributes(self.loss, outputs, targets)
            each = np.ones(len(predicted)) if weights is None else weights.astype(float)
            self.false, self.neither = self.false + each @ ~true, self.neither + each @ (~true & ~predicted)

    def value(self) -> float:
        if not isinstance(self.loss, AttributeLoss):
            return mean_share(self.both, self.true)
        right, of = np.stack([self.both, self.neither], axis=1), np.stack([self.true, self.false], axis=1)
        return float(np.mean([mean_share(*pair) for pair in zip(right, of, strict=True)])) if len(of) else float("nan")


def mean_share(part: Array, whole: Array) -> float:
    """The mean of the defined ratios; NaN if there are none."""
    occurs = whole != 0
    return float((part[occurs] / whole[occurs]).mean()) if occurs.any() else float("nan")


class F1(_PerClass):
    """F1: 2·precision·recall/(precision + recall), the mean over classes that occur (or attributes). Name "f1"."""

    name = "f1"

    def _over(self) -> Array:
        return (self.said + self.true) / 2


class R2(Metric):
    """R²: 1 - Σ(y - f)² / Σ(y - mean y)² for each output, the mean over outputs. Name "r2".

    If all targets of an output are equal, it is 1 for a perfect output, else 0.
    """

    name = "r2"

    def check(self, loss: Loss) -> None:
        _expect_numbers(self, loss)

    def reset(self) -> None:
        self.weight = 0.0
        self.mean = self.spread = self.errors = np.zeros(0)  # of each output: mean y; Σ(y - mean y)²; Σ(y - f)²

    def add(self, outputs: Array, targets: Array, weights: Array | None) -> None:
        predicted, expected = _rows(self.loss, outputs, targets)
        each = np.ones(len(predicted)) if weights is None else weights.astype(float)
        total = float(each.sum())
        if not total:
            return
        if not self.mean.size:
            self.mean, self.spread, self.errors = np.zeros((3, expected.shape[1]))
        mean = each @ expected / total
        apart, share = mean - self.mean, total / (self.weight + total)
        self.spread = self.spread + each @ (expected - mean) ** 2 + apart**2 * self.weight * share
        self.mean, self.weight = self.mean + apart * share, self.weight + total
        self.errors = self.errors + each @ (expected - predicted) ** 2

    def value(self) -> float:
        if not self.mean.size:
            return 0.0
        flat = self.spread == 0
        return float(np.where(flat, self.errors == 0, 1 - self.errors / np.where(flat, 1, self.spread)).mean())


def _expect_numbers(metric: Metric, loss: Loss) -> None:
    if not of_numbers(loss):
        metric._refuse(loss, "numbers")


def _rows(loss: Loss, outputs: Array, targets: Array) -> tuple[Array, Array]:
    """Predicted and true numbers (B, K) in float64."""
    outputs = loss._points(outputs)
    return outputs.reshape(len(outputs), -1).astype(float), np.reshape(targets, (len(outputs), -1)).astype(float)


def _attributes(loss: Loss, outputs: Array, targets: Array) -> tuple[Array, Array]:
    """Which attributes (B, K) are predicted, and which are true."""
    assert isinstance(loss, AttributeLoss)
    predicted, true = loss.predict(outputs) > loss._middle, np.reshape(targets, outputs.shape) > loss._middle
    return predicted.reshape(len(outputs), -1), true.reshape(len(outputs), -1)
