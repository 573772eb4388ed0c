"""What the estimators do with the columns that people have: names that occur twice, words among numbers, ids, gaps."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

pytest.importorskip("sklearn")
pytest.importorskip("pandas")

import pandas

from pynn.sklearn import MLPClassifier, MLPRegressor, TabularClassifier, TabularRegressor

ESTIMATORS = (MLPClassifier, MLPRegressor, TabularClassifier, TabularRegressor)


@pytest.mark.parametrize("kind", ESTIMATORS)
def test_two_columns_of_one_name_are_refused_by_name(kind: Any) -> None:
    frame = pandas.DataFrame(np.eye(20)[:, :3], columns=["a", "b", "a"])
    with pytest.raises(ValueError, match=r"^X has two columns named 'a'; give each a different name$"):
        kind().fit(frame, np.arange(20) % 2)


@pytest.fixture
def made() -> tuple[Any, Any]:
    random = np.random.default_rng(0)
    x = random.normal(size=(600, 3))
    return pandas.DataFrame(x, columns=["a", "b", "c"]), (2 * x[:, 0] - x[:, 1] > 0).astype(int)


def _score(frame: Any, y: Any) -> float:
    return float(TabularClassifier("fast", random_state=0).fit(frame[:400], y[:400]).score(frame[400:], y[400:]))


@pytest.mark.usefixtures("backend")
@pytest.mark.parametrize("change", ["words", "text", "ids"])
def test_words_text_and_ids_cost_no_accuracy(made: tuple[Any, Any], change: str) -> None:
    frame, y = made
    clean = _score(frame, y)
    if change == "words":
        frame = frame.astype({"a": object})
        frame.loc[[3, 50, 90, 200], "a"] = ["", "NA", "unknown", "?"]
    elif change == "text":
        frame["a"] = [f"{number:.6f}".replace(".", ",") for number in frame["a"]]
    else:
        frame["name"] = [f"n{row * 7919}" for row in range(600)]
    with pytest.warns(UserWarning, match="to keep a column as categories: X") as caught:
        changed = _score(frame, y)
    assert len(caught) == 1
    assert clean > 0.95
    assert changed > clean - 0.02


@pytest.mark.parametrize("kind", [TabularClassifier, TabularRegressor])
def test_a_row_without_any_value_is_predicted(made: tuple[Any, Any], kind: Any) -> None:
    frame, y = made
    frame = frame.assign(day=pandas.date_range("2020-01-01", periods=600), town=np.array(["x", "y", "z"])[y + 1])
    fitted = kind("fast", epochs=2).fit(frame, y)
    empty = pandas.DataFrame({name: [np.nan] for name in frame})
    assert len(fitted.predict(empty)) == 1
