"""What users pass to the estimators: tables, labels, weights, checked in scikit-learn's words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from sklearn.utils import column_or_1d
from sklearn.utils.multiclass import type_of_target
from sklearn.utils.validation import validate_data

from ..data import arrays, tables
from ..data.frames import of_lists, table
from ..messages.terminal import brief
from ..training import targets
from ..typing import Array
from . import data_checks
from .members import Table


def is_frame(X: Any) -> bool:
    """Whether X is a data frame of pandas, polars or alike."""
    return hasattr(X, "columns") and not isinstance(X, np.ndarray)


def feature_table(estimator: Any, X: Any, fit: bool = False) -> Any:
    """X as the encoder takes it, with the number and the names of its columns checked or learned."""
    if callable(getattr(X, "collect", None)) and not hasattr(X, "__len__"):
        raise TypeError(f"X is {type(X).__name__}, whose rows are not known yet; pass X.collect()")
    X = tables.of_arrow(X)
    if is_frame(X):
        tables.expect_different(list(X.columns), "X")
        if fit:
            validate_data(estimator, X, reset=True, skip_check_array=True)
        if 0 in X.shape:
            what = "feature" if len(X) else "sample"
            raise ValueError(
                f"Found array with 0 {what}(s) (shape={X.shape}) while a minimum of 1 is required by "
                f"{type(estimator).__name__}."
            )
        return X
    arrays.expect_unmasked("X", X)
    _expect_no_columns(X)
    if isinstance(X, (list, tuple)) and any(isinstance(row, Mapping) for row in X):
        return _of_records(estimator, X, fit)
    if isinstance(X, (list, tuple)) and len(X):
        X = of_lists(X, "X")  # beside text, NumPy would turn numbers into text
    return validate_data(
        estimator, X, reset=fit, dtype=None, accept_sparse=False, ensure_all_finite=False, ensure_min_samples=1
    )


def _expect_no_columns(X: Any) -> None:
    """TypeError for one record, and for columns in something else than a frame."""
    if isinstance(X, Mapping) and not hasattr(X, "nnz"):
        single = [label for label, value in X.items() if isinstance(value, (str, bytes)) or not np.iterable(value)]
        if single:
            raise TypeError(
                f"X is one record, as {single[0]!r} is {brief(X[single[0]])}; put it in a list, [X]: rows are "
                "a list of dicts"
            )
    elif not getattr(getattr(X, "dtype", None), "names", None):
        return
    raise TypeError(
        f"X is {'a record array' if hasattr(X, 'dtype') else type(X).__name__}, expected a data frame or an array "
        "(N, D): pass pandas.DataFrame(X)"
    )


def _of_records(estimator: Any, X: Sequence[Any], fit: bool) -> Any:
    """The table of rows that are dicts, as a web service has them."""
    for row, record in enumerate(X):
        if not isinstance(record, Mapping):
            raise TypeError(f"X has dicts, but row {row} is {brief(record)}; expected a dict in each row")
    records = table(X, "X")
    if fit:
        estimator.n_features_in_ = len(records.labels)
        if records.names is not None:
            estimator.feature_names_in_ = np.array(records.names, object)
        elif hasattr(estimator, "feature_names_in_"):
            del estimator.feature_names_in_
    return records


def categorical(chosen: Any, labels: Sequence[Any]) -> list[Any]:
    """The labels of the columns that were said to be categories, by name, by place or by a mask."""
    return tables.chosen(chosen, labels, "categorical_features", "X")


def class_labels(y: Any, X: Any) -> tuple[Array, Array]:
    """The classes, sorted, and the number of each row's class."""
    labels = targets.comparable(_labels(y, X), "y")
    kind = type_of_target(labels, input_name="y", raise_unknown=True)
    if kind not in ("binary", "multiclass"):
        raise ValueError(
            f"Unknown label type: {kind}. Maybe you are trying to fit a classifier, which expects discrete classes "
            "on a regression target with continuous values: take TabularRegressor for numbers."
        )
    if labels.dtype.kind not in "Uifbu":
        raise TypeError(f"y has dtype {labels.dtype}, expected labels: text, numbers or booleans")
    classes, numbers = np.unique(labels, return_inverse=True)
    if len(classes) < 2:
        raise ValueError(f"y has one class, {brief(classes.tolist()[0])}; a classifier needs at least 2 classes")
    return classes, numbers.astype(np.int64)


def _labels(y: Any, X: Any) -> Array:
    """Labels (N,), none of them missing."""
    y = _given(y, X)
    labels = of_lists(y, "y") if isinstance(y, (list, tuple)) else y  # NumPy would turn 1 beside "a" into text
    labels = tables.series(labels)
    if labels.ndim == 2 and labels.shape[1] > 1:
        raise ValueError(
            f"y should be a 1d array, got an array of shape {labels.shape} instead: TabularClassifier learns one "
            "label a row. For several, fit one for each column, as sklearn.multioutput.MultiOutputClassifier does"
        )
    labels = column_or_1d(labels, warn=True)
    _expect_rows(labels, X)
    data_checks.expect_labels(labels)
    return np.asarray(labels)


def _given(y: Any, X: Any) -> Any:
    data_checks.expect_values(y)
    if y is None:
        raise ValueError("requires y to be passed, but the target y is None")
    y = tables.of_arrow(y)
    if callable(getattr(y, "collect", None)) and not hasattr(y, "__len__"):
        raise TypeError(f"y is {type(y).__name__}, whose rows are not known yet; pass y.collect()")
    arrays.expect_unmasked("y", y)
    return y


def _expect_rows(y: Array, X: Any) -> None:
    if y.ndim and len(y) != len(X):
        raise ValueError(f"Found input variables with inconsistent numbers of samples: [{len(X)}, {len(y)}]")


def numbers(y: Any, X: Any) -> Array:
    """Targets of a regression, float64."""
    y = _given(y, X)
    array = np.asarray(_columns(y) if is_frame(y) else tables.series(y))
    if array.ndim > 2 or array.ndim == 0:
        raise ValueError(f"y has shape {array.shape}, expected (N,) or (N, K)")
    _expect_rows(array, X)
    data_checks.expect_numbers(array, "TabularClassifier")
    if array.dtype.kind == "c":
        raise ValueError("Complex data not supported: y is complex, expected real numbers")
    if array.dtype.kind == "O":
        items = [np.nan if tables.absent(item) else float(item) for item in array.reshape(-1).tolist()]
        array = np.array(items).reshape(array.shape)
    array = array.astype(np.float64)
    if not np.isfinite(array).all():
        where = int(np.flatnonzero(~np.isfinite(array.reshape(len(array), -1)).all(axis=1))[0])
        raise ValueError(f"Input y contains NaN or infinity, first in row {where}; drop or fill such rows")
    return array


def _columns(y: Any) -> Array:
    """The columns of a frame of targets side by side."""
    columns = [tables.series(y[name]) for name in y.columns]
    if not columns:
        raise ValueError("y has no columns, expected at least one")
    return np.column_stack(columns)


def _pair(estimator: Any, validation: Any) -> tuple[Any, Any, Any]:
    if not isinstance(validation, (tuple, list)) or len(validation) not in (2, 3):
        raise TypeError(
            f"validation is {brief(validation)}, expected (X, y) or (X, y, sample_weight); for a share of the rows set "
            f"{type(estimator).__name__}(validation_fraction=...)"
        )
    X, y, *weights = validation
    return X, y, weights[0] if weights else None


def labelled(estimator: Any, validation: Any, classes: Array, factors: Array | None) -> Table | None:
    """Validation rows of classes, encoded, with weights times the factors of their classes; None for none."""
    if validation is None:
        return None
    X, y, weights = _pair(estimator, validation)
    X = feature_table(estimator, X)
    labels = _labels(y, X)
    known = {label: place for place, label in enumerate(classes.tolist())}
    places = np.array([known.get(label, -1) for label in labels.tolist()], np.int64)
    if (unknown := np.flatnonzero(places < 0)).size:
        raise ValueError(
            f"validation y has the label {brief(labels.tolist()[unknown[0]])} in row {unknown[0]}, which y does not "
            f"have: {tables.listed(classes.tolist(), 10)}"
        )
    weights = data_checks.with_classes(data_checks.sample_weights(weights, len(X)), factors, places)
    return Table(estimator.encoder_.transform(X), places, _scaled(weights))


def measured(estimator: Any, validation: Any) -> Table | None:
    """Validation rows of numbers, encoded; None for none."""
    if validation is None:
        return None
    X, y, weights = _pair(estimator, validation)
    X = feature_table(estimator, X)
    weights = data_checks.sample_weights(weights, len(X))
    return Table(estimator.encoder_.transform(X), numbers(y, X), _scaled(weights))


def _scaled(weights: Array | None) -> Array | None:
    return None if weights is None else np.asarray(weights / weights.mean())
