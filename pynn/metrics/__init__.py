"""Metrics: what is measured besides the loss, by name in `fit(metrics=[...])` and `evaluate`.

| name | object | for |
|---|---|---|
| accuracy | | labels, attributes, structures: the share of correct samples, as the loss defines it |
| top5, top3, ... | TopK(k) | labels: the share of samples whose label is among the k highest scores |
| precision, recall, f1 | Precision(), Recall(), F1() | labels, attributes: the mean over them ("macro") |
| multilabel_accuracy | MultilabelAccuracy() | attributes: the share of all answers that are correct |
| balanced_accuracy, error | BalancedAccuracy(), ErrorRate() | the same: mean share of each class; 1 - accuracy |
| log_loss, brier | LogLoss(), Brier() | the same, with probabilities: of the truth; squared distance from it |
| calibration_error | CalibrationError(bins=15) | the same: how far the top probability is from the share of hits |
| roc_auc, average_precision | RocAuc(), AveragePrecision() | labels, attributes: each class before the others |
| mae | MeanAbsoluteError() | numbers: the mean over samples and outputs of |f - y| |
| mse, rmse | MeanSquaredError(), RootMeanSquaredError() | numbers: the mean of (f - y)², and its root |
| mape | MeanAbsolutePercentageError() | numbers: the mean of |f - y| / |y| |
| pinball, pinball90, ... | Pinball(level=None) | numbers: the loss of quantiles, at all levels of `Quantile` or one |
| r2 | R2() | numbers: 1 - Σ(y - f)² / Σ(y - mean y)², the mean over outputs |

All are computed over the whole data, not averaged over batches, and weighted if samples are. Regression metrics are in
the units of y, even if `target_preprocessing` changes those of the loss. Precision, recall and F1 of labels are means
over the classes; with a single yes-or-no output they are for "yes". If an output is NaN they are NaN, like the loss:
such an epoch is never the best. "roc_auc" and "average_precision" keep the scores of all samples; they are NaN, with a
warning, where a class is absent.

A function is a metric too. A scikit-learn function, `sklearn.metrics.f1_score` or a functools.partial of it, gets the
targets of the whole data and, depending on its argument names, predictions, scores or probabilities. A custom function,
(outputs, targets) -> number, is called for each batch: the metric is the mean of its values, weighted by batch size (or
sample weights), under its name. If its arguments are called (targets, outputs), or (y_true, y_pred) for regression, it
gets them in that order. For more than that, write a `Metric`.

A function of quantiles, such as `sklearn.metrics.mean_pinball_loss`, judges the quantile of its level, ``alpha``.

After training: of labels `confusion_matrix(y_true, y_pred)`, `classification_report` for each class, `error`,
`balanced_accuracy`; of probabilities `log_loss(y_true, probabilities)`, `brier`, `calibration_error`; of scores
`roc_auc`, `average_precision`; of numbers `mape`, `pinball`. These functions may be passed as metrics too, also as
``functools.partial(pinball, level=0.9)``: they stand for the metrics of their names.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import partial
from typing import Any, cast

from ..messages.terminal import brief
from ..signatures import taken_by
from ..typing import Array
from .confusion import Report, classification_report, confusion_matrix
from .functions import of_function
from .metric import Metric
from .probable import Brier, CalibrationError, LogLoss, brier, calibration_error, log_loss
from .ranking import AveragePrecision, RocAuc, average_precision, roc_auc
from .scores import balanced_accuracy, error, mape, pinball
from .standard import (
    F1,
    R2,
    BalancedAccuracy,
    ErrorRate,
    MeanAbsoluteError,
    MeanAbsolutePercentageError,
    MeanSquaredError,
    MultilabelAccuracy,
    Pinball,
    Precision,
    Recall,
    RootMeanSquaredError,
    TopK,
)

__all__ = [
    "F1", "METRICS", "R2", "AveragePrecision", "BalancedAccuracy", "Brier", "CalibrationError", "ErrorRate", "LogLoss",
    "MeanAbsoluteError", "MeanAbsolutePercentageError", "MeanSquaredError", "Metric", "MultilabelAccuracy", "Pinball",
    "Precision", "Recall", "Report", "RocAuc", "RootMeanSquaredError", "TopK",
    "average_precision", "balanced_accuracy", "brier", "calibration_error", "classification_report",
    "confusion_matrix", "error", "log_loss", "mape", "metric", "pinball", "roc_auc",
]  # fmt: skip

METRICS: dict[str, Callable[..., Metric]] = {
    "precision": Precision,
    "recall": Recall,
    "f1": F1,
    "multilabel_accuracy": MultilabelAccuracy,
    "balanced_accuracy": BalancedAccuracy,
    "error": ErrorRate,
    "log_loss": LogLoss,
    "brier": Brier,
    "calibration_error": CalibrationError,
    "roc_auc": RocAuc,
    "average_precision": AveragePrecision,
    "mae": MeanAbsoluteError,
    "mse": MeanSquaredError,
    "rmse": RootMeanSquaredError,
    "mape": MeanAbsolutePercentageError,
    "pinball": Pinball,
    "r2": R2,
}
OURS = (balanced_accuracy, error, log_loss, brier, calibration_error, roc_auc, average_precision, mape, pinball)


def metric(choice: str | Metric | Callable[[Array, Array], float]) -> Metric:
    """Return the metric of that name, the metric itself, or a function as a metric.

    Parameters
    ----------
    choice : str, Metric or callable
        A name, a metric, which is returned as it is, or a function (see the module).

    Returns
    -------
    Metric
        The metric.

    Raises
    ------
    ValueError
        For an unknown name; the message lists the known ones.
    TypeError
        For anything else.
    """
    if isinstance(choice, str):
        return _named(choice)
    if isinstance(choice, Metric):
        return choice
    inner, args, options = choice, (), {}
    if isinstance(choice, partial):
        inner, args, options = choice.func, choice.args, choice.keywords
    if inner in OURS:
        return _ours(inner.__name__, args, options)
    if isinstance(choice, type) or not callable(choice):
        hint = f"; write {choice.__name__}()" if isinstance(choice, type) else ""
        raise TypeError(f"metrics holds {brief(choice)}, expected names, pynn.metrics objects or functions{hint}")
    return of_function(choice)


def _named(name: str) -> Metric:
    """The metric of this name; ValueError if there is none."""
    if name.startswith("top") and name[3:].isdigit() and int(name[3:]) > 0:
        return TopK(int(name[3:]))
    if percent := re.fullmatch(r"pinball(\d+(_\d+)?)", name):
        return Pinball(float(f"{percent[1].replace('_', '.')}e-2"))  # not divided: 99.9 / 100 is not 0.999
    if name in METRICS:
        return METRICS[name]()
    from ..messages.names import renamed  # here: only errors need it

    known = f"accuracy, top5 and pinball90 (or other numbers), {', '.join(METRICS)}"
    raise ValueError(
        f"metrics: {name!r} is unknown, {renamed('metrics', name)}expected one of {known}, or a function "
        "(sklearn.metrics.matthews_corrcoef)"
    )


def _ours(name: str, args: tuple[Any, ...], options: dict[str, Any]) -> Metric:
    """The metric that one of our functions stands for, with the arguments that functools.partial has set."""
    makes = METRICS[name]
    known = taken_by(cast("type", makes)).names
    if args or not options.keys() <= set(known):
        instead = f"functools.partial({name}, {known[0]}=...)" if known else f"{name!r}"
        raise TypeError(
            f"metrics holds a partial of {name} with {', '.join(options) or 'arguments'}, but the model brings "
            f"targets, classes and weights itself; give {instead}"
        )
    return makes(**options)
