"""`pynn train`, `pynn predict` and `pynn evaluate` with tables, end to end; files and columns: test_table_files,
scores and texts: test_table_pieces, other targets and models from Python: test_table_models.
"""

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

from pynn.cli.tables import estimators

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
    assert re.search(r"name +id +\. +300: .*\n +has another value in nearly every row", shown)
    assert re.search(r"built +date +\. .*\n +dates as days, month, weekday; read as dates, day.month.year\n", shown)
    assert re.search(r"rooms +number +\d\d\.\d% ", shown)
    assert re.search(r"country +constant +\. +here +ignored", shown)
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
    assert "was not trained on a table with named columns" in fails("predict", "digits.safetensors", leavers)
    assert "--output is for tables" in fails("predict", "digits.safetensors", "a.png", "-o", "x.csv")
    assert "--invert is for pictures" in fails("predict", "leavers.safetensors", leavers, "--invert", "yes")
    assert "one table at a time" in fails("predict", "leavers.safetensors", leavers, leavers)
    assert "rename it if it is" in fails("predict", "leavers.safetensors", "digits.safetensors")
    assert "was not trained on a table with named columns" in fails("evaluate", "digits.safetensors", leavers)
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


def test_a_model_of_another_target_is_not_overwritten(run, fails, leavers):
    train = ("train", leavers, *FAST, "--quiet", "--no-plot", "--target")
    assert run(*train, "left")[0] == 0
    before = Path("leavers.safetensors").read_bytes()
    assert "did you mean 'left'" in fails(*train, "lefft")  # not that the model exists
    assert "leavers.safetensors exists, a model that predicts 'left'; choose another --output, or" in fails(
        *train, "calls"
    )
    assert Path("leavers.safetensors").read_bytes() == before
    assert run(*train, "calls", "--force")[0] == 0


@pytest.mark.parametrize("option", ["--validation 0", "--l2 0", "--dropout 0"])
def test_an_option_of_data_sets_is_refused_though_it_is_0(fails, leavers, option):
    name = option.split()[0]
    assert f"{name} is for the data sets of pynn" in fails("train", leavers, "--target", "left", *option.split())


def test_python_reads_the_text_of_a_file_as_the_command_does(run):
    count = 200
    random = np.random.default_rng(0)
    price = random.uniform(1000, 9000, count).round(2)
    frame = pandas.DataFrame({
        "day": [f"{day % 28 + 1}.{day % 12 + 1}.20{day % 20 + 10}" for day in range(count)],
        "price": [f"{number:,}" if row % 9 else "?" for row, number in enumerate(price)],
        "share": [f"{row % 90}.5%" for row in range(count)],
        "sent": [f"2020-01-{row % 28 + 1:02}T12:{row % 60:02}+02:00" for row in range(count)],
        "paid": price + random.normal(0, 10, count),
    })  # fmt: skip
    frame.to_csv("sales.csv", index=False)
    frame["share"] = [f"{row % 90},5" for row in range(count)]
    frame["price"] = [f"{number:.2f}".replace(".", ",") for number in price]
    frame.to_csv("verkauf.csv", index=False, sep=";", decimal=",")
    for name, options in (("sales", {}), ("verkauf", {"sep": ";"})):
        code, _, err = run("train", f"{name}.csv", "--target", "paid", *FAST, "--no-plot", "--quiet")
        assert code == 0, err
        assert run("predict", f"{name}.safetensors", f"{name}.csv", "-o", "out.csv")[0] == 0
        x = pandas.read_csv(f"{name}.csv", **options)
        assert isinstance(x["price"][0], str)
        found = pynn.load(f"{name}.safetensors").predict(x)
        np.testing.assert_allclose(found, pandas.read_csv("out.csv")["paid"], rtol=1e-5)


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
