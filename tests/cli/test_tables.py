"""`pynn train`, `pynn predict` and `pynn evaluate` with tables, end to end; files and columns: test_table_files."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import pynn

pytest.importorskip("pandas")
pytest.importorskip("sklearn")

import pandas

from pynn.cli.tables import estimators, importance, scores, text
from pynn.cli.tables.columns import Column
from pynn.cli.tables.importance import Importance

pytestmark = pytest.mark.usefixtures("alone")
FAST = ("--preset", "fast")


@pytest.fixture(autouse=True)
def short(monkeypatch) -> None:
    """Small batches and few epochs: the test is of the command."""
    make = estimators.make
    monkeypatch.setattr(estimators, "make", lambda *given: make(*given).set_params(epochs=25, batch_size=32))


@pytest.fixture
def houses() -> Path:
    """A regression: the price follows from size and place, with a date, gaps, a constant and an id."""
    random = np.random.default_rng(0)
    count = 300
    size = random.integers(30, 200, count)
    place = random.choice(["north", "south", "west"], count)
    price = 1000.0 * size + np.where(place == "north", 60_000, 0) + random.normal(0, 3000, count)
    frame = pandas.DataFrame(
        {
            "name": [f"house {number}" for number in range(count)],
            "size": size,
            "place": place,
            "built": [f"{day % 28 + 1}.{day % 12 + 1}.19{day % 70 + 10}" for day in range(count)],
            "rooms": np.where(random.random(count) < 0.2, None, size // 20),
            "country": "here",
            "price": price.round(2),
        }
    )
    frame.to_csv("houses.csv", index=False)
    return Path("houses.csv")


@pytest.fixture
def leavers() -> Path:
    """Two classes of text that follow from a category and a number."""
    random = np.random.default_rng(1)
    count = 300
    plan, calls = random.choice(["a", "b", "c"], count), random.normal(0, 1, count)
    left = np.where(calls + (plan == "a") + random.normal(0, 0.3, count) > 0.5, "yes", "no")
    plan = np.where(random.random(count) < 0.1, "", plan)
    pandas.DataFrame({"plan": plan, "calls": calls, "left": left}).to_csv("leavers.csv", index=False)
    return Path("leavers.csv")


# From end to end


def test_numbers_from_end_to_end(run, houses):
    code, out, err = run("train", houses, "--target", "price", *FAST)
    assert code == 0, err
    shown = "\n".join(out)
    assert "houses.csv: 300 rows, 6 columns and the target" in shown
    assert re.search(r"name +category +\. +300: .*\n +every value differs, like an id: ignored", shown)
    assert re.search(r"built +date +\. .*\n +dates as days, month, weekday\n", shown)
    assert re.search(r"rooms +number +\d\d\.\d% ", shown)
    assert re.search(r"country +category +\. +here +constant: ignored", shown)
    assert "regression (guessed: 'price' has" in shown
    assert "240 rows to train on, 60 to test, drawn at random, not the latest; preset fast" in shown
    assert next(line.split()[0] for line in out if "█" in line) == "size"
    assert out[-2] == "wrote houses.safetensors and houses.png"
    rmse = float(re.fullmatch(r"test RMSE ([\d,.]+)", out[-1])[1].replace(",", ""))
    assert rmse < 15_000  # the baseline's is 57,000
    assert Path("houses.png").read_bytes().startswith(b"\x89PNG")

    code, out, err = run("predict", "houses.safetensors", houses, "-o", "out.csv")
    assert (code, out, err) == (0, [], ["pynn: wrote out.csv: 300 rows"])
    found, truth = pandas.read_csv("out.csv"), pandas.read_csv(houses)
    assert found.columns.tolist() == ["price"]
    assert np.sqrt(np.mean((found["price"] - truth["price"]) ** 2)) < 15_000

    code, out, err = run("evaluate", "houses.safetensors", houses)
    assert (code, err) == (0, [])
    assert out[0] == "houses.safetensors on 300 rows of houses.csv"
    expected = np.sqrt(np.mean((found["price"] - truth["price"]) ** 2))
    assert float(out[-1].split()[-1].replace(",", "")) == pytest.approx(expected, rel=1e-3)


def test_classes_from_end_to_end(run, leavers):
    code, out, err = run("train", leavers, "--target", "left", *FAST, "--no-plot")
    assert code == 0, err
    shown = "\n".join(out)
    assert "classification (guessed: 'left' has 2 different values of text)" in shown
    for name in ("accuracy", "log loss", "ROC-AUC"):
        assert re.search(rf"{name} +0\.\d{{4}} +0\.\d{{4}}\n", shown)
    assert out[-2] == "wrote leavers.safetensors"
    assert float(out[-1].removeprefix("test accuracy ")) > 0.8

    code, out, err = run("predict", "leavers.safetensors", leavers)
    assert (code, err) == (0, [])
    assert out[0] == "left,p(no),p(yes)"
    rows = [line.split(",") for line in out[1:]]
    assert len(rows) == 300
    for label, no, yes in rows:
        assert float(no) + float(yes) == pytest.approx(1, abs=1e-5)
        assert label == ("yes" if float(yes) > float(no) else "no")
    right = np.mean([row[0] for row in rows] == pandas.read_csv(leavers)["left"])

    out = run("evaluate", "leavers.safetensors", leavers)[1]
    assert any(line.split() == ["true", "no", "yes", "accuracy"] for line in out)
    assert out[-1] == f"test accuracy {right:.4f}"


def test_an_ensemble(run, leavers):
    code, out, err = run("train", leavers, "--target", "left", *FAST, "--no-plot", "--ensemble", 2)
    assert code == 0, err
    assert len(pynn.Ensemble.load("leavers.safetensors")) == 2
    assert float(out[-1].removeprefix("test accuracy ")) > 0.8
    code, out, err = run("predict", "leavers.safetensors", leavers)
    assert (code, err, len(out)) == (0, [], 301)
    assert run("evaluate", "leavers.safetensors", leavers)[0] == 0


def test_the_same_seed_writes_the_same_file(run, leavers):
    for name, seed in (("a", 0), ("b", 0), ("c", 1)):
        done = run("train", leavers, "--target", "left", *FAST, "--quiet", "--seed", seed, "-o", f"{name}.safetensors")
        assert done[0] == 0
        assert len(done[1]) == 1
        assert done[2] == []
    files = [Path(f"{name}.safetensors").read_bytes() for name in "abc"]
    assert files[0] == files[1] != files[2]


def test_columns_by_name_and_unknown_categories(run, fails, leavers):
    run("train", leavers, "--target", "left", *FAST, "--no-plot", "--quiet")
    expected = run("predict", "leavers.safetensors", leavers)[1]
    frame = pandas.read_csv(leavers)[["calls", "left", "plan"]]
    frame.insert(0, "new", 1)
    frame.to_csv("other.csv", index=False, sep=";", decimal=",")
    assert run("predict", "leavers.safetensors", "other.csv")[1] == expected
    Path("new.csv").write_text("plan,calls\na,1\nz,1\ny,1\n,1\n")
    code, out, err = run("predict", "leavers.safetensors", "new.csv")
    assert (code, len(out)) == (0, 5)
    assert err == [
        "pynn: new.csv, line 3, column 'plan': 'y', 'z' were not in the training, taken as missing (2 rows)",
    ]
    assert out[2] == out[3] == out[4] != out[1]  # as a missing one
    Path("new.csv").write_text("plan,Calls\na,1\n")
    assert "new.csv: the column 'calls' of the training is missing; 'Calls' may be 'calls': rename it" in fails(
        "predict", "leavers.safetensors", "new.csv"
    )
    Path("new.csv").write_text("plan,calls\na,1\nb,many\n")
    assert "new.csv, line 3, column 'calls': 'many', expected numbers, as in the training" in fails(
        "predict", "leavers.safetensors", "new.csv"
    )


def test_evaluation_of_other_labels(run, fails, leavers):
    run("train", leavers, "--target", "left", *FAST, "--no-plot", "--quiet")
    Path("new.csv").write_text("plan,calls,left,gone\na,1,yes,no\nb,-1,no,no\nb,-1,perhaps,no\nb,-1,,no\n")
    _, out, err = run("evaluate", "leavers.safetensors", "new.csv")
    assert err == [
        "pynn: 1 row without a value of 'left' left out",
        "pynn: 1 row of 'left' has a class that the model does not know, which counts as wrong",
    ]
    assert out[-1] == "test accuracy 0.6667"
    assert run("evaluate", "leavers.safetensors", "new.csv", "--target", "gone")[0] == 0
    Path("new.csv").write_text("plan,calls,left\na,1,maybe\n")
    assert "no value is a class of the model, 'no', 'yes'" in fails("evaluate", "leavers.safetensors", "new.csv")
    Path("new.csv").write_text("plan,calls\na,1\n")
    assert "there is no column 'left'" in fails("evaluate", "leavers.safetensors", "new.csv")


# Options


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((), "name the column to predict: --target COLUMN; leavers.csv has 'plan', 'calls', 'left'"),
        (("--target", "Left"), "leavers.csv, line 1: there is no column 'Left'; did you mean 'left'?"),
        (("--target", "left", "--layers", "64"), "--layers is for the data sets of pynn, and leavers.csv is not one"),
        (("--target", "left", "--epochs", "4"), "--time-budget shortens the training"),
        (("--target", "left", "--no-batchnorm"), "--batchnorm is for the data sets of pynn"),
        (("--target", "left", "--data", "."), "--data is for the data sets"),
        (("--target", "left", "--run", "x"), "--run is for the data sets of pynn"),
        (("--target", "left", "--task", "ranking"), "argument --task: invalid choice: 'ranking'"),
        (("--target", "left", "--preset", "best"), "argument --preset: invalid choice: 'best'"),
        (("--target", "left", "--test", "1"), "argument --test: expected a number above 0 and below 1; got '1'"),
        (("--target", "left", "--time-budget", "0"), "argument --time-budget: expected a number above 0"),
        (("--target", "left", "--drop", "plam"), "line 1: there is no column 'plam'; did you mean 'plan'?"),
        (("--target", "left", "--drop", "left"), "--drop: 'left' is the target"),
        (("--target", "left", "--drop", "plan,calls"), "no column is left"),
        (("--target", "left", "--drop", ","), "argument --drop: expected names of columns"),
        (("--target", "left", "--categorical", "cals"), "--categorical: leavers.csv, line 1: there is no colu"),
        (("--target", "left", "--task", "regression"), "line 2, column 'left': 'no' is not a number"),
        (("--target", "left", "--output", "a.txt"), "--output: expected a name that ends in .safetensors"),
    ],
    ids=lambda value: " ".join(value)[:40] if isinstance(value, tuple) else "",
)  # fmt: skip
def test_train_says_what_is_wrong(fails, leavers, arguments, message):
    if "regression" in arguments:
        leavers.write_text("plan,calls,left\n" + "a,1,no\nb,2,yes\n" * 9)
    assert message in fails("train", leavers, *arguments)
    assert os.listdir() == ["leavers.csv"]


@pytest.mark.parametrize("option", ["--target left", "--preset fast", "--drop 0.2", "--test 0.2", "--force"])
def test_options_of_tables_are_refused_for_data_sets(fails, option):
    assert f"{option.split()[0]} is for tables, such as data.csv, and digits is not one" in fails(
        "train", "digits", *option.split()
    )


def test_models_and_files_that_do_not_fit(run, fails, leavers):
    run("train", leavers, "--target", "left", *FAST, "--no-plot", "--quiet")
    model = pynn.Sequential(pynn.Flatten(), pynn.Affine(10))
    model.build((8, 8, 1))
    model.notes["dataset"] = "digits"
    model.save("digits.safetensors")
    assert "is a table" in fails("predict", "digits.safetensors", leavers)
    assert "--output is for tables" in fails("predict", "digits.safetensors", "a.png", "-o", "x.csv")
    assert "--invert is for pictures" in fails("predict", "leavers.safetensors", leavers, "--invert", "yes")
    assert "one table at a time" in fails("predict", "leavers.safetensors", leavers, leavers)
    assert "rename it if it is" in fails("predict", "leavers.safetensors", "digits.safetensors")
    assert "was not trained on a table" in fails("evaluate", "digits.safetensors", leavers)
    assert "name one: pynn evaluate" in fails("evaluate", "leavers.safetensors")
    assert "leavers.csv is read too" in fails("predict", "leavers.safetensors", leavers, "-o", leavers)
    assert "expected a name that ends in .csv" in fails("predict", "leavers.safetensors", leavers, "-o", "x.txt")
    assert "pynn predict leavers.safetensors leavers.csv" in fails("predict", leavers, "leavers.safetensors")


def test_files_of_others_are_not_overwritten(run, fails, leavers):
    train = ("train", leavers, "--target", "left", *FAST, "--quiet", "--no-plot")
    Path("leavers.safetensors").write_text("mine")
    assert "leavers.safetensors exists, and pynn train did not write it for a table; choose another --output" in fails(
        *train
    )
    assert Path("leavers.safetensors").read_text() == "mine"
    assert run(*train, "--force")[0] == 0
    assert run(*train)[0] == 0  # its own file
    os.remove("leavers.safetensors")
    Path("leavers.png").write_text("my picture")
    assert "leavers.png exists" in fails(*train[:-1])
    assert run(*train)[0] == 0


@pytest.mark.parametrize("missing", ["pandas", "sklearn"])
def test_missing_libraries_are_named(fails, leavers, monkeypatch, missing):
    monkeypatch.setitem(sys.modules, missing, None)
    assert fails("train", leavers, "--target", "left") == (
        'tables need pandas and scikit-learn: pip install "pynn-cpu[tables]"'
    )


# Warnings


def test_a_useless_table_gets_a_warning(run):
    random = np.random.default_rng(0)
    pandas.DataFrame({"x": random.normal(size=200), "y": random.normal(size=200)}).to_csv("noise.csv", index=False)
    _, _, err = run("train", "noise.csv", "--target", "y", *FAST, "--no-plot")
    assert "the model is not clearly better than the baseline" in err[-1]


def test_a_column_that_gives_the_target_away_gets_a_warning(run, leavers):
    frame = pandas.read_csv(leavers)
    frame["cancelled"] = np.where(frame["left"] == "yes", "2020", "never")
    frame.to_csv("leak.csv", index=False)
    _, _, err = run("train", "leak.csv", "--target", "left", *FAST, "--no-plot")
    assert "the column 'cancelled' alone gives 'left' away" in err[-1]
    assert err[-1].endswith("--drop cancelled")


# Ctrl-C


def test_ctrl_c_keeps_the_best_epoch_so_far(run, leavers, monkeypatch):
    epoch_end = estimators.Progress.on_epoch_end

    def interrupting(self, trainer):
        if self.epochs == 1:
            signal.raise_signal(signal.SIGINT)
        epoch_end(self, trainer)

    monkeypatch.setattr(estimators.Progress, "on_epoch_end", interrupting)
    code, out, err = run("train", leavers, "--target", "left", "--preset", "simplified")
    assert code == 130
    assert re.fullmatch(
        r"pynn: interrupted; the model of the best of 2 epochs \(test accuracy 0\.\d{4}\) is in leavers.safetensors",
        err[-1],
    )
    assert not any(line.startswith("test accuracy") for line in out)
    assert run("predict", "leavers.safetensors", leavers)[0] == 0
    run("train", leavers, "--target", "left", "--preset", "simplified")
    assert sorted(os.listdir()) == ["leavers.csv", "leavers.interrupted.safetensors", "leavers.safetensors"]
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_a_second_ctrl_c_ends_at_once(run, leavers, monkeypatch):
    def interrupting(self, trainer):
        signal.raise_signal(signal.SIGINT)
        signal.raise_signal(signal.SIGINT)

    monkeypatch.setattr(estimators.Progress, "on_epoch_end", interrupting)
    code, _, err = run("train", leavers, "--target", "left", "--preset", "simplified")
    assert (code, err[-1]) == (130, "pynn: interrupted; nothing was written")
    code, _, err = run("train", leavers, "--target", "left", "--preset", "simplified", "--ensemble", 2)
    assert err[-1] == "pynn: interrupted; nothing was written: an ensemble is kept when all of its members are trained"
    assert os.listdir() == ["leavers.csv"]


@pytest.mark.slow
def test_a_process(leavers):
    done = subprocess.run(
        [sys.executable, "-m", "pynn", "train", leavers, "--target", "left", *FAST, "--no-plot"],
        capture_output=True, text=True, timeout=120, env={**os.environ, "PYTHONIOENCODING": "ascii"},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "####" in done.stdout  # bars where the terminal has no blocks
    assert "training: epoch 100/100  val_accuracy " in done.stderr
    assert "\r" not in done.stderr  # no bar in a file


# Pieces


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
        Column(
            "a" * 50, "category", 100, 5, 12, "12: " + "x" * 200, ["many values: an id or free text?", "more words"]
        ),
        Column("b", "number", 100000, 3, 12, "1 .. 2"),
        *(Column(f"c{number}", "number", 100, 0, 12, "1 .. 2") for number in range(50)),
    ]
    lines = text.columns(described, width).splitlines()
    assert max(map(len, lines)) <= (width or 80) or width == 40
    assert any(re.match("b +number +< 0.1%  ", line) for line in lines)
    assert lines[-1] == "and 12 more columns"
    many = [Column(f"c{place}", "number", 9, 0, 9, "1 .. 2", ["a word"] * (place in (70, 71))) for place in range(90)]
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
