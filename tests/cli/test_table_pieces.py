"""Scores, importance and texts of `pynn train` with tables."""

from __future__ import annotations

import re

import numpy as np
import pytest

pytest.importorskip("pandas")
pytest.importorskip("sklearn")

import pandas

from pynn.cli.tables import importance, scores, text
from pynn.cli.tables.columns import Column
from pynn.cli.tables.importance import Importance


def test_scores_of_classes():
    probabilities = np.array([[0.9, 0.1], [0.4, 0.6], [0.8, 0.2], [0.3, 0.7]])
    found = {
        score.name: score for score in scores.of_classes(np.array([0, 1, 1, 0]), probabilities, np.array([0.7, 0.3]))
    }
    assert (found["accuracy"].model, found["accuracy"].trivial) == (0.5, 0.5)
    assert found["log_loss"].model == pytest.approx(-np.log([0.9, 0.6, 0.2, 0.3]).mean())
    assert found["log_loss"].trivial == pytest.approx(-np.log([0.7, 0.3, 0.3, 0.7]).mean())
    assert found["roc_auc"].model == pytest.approx(2 / 4)
    unknown = scores.of_classes(np.array([0, -1]), probabilities[:2], np.array([0.7, 0.3]))
    assert [score.name for score in unknown] == ["accuracy", "log_loss"]
    assert unknown[0].model == 0.5


def test_what_is_clearly_better():
    random = np.random.default_rng(0)
    y = random.normal(size=400)
    for noise, clear in ((0.5, True), (1.0, False), (3.0, False)):
        found = scores.of_numbers(y, y + random.normal(0, noise, 400), 0.0, 0.0)
        assert [score.clearly_better for score in found] == [clear, clear, False]  # R² says the same as the RMSE


def test_scores_of_numbers():
    y, predicted = np.array([1.0, 2.0, 6.0]), np.array([1.0, 3.0, 6.0])
    found = {score.name: score for score in scores.of_numbers(y, predicted, 3.0, 2.0)}
    assert found["rmse"].model == pytest.approx(np.sqrt(1 / 3))
    assert found["rmse"].trivial == pytest.approx(np.sqrt(14 / 3))
    assert (found["mae"].model, found["mae"].trivial) == (pytest.approx(1 / 3), pytest.approx(5 / 3))
    assert (found["r2"].model, found["r2"].trivial) == (pytest.approx(1 - 1 / 14), 0)
    assert all(score.better for score in found.values())


def test_importance_is_that_of_scikit_learn_in_order():
    random = np.random.default_rng(0)
    frame = pandas.DataFrame(random.normal(size=(400, 3)), columns=["a", "b", "c"])
    frame["kind"] = pandas.Series(random.choice(["x", "y"], 400)).astype("category")

    def error(table, y):
        predicted = 3 * table["a"] + table["b"] + 2 * (table["kind"] == "x")
        return float(np.sqrt(np.mean((y - predicted) ** 2)))

    y = np.asarray(3 * frame["a"] + frame["b"] + 2 * (frame["kind"] == "x"))
    found = importance.measured(frame, y, error, 0)
    assert found.names == ["a", "kind", "b", "c"]
    assert found.rises[3] == 0
    assert found.rises[0] == pytest.approx(3 * np.sqrt(2), rel=0.15)  # of two independent standard normals
    assert found.rows == 400
    assert frame["a"].tolist() != sorted(frame["a"])
    again = importance.measured(frame, y, error, 0)
    np.testing.assert_array_equal(found.rises, again.rises)


def test_leaks():
    found = Importance(["a", "b"], np.array([1.0, 0.01]), np.zeros(2), 100)
    assert importance.leaks(found, 0.999, 0.6) == "a"
    assert importance.leaks(found, 0.9, 0.6) is None
    assert importance.leaks(found, 0.999, 0.99) is None
    assert importance.leaks(Importance(["a", "b"], np.array([1.0, 0.5]), np.zeros(2), 100), 0.999, 0.6) is None


@pytest.mark.parametrize("width", [40, 60, 80, None])
def test_texts_fit_the_terminal(width):
    described = [
        Column("a" * 50, "category", 100, 5, "12: " + "x" * 200, ["many values: an id or free text?", "more words"]),
        Column("b", "number", 100000, 3, "1 .. 2"),
        *(Column(f"c{number}", "number", 100, 0, "1 .. 2") for number in range(50)),
    ]
    lines = text.columns(described, width).splitlines()
    assert max(map(len, lines)) <= (width or 80) or width == 40
    assert any(re.match("b +number +< 0.1%  ", line) for line in lines)
    assert lines[-1] == "and 12 more columns"
    many = [Column(f"c{place}", "number", 9, 0, "1 .. 2", ["a word"] * (place in (70, 71))) for place in range(90)]
    lines = text.columns(many, width).splitlines()
    assert [line.split()[0] for line in lines if "a word" in line] in (["c70", "c71"], ["a", "a"])
    assert lines[-1] == "and 48 more columns"
    found = Importance([f"column {number}" for number in range(12)], np.linspace(1200, -1, 12), np.ones(12), 1)
    lines = text.importance(found, "RMSE", width).splitlines()
    assert max(map(len, lines[1:])) <= (width or 80)
    assert lines[1].count("█") > lines[5].count("█") > 0
    assert lines[-1] == "and 2 more columns below"


@pytest.mark.parametrize(
    ("value", "shown"),
    [(0.81234, "0.8123"), (12.345, "12.35"), (512.34, "512.3"), (51234.5, "51,234"), (0.00012, "0.0001200")],
)
def test_numbers_have_four_digits(value, shown):
    assert text.number(value) == shown
