"""Metrics: what is measured beside the loss, by name in `fit(metrics=[...])` and `evaluate`.

| name | object | of |
|---|---|---|
| accuracy | | labels, attributes, structures: the share that is right, as the loss says |
| top5, top3, ... | TopK(k) | labels: the share that is among the k highest scores |
| precision, recall, f1 | Precision(), Recall(), F1() | labels, attributes: the mean over them ("macro") |
| multilabel_accuracy | MultilabelAccuracy() | attributes: the share of all that is right |
| mae | MeanAbsoluteError() | numbers: the mean over samples and outputs of |f - y| |
| mse, rmse | MeanSquaredError(), RootMeanSquaredError() | numbers: the mean of (f - y)², and its root |
| r2 | R2() | numbers: 1 - Σ(y - f)² / Σ(y - mean y)², the mean over outputs |

All are those of the whole data, not means over batches, and weighted where samples are. Those of numbers are in the
units of y, also where `target_preprocessing` puts the loss into others. Precision, recall and F1 of labels are means
over the classes, of one output that answers yes or no those of yes. Where an output is NaN they are NaN, like the loss:
such an epoch is never the best one.

A function is a metric too. scikit-learn's, `sklearn.metrics.f1_score` or a functools.partial of it, gets the targets of
the whole data and what is predicted for them, scores or probabilities, as its arguments say. An own one,
(outputs, targets) -> number, is called for each batch: the metric is the mean of its values, weighted by the batches'
sizes (or weights), under its name. Where its arguments are called (targets, outputs), or of numbers (y_true, y_pred),
it gets them in that order. What needs more than that is a `Metric` of its own.

Of labels, after training: `confusion_matrix(y_true, y_pred)` and, for each class, `classification_report`.
"""

from __future__ import annotations

from collections.abc import Callable

from ..messages.terminal import brief
from ..typing import Array
from .confusion import Report, classification_report, confusion_matrix
from .functions import of_function
from .metric import Metric
from .standard import (
    F1,
    METRICS,
    R2,
    MeanAbsoluteError,
    MeanSquaredError,
    MultilabelAccuracy,
    Precision,
    Recall,
    RootMeanSquaredError,
    TopK,
)

__all__ = [
    "F1", "METRICS", "R2", "MeanAbsoluteError", "MeanSquaredError", "Metric", "MultilabelAccuracy", "Precision",
    "Recall", "Report", "RootMeanSquaredError", "TopK",
    "classification_report", "confusion_matrix", "metric",
]  # fmt: skip


def metric(choice: str | Metric | Callable[[Array, Array], float]) -> Metric:
    """A metric: choice is its name, itself or a function; ValueError lists the names, TypeError for anything else."""
    if isinstance(choice, str):
        if choice.startswith("top") and choice[3:].isdigit() and int(choice[3:]) > 0:
            return TopK(int(choice[3:]))
        if choice in METRICS:
            return METRICS[choice]()
        from ..messages.names import renamed  # here: only errors need it

        known = f"accuracy, top5 (or another number), {', '.join(METRICS)}"
        raise ValueError(
            f"metrics: {choice!r} is unknown, {renamed('metrics', choice)}expected one of {known}, or a function "
            "(sklearn.metrics.roc_auc_score)"
        )
    if isinstance(choice, Metric):
        return choice
    if isinstance(choice, type) or not callable(choice):
        hint = f"; write {choice.__name__}()" if isinstance(choice, type) else ""
        raise TypeError(f"metrics holds {brief(choice)}, expected names, pynn.metrics objects or functions{hint}")
    return of_function(choice)
