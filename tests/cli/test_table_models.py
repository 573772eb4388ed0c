"""Tables on the command line: targets of every kind, models saved from Python, several outputs, codes with zeros."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest

import pynn

pytest.importorskip("pandas")
pytest.importorskip("sklearn")

import pandas

from pynn.cli.tables import columns, estimators, reading
from pynn.sklearn import TabularClassifier, TabularRegressor

pytestmark = pytest.mark.usefixtures("alone")
FAST = ("--preset", "fast")
QUICK = {"preset": "fast", "epochs": 25, "batch_size": 32, "random_state": 0}


@pytest.fixture(autouse=True)
def short(monkeypatch: pytest.MonkeyPatch) -> None:
    """Small batches and few epochs: the test is of the command."""
    make = estimators.make
    monkeypatch.setattr(estimators, "make", lambda *given: make(*given).set_params(epochs=25, batch_size=32))


@pytest.fixture
def frame() -> pandas.DataFrame:
    random = np.random.default_rng(0)
    x, plan = random.normal(size=240), random.choice(["a", "b", "c"], 240)
    days = pandas.date_range("2020-01-01", periods=240)
    zips = [f"{number:05d}" for number in (np.arange(240) % 12 + 4) * 1000]
    return pandas.DataFrame({"x": x, "plan": plan, "zip": zips, "day": days, "old": x > 1})


def yes(frame: pandas.DataFrame) -> np.ndarray:
    return np.asarray(frame["x"] + (frame["plan"] == "a") > 0.3)


# Classes


@pytest.mark.parametrize(
    ("no", "yes_", "heads"),
    [
        (0, 1, "k,p(0),p(1)"),
        (False, True, "k,p(False),p(True)"),
        (0.0, 1.0, "k,p(0),p(1)"),
        (1, 2, "k,p(1),p(2)"),
        (-1, 1, "k,p(-1),p(1)"),
        (0.5, 1.5, "k,p(0.5),p(1.5)"),
        ("01", "10", "k,p(01),p(10)"),
    ],
)
def test_two_classes_of_every_kind(run, frame, backend, no, yes_, heads):
    truth = yes(frame)
    frame.assign(k=np.where(truth, yes_, no)).to_csv("d.csv", index=False)
    code, out, err = run("train", "d.csv", "--target", "k", *FAST, "--no-plot")
    assert code == 0, err
    assert any(line.startswith("classification (guessed: 'k' has ") for line in out)
    assert float(out[-1].removeprefix("test accuracy ")) > 0.8
    code, out, err = run("predict", "d.safetensors", "d.csv")
    assert (code, err, out[0], len(out)) == (0, [], heads, 241)
    right = np.mean([line.split(",")[0] == heads[heads.rindex("(") + 1 : -1] for line in out[1:]] == truth)
    out = run("evaluate", "d.safetensors", "d.csv")[1]
    assert right > 0.8
    assert out[-1] == f"test accuracy {right:.4f}"


def test_three_classes_from_0(run, frame):
    frame.assign(k=np.digitize(frame["x"], [-0.5, 0.5])).to_csv("d.csv", index=False)
    assert run("train", "d.csv", "--target", "k", *FAST, "--ensemble", 2)[0] == 0
    assert Path("d.png").exists()
    code, out, _ = run("predict", "d.safetensors", "d.csv")
    assert (code, out[0], len(out)) == (0, "k,p(0),p(1),p(2)", 241)
    assert {line.split(",")[0] for line in out[1:]} == {"0", "1", "2"}
    assert run("evaluate", "d.safetensors", "d.csv")[1][-1].startswith("test accuracy 0.")


# Models that were saved from Python


@pytest.mark.parametrize("members", [1, 2])
@pytest.mark.parametrize("kind", ["0 and 1", "booleans", "text"])
def test_a_classifier_from_python(run, frame, members, kind):
    y = yes(frame)
    labels = {"0 and 1": y.astype(int), "booleans": y, "text": np.where(y, "yes", "no")}[kind]
    model = TabularClassifier(n_ens=members, **QUICK).fit(frame, labels)
    model.to_model().save("m.safetensors")
    frame.assign(k=labels).to_csv("d.csv", index=False)
    code, out, err = run("predict", "m.safetensors", "d.csv")
    assert (code, err) == (0, [])
    assert out[0] == f"prediction,p({model.classes_[0]}),p({model.classes_[1]})"
    assert [line.split(",")[0] for line in out[1:]] == list(map(str, model.predict(frame)))
    expected = model.predict_proba(frame)  # zip codes, days and booleans were read as they were in Python
    np.testing.assert_allclose([float(line.split(",")[2]) for line in out[1:]], expected[:, 1], atol=1e-6)
    code, out, err = run("evaluate", "m.safetensors", "d.csv", "--target", "k")
    assert code == 0, err
    assert out[-1] == f"test accuracy {model.score(frame, labels):.4f}"


def of_a_pipeline(frame: pandas.DataFrame, y: np.ndarray, outputs: int, **settings) -> pynn.Sequential:
    """A network behind a pipeline that reads the frame, written to d.safetensors."""
    model = pynn.Sequential(pynn.Affine(8), pynn.ReLU(), pynn.Affine(outputs), seed=0)
    steps = pynn.TableEncoder(embedding=False), pynn.Standardization()
    model.fit(frame, y, preprocessing=pynn.Pipeline(pynn.Pipeline(*steps)), epochs=3, progress=False, **settings)
    model.save("d.safetensors")
    return model


def test_classes_behind_a_pipeline_from_python(run, frame, backend):
    y = np.where(yes(frame), "yes", "no")
    model = of_a_pipeline(frame, y, 2)
    frame.assign(k=y).to_csv("d.csv", index=False)
    code, _, err = run("predict", "d.safetensors", "d.csv", "-o", "out.csv")
    assert code == 0, err
    found = pandas.read_csv("out.csv")
    assert found.columns.tolist() == ["prediction", "p(no)", "p(yes)"]
    assert found["prediction"].tolist() == model.predict(frame).tolist()
    np.testing.assert_allclose(found.iloc[:, 1:], model.predict_proba(frame), atol=1e-6)
    code, out, err = run("evaluate", "d.safetensors", "d.csv", "--target", "k")
    assert code == 0, err
    assert out[-1] == f"test accuracy {np.mean(model.predict(frame) == y):.4f}"


def test_numbers_behind_a_pipeline_from_python(run, frame, backend):
    y = 1000 + 50 * frame["x"].to_numpy()
    model = of_a_pipeline(frame, y, 1, loss="l2", target_preprocessing=pynn.Standardization())
    frame.assign(k=y).to_csv("d.csv", index=False)
    code, out, err = run("predict", "d.safetensors", "d.csv")
    assert (code, err, out[0]) == (0, [], "prediction")
    np.testing.assert_allclose(np.array(out[1:], float), model.predict(frame), rtol=1e-6)
    code, out, err = run("evaluate", "d.safetensors", "d.csv", "--target", "k")
    assert code == 0, err
    rmse = np.sqrt(np.mean((model.predict(frame) - y) ** 2))
    assert float(out[-1].removeprefix("test RMSE ").replace(",", "")) == pytest.approx(rmse, rel=1e-3)


def test_a_frame_of_numbers_alone_from_python(run, fails, frame, backend):
    numbers, y = frame[["x", "old"]], yes(frame).astype(int)
    model = pynn.Sequential(pynn.Affine(2), seed=0)
    model.fit(numbers, y, preprocessing=pynn.Standardization(), epochs=3, progress=False)
    model.save("d.safetensors")
    frame[["old", "plan", "x"]].to_csv("d.csv", index=False)
    code, out, err = run("predict", "d.safetensors", "d.csv")
    assert (code, err, out[0]) == (0, [], "prediction,p(0),p(1)")
    assert [int(line.split(",")[0]) for line in out[1:]] == model.predict(numbers).tolist()


@pytest.mark.parametrize("command", ["predict", "evaluate"])
def test_a_model_of_an_array_cannot_find_its_columns(fails, frame, command):
    model = pynn.Sequential(pynn.Affine(2), seed=0)
    model.fit(frame[["x", "old"]].to_numpy(float), yes(frame).astype(int), epochs=1, progress=False)
    model.save("d.safetensors")
    frame.to_csv("d.csv", index=False)
    message = "d.safetensors was not trained on a table with named columns, so it cannot find its inputs in d.csv"
    assert message in fails(command, "d.safetensors", "d.csv")


@pytest.mark.parametrize("members", [1, 2])
def test_quantiles_from_python(run, frame, members):
    levels = [0.1, 0.5, 0.9]
    model = TabularRegressor(quantiles=levels, n_ens=members, **QUICK).fit(frame, 100 * frame["x"])
    model.to_model().save("m.safetensors")
    frame.assign(t=100 * frame["x"]).to_csv("d.csv", index=False)
    code, out, err = run("predict", "m.safetensors", "d.csv", "-o", "out.csv")
    assert (code, out, err) == (0, [], ["pynn: wrote out.csv: 240 rows"])
    found = pandas.read_csv("out.csv")
    assert found.columns.tolist() == ["q(0.1)", "q(0.5)", "q(0.9)"]
    np.testing.assert_allclose(found.to_numpy(), model.predict_quantiles(frame), rtol=1e-3, atol=0.02)
    code, out, err = run("evaluate", "m.safetensors", "d.csv", "--target", "t")
    assert code == 0, err
    assert "scores of the quantile 0.5" in out
    rmse = np.sqrt(np.mean((found["q(0.5)"] - 100 * frame["x"]) ** 2))
    assert float(out[-1].removeprefix("test RMSE ")) == pytest.approx(rmse, rel=1e-3)


def test_several_targets_from_python(run, fails, frame):
    y = np.stack([frame["x"], -frame["x"]], axis=1)
    model = TabularRegressor(**QUICK).fit(frame, y)
    model.to_model().save("m.safetensors")
    frame.assign(t=frame["x"]).to_csv("d.csv", index=False)
    _, out, _ = run("predict", "m.safetensors", "d.csv")
    assert (out[0], len(out)) == ("prediction 1,prediction 2", 241)
    found = np.array([line.split(",") for line in out[1:]], float)
    np.testing.assert_allclose(found, model.predict(frame), rtol=1e-4, atol=1e-5)
    assert "the model predicts 2 numbers for each row, and one can be measured here" in fails(
        "evaluate", "m.safetensors", "d.csv", "--target", "t"
    )


def test_dates_in_another_form_than_in_python(run, frame):
    dates = frame.drop(columns=["zip", "old"])
    model = TabularRegressor(**QUICK).fit(dates, dates["x"])
    model.to_model().save("m.safetensors")
    for form, said in (("%d.%m.%Y", []), ("%d/%m/%Y", []), ("%Y-%m-%d", [])):
        dates.assign(day=dates["day"].dt.strftime(form)).to_csv("d.csv", index=False)
        _, out, err = run("predict", "m.safetensors", "d.csv")
        np.testing.assert_allclose(np.array(out[1:], float), model.predict(dates), rtol=1e-4, atol=1e-5)
        assert err == said
    dates[:12].assign(day="01/02/2020").to_csv("d.csv", index=False)
    assert run("predict", "m.safetensors", "d.csv")[2] == [
        "pynn: the dates in 'day' are read as month/day/year, could be day/month/year"
    ]


def test_text_is_read_as_it_was_in_python(run, fails, frame):
    days = frame["day"].dt.strftime("%d/%m/%Y")
    price = [f"{row % 90 + 1},{row % 9}" if row else "on request" for row in range(240)]
    x = pandas.DataFrame({"day": days, "price": price, "x": frame["x"]})
    with pytest.warns(UserWarning, match="numbers or dates as text in 'day', 'price'"):
        model = TabularRegressor(**QUICK).fit(x, frame["x"])
    model.to_model().save("m.safetensors")
    new = pandas.DataFrame({
        "day": ["03/04/2020", "05/06/2020", "07/08/2020"], "price": ["1,234", "on request", "?"], "x": 0.25,
    })  # fmt: skip
    expected = model.predict(new)
    for separator in (",", ";"):
        new.to_csv("d.csv", index=False, sep=separator)
        code, out, err = run("predict", "m.safetensors", "d.csv")
        assert (code, err) == (0, [])
        np.testing.assert_allclose(np.array(out[1:], float), expected, rtol=1e-5)
    new.assign(day="2020-04-03").to_csv("d.csv", index=False)
    assert "line 2, column 'day': '2020-04-03' (2 more), expected dates written as day/month/year" in fails(
        "predict", "m.safetensors", "d.csv"
    )


def test_the_decimal_sign_of_the_training_holds_where_a_file_does_not_tell(run):
    random = np.random.default_rng(0)
    table = pandas.DataFrame({"a": random.uniform(1, 9, 200).round(4), "b": random.uniform(1, 9, 200).round(4)})
    table.assign(y=table["a"]).to_csv("d.csv", index=False, sep=";", decimal=",")
    _, out, err = run("train", "d.csv", "--target", "y", *FAST, "--no-plot")
    assert "d.csv: 200 rows, 2 columns and the target; numbers are read with decimal commas" in out, err
    Path("new.csv").write_text("a;b\n1,234;7,125\n2,468;3,702\n")
    _, out, err = run("predict", "d.safetensors", "new.csv")
    assert err == ["pynn: new.csv: numbers are read with decimal commas: '1,234' is 1.234"]
    Path("new.csv").write_text("a,b\n1.234,7.125\n2.468,3.702\n")
    assert run("predict", "d.safetensors", "new.csv")[1:] == (out, [])


def test_only_columns_that_the_model_goes_by_are_asked_for(run, frame):
    x = frame.assign(same=1, name=[f"n{row}" for row in range(240)], none=None)
    with pytest.warns(UserWarning, match="'name'"):
        model = TabularRegressor(**QUICK).fit(x, frame["x"])
    model.to_model().save("m.safetensors")
    frame.to_csv("d.csv", index=False)
    code, out, err = run("predict", "m.safetensors", "d.csv")
    assert (code, err) == (0, [])
    np.testing.assert_allclose(np.array(out[1:], float), model.predict(x), rtol=1e-4, atol=1e-5)


# Targets that are missing


@pytest.mark.parametrize(
    ("no", "yes_", "missing"),
    [
        ("0.0", "1.0", "?"),
        ("0", "1", "NA"),
        ("no", "yes", "?"),
        ("1.0", "1.x", "-"),
        ("0.5", "1.5", "?"),
        ("01", "10", ""),
    ],
)
def test_the_table_of_the_training_can_be_evaluated(run, frame, no, yes_, missing):
    truth = yes(frame)
    labels = np.where(truth, yes_, no).astype(object)
    labels[0] = missing
    frame.assign(k=labels).to_csv("d.csv", index=False)
    code, out, err = run("train", "d.csv", "--target", "k", *FAST, "--no-plot")
    assert code == 0, err
    code, out, err = run("evaluate", "d.safetensors", "d.csv")
    assert (code, err) == (0, ["pynn: 1 row without a value of 'k' left out"])
    assert float(out[-1].removeprefix("test accuracy ")) > 0.8
    frame.assign(k=labels)[1:][~truth[1:]].to_csv("d.csv", index=False)  # one class alone, which may look like numbers
    code, out, err = run("evaluate", "d.safetensors", "d.csv")
    assert (code, err) == (0, [])
    assert float(out[-1].removeprefix("test accuracy ")) > 0.8


def test_numbers_of_the_training_can_be_evaluated(run, fails, frame):
    y = (100 * frame["x"]).round(2).astype(str)
    y[1], y[2] = "?", "lost"
    frame.assign(t=y).to_csv("d.csv", index=False)
    _, out, err = run("train", "d.csv", "--target", "t", *FAST, "--no-plot")
    assert "2 rows where 't' is '?', 'lost' left out" in out, err
    code, out, err = run("evaluate", "d.safetensors", "d.csv")
    assert (code, err) == (0, ["pynn: 2 rows without a value of 't' left out"])
    assert out[0] == "d.safetensors on 238 rows of d.csv"
    y[0], y[3] = "", "many"
    frame.assign(t=y).to_csv("d.csv", index=False)
    assert "d.csv, line 5, column 't': 'many', expected numbers" in fails("evaluate", "d.safetensors", "d.csv")


def test_a_picture_that_cannot_be_drawn_is_told_after_the_model_was_written(run, frame, monkeypatch):
    def refuse(*given, **options):
        raise ValueError("y_pred has NaN or infinite numbers")

    monkeypatch.setattr(pynn.plot, "table_report", refuse)
    frame.assign(k=yes(frame)).to_csv("d.csv", index=False)
    code, out, err = run("train", "d.csv", "--target", "k", *FAST)
    assert (code, out[-2]) == (0, "wrote d.safetensors")
    assert err[-1] == "pynn: no picture: y_pred has NaN or infinite numbers"


def test_load_names_what_reads_an_ensemble(frame):
    TabularClassifier(n_ens=2, **QUICK).fit(frame, yes(frame)).to_model().save("m.safetensors")
    with pytest.raises(ValueError, match=r"m\.safetensors .*; it is an ensemble, which pynn\.Ensemble\.load reads$"):
        pynn.load("m.safetensors")
    assert len(pynn.Ensemble.load("m.safetensors")) == 2


# Leading zeros


def _kind(text: str) -> str:
    Path("d.csv").write_text(text)
    frame, source = reading.read("d.csv")
    series, column = columns.one(frame["code"], "code", source)
    return f"{column.kind}: {', '.join(map(str, series.dropna().tolist()))}"


@pytest.mark.parametrize("separator", [",", ";", "\t"])
def test_leading_zeros_are_kept(separator):
    def table(*values):
        return "\n".join(["x" + separator + "code", *(f"1{separator}{value}" for value in values)]) + "\n"

    assert _kind(table("01234", "99999")) == "category: 01234, 99999"
    assert _kind(table("99999", '"01234"')) == "category: 99999, 01234"
    assert _kind(table("01234", "", "99999")) == "category: 01234, 99999"
    assert _kind(table("0", "10", "100")) == "number: 0, 10, 100"
    assert _kind(table("0.5", "01", "10")) == "number: 0.5, 1.0, 10.0"
    assert _kind(table("-01", "10")) == "number: -1, 10"


def test_leading_zeros_far_down_a_file_are_found():
    rows = [f"{number},{number + 10_000}" for number in range(200_000)]
    assert _kind("\n".join(["x,code", *rows, "1,00001"])).startswith("id: 10000, ")


def test_codes_with_leading_zeros_from_end_to_end(run, frame):
    frame.assign(k=np.where(frame["zip"] < "10000", "low", "high")).to_csv("d.csv", index=False)
    _, out, _ = run("train", "d.csv", "--target", "k", *FAST, "--no-plot")
    shown = "\n".join(out)
    assert "has leading zeros, like zip codes: text" in shown
    assert re.search(r"\nzip +category +\. +12: 0", shown)
    code, out, err = run("predict", "d.safetensors", "d.csv")
    assert (code, err, len(out)) == (0, [], 241)
    code, out, err = run("train", "d.csv", "--target", "zip", "--task", "regression", *FAST, "--no-plot", "--force")
    assert code == 0, err
    assert "target zip: 4000 .. 15000" in out


def test_a_model_that_goes_by_an_id_gets_a_warning(run):
    random = np.random.default_rng(0)
    ids = random.permutation(300) * 2
    pandas.DataFrame({"id": ids, "x": random.normal(size=300), "y": ids * 1.5}).to_csv("d.csv", index=False)
    _, _, err = run("train", "d.csv", "--target", "y", *FAST, "--no-plot")
    assert err[-1].startswith("pynn: the model goes by 'id' most, which looks like an id")
    assert err[-1].endswith("--drop id")


def test_codes_match_though_a_gap_makes_pandas_write_them_as_decimals(run, frame, backend):
    codes = (frame.index % 3 + 20095).to_numpy()
    frame = frame[["x"]].assign(code=codes, k=np.where(codes == 20095, "far", "near"))
    frame.to_csv("d.csv", index=False)
    assert run("train", "d.csv", "--target", "k", "--categorical", "code", *FAST, "--no-plot")[0] == 0
    expected = run("predict", "d.safetensors", "d.csv")[1]
    frame["code"] = frame["code"].astype(float)  # as beside a gap
    frame.to_csv("d.csv", index=False)
    assert "20095.0" in Path("d.csv").read_text()
    code, out, err = run("predict", "d.safetensors", "d.csv")
    assert (code, err, out) == (0, [], expected)
    assert {line.split(",")[0] for line in out[1:]} == {"far", "near"}


def test_missing_columns_are_named(run, fails, frame):
    frame.assign(k=yes(frame)).to_csv("d.csv", index=False)
    assert run("train", "d.csv", "--target", "k", *FAST, "--no-plot")[0] == 0
    assert "there is no column 'Foo' (it has 'x', 'plan'" in fails(
        "evaluate", "d.safetensors", "d.csv", "--target", "Foo"
    )
    frame[["x", "old", "day"]].to_csv("d.csv", index=False)
    assert "the columns 'plan', 'zip' of the training are missing; add them (it" in fails(
        "predict", "d.safetensors", "d.csv"
    )
