"""An error that shows a value shows no more of it than people read."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import pynn
from pynn.messages.terminal import brief

TABLE = [[0.5] * 1000] * 300  # somebody's data, in the place of a number
X, Y = np.zeros((4, 3), np.float32), np.array([0, 1, 0, 1])


def fit(argument: str) -> Callable[[Any], Any]:
    return lambda value: pynn.Sequential(pynn.Affine(2)).fit(X, Y, **{argument: value})


OF_FIT = (
    "callbacks epochs batch_size validation metrics progress loss optimizer seed class_weight checkpoint distributed"
)
CALLS: dict[str, Callable[[Any], Any]] = {
    "units": pynn.Affine,
    "filters": pynn.Conv2d,
    "size": lambda value: pynn.MaxPool2d(value),
    "padding": lambda value: pynn.Conv2d(4, padding=value),
    "shape": lambda value: pynn.Reshape(value),
    "rate": pynn.Dropout,
    "learning_rate": pynn.Adam,
    "momentum": lambda value: pynn.SGD(0.1, momentum=value),
    "patience": lambda value: pynn.EarlyStopping(patience=value),
    "schedule": lambda value: pynn.LearningRateSchedule(value),
    **{argument: fit(argument) for argument in OF_FIT.split()},
    "layer": lambda value: pynn.Sequential(value),
    "backend": pynn.use_backend,
    "threads": pynn.set_num_threads,
    "seeds": lambda value: pynn.Ensemble(lambda: pynn.Sequential(pynn.Affine(2)), 2).fit(X, Y, seeds=value),
    "name": lambda value: pynn.Affine(2).named(value),
}


@pytest.mark.parametrize("value", [TABLE, {"a": TABLE}, tuple(TABLE), "word " * 100_000, 7**20_000], ids=type)
@pytest.mark.parametrize("argument", list(CALLS))
def test_a_large_value_in_the_wrong_place_is_shown_in_parts(
    argument: str, value: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    try:
        CALLS[argument](value)
    except OSError:  # a long text is a folder's name, and what the system says of it holds the whole
        assert (argument, type(value)) == ("checkpoint", str)
    except Exception as error:
        said = str(error)
        assert len(said) < 1500
        assert "Exceeds the limit" not in said
    else:  # a long text is a name, and a large number a size, until the model is built
        assert (argument, type(value)) in {("name", str), ("shape", int), ("threads", int)}


def test_short_values_are_shown_whole() -> None:
    for value in (3, 0.1, None, True, "sigmoid", [1, 2.5], (28, 28, 1), {"a": [1]}, list(range(10)), "x" * 190):
        assert brief(value) == repr(value)


def test_errors_show_the_ends_of_long_values() -> None:
    assert brief(list(range(1000))) == "[0, 1, 2, 3, 4, 5, 6, 7, 8, 9, ...]"
    text = brief("a" * 500 + "z" * 500)
    assert (text[:4], text[-4:], len(text)) == ("'aaa", "zzz'", 200)
    assert brief([[[[[1]]]]]) == "[[[[...]]]]"
    assert len(brief(np.zeros((1000, 1000)))) <= 200
