"""Results: the best trial and its model, the table, the data frame, importance, and what they say without trials."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("optuna")

from search_cases import SPACE, build, search

import pynn
from pynn.search import Result, Search, choice, log_uniform, uniform

Points = tuple[np.ndarray, np.ndarray]
pytestmark = pytest.mark.filterwarnings("ignore:the best .* trials sit at")


@pytest.fixture
def result(points: Points) -> Result:
    return search(*points).run(trials=12, epochs=2)


def test_the_best_trial_and_its_model(points: Points, result: Result) -> None:
    best = result.best_trial
    assert result.best_score == best.score == max(one.score for one in result.trials if one.score is not None)
    assert result.best_params == best.params
    held = search(*points).data.part(0).validation
    assert result.best_model.evaluate(*held)["accuracy"] == pytest.approx(best.score)
    assert best.settings["batch_size"] == "10"
    assert best.best_epochs[0] == 1 + int(np.argmax(best.curves[0]["val_accuracy"]))
    assert repr(best).startswith(f"Trial({best.number}, score {best.score:.5g}, finished, {{'units': ")


def test_equal_scores_are_ranked_by_number(result: Result) -> None:
    keys = [(-(one.score or 0), one.number) for one in result.ranked]
    assert keys == sorted(keys)


def test_the_table_shows_the_best_first(result: Result) -> None:
    lines = result.table(3).splitlines()
    assert lines[0].split() == ["trial", "val_accuracy", "epochs", "seconds", "units", "learning_rate"]
    assert [int(line.split()[0]) for line in lines[1:4]] == [one.number for one in result.ranked[:3]]
    assert lines[-1] == "12 trials: 12 finished"
    assert len({len(line) for line in lines[:-1]}) == 1
    assert repr(result).splitlines()[0] == (
        f"Result(best val_accuracy {result.best_score:.5g} with {result.best_params})"
    )
    with pytest.raises(ValueError, match="rows is 0"):
        result.table(0)


def test_a_table_of_conditional_parameters_and_stages(points: Points) -> None:
    space = {"kind": choice({"a": {"learning_rate": log_uniform(1e-3, 1e-1)}, "b": {}})}
    result = Search(build, space, *points, progress=False).coarse_to_fine([(8, 1), (2, 1)])
    lines = result.table(20).splitlines()
    assert lines[0].split()[:2] == ["stage", "trial"]
    assert len(lines) == 12


def test_a_notebook_shows_the_best_as_a_table(result: Result, points: Points) -> None:
    page = result._repr_html_()
    assert page.count("<tr>") == 1 + min(10, len(result.ranked))
    cells = re.findall("<t[hd]>([^<]*)</t[hd]>", page)
    width = len(result.table().splitlines()[0].split())
    assert cells[: 2 * width] == " ".join(result.table().splitlines()[:2]).split()
    space = {"<b>": choice(["<i>"]), "units": uniform(1, 2)}
    page = Search(lambda _: build({}), space, *points, progress=False).run(trials=1, epochs=1)._repr_html_()
    assert "<b>" not in page
    assert "<td>&lt;i&gt;</td>" in page


def test_a_data_frame(result: Result) -> None:
    pytest.importorskip("pandas")
    table = result.frame()
    assert list(table.columns) == [
        "stage", "trial", "score", "ended", "why", "epochs", "seconds", "seed", "units", "learning_rate",
    ]  # fmt: skip
    assert table["score"].tolist() == [one.score for one in result.trials]
    assert table["units"].tolist() == [one.params["units"] for one in result.trials]


def test_without_pandas_there_is_no_data_frame(result: Result, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pandas", None)
    with pytest.raises(ImportError, match=r"result.frame\(\) needs pandas: pip install pandas"):
        result.frame()


@pytest.mark.slow
def test_importance_tells_what_matters(points: Points) -> None:
    space = {"learning_rate": log_uniform(1e-5, 1e-1), "nothing": uniform(0, 1)}
    result = Search(build, space, *points, progress=False, metric="val_loss").run(trials=40, epochs=4)
    found = result.importance()
    assert list(found) == ["learning_rate", "nothing"]
    assert sum(found.values()) == pytest.approx(1)
    assert found["learning_rate"] > 0.7
    with pytest.raises(ValueError, match="stage is 2, but the search has 1 stage"):
        result.importance(stage=2)


def test_importance_needs_two_trials(points: Points) -> None:
    result = search(*points).run(trials=1, epochs=1)
    with pytest.raises(ValueError, match="importance needs at least 2 finished trials, and there is 1"):
        result.importance()


def test_a_result_stays_as_it_was(points: Points) -> None:
    job = search(*points)
    first = job.run(trials=2, epochs=1)
    job.run(trials=5, epochs=1)
    assert len(first.trials) == 2
    assert len(job.result.trials) == 5


def test_edges_and_spaces_of_each_stage(points: Points) -> None:
    job = Search(build, {"learning_rate": log_uniform(1e-4, 1e-2)}, *points, progress=False, metric="val_loss")
    result = job.coarse_to_fine([(16, 20), (3, 2)])
    assert result.edges == [{"learning_rate": "upper"}, {}]
    assert [list(space.parts) for space in result.spaces] == [["learning_rate"]] * 2
    assert result.spaces[1].parts["learning_rate"].high > 1e-2  # type: ignore[union-attr]
    assert result.mode == "min"


@pytest.mark.slow
def test_a_picture(result: Result, tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    figure = result.plot(tmp_path / "search.png")
    assert figure.get_suptitle().startswith(f"best val_accuracy {result.best_score:.4g}")
    assert (tmp_path / "search.png").read_bytes().startswith(b"\x89PNG")


def test_a_result_without_a_finished_trial_says_why(points: Points) -> None:
    result = Search(build, {"learning_rate": uniform(1e30, 1e31)}, *points, progress=False).run(trials=3, epochs=1)
    assert repr(result).startswith(
        "Result(no trial has finished; 3 trials: 3 diverged; trial 0 diverged: the loss is nan"
    )
    assert result.table().startswith("3 trials: 3 diverged; trial 0 diverged: the loss is nan at step 1")
    for name in ("best_trial", "best_score", "best_params", "best_model"):
        with pytest.raises(ValueError, match="no trial has finished: 3 trials: 3 diverged"):
            getattr(result, name)


class Twice(pynn.Layer):
    """A layer of the user's own."""

    def build(self, input_shape: Any) -> Any:
        return input_shape

    def forward(self, x: Any, training: bool) -> Any:
        return 2 * x

    def backward(self, dy: Any) -> Any:
        return 2 * dy


def test_models_with_layers_of_the_users_own(points: Points) -> None:
    def custom(params: Any) -> Any:
        return pynn.Sequential(Twice(), pynn.Affine(3)), {"optimizer": pynn.Adam(params["learning_rate"])}

    result = Search(custom, {"learning_rate": SPACE["learning_rate"]}, *points, progress=False).run(3, 2)
    assert isinstance(result.best_model.layers[0], Twice)


def test_labels_of_text_and_preprocessing_are_in_the_model(points: Points) -> None:
    def scaled(params: Any) -> Any:
        model, settings = build(params)
        return model, {**settings, "preprocessing": pynn.Standardization()}

    labels = np.array(["a", "b", "c"])[points[1]]
    result = Search(scaled, SPACE, points[0] * 1000, labels, progress=False).run(4, 10)
    assert set(result.best_model.predict(points[0] * 1000)) <= {"a", "b", "c"}
    assert (result.best_model.predict(points[0] * 1000) == labels).mean() > 0.6


def test_a_table_of_pandas(points: Points) -> None:
    pandas = pytest.importorskip("pandas")
    table = pandas.DataFrame(points[0], columns=list("abcd"))
    for folds in (None, 3):
        result = Search(build, SPACE, table, points[1], folds=folds, progress=False).run(3, 2)
        assert result.best_model.columns == ("a", "b", "c", "d")
        assert len(result.best_model.predict(table[["d", "c", "b", "a"]])) == 30
