"""What pynn's estimators share: reading data, weights, predictions, pickles. Knows no training."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.utils.validation import check_is_fitted, validate_data

from ..data import tables
from ..models.loading import from_bytes, own_classes
from ..models.sequential import Sequential
from ..typing import Array
from . import data_checks, hooks
from .reports import with_column
from .rows import Rows

CALLED = ("_callback_fit_ctx", "_skl_callbacks_to_teardown")  # attributes of scikit-learn's callbacks during `fit`
PASSING = ("model_", *CALLED)  # that pickles leave out
FLOATS = (np.float64, np.float32)


class Estimator(hooks.Supporting, BaseEstimator):
    """Base of pynn's estimators: their network is `model_`.

    Copies and pickles hold the constructor's arguments, the numbers that describe the fit, and the model as safetensors
    bytes: no optimizer, no buffers, no rows of data.
    """

    model_: Sequential
    n_features_in_: int

    # Data -----------------------------------------------------------------------------------------

    def _table(self, X: Any, *, reset: bool) -> Any:
        """X as an array of floats (N, D) or a sparse matrix, checked against the features of `fit` unless `reset`."""
        X = _expect_array(X)
        try:
            return validate_data(self, X, accept_sparse=["csr", "csc"], dtype=FLOATS, reset=reset)
        except ValueError as error:
            raise with_column(error, X) from None

    def _pair(self, X: Any, y: Any, *, reset: bool, numeric: bool) -> tuple[Any, Array]:
        """X as of `_table`, and y as an array with as many rows."""
        data_checks.expect_values(y)
        y = _with_kind(tables.of_arrow(y))
        if numeric and y is not None:
            data_checks.expect_numbers(y, "MLPClassifier")
        X = _expect_array(X)
        try:
            X, y = validate_data(
                self, X, y, accept_sparse=["csr", "csc"], dtype=FLOATS, multi_output=True, y_numeric=numeric,
                reset=reset,
            )  # fmt: skip
        except ValueError as error:
            raise with_column(error, X) from None
        return X, y

    # Predictions ----------------------------------------------------------------------------------

    def _outputs(self, X: Any) -> Array:
        """The outputs of the network for X (N, K), in its dtype."""
        if "model_" not in vars(self):
            check_is_fitted(self)
        model = self.model_
        # A plain array of the right width, as a service passes it row by row, needs no more checks than these.
        if (
            type(X) is np.ndarray
            and X.ndim == 2
            and 0 < len(X) <= 64
            and X.shape[1] == self.n_features_in_
            and X.dtype in FLOATS
            and "feature_names_in_" not in vars(self)
        ):
            with np.errstate(over="ignore", invalid="ignore"):
                x = X if X.dtype is model.dtype else X.astype(model.dtype)
                finite = math.isfinite(x.sum())
            if finite:
                with model.lock.held():
                    return np.asarray(model.forward(x))
        rows = Rows(self._table(X, reset=False), model.dtype)
        return computed(model, rows)

    # Pickles --------------------------------------------------------------------------------------

    def __sklearn_is_fitted__(self) -> bool:
        return "model_" in vars(self)

    def __getstate__(self) -> dict[str, Any]:
        state = {name: value for name, value in super().__getstate__().items() if name not in PASSING}
        if (model := vars(self).get("model_")) is not None:
            state["model_"] = packed(model)
        return {name: list(value) if name in RECORDS and value is not None else value for name, value in state.items()}

    def __setstate__(self, state: dict[str, Any]) -> None:
        if isinstance(stored := state.get("model_"), dict):
            state = {**state, "model_": unpacked(stored)}
        super().__setstate__(state)


@contextmanager
def kept_on_failure(estimator: Any) -> Iterator[None]:
    """Leave the estimator as it was if this fails: what it learned before stays whole."""
    before = dict(vars(estimator))
    try:
        yield
    except BaseException:
        state = vars(estimator)
        before |= {name: state[name] for name in CALLED if name in state}
        state.clear()
        state.update(before)
        raise


RECORDS = ("loss_curve_", "validation_scores_")  # lists that grow while another thread trains


def packed(model: Sequential) -> dict[str, Any]:
    """A model for a pickle: as safetensors bytes, with the classes of its own layers; no buffers, no rows of data."""
    return {"bytes": model.to_bytes(), "own": own_classes(model)}


def unpacked(stored: dict[str, Any]) -> Sequential:
    """The model from the result of `packed`."""
    return from_bytes(stored["bytes"], stored["own"])


def computed(model: Sequential, rows: Rows, chosen: Any = None) -> Array:
    """The model's outputs for these rows, piece by piece."""
    count = len(rows) if chosen is None else len(chosen)
    outputs, start = np.empty((count, *model.output_shape), model.dtype), 0
    with model.lock.held():
        for part in rows.parts(chosen):
            outputs[start : start + len(part)] = model.forward(part)
            start += len(part)
    return outputs


def column_names(estimator: Any) -> tuple[str, ...] | None:
    """The names of the features, if X had some."""
    names = getattr(estimator, "feature_names_in_", None)
    return None if names is None else tuple(map(str, names))


def _with_kind(y: Any) -> Any:
    """Nullable booleans and integers of pandas as what they are: scikit-learn would make floats of them."""
    if hasattr(y, "iloc") and getattr(y, "ndim", 0) == 1 and not isinstance(y.dtype, np.dtype):
        values = tables.series(y)
        return values if values.dtype.kind in "biuf" else y
    return y


def _expect_array(X: Any) -> Any:
    """X, a table of pyarrow as a frame; ValueError for two columns of one name, TypeError for dicts.

    scikit-learn would answer in the words of its own libraries.
    """
    X = tables.of_arrow(X)
    if hasattr(X, "columns"):
        tables.expect_different(list(X.columns), "X")
    rows = X if isinstance(X, (list, tuple)) else ()
    if (isinstance(X, Mapping) and not hasattr(X, "nnz")) or any(isinstance(row, Mapping) for row in rows):
        what = "a list of dicts" if rows else type(X).__name__
        raise TypeError(
            f"X is {what}, expected numbers (N, D) or a data frame of numbers: pass pandas.DataFrame(X); "
            "TabularClassifier and TabularRegressor read a list of dicts as it is"
        )
    return X
