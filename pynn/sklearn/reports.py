"""Warnings and errors of estimators, which scikit-learn's own code may call: they point at the user's line."""

from __future__ import annotations

import os
import sys
import warnings
from types import FrameType
from typing import Any

import joblib
import numpy as np
import sklearn

from ..checks import PACKAGE
from ..data import tables
from ..messages import terminal
from ..messages.terminal import brief

PACKAGES = (PACKAGE, *(os.path.dirname(os.path.abspath(module.__file__)) + os.sep for module in (sklearn, joblib)))


def warn(message: str, category: type[Warning] = UserWarning) -> None:
    """Warn at the first line outside pynn, scikit-learn and joblib that led here."""
    frame: FrameType | None = sys._getframe(1)
    level = 2
    while frame is not None and frame.f_code.co_filename.startswith(PACKAGES):
        frame, level = frame.f_back, level + 1
    warnings.warn(terminal.printable(message, terminal.MOST, lines=True), category, stacklevel=level)


def with_column(error: ValueError, X: Any) -> ValueError:
    """scikit-learn's error for text, NaN or infinity in X, with the column of the data frame that holds it."""
    names = tables.columns(X)
    if names is None or not any(word in str(error) for word in ("NaN", "infinity", "could not convert")):
        return error
    for name in names:
        column = tables.series(X[name])
        if column.dtype.kind in "UO" and "could not convert" in str(error):
            return ValueError(
                f"X: column {name!r} holds {brief(column.tolist()[0])}, expected numbers: take TabularClassifier or "
                "TabularRegressor, which read text, or encode it, for example with sklearn.preprocessing.OneHotEncoder"
                f"\n{error}"
            )
        if column.dtype.kind != "f":
            continue
        bad = ~np.isfinite(column)
        if bad.any():
            row = int(np.argmax(bad))
            return ValueError(
                f"X: column {name!r} has {np.count_nonzero(bad)} of {len(column)} values that are missing or not "
                f"finite, the first in row {row} ({column[row]}): fill them, for example with "
                f"sklearn.impute.SimpleImputer, or drop those rows\n{error}"
            )
    return error


def did_you_mean(word: Any, words: tuple[str, ...]) -> str:
    """The end of an error for an unknown word."""
    from difflib import get_close_matches

    close = get_close_matches(str(word), words, 1)
    return f"; did you mean {close[0]!r}?" if close else ""


def expect_word(name: str, value: Any, words: tuple[str, ...], other: str = "") -> None:
    """ValueError unless the value is one of the words; other: what else it may be, for the message."""
    if not (isinstance(value, str) and value in words):
        listed = ", ".join(map(repr, words))
        raise ValueError(
            f"{name} is {brief(value)}, expected {'one of ' if len(words) > 1 else ''}{listed}{other}"
            f"{did_you_mean(value, words)}"
        )
