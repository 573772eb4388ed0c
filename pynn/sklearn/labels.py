"""Labels of any kind as the places of their classes."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.utils.multiclass import check_classification_targets, type_of_target, unique_labels
from sklearn.utils.validation import column_or_1d

from ..data import tables
from ..messages.terminal import brief
from ..typing import Array

__all__ = ["expect_known", "learned", "places", "plain"]


def _array(y: Any) -> Array:
    """Labels (N,), or indicators (N, K), which may be sparse."""
    array = np.asarray(y.toarray() if hasattr(y, "toarray") else y)
    if array.ndim == 2 and array.shape[1] == 1:
        array = column_or_1d(array, warn=True)
    return array


def learned(y: Any, classes: Any = None) -> tuple[Array, str]:
    """The classes that occur, or all that may occur, and the kind of task: "binary", "multiclass", "multilabel"."""
    y = _array(y)
    check_classification_targets(y)
    kind = type_of_target(y, input_name="y")
    if kind == "multilabel-indicator":
        return np.arange(y.shape[1]), "multilabel"
    if kind == "multiclass-multioutput":
        raise ValueError(
            "Multioutput target data is not supported: y has several columns that are not 0 and 1. For several labels "
            "a sample pass an indicator matrix (sklearn.preprocessing.MultiLabelBinarizer)"
        )
    found = unique_labels(y if classes is None else np.asarray(classes))
    if classes is not None:
        expect_known(y, None, found)
    if len(found) < 2 and classes is None:
        return found, "binary"
    return found, "binary" if len(found) <= 2 else "multiclass"


def expect_known(y: Any, classes: Any, known: Array, same: bool = False) -> None:
    """ValueError for labels that the fit before did not have; same: or if it had others, too."""
    y = _array(y)
    if y.ndim == 2:
        if y.shape[1] != len(known):
            raise ValueError(f"y has {y.shape[1]} labels for each sample, but {len(known)} in the fit before")
        return
    if classes is not None and not np.array_equal(unique_labels(np.asarray(classes)), known):
        raise ValueError(
            f"`classes={brief(np.asarray(classes).tolist())}` is not the same as on last call to partial_fit, "
            f"was: {brief(known.tolist())}"
        )
    found = unique_labels(y)
    if same and set(found.tolist()) != set(known.tolist()):
        raise ValueError(
            "warm_start can only be used where `y` has the same classes as in the previous call to fit. Previously "
            f"got {known}, `y` has {found}"
        )
    if not set(found.tolist()) <= set(known.tolist()):
        raise ValueError(f"`y` has classes not in `self.classes_`. `self.classes_` has {known}. 'y' has {found}.")


def places(y: Any, classes: Array, kind: str, name: str) -> Array:
    """The place of each label among the classes (N,), or an indicator matrix (N, K) of integers."""
    y = _array(y)
    if kind == "multilabel":
        if y.ndim != 2 or y.shape[1] != len(classes) or not np.isin(y, (0, 1)).all():
            raise ValueError(
                f"{name} has shape {y.shape}, expected (N, {len(classes)}) of 0 and 1, as in the first fit"
            )
        return np.asarray(y, np.int64)
    if y.ndim != 1:
        raise ValueError(f"{name} has shape {y.shape}, expected one label for each sample (N,)")
    found, inverse = np.unique(y, return_inverse=True)
    known = {label: place for place, label in enumerate(classes.tolist())}
    for label in found.tolist():
        if label not in known:
            raise ValueError(
                f"{name} has the label {brief(label)}, which is none of the classes, "
                f"{tables.listed(classes.tolist(), 10)}"
            )
    return np.array([known[label] for label in found.tolist()], np.int64)[inverse]


def plain(classes: Array) -> Array | None:
    """The classes as a model file can hold them, as text, numbers or booleans; None if it cannot."""
    kept = tables.tidy(classes)
    return kept if kept.dtype.kind in "Uifbu" and len(classes) > 1 else None
