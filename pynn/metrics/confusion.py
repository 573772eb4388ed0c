"""The confusion matrix of labels, and the quality of each class. Must not know models."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from .. import checks
from ..data import arrays
from ..data.arrays import as_array
from ..messages.terminal import brief, printable
from ..typing import Array

Classes = int | Sequence[Any] | Array


def confusion_matrix(
    y_true: ArrayLike, y_pred: ArrayLike, classes: Classes | None = None, *, sample_weight: ArrayLike | None = None
) -> Array:
    """Count how often each class (row) was predicted as each class (column).

    Parameters
    ----------
    y_true, y_pred : array (N,)
        Labels, numbers or text, and their predictions; in scikit-learn's order.
    classes : int or sequence, optional
        C, for labels 0..C-1; or the labels, or names for labels 0..C-1, in the order of the rows. By default all labels
        in y_true or y_pred, sorted.
    sample_weight : array (N,), optional
        Weights of at least 0; by default 1 each.

    Returns
    -------
    array (C, C)
        Integers, or float64 sums of weights.

    Raises
    ------
    ValueError
        For arrays of other shapes, and for a label that is not among the classes.

    Examples
    --------
    >>> pynn.metrics.confusion_matrix(y_test, model.predict(x_test))
    """
    return _counted(y_true, y_pred, classes, sample_weight)[1]


def classification_report(
    y_true: ArrayLike, y_pred: ArrayLike, classes: Classes | None = None, *, sample_weight: ArrayLike | None = None
) -> Report:
    """Compute precision, recall, F1 and the number of samples of each class; `print` shows a table.

    Parameters
    ----------
    y_true, y_pred, classes, sample_weight : see `confusion_matrix`
        The same arguments.

    Returns
    -------
    Report
        The report.

    Raises
    ------
    ValueError
        As in `confusion_matrix`.

    Examples
    --------
    >>> print(pynn.metrics.classification_report(y_test, model.predict(x_test), dataset.classes))
    """
    names, counts = _counted(y_true, y_pred, classes, sample_weight)
    both, true, predicted = np.diagonal(counts), counts.sum(axis=1), counts.sum(axis=0)
    total = counts.sum()
    accuracy = float(both.sum() / total) if total else 0.0
    return Report(
        names, _share(both, predicted), _share(both, true), _share(2 * both, predicted + true), true, accuracy, counts,
    )  # fmt: skip


@dataclass(frozen=True, eq=False)
class Report:
    """The quality of each class, arrays (C,) in the order of `classes`; an undefined ratio is 0.

    Parameters
    ----------
    classes : tuple
        The classes.
    precision : array (C,)
        Share of the samples predicted as the class that belong to it.
    recall : array (C,)
        Share of the samples of the class that were predicted as it.
    f1 : array (C,)
        2·precision·recall/(precision + recall).
    support : array (C,)
        Number of samples of the class.
    accuracy : float
        Share of all samples that were predicted correctly.
    confusion : array (C, C)
        The `confusion_matrix`.
    """

    classes: tuple[Any, ...]
    precision: Array
    recall: Array
    f1: Array
    support: Array
    accuracy: float
    confusion: Array

    @property
    def macro(self) -> dict[str, float]:
        """Means of precision, recall and f1 over the classes that occur, like the metrics of these names."""
        occurs = self.support + self.confusion.sum(axis=0) > 0
        values = {"precision": self.precision, "recall": self.recall, "f1": self.f1}
        return {name: float(value[occurs].mean()) if occurs.any() else 0.0 for name, value in values.items()}

    def __str__(self) -> str:
        names = [printable(name, 100) for name in self.classes]
        first = max(map(len, [*names, "accuracy"]), default=0)
        lines = [f"{'':{first}}  precision  recall      f1  support"]
        rows = zip(names, self.precision, self.recall, self.f1, self.support, strict=True)
        lines += [f"{name:<{first}}{p:11.4f}{r:8.4f}{f:8.4f}{_count(n):>9}" for name, p, r, f, n in rows]
        total, mean = _count(self.support.sum()), self.macro
        lines.append(f"{'mean':<{first}}{mean['precision']:11.4f}{mean['recall']:8.4f}{mean['f1']:8.4f}{total:>9}")
        lines.append(f"{'accuracy':<{first}}{self.accuracy:11.4f}")
        return "\n".join(lines)


def _count(number: Any) -> str:
    return f"{number:g}" if isinstance(number, np.floating) else str(number)


def _share(part: Array, whole: Array) -> Array:
    return np.asarray(part / np.where(whole > 0, whole, 1))


def _counted(y_true: Any, y_pred: Any, classes: Classes | None, weight: Any) -> tuple[tuple[Any, ...], Array]:
    """The classes as they are shown, and the counts."""
    true, predicted = labels_of("y_true", y_true), labels_of("y_pred", y_pred)
    if true.shape != predicted.shape:
        raise ValueError(f"y_true has {len(true)} labels but y_pred has {len(predicted)}, expected one for each sample")
    names, labels = classes_of(classes, true, predicted)
    places = [places_of(name, values, labels) for name, values in (("y_true", true), ("y_pred", predicted))]
    weights = None if weight is None else arrays.sample_weights("sample_weight", weight, len(true))
    count = len(labels)
    return names, np.bincount(places[0] * count + places[1], weights, count * count).reshape(count, count)


def labels_of(name: str, values: Any) -> Array:
    array = as_array(name, values)
    if array.ndim != 1:
        hint = "; a column (N, 1) becomes (N,) by .ravel()" if array.ndim == 2 and array.shape[1] == 1 else ""
        hint = hint or "; labels of sequences become (N,) by .ravel(), for attributes (N, K) pass a single column"
        raise ValueError(f"{name} has shape {array.shape}, expected labels (N,){hint}")
    if array.dtype.kind == "f" and not (array == np.round(array)).all():
        raise ValueError(f"{name} holds numbers that are not labels, such as {array[array != np.round(array)][0]}")
    return array


def classes_of(classes: Classes | None, true: Array, predicted: Array) -> tuple[tuple[Any, ...], Array]:
    """The classes as they are shown, and their labels in the order of the rows."""
    if classes is None:
        labels = np.unique(np.concatenate([true, predicted])) if len(true) else np.zeros(0, np.int64)
        return tuple(labels.tolist()), labels
    if isinstance(classes, (int, np.integer)):
        checks.expect_count("", 1, classes=classes)
        return tuple(range(int(classes))), np.arange(classes)
    names = tuple(np.asarray(classes).tolist())
    if len(set(names)) < len(names) or not names:
        raise ValueError(f"classes is {brief(classes)}, expected labels that differ")
    numbered = all(isinstance(name, str) for name in names) and true.dtype.kind in "iubf"
    return names, np.arange(len(names)) if numbered else np.asarray(classes)


def places_of(name: str, values: Array, labels: Array) -> Array:
    """The index of each label among the classes."""
    order = np.argsort(labels)
    positions = np.searchsorted(labels, values, sorter=order)
    places = order[np.minimum(positions, len(labels) - 1)] if len(labels) else positions
    wrong = labels[places] != values if len(labels) else np.ones(len(values), bool)
    if wrong.any():
        where = int(np.argmax(wrong))
        shown = ", ".join(map(str, labels[:20].tolist()))
        raise ValueError(f"{name}[{where}] is {brief(values.tolist()[where])}, which is not among the classes {shown}")
    return np.asarray(places)
