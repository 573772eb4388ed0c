"""What users pass to the estimators: tables, labels, weights, checked in scikit-learn's words."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.utils import column_or_1d
from sklearn.utils.multiclass import type_of_target
from sklearn.utils.validation import _check_sample_weight, validate_data

from ..data import tables
from ..messages.terminal import brief
from ..typing import Array
from .members import Table


def is_frame(X: Any) -> bool:
    """Whether X is a data frame of pandas, polars or alike."""
    return hasattr(X, "columns") and not isinstance(X, np.ndarray)


def take(X: Any, places: Array) -> Any:
    """These rows of a frame or an array."""
    return X.iloc[places] if hasattr(X, "iloc") else X[places]


def feature_table(estimator: Any, X: Any, fit: bool = False) -> Any:
    """X as the encoder takes it, with the number and the names of its columns checked or learned."""
    if is_frame(X):
        tables.expect_different(list(X.columns), "x")
        if fit:
            validate_data(estimator, X, reset=True, skip_check_array=True)
            if X.shape[1] == 0:
                raise ValueError(
                    f"Found array with 0 feature(s) (shape={X.shape}) while a minimum of 1 is required by "
                    f"{type(estimator).__name__}."
                )
        return X
    return validate_data(
        estimator, X, reset=fit, dtype=None, accept_sparse=False, ensure_all_finite=False, ensure_min_samples=1
    )


def class_labels(y: Any, X: Any) -> tuple[Array, Array]:
    """The classes, sorted, and the number of each row's class."""
    if y is None:
        raise ValueError("requires y to be passed, but the target y is None")
    labels = column_or_1d(tables.series(y), warn=True)
    _expect_rows(labels, X)
    kind = type_of_target(labels, input_name="y", raise_unknown=True)
    if kind not in ("binary", "multiclass"):
        raise ValueError(
            f"Unknown label type: {kind}. Maybe you are trying to fit a classifier, which expects discrete classes "
            "on a regression target with continuous values: take TabularRegressor for numbers."
        )
    classes, numbers = np.unique(labels, return_inverse=True)
    if len(classes) < 2:
        raise ValueError(f"y has one class, {brief(classes.tolist()[0])}; a classifier needs at least 2 classes")
    return classes, numbers.astype(np.int64)


def _expect_rows(y: Array, X: Any) -> None:
    if len(y) != len(X):
        raise ValueError(f"Found input variables with inconsistent numbers of samples: [{len(X)}, {len(y)}]")


def numbers(y: Any, X: Any) -> Array:
    """Targets of a regression, float64."""
    if y is None:
        raise ValueError("requires y to be passed, but the target y is None")
    array = np.asarray(tables.plain(y, "y") if is_frame(y) else tables.series(y))
    _expect_rows(array, X)
    if array.dtype.kind in "OSU":
        try:
            array = array.astype(np.float64)
        except (TypeError, ValueError):
            example = brief(array.reshape(-1).tolist()[0])
            raise ValueError(
                f"Unknown label type: y holds {example}, expected numbers; for classes take TabularClassifier"
            ) from None
    if array.dtype.kind == "c":
        raise ValueError("Complex data not supported: y is complex, expected real numbers")
    array = array.astype(np.float64)
    if not np.isfinite(array).all():
        where = int(np.flatnonzero(~np.isfinite(array.reshape(len(array), -1)).all(axis=1))[0])
        raise ValueError(f"Input y contains NaN or infinity, first in row {where}; drop or fill such rows")
    if array.ndim > 2 or array.ndim == 0:
        raise ValueError(f"y has shape {array.shape}, expected (N,) or (N, K)")
    return array


def sample_weights(sample_weight: Any, X: Any) -> Array | None:
    """Weights of at least 0, float64, not all 0; None for none."""
    if sample_weight is None:
        return None
    weights = _check_sample_weight(sample_weight, np.empty((len(X), 1)), dtype=np.float64, ensure_non_negative=True)
    if not weights.any():
        raise ValueError("sample_weight is 0 for all rows, expected at least one above 0")
    return np.asarray(weights)


def _pair(estimator: Any, validation: Any) -> tuple[Any, Any, Any]:
    if not isinstance(validation, (tuple, list)) or len(validation) not in (2, 3):
        raise TypeError(
            f"validation is {brief(validation)}, expected (X, y) or (X, y, sample_weight); for a share of the rows set "
            f"{type(estimator).__name__}(validation_fraction=...)"
        )
    X, y, *weights = validation
    return X, y, weights[0] if weights else None


def labelled(estimator: Any, validation: Any, classes: Array) -> Table | None:
    """Validation rows of classes, encoded; None for none."""
    if validation is None:
        return None
    X, y, weights = _pair(estimator, validation)
    X = feature_table(estimator, X)
    labels = column_or_1d(tables.series(y))
    _expect_rows(labels, X)
    places = np.searchsorted(classes, labels).clip(0, len(classes) - 1)
    if (unknown := np.flatnonzero(classes[places] != labels)).size:
        raise ValueError(
            f"validation y has the label {brief(labels[unknown[0]].item())} in row {unknown[0]}, which y does not "
            f"have: {tables.listed(classes.tolist(), 10)}"
        )
    return Table(estimator.encoder_.transform(X), places, _scaled(sample_weights(weights, X)))


def measured(estimator: Any, validation: Any) -> Table | None:
    """Validation rows of numbers, encoded; None for none."""
    if validation is None:
        return None
    X, y, weights = _pair(estimator, validation)
    X = feature_table(estimator, X)
    return Table(estimator.encoder_.transform(X), numbers(y, X), _scaled(sample_weights(weights, X)))


def _scaled(weights: Array | None) -> Array | None:
    return None if weights is None else np.asarray(weights / weights.mean())
