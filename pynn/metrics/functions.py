"""Functions as metrics: custom functions of a batch, and scikit-learn's of the whole data."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import numpy as np

from ..losses import Loss, Quantile
from ..typing import Array
from .gathered import Gathered
from .metric import Mean, Metric, of_numbers
from .standard import expect_level

Function = Callable[..., float]

TRUE = ("y_true", "labels_true", "y1", "true", "truth", "target", "targets", "label", "labels", "y")
PREDICTED = ("y_pred", "labels_pred", "y2", "y_hat", "pred", "preds", "predicted", "prediction", "predictions")
SCORES = ("y_score", "score", "scores", "pred_decision", "output", "outputs", "logits")
PROBABILITIES = ("y_proba", "y_prob", "proba", "probabilities", "probs")
# Older versions of scikit-learn call the argument of these y_pred or y_prob.
AS_PROBABILITIES = ("log_loss", "brier_score_loss", "d2_log_loss_score")


def of_function(function: Function) -> Metric:
    """The function as a metric; TypeError if that is impossible."""
    inner = function
    while hasattr(inner, "func"):  # functools.partial
        inner = inner.func
    name = str(getattr(inner, "__name__", type(inner).__name__))
    if hasattr(function, "_score_func"):  # scikit-learn's scorers take (estimator, X, y)
        score = function._score_func
        raise TypeError(
            f"metrics holds the scorer {function!r}, which takes an estimator; give the function, "
            f"sklearn.metrics.{score.__name__}, with further arguments by functools.partial"
        )
    first, second = _arguments(function, name)
    if str(getattr(inner, "__module__", "")).split(".")[0] == "sklearn":
        if first not in TRUE or second not in PREDICTED + SCORES + PROBABILITIES:
            raise TypeError(
                f"metrics holds sklearn's {name}({first}, {second}), expected a function that compares y_true with "
                "y_pred, y_score or y_proba"
            )
        return SklearnMetric(function, name, second)
    return CustomMetric(function, name, first, second)


def _arguments(function: Function, name: str) -> tuple[str, str]:
    """The names of its first two arguments, "" if they are unknown."""
    try:
        signature = inspect.signature(function)
    except (TypeError, ValueError):  # a function in C
        return "", ""
    try:
        signature.bind(None, None)
    except TypeError as cause:
        raise TypeError(f"the metric {name}{signature} cannot be called with (outputs, targets): {cause}") from None
    kinds = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    names = [parameter.name.lower() for parameter in signature.parameters.values() if parameter.kind in kinds]
    return (*names, "", "")[0], (*names, "", "")[1]


def number(name: str, value: Any) -> float:
    """The value as a float; TypeError for anything else."""
    if np.ndim(value) != 0 or np.asarray(value).dtype.kind not in "fiub":
        raise TypeError(f"the metric {name} returned {type(value).__name__}, expected a number")
    return float(value)


class CustomMetric(Mean):
    """A custom function of a batch: (outputs, targets), or (targets, outputs) if its arguments are called so."""

    def __init__(self, function: Function, name: str = "", first: str = "", second: str = "") -> None:
        self.function, self.name, self._given = function, name, f"{first}, {second}"
        self._swapped = first in TRUE and second in PREDICTED + SCORES + PROBABILITIES
        self._unclear = self._swapped and second not in SCORES

    def check(self, loss: Loss) -> None:
        if self._unclear and not of_numbers(loss):
            raise TypeError(
                f"the metric {self.name}({self._given}) may want labels, but a metric of {type(loss).__name__} gets "
                "the raw outputs (N, ...). Name its arguments (outputs, targets), in this order, and compute the "
                "labels from the outputs: outputs.argmax(axis=1) for classes, outputs > 0 for attributes"
            )

    def add(self, outputs: Array, targets: Array, weights: Array | None) -> None:
        said = self.loss._points(outputs) if self._unclear else outputs
        if self._unclear and self.loss._has_points:
            targets = targets.reshape(said.shape)
        value = self.function(targets, said) if self._swapped else self.function(said, targets)
        count = len(outputs) if weights is None else float(weights.sum(dtype=float))
        self.total += number(self.name, value) * count
        self.weight += count


class SklearnMetric(Gathered):
    """A function of scikit-learn, of all targets and all predictions, scores or probabilities."""

    def __init__(self, function: Function, name: str, wants: str) -> None:
        self.function, self.name = function, name
        self._probable = wants in PROBABILITIES or name in AS_PROBABILITIES
        self._scores, self._raw = wants in SCORES, wants == "pred_decision"
        alpha = inspect.signature(function).parameters.get("alpha") if "pinball" in name else None
        self._level: float | None = None if alpha is None else alpha.default  # of the quantile that it judges

    def check(self, loss: Loss) -> None:
        expect_level(self.name, loss, self._level)
        if self._probable and type(loss).probabilities is Loss.probabilities:
            self._refuse(loss, "probabilities")

    def _judged(self, outputs: Array) -> Array:
        """The predictions, scores or probabilities that the function needs; for two classes of the second."""
        if self._level is not None and isinstance(self.loss, Quantile):
            return np.asarray(outputs[..., self.loss._each.index(self._level)])
        if self.loss._has_points:
            return self.loss._points(outputs)
        known = type(self.loss).probabilities is not Loss.probabilities
        if self._raw or (self._scores and not known):
            return outputs
        if not (self._probable or self._scores):
            return self.loss.predict(outputs)
        probabilities = self.loss.probabilities(outputs).astype(np.float64)
        if self.loss.classes(outputs.shape[1:]) is None:
            return probabilities
        probabilities /= probabilities.sum(axis=1, keepdims=True)  # exact beyond float32: scikit-learn checks the sum
        return probabilities[:, 1] if probabilities.shape[1] == 2 else probabilities

    def _value(self, true: Array, said: Array, weights: Array | None) -> float:
        keywords = {} if weights is None else {"sample_weight": weights}
        try:
            value = self.function(true, said, **keywords)
        except TypeError as cause:
            if "sample_weight" not in str(cause):
                raise
            raise TypeError(f"the metric {self.name} takes no sample weights; leave it or the weights out") from cause
        return number(self.name, value)
