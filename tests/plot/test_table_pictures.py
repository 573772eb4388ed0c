"""Pictures of a model for tables: importance, predicted against true numbers, and the report of `pynn train`."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("matplotlib")

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from pynn import plot

IMPORTANCES = {"age": 0.1, "income": 0.3, "city": -0.01}


@pytest.mark.parametrize(
    "call", [lambda ax: plot.importance(IMPORTANCES, ax), lambda ax: plot.predicted([1.0, 2.0], [1.5, 2.0], ax)]
)
def test_both_take_and_return_axes(call):
    axes = call(None)
    assert isinstance(axes, Axes)
    assert axes.figure.axes == [axes]
    mine = Figure().subplots()
    assert call(mine) is mine
    assert mine.get_title(loc="left")


def test_bars_from_the_most_important_column():
    axes = plot.importance(IMPORTANCES, measure="RMSE", limit=2)
    assert [bar.get_width() for bar in axes.patches] == [0.3, 0.1]
    assert [label.get_text() for label in axes.get_yticklabels()] == ["income", "age"]
    assert axes.get_title(loc="left") == "importance of the columns, the first 2 of 3"
    assert axes.get_xlabel() == "rise of the RMSE when shuffled"
    top, bottom = axes.get_ylim()[::-1]
    assert top < bottom  # the first bar is above


def test_points_on_the_diagonal():
    axes = plot.predicted([1.0, 2.0, 6.0], [1.0, 3.0, 6.0])
    np.testing.assert_array_equal(axes.collections[0].get_offsets(), [[1, 1], [2, 3], [6, 6]])
    assert axes.get_title(loc="left") == f"RMSE {np.sqrt(1 / 3):.4g}, R² {1 - 1 / 14:.3f}"
    many = np.arange(20_000.0)
    axes = plot.predicted(many, many)
    assert len(axes.collections[0].get_offsets()) == 5000
    assert axes.collections[0].get_offsets()[-1].tolist() == [19_999, 19_999]
    assert plot.predicted([1.0, 1.0], [1.0, 2.0]).get_title(loc="left") == "RMSE 0.7071"  # no R² without spread


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: plot.importance([0.1, 0.2]), "importances is .*, expected a mapping"),
        (lambda: plot.importance({}), "importances has no columns"),
        (lambda: plot.importance({"a": np.nan}), "importances has NaN"),
        (lambda: plot.predicted([1.0], [1.0, 2.0]), "y_pred has 2 numbers, expected 1"),
        (lambda: plot.predicted([[1.0]], [1.0]), r"y_true has shape \(1, 1\), expected \(N,\)"),
        (lambda: plot.predicted([], []), r"y_true has shape \(0,\)"),
        (lambda: plot.predicted([1.0], [np.inf]), "y_pred has NaN or infinite"),
    ],
)
def test_what_is_wrong(call, message):
    with pytest.raises((TypeError, ValueError), match=message):
        call()


def test_the_report_of_classes_and_of_numbers():
    history = {"loss": [3.0, 2.0], "val_loss": [3.5, 3.0]}
    figure = plot.table_report([history], ["a", "b", "b"], ["a", "b", "a"], IMPORTANCES, classes=["a", "b"])
    titles = {axes.get_title(loc="left") for axes in figure.axes}
    assert titles == {"training", "66.7% of 3 samples right", "importance of the columns"}
    training = next(axes for axes in figure.axes if axes.get_title(loc="left") == "training")
    assert [line.get_ydata().tolist() for line in training.lines] == [[3, 2], [3.5, 3]]
    assert [line.get_xdata().tolist() for line in training.lines] == [[1, 2], [1, 2]]
    figure = plot.table_report([history], ["a", "b"], ["a", "b"], IMPORTANCES, classes=["a", "b"], kept=[2])
    training = next(axes for axes in figure.axes if axes.get_title(loc="left") == "training")
    assert training.lines[-1].get_xdata() == [2, 2]
    assert "epoch kept: 2" in {words.get_text() for words in training.get_legend().get_texts()}
    figure = plot.table_report([history, history], [1.0, 2.0], [1.5, 2.5], IMPORTANCES, measure="RMSE")
    titles = {axes.get_title(loc="left") for axes in figure.axes}
    assert {"training of 2 members", "importance of the columns"} < titles
    labels = [number % 50 for number in range(100)]
    figure = plot.table_report([history], labels, labels, IMPORTANCES, classes=list(range(50)))
    assert "100.0% of 100 rows right, 50 classes" in {axes.get_title(loc="left") for axes in figure.axes}
