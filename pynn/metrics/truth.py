"""What the functions that judge scores and probabilities take: true labels or answers beside columns of numbers."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from ..data import arrays
from ..data.arrays import as_array
from ..messages.terminal import brief
from ..typing import Array
from .confusion import Classes, classes_of, labels_of, places_of

ROUNDING = 1e-3  # how far from 1 the sum of the probabilities of all classes may be


@dataclass(frozen=True, eq=False)
class Truth:
    """Scores (N, K) in float64, the true class of each sample (None: K answers), and weights (N,) or None."""

    scores: Array
    places: Array | None
    yes: Array | None  # (N, K): answers, and those of a single column
    weights: Array | None
    epsilon: float  # of the dtype in which the scores came

    def each(self) -> Array:
        """Whether each sample is of each column's class, booleans (N, K)."""
        if self.yes is not None:
            return self.yes
        assert self.places is not None
        return np.asarray(self.places[:, None] == np.arange(self.scores.shape[1]))

    def ranked(self) -> tuple[Array, Array]:
        """Answers and scores as rankings compare them: of two classes the second alone."""
        yes, scores = self.each(), self.scores
        two = self.yes is None and scores.shape[1] == 2
        return (yes[:, 1:], scores[:, 1:]) if two else (yes, scores)

    def mean(self, values: Array) -> float:
        """The weighted mean of values (N,) of samples."""
        return float(np.average(values, weights=self.weights))


def of_scores(y_true: ArrayLike, scores: ArrayLike, classes: Classes | None, weight: Any, name: str) -> Truth:
    """Checked scores and truth; TypeError or ValueError if they do not fit."""
    columns = _columns(name, scores)
    epsilon = float(np.finfo(columns.dtype if columns.dtype.kind == "f" else np.float64).eps)
    weights = None if weight is None else arrays.sample_weights("sample_weight", weight, len(columns))
    if weights is not None and not weights.any():
        raise ValueError("sample_weight is 0 for all samples")
    true = as_array("y_true", y_true)
    true = true[:, 0] if true.ndim == 2 and true.shape[1] == 1 else true
    if len(true) != len(columns):
        raise ValueError(f"y_true has {len(true)} samples, but {name} has {len(columns)}")
    if true.ndim == 2:
        return Truth(columns.astype(np.float64), None, _answers(true, columns, name), weights, epsilon)
    labels = labels_of("y_true", true)
    count = columns.shape[1] if columns.shape[1] > 1 else 2
    places = places_of("y_true", labels, _known(labels, classes, count, name))
    yes = (places == 1)[:, None] if columns.shape[1] == 1 else None
    return Truth(columns.astype(np.float64), places, yes, weights, epsilon)


def of_probabilities(y_true: ArrayLike, probabilities: ArrayLike, classes: Classes | None, weight: Any) -> Truth:
    """The same for probabilities, which lie in 0..1 and, of classes, add up to 1."""
    truth = of_scores(y_true, probabilities, classes, weight, "probabilities")
    sums = truth.scores.sum(axis=1)
    if truth.places is None and truth.yes is not None and _are_one_hot(truth.yes, sums):
        truth = replace(truth, places=truth.yes.argmax(axis=1), yes=None)
    beyond = (truth.scores < 0) | (truth.scores > 1)
    if beyond.any():
        where = np.argwhere(beyond)[0]
        raise ValueError(
            f"probabilities[{where[0]}, {where[1]}] is {truth.scores[tuple(where)]}, expected 0..1, as "
            "model.predict_proba(x) gives them"
        )
    if truth.yes is None and (wrong := np.abs(sums - 1) > ROUNDING).any():
        row = int(np.argmax(wrong))
        raise ValueError(f"probabilities[{row}] add up to {sums[row]:.6g}, expected 1 over the classes")
    return truth


def numbers(y_true: ArrayLike, y_pred: ArrayLike, weight: Any) -> tuple[Array, Array, Array | None]:
    """True and predicted numbers (N, K) in float64, and weights (N,) or None."""
    pair = []
    for name, values in (("y_true", y_true), ("y_pred", y_pred)):
        array = as_array(name, values)
        if array.dtype.kind not in "fiub" or array.ndim not in (1, 2) or not len(array):
            raise ValueError(f"{name} is {brief(values)}, expected numbers (N,) or (N, K)")
        arrays.check_finite(name, array)
        pair.append(array.reshape(len(array), -1).astype(np.float64))
    true, predicted = pair
    if true.shape != predicted.shape:
        raise ValueError(f"y_true has shape {np.shape(y_true)}, but y_pred has {np.shape(y_pred)}; expected the same")
    return true, predicted, None if weight is None else arrays.sample_weights("sample_weight", weight, len(true))


def _columns(name: str, scores: ArrayLike) -> Array:
    columns = as_array(name, scores)
    if columns.dtype.kind not in "fiub":
        raise TypeError(f"{name} has dtype {columns.dtype}, expected numbers")
    if columns.ndim not in (1, 2) or not columns.size:
        raise ValueError(f"{name} has shape {columns.shape}, expected (N,), or (N, C) for C classes, with N at least 1")
    arrays.check_finite(name, columns)
    return columns.reshape(len(columns), -1)


def _answers(true: Array, columns: Array, name: str) -> Array:
    if true.shape != columns.shape:
        raise ValueError(
            f"y_true has shape {true.shape} and {name} {columns.shape}; expected labels (N,), or answers of the shape "
            f"of {name}"
        )
    if not np.isin(true, (-1, 0, 1)).all() or ((true == 0).any() and (true == -1).any()):
        raise ValueError("y_true of several columns holds other numbers than 0 and 1 (or -1 and 1)")
    return true > 0


def _are_one_hot(yes: Array, sums: Array) -> bool:
    """Whether answers are one-hot rows of labels: each has a single yes, and the probabilities add up to 1."""
    return bool((yes.sum(axis=1) == 1).all() and (np.abs(sums - 1) <= ROUNDING).all())


def _known(labels: Array, classes: Classes | None, count: int, name: str) -> Array:
    """The labels in the order of the columns."""
    if classes is not None:
        known = classes_of(classes, labels, labels)[1]
    elif labels.dtype.kind in "iubf" and ((labels >= 0) & (labels < count)).all():
        known = np.arange(count)
        if labels.dtype.kind != "b" and not (labels == 0).any() and len(occur := np.unique(labels)) < count:
            shown = ", ".join(map(str, occur[:10].tolist()))
            raise ValueError(
                f"y_true has the labels {shown} of {count} classes, which may count from 0 or from 1: pass "
                "classes=[...] in the order of the columns"
            )
    elif count == 2 and labels.dtype.kind in "if" and np.isin(labels, (-1, 1)).all():
        known = np.array([-1, 1])
    else:
        known = np.unique(labels)
    if len(known) != count:
        shown = ", ".join(map(str, known[:10].tolist()))
        found = f"classes has {len(known)} labels" if classes is not None else f"y_true has {len(known)}, {shown}"
        raise ValueError(f"{name} is for {count} classes, but {found}: pass classes=[...] in the order of the columns")
    return known
