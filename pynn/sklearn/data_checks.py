"""Checks of targets and weights that all estimators share, with errors that name the row or the label."""

from __future__ import annotations

import datetime
from typing import Any

import numpy as np

from ..data import arrays, tables
from ..messages.terminal import brief
from ..typing import Array
from .reports import did_you_mean

DATES, SPANS = (datetime.date, datetime.time, np.datetime64), (datetime.timedelta, np.timedelta64)


def sample_weights(sample_weight: Any, count: int) -> Array | None:
    """Weights of the samples (N,) in float64, some above 0; None for none."""
    if sample_weight is None:
        return None
    if isinstance(sample_weight, (int, float)):
        sample_weight = np.full(count, float(sample_weight))
    _expect_no_samples(sample_weight)
    arrays.expect_unmasked("sample_weight", sample_weight)
    weights = arrays.sample_weights("sample_weight", tables.series(sample_weight), count)
    if not weights.any():
        raise ValueError("sample_weight is zero for all samples, expected some that count")
    return weights


def _expect_no_samples(sample_weight: Any) -> None:
    """ValueError for validation data in the place of the weights: (x, y), or a table of several columns."""
    pair = isinstance(sample_weight, (tuple, list)) and 1 < len(sample_weight) < 4
    shape = getattr(sample_weight, "shape", ())
    if (pair and np.ndim(sample_weight[0]) > 0) or (len(shape) > 1 and min(shape) > 1):
        got = f"a {type(sample_weight).__name__} of arrays" if pair else f"of shape {tuple(shape)}"
        raise ValueError(
            f"sample_weight is {got}, expected (N,), one for each sample; validation data are passed by name: "
            "validation=(X_val, y_val)"
        )


def class_factors(class_weight: Any, classes: Array, places: Array) -> Array | None:
    """The weight of each class (C,); None without class weights.

    places: of each sample's class among the classes, or for several labels a sample an indicator matrix.
    """
    if class_weight is None:
        return None
    if isinstance(class_weight, str) and class_weight != "balanced":
        raise ValueError(
            f'class_weight is {brief(class_weight)}, expected "balanced", a dict of weights by label or None'
            f"{did_you_mean(class_weight, ('balanced',))}"
        )
    if isinstance(class_weight, str):
        counts = places.sum(axis=0) if places.ndim == 2 else np.bincount(places, minlength=len(classes))
        occurring = max(np.count_nonzero(counts), 1)
        return np.asarray(len(places) / (occurring * np.maximum(counts, 1)))
    factors = np.ones(len(classes))
    known = {label: place for place, label in enumerate(classes.tolist())}
    if not hasattr(class_weight, "items") and not isinstance(class_weight, (list, tuple, np.ndarray)):
        raise TypeError(
            f'class_weight is {brief(class_weight)}, expected "balanced", a dict of weights by label or None'
        )
    weights = class_weight if hasattr(class_weight, "items") else dict(enumerate(class_weight))
    for label, weight in weights.items():
        label = label.item() if isinstance(label, np.generic) else label
        if label not in known:
            raise ValueError(
                f"class_weight has a weight for {brief(label)}, which is none of the classes, "
                f"{tables.listed(classes.tolist(), 10)}"
            )
        try:
            factors[known[label]] = weight
        except (TypeError, ValueError):
            raise TypeError(f"class_weight of {brief(label)} is {brief(weight)}, expected a number") from None
        if not 0 <= factors[known[label]] < np.inf:
            raise ValueError(f"class_weight of {brief(label)} is {weight}, expected a finite number of at least 0")
    return factors


def with_classes(weights: Array | None, factors: Array | None, places: Array) -> Array | None:
    """The weights of the samples times those of their classes; of several labels, times the product over them."""
    if factors is None:
        return weights
    own = factors[places] if places.ndim == 1 else np.where(places > 0, factors, 1).prod(axis=1)
    both = np.asarray(own if weights is None else weights * own)
    if not both.any():
        raise ValueError("class_weight and sample_weight: the weights of all samples are zero")
    return both


def expect_values(y: Any) -> None:
    """TypeError for the name of a column in place of its values."""
    if isinstance(y, str):
        raise TypeError(
            f"y is {brief(y)}, expected the values to predict; if they are a column of X, pass them apart: "
            f"fit(X.drop(columns={y!r:.80}), X[{y!r:.80}])"
        )


def expect_numbers(y: Any, classifier: str) -> None:
    """TypeError for dates and ValueError for text where numbers are expected: the first of them, with its row.

    classifier: the name of the estimator for labels.
    """
    if hasattr(y, "toarray"):
        return
    array = np.asarray(y)
    if array.dtype.kind in "mM" and array.size:
        raise _dates(array.reshape(-1)[0], 0)
    if array.dtype.kind not in "OSUT" or not array.size or not array.ndim:
        return
    width = array.size // len(array)
    for place, item in enumerate(array.reshape(-1).tolist()):
        if tables.absent(item):
            continue
        if isinstance(item, (*DATES, *SPANS)):
            raise _dates(item, place // width)
        try:
            float(item)
        except (TypeError, ValueError):
            what = f"the text {brief(item)}" if isinstance(item, (str, bytes)) else brief(item)
            raise ValueError(
                f"Unknown label type: y holds {what} in row {place // width}, but a regressor predicts numbers: mend "
                f"or drop that row, or use pynn.sklearn.{classifier} for labels"
            ) from None


def _dates(value: Any, row: int) -> TypeError:
    """The refusal of dates, or of times that passed, as numbers."""
    if isinstance(value, SPANS):
        return TypeError(
            f"y holds times such as {value} in row {row}, expected numbers; choose a unit: "
            "y / numpy.timedelta64(1, 'D') are days"
        )
    return TypeError(
        f"y holds dates such as {value} in row {row}, expected numbers; turn them into days since a date: "
        "(y - y.min()) / numpy.timedelta64(1, 'D')"
    )


def expect_labels(y: Array) -> None:
    """ValueError for missing labels and TypeError for dates, whose model could not be written to a file."""
    if y.dtype.kind in "mM" or (y.dtype.kind == "O" and any(isinstance(one, (*DATES, *SPANS)) for one in y.tolist())):
        raise TypeError(f"y holds dates or times ({brief(y.tolist()[0])}), expected labels: use y.astype(str)")
    missing = np.isnan(y) if y.dtype.kind == "f" else np.array([tables.absent(one) for one in y.tolist()], bool)
    if missing.any():
        row = int(np.argmax(missing))
        raise ValueError(
            f"Input y contains NaN: {np.count_nonzero(missing)} of {len(y)} labels are missing, the first in row {row} "
            f"({y[row]}); drop such rows"
        )
