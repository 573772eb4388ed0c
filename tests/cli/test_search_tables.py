"""`pynn search` for tables: classes and numbers from end to end, the default space, and what is wrong."""

from __future__ import annotations

import copy
import os
import pickle
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("optuna")
pytest.importorskip("pandas")
pytest.importorskip("sklearn")

import pandas

import pynn
from pynn.cli import parser
from pynn.cli.search import command, parameters, tables
from pynn.cli.tables import files, train
from pynn.search.data import read
from pynn.search.trials import trial
from pynn.search.trials.trial import Task

pytestmark = pytest.mark.usefixtures("alone")
QUICK = ("--trials", 3, "--epochs", 25)
SPACE = "learning_rate = {log_uniform = [5e-3, 5e-2]}\nbatch_size = {choice = [32]}\nwidth = {integer = [16, 32]}"


@pytest.fixture
def houses() -> Path:
    """A number and two classes that follow from a number and a category, with gaps, a date, an id and a constant."""
    random = np.random.default_rng(0)
    size, place = random.integers(30, 200, 240), random.choice(["north", "south", "west"], 240)
    price = 1000.0 * size + np.where(place == "north", 60_000, 0) + random.normal(0, 3000, 240)
    frame = pandas.DataFrame(
        {
            "name": [f"house {number}" for number in range(240)],
            "size": size,
            "place": place,
            "built": [f"{day % 28 + 1}.{day % 12 + 1}.19{day % 70 + 10}" for day in range(240)],
            "rooms": np.where(random.random(240) < 0.2, None, size // 20),
            "country": "here",
            "price": price.round(2),
            "dear": np.where(price > 120_000, "yes", "no"),
        }
    )
    frame.to_csv("houses.csv", index=False)
    Path("space.toml").write_text(SPACE)
    return Path("houses.csv")


@pytest.mark.slow
def test_numbers_from_end_to_end(run: Any, houses: Path) -> None:
    code, out, err = run("search", houses, "--target", "price", "--drop", "dear", "--space", "space.toml", *QUICK)
    assert code == 0, err
    text = "\n".join(out)
    assert "regression (guessed: 'price' has 240 different numbers" in text
    assert "192 rows to train on, 48 to test, drawn at random, not the latest; RealMLP" in text
    assert "3 trials of 25 epochs by random search, kept in houses.search.log" in text
    assert re.search(r"^trial +val_loss +epochs +seconds +learning_rate +batch_size +width$", text, re.M)
    assert re.search(r"^best: val_loss [\d.]+ with learning_rate [\d.]+, batch_size 32, width \d\d$", text, re.M)
    assert re.search(r"^RMSE of price +[\d,]+ +[\d,]+$", text, re.M)
    assert out[-2] == "wrote houses.search.safetensors and houses.search.png"
    assert float(out[-1].removeprefix("test RMSE ").replace(",", "")) < 30_000  # the baseline's is 57,000
    code, out, err = run("predict", "houses.search.safetensors", houses, "-o", "out.csv")
    assert (code, err) == (0, ["pynn: wrote out.csv: 240 rows"])
    predicted, truth = pandas.read_csv("out.csv")["price"], pandas.read_csv(houses)["price"]
    assert np.sqrt(np.mean((predicted - truth) ** 2)) < 30_000


def test_classes_from_end_to_end(run: Any, houses: Path) -> None:
    options = ("search", houses, "--target", "dear", "--drop", "price", *QUICK, "--no-plot", "-o", "m.safetensors")
    code, out, err = run(*options)
    assert code == 0, err
    text = "\n".join(out)
    for name, scale in (("learning_rate", "log scale"), ("weight_decay", "log scale"), ("width", "log scale")):
        assert re.search(rf"^{name} +[\d.e-]+ \.\. [\d.]+ +{scale}$", text, re.M)
    assert re.search(r"^batch_size +32$", text, re.M)
    assert float(out[-1].removeprefix("test accuracy ")) > 0.8
    model = pynn.load("m.safetensors")
    assert set(model.notes["search"]["params"]) == {"learning_rate", "weight_decay", "width", "dropout", "batch_size"}
    assert model.classes.tolist() == ["no", "yes"]
    code, out, err = run("predict", "m.safetensors", houses)
    assert (code, err, out[0]) == (0, [], "dear,p(no),p(yes)")
    right = np.mean([line.split(",")[0] for line in out[1:]] == pandas.read_csv(houses)["dear"])
    assert run("evaluate", "m.safetensors", houses)[1][-1] == f"test accuracy {right:.4f}"
    assert right > 0.8
    again = run(*options)[1]
    assert again[-1] == text.splitlines()[-1]


def test_the_estimator_that_is_trained_again(run: Any, houses: Path) -> None:
    from pynn.sklearn import TabularClassifier

    Path("space.toml").write_text(f"{SPACE}\nlabel_smoothing = {{choice = [0.05]}}\ndepth = {{choice = [2]}}")
    options = (
        "--target",
        "dear",
        "--drop",
        "price",
        "--space",
        "space.toml",
        "--trials",
        1,
        "--epochs",
        2,
        "--no-plot",
    )
    _, out, _ = run("search", houses, *options)
    line = next(line for line in out if line.startswith("train it again: pynn.sklearn."))
    estimator = eval(line.removeprefix("train it again: pynn.sklearn."), {"TabularClassifier": TabularClassifier})
    width = pynn.load("houses.search.safetensors").notes["search"]["params"]["width"]
    assert estimator.hidden_layer_sizes == (width, width)
    found = (estimator.batch_size, estimator.label_smoothing, estimator.epochs)
    assert found == (32, 0.05, 2)
    assert estimator.random_state == pynn.search.load("houses.search.log").best_trial.seed


def test_warnings_of_the_columns_are_in_a_line(run: Any, houses: Path) -> None:
    frame = pandas.read_csv(houses)
    frame.assign(place=np.random.default_rng(1).permutation(len(frame))).to_csv(houses, index=False)
    _, _, err = run("search", houses, "--target", "dear", "--trials", 1, "--epochs", 1, "--no-plot", "--quiet")
    assert any(line.startswith("pynn: x has whole numbers in 'place' that are all different") for line in err)


@pytest.mark.slow
def test_stages_and_folds(run: Any, houses: Path) -> None:
    options = ("--target", "price", "--drop", "dear", "--stages", "8x1,2x2", "--folds", 3, "--no-plot")
    code, out, err = run("search", houses, *options)
    assert code == 0, err
    assert any(line.startswith("stage 2: 2 trials of 2 epochs") for line in out)
    assert "the model is that of the best of 3 folds" in " ".join(out)


def test_the_trials_can_be_made_in_other_processes(houses: Path) -> None:
    options = parser.build().read(["search", "houses.csv", "--target", "dear"])
    command._fill(options)
    job = tables.Tables(options, Path("houses.search.safetensors"), None)
    params, x = {"learning_rate": 0.01, "width": 8, "depth": 1}, job.x.iloc[:150]
    first, settings = job.build(params, 3, 7, x)
    again = pickle.loads(pickle.dumps(job.build))
    for build in (job.build, again):
        np.testing.assert_array_equal(build(params, 3, 7, x)[0].parameters, first.parameters)
    assert settings["batch_size"] == 150
    assert job.epochs == 100  # few rows


@pytest.mark.parametrize("target", ["dear", "price"])
@pytest.mark.parametrize("folds", [None, 3])
def test_rows_to_validate_on_have_no_influence_on_the_training(houses: Path, target: str, folds: int | None) -> None:
    """Neither on scales and categories nor on first weights; the model reads the table as it was trained to."""
    other = "price" if target == "dear" else "dear"
    options = parser.build().read(["search", "houses.csv", "--target", target, "--drop", other])
    command._fill(options)
    job = tables.Tables(options, Path("houses.search.safetensors"), None)
    task = Task(0, {"learning_rate": 0.01, "width": 8}, 4, 0, "val_loss", "min")
    parts = read(job.x, job.y, None, None, folds, None, 0)
    outcome = trial.run(job.build, parts, task)
    for fold in range(parts.folds):
        changed = copy.copy(parts)
        changed.x = parts.x.copy()
        held = changed.x.index.isin(parts.part(fold).validation[0].index)
        changed.x.loc[held, "size"] += 1000
        changed.x["place"] = changed.x["place"].cat.add_categories("elsewhere").mask(held, "elsewhere")
        again = trial.run(job.build, changed, task)
        assert again.curves[fold]["loss"] == outcome.curves[fold]["loss"]
        assert again.curves[fold]["val_loss"] != outcome.curves[fold]["val_loss"]
        model, part = pynn.from_bytes(outcome.models[fold]), parts.part(fold)
        expected = tables.encoder_of().fit(part.x).transform(part.x)
        np.testing.assert_array_equal(model.preprocessing.transform(part.x), expected)  # type: ignore[union-attr]
        assert "elsewhere" not in str(model.preprocessing.get_feature_names_out())  # type: ignore[union-attr]


def test_categories_that_occur_have_first_weights() -> None:
    """Also those that are rare among more rows than first weights follow from."""
    count = tables.START_ROWS + 500
    x = np.c_[np.zeros(count), np.where(np.arange(count) == 77, 40, np.arange(count) % 30)]
    some = tables._some(x, slice(1, 2), 0)
    assert tables.START_ROWS <= len(some) < count
    assert set(some[:, 1]) == {*range(30), 40}


def test_first_weights_follow_from_the_seed_of_the_trial(houses: Path) -> None:
    options = parser.build().read(["search", "houses.csv", "--target", "dear"])
    command._fill(options)
    job = tables.Tables(options, Path("houses.search.safetensors"), None)
    weights = [job.build(job.space.middle(), 2, seed, job.x)[0].parameters for seed in (3, 3, 4)]
    np.testing.assert_array_equal(weights[0], weights[1])
    assert not np.allclose(weights[0], weights[2])


def test_large_tables_have_fewer_epochs_and_larger_batches() -> None:
    assert parameters.for_tables(100)["batch_size"].labels == [32]
    assert parameters.for_tables(10_000)["batch_size"].labels == [32, 64, 128, 256, 512]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ("", "name the column to predict: --target COLUMN; houses.csv has 'name', 'size', 'place'"),
        ("--target prize", "there is no column 'prize'; did you mean 'price' or 'size'?"),
        ("--target price --learning-rate 0.1", "--learning-rate is for the data sets of pynn, and houses.csv is not "
         "one; leave it out: write into --space what a table's network is to have, as {choice = [VALUE]} if it is "
         "fixed"),
        ("--target price --model mlp", "--model is for the data sets of pynn"),
        ("--target price --metric val_accuracy", "--metric val_accuracy is for classes, and price has numbers;"),
        ("--target price --space smooth.toml", "smooth.toml: 'label_smoothing' is no parameter (there are"),
        ("--target dear --space momentum.toml", "momentum.toml: 'momentum' is no parameter"),
        ("--target price --output space.toml", "--output: expected a name that ends in .safetensors"),
        ("--target price --output mine.safetensors", "mine.safetensors exists, and pynn train did not write it"),
        ("--target prize --output mine.safetensors", "did you mean 'price' or 'size'?"),  # not that the file exists
        ("--target price --preset fast", "--preset; only pynn train has --preset"),
    ],
)  # fmt: skip
def test_what_is_wrong(fails: Any, houses: Path, options: str, message: str) -> None:
    Path("smooth.toml").write_text("label_smoothing = {uniform = [0, 0.3]}")
    Path("momentum.toml").write_text("momentum = {uniform = [0, 0.9]}")
    Path("mine.safetensors").write_bytes(b"mine")
    before = sorted(os.listdir())
    assert message in fails("search", houses, "--quiet", *options.split())
    assert sorted(os.listdir()) == before


def test_without_pandas_it_says_what_to_install(fails: Any, houses: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def missing() -> None:
        raise ImportError(files.MISSING)

    monkeypatch.setattr(files, "expect_libraries", missing)
    assert fails("search", houses, "--target", "price") == files.MISSING
    assert train.files is files
