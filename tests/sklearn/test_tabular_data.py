"""What the estimators for tables are given: lists, masks, dates, gaps, weights, numbered columns."""

from __future__ import annotations

import datetime
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import pynn

pytest.importorskip("sklearn")
pd = pytest.importorskip("pandas")
pl = pytest.importorskip("polars")

from pynn.sklearn import MLPClassifier, MLPRegressor, TabularClassifier, TabularRegressor  # noqa: E402

QUICK = {"epochs": 4, "hidden_layer_sizes": (16,), "random_state": 0}
BOTH = pytest.mark.parametrize("kind", [TabularClassifier, TabularRegressor])


@pytest.fixture
def x(rng: np.random.Generator) -> np.ndarray:
    return rng.standard_normal((60, 3))


# Targets ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("shift", [1e7, 1e8, 1.7e9])
@pytest.mark.parametrize(
    "settings", [{}, {"quantiles": [0.1, 0.5, 0.9]}, {"loss": "gaussian_nll"}, {"n_ens": 2}], ids=str
)
def test_numbers_far_from_0_keep_their_digits(
    rng: np.random.Generator, shift: float, settings: dict[str, Any], tmp_path: Path, backend: str
) -> None:
    x = rng.uniform(-1, 1, (400, 2))
    y = x[:, 0] + shift
    model = TabularRegressor("fast", epochs=20, random_state=0, hidden_layer_sizes=(32,), **settings).fit(x, y)
    assert model.score(x, y) > 0.95
    low, high = model.predict_interval(x, coverage=0.8)
    assert ((low <= y) & (y <= high)).mean() > 0.7
    model.to_model().save(tmp_path / "m.safetensors")
    loaded = (
        pynn.load(tmp_path / "m.safetensors")
        if "n_ens" not in settings
        else pynn.Ensemble.load(tmp_path / "m.safetensors")
    )
    expected = model.predict_quantiles(x) if "quantiles" in settings else model.predict(x)
    np.testing.assert_allclose(loaded.predict(x) - shift, expected - shift, atol=1e-4)


def test_a_spread_is_not_clipped_to_the_range_of_y(rng: np.random.Generator, backend: str) -> None:
    x, y = rng.standard_normal((600, 1)), (rng.random(600) < 0.9).astype(float)
    model = TabularRegressor("fast", loss="gaussian_nll", hidden_layer_sizes=(32,), random_state=0, epochs=20).fit(x, y)
    low, high = model.predict_interval(x, coverage=0.9)
    assert np.median(high - low) == pytest.approx(2 * 1.645 * 0.3, rel=0.1)  # of Bernoulli(0.9), beyond 1
    network = model.models_[0]
    said = network.targets.measured(network.loss, np.array([[0.3, 0.0]], np.float32))  # as metrics see it
    assert np.exp(said[0, 1] / 2) == pytest.approx(network.targets.scaling[1].scale_[0], rel=1e-5)


DATE = datetime.datetime(2020, 1, 2)


@pytest.mark.parametrize(
    ("y", "error", "message"),
    [
        (["1.5", "2"] * 29 + ["many", "3"], ValueError, "the text 'many' in row 58.*TabularClassifier"),
        ([1.0, None] * 30, ValueError, "NaN or infinity, first in row 1"),
        (["1", None] * 30, ValueError, "NaN or infinity, first in row 1"),
        ([1.0, object()] * 30, ValueError, "in row 1"),
        (np.array(["2020-01-01"] * 60, "M8[D]"), TypeError, "dates such as 2020-01-01 in row 0.*days since a date"),
        ([DATE] * 60, TypeError, "dates such as 2020-01-02.*days since a date"),
        (pd.Series([DATE] * 60), TypeError, "days since a date"),
        (pl.Series([DATE] * 60), TypeError, "days since a date"),
        ([datetime.timedelta(1)] * 60, TypeError, r"times such as 1 day.*y / numpy.timedelta64\(1, 'D'\)"),
        (np.ma.masked_array(np.arange(60.0), np.arange(60) == 3), ValueError, "y is masked: 1 of"),
        (pl.LazyFrame({"y": [1.0]}), TypeError, r"y is LazyFrame.*y.collect\(\)"),
    ],
    ids=lambda value: str(value)[:20],
)
def test_targets_that_are_no_numbers_are_named(x: np.ndarray, y: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        TabularRegressor(**QUICK).fit(x, y)


@pytest.mark.parametrize(
    ("y", "error", "message"),
    [
        (["a", None, "b"] * 20, ValueError, "20 of 60 labels are missing, the first in row 1 .None.; drop"),
        ([0.0, np.nan, 1] * 20, ValueError, "the first in row 1"),
        (pd.Series(pd.Categorical(["a", "b", None] * 20)), ValueError, "the first in row 2"),
        (pd.Series([1, 2, None] * 20, dtype="Int64"), ValueError, "the first in row 2"),
        (pl.Series(["a", "b", None] * 20), ValueError, "the first in row 2"),
        (np.array(["2020-01-01", "2020-01-02"] * 30, "M8[D]"), TypeError, r"y.astype\(str\)"),
        ([DATE, DATE + datetime.timedelta(1)] * 30, TypeError, r"y.astype\(str\)"),
        ([1, "a"] * 30, TypeError, "one kind|mix|str"),
        (np.ma.masked_array(np.arange(60) % 2, np.arange(60) == 3), ValueError, "y is masked: 1 of"),
        (pl.LazyFrame({"y": [1]}), TypeError, r"y.collect\(\)"),
    ],
    ids=str,
)  # fmt: skip
def test_labels_that_cannot_be_learned_are_named(x: np.ndarray, y: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        TabularClassifier(**QUICK).fit(x, y)


@pytest.mark.parametrize(
    ("labels", "kept"),
    [
        ([0, 1], np.int64), (np.array([0, 1], np.int8), np.int64), ([0.0, 1.0], np.int64), ([2.0, 5.0], np.int64),
        ([-3, 7], np.int64), ([False, True], np.bool_), (["n", "y"], np.str_),
    ],
    ids=str,
)  # fmt: skip
def test_labels_of_every_kind_go_through_a_model_file(x: np.ndarray, labels: Any, kept: Any, tmp_path: Path) -> None:
    y = np.asarray(labels)[(x[:, 0] > 0).astype(int)]
    model = TabularClassifier(**QUICK).fit(x, y)
    assert model.predict(x).dtype == y.dtype
    model.to_model().save(tmp_path / "m.safetensors")
    predicted = pynn.load(tmp_path / "m.safetensors").predict(x)
    np.testing.assert_array_equal(predicted, model.predict(x))
    assert predicted.dtype.type is kept


# Weights ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("weight", "error", "message"),
    [
        ({0: -1}, ValueError, "class_weight of 0 is -1, expected a finite number"),
        ({1: np.nan}, ValueError, "class_weight of 1 is nan"),
        ({0: 0, 1: 0}, ValueError, "the weights of all samples are zero"),
        ({2: 1}, ValueError, "class_weight has a weight for 2, which is none of the classes, 0, 1"),
        ({0: "much"}, TypeError, "class_weight of 0 is 'much', expected a number"),
    ],
)
def test_class_weights_are_checked_before_training(x: np.ndarray, weight: Any, error: Any, message: str) -> None:
    with pytest.raises(error, match=message):
        TabularClassifier(class_weight=weight, **QUICK).fit(x, (x[:, 0] > 0).astype(int))


def test_class_weights_count_in_choosing_the_epoch(rng: np.random.Generator) -> None:
    x = rng.standard_normal((300, 2))
    y = (x[:, 0] + rng.normal(0, 1.5, 300) > 2).astype(int)
    factors = len(y[:200]) / (2 * np.bincount(y[:200]))  # of the training rows alone
    weights = rng.uniform(0.5, 2, 100)
    for own in (None, weights):
        held_out = (x[200:], y[200:]) if own is None else (x[200:], y[200:], own)
        model = TabularClassifier("fast", class_weight="balanced", epochs=8, random_state=0)
        model.fit(x[:200], y[:200], validation=held_out)
        total = factors[y[200:]] * (1 if own is None else own)
        hits = model.predict(x[200:]) == y[200:]
        assert model.validation_score_ == pytest.approx(np.average(hits, weights=total), abs=1e-5)
        assert model.validation_score_ != pytest.approx(np.average(hits, weights=own), abs=1e-3)


def test_only_the_proportions_of_weights_matter(x: np.ndarray, rng: np.random.Generator) -> None:
    weights, y = rng.uniform(0.1, 3, 60), x[:, 0]
    one, other = (TabularRegressor(**QUICK).fit(x, y, sample_weight=weights * factor) for factor in (1, 64))
    np.testing.assert_array_equal(one.models_[0].parameters, other.models_[0].parameters)
    assert not np.array_equal(one.predict(x), TabularRegressor(**QUICK).fit(x, y).predict(x))


def test_the_target_of_a_row_without_weight_has_no_influence(x: np.ndarray, rng: np.random.Generator) -> None:
    weights, y = rng.uniform(0.1, 3, 60), np.exp(x[:, 0])
    weights[7] = 1e-12
    # poisson: standardization knows no weights; simplified: dropout depends on the order, which depends on the targets
    settings = {**QUICK, "loss": "poisson", "preset": "simplified", "epochs": 8}
    held_out = (x[20:], y[20:].copy())
    first = TabularRegressor(**settings).fit(x, y, sample_weight=weights, validation=held_out).predict(x)
    y[7] = 30.0
    second = TabularRegressor(**settings).fit(x, y, sample_weight=weights, validation=held_out).predict(x)
    y[7], weights[7] = 30.0, 1.0
    third = TabularRegressor(**settings).fit(x, y, sample_weight=weights, validation=held_out).predict(x)
    np.testing.assert_allclose(first, second, rtol=5e-3)  # Adam makes much of rounding
    assert np.abs(first / third - 1).max() > 0.1


@pytest.mark.parametrize(
    ("weights", "error", "message"),
    [
        (np.ones(59), ValueError, r"sample_weight has shape \(59,\), expected \(60,\)"),
        (np.zeros(60), ValueError, "sample_weight is zero for all samples"),
        ([-1.0] + [1] * 59, ValueError, r"sample_weight\[0\] is -1"),
        ([None] + [1] * 59, ValueError, r"sample_weight\[0\] is nan"),
        (["a"] * 60, TypeError, "sample_weight has dtype"),
        (np.ma.masked_array(np.ones(60), np.arange(60) == 3), ValueError, "sample_weight is masked: 1 of"),
    ],
    ids=str,
)
@BOTH
def test_weights_are_checked(x: np.ndarray, kind: Any, weights: Any, error: Any, message: str) -> None:
    with pytest.raises(error, match=message):
        kind(**QUICK).fit(x, (x[:, 0] > 0).astype(int), sample_weight=weights)


# Tables -------------------------------------------------------------------------------------------


@BOTH
def test_lists_of_rows_keep_numbers_beside_text(kind: Any, rng: np.random.Generator) -> None:
    rows = [[str(rng.choice(["a", "b"])), int(rng.integers(0, 6)), float(rng.random())] for _ in range(60)]
    rows[4][1] = None
    y = [int(row[0] == "a") for row in rows]
    model = kind(**QUICK).fit(rows, y)
    assert [column.kind for column in model.encoder_.columns_] == ["category", "number", "number"]
    frame = pd.DataFrame(rows)
    np.testing.assert_array_equal(model.predict(rows), kind(**QUICK).fit(frame, y).predict(frame))
    whole = [[town, None if number is None else float(number), share] for town, number, share in rows]
    np.testing.assert_array_equal(model.predict(whole), model.predict(rows))


@BOTH
def test_records_are_rows(kind: Any, rng: np.random.Generator, tmp_path: Path) -> None:
    records = [{"age": float(rng.standard_normal()), "town": str(rng.choice(["a", "b", "c"]))} for _ in range(60)]
    records[3]["age"] = None
    y = [int(record["town"] == "a") for record in records]
    frame = pd.DataFrame(records)
    model, other = kind(**QUICK).fit(records, y), kind(**QUICK).fit(frame, y)
    assert model.feature_names_in_.tolist() == ["age", "town"]
    assert model.n_features_in_ == 2
    expected = other.predict(frame)
    np.testing.assert_array_equal(model.predict(frame), expected)
    np.testing.assert_array_equal(other.predict(records), expected)
    turned = [{"more": 1, "town": record["town"], "age": record["age"]} for record in records]
    np.testing.assert_array_equal(other.predict(tuple(turned)), expected)
    np.testing.assert_array_equal(other.predict(turned[:1]), other.predict(frame[:1]))
    lacking = [{"town": "a"}, *records[1:]]  # what some rows lack is missing there
    np.testing.assert_array_equal(other.predict(lacking), other.predict(pd.DataFrame(lacking)))
    model.to_model().save(tmp_path / "m.safetensors")
    np.testing.assert_array_equal(pynn.load(tmp_path / "m.safetensors").predict(records), expected)
    checked = kind(**QUICK).fit(records, y, validation=(records[:9], y[:9]))
    assert checked.score(records, y) == checked.score(frame, y)


@BOTH
def test_records_that_are_no_rows_are_refused(kind: Any, rng: np.random.Generator) -> None:
    records = [{"age": float(rng.standard_normal()), "town": str(rng.choice(["a", "b"]))} for _ in range(60)]
    y = [int(record["town"] == "a") for record in records]
    model = kind(**QUICK).fit(records, y)
    for call in (lambda X: kind(**QUICK).fit(X, y), model.predict):
        with pytest.raises(TypeError, match=r"X is one record, as 'town' is 'a'; put it in a list, \[X\]"):
            call({"town": "a", "age": 1.0})
        with pytest.raises(TypeError, match=r"X is dict, expected a data frame .* pass pandas.DataFrame\(X\)"):
            call({"town": ["a"] * 60, "age": [1.0] * 60})
        with pytest.raises(TypeError, match=r"X has dicts, but row 1 is \[1.0, 'a'\]; expected a dict in each row"):
            call([records[0], [1.0, "a"], *records[2:]])
        with pytest.raises(ValueError, match="X has no columns"):
            call([{}] * 60)
    with pytest.raises(ValueError, match="X has no column 'age': fit had the columns 'age', 'town'"):
        model.predict([{"town": "a"}, {"town": "b"}])
    assert model.fit([{3: 1.0, 5: float(each)} for each in y], y).n_features_in_ == 2
    assert not hasattr(model, "feature_names_in_")


@pytest.mark.parametrize("kind", [TabularClassifier, TabularRegressor])
def test_records_have_no_order(kind: Any, rng: np.random.Generator) -> None:
    x = rng.standard_normal((60, 2))
    y = (x[:, 0] > 0).astype(int)
    for model in (kind(**QUICK).fit(x, y), pynn.TableEncoder().fit(x)):
        call = model.predict if hasattr(model, "predict") else model.transform
        for records in ([{"b": -2.0, "a": 2.0}], [{"a": 2.0, "b": -2.0}]):
            with pytest.raises(ValueError, match=r"[Xx] has the keys"):
                call(records)
        np.testing.assert_array_equal(call([{1: -2.0, 0: 2.0}]), call(np.array([[2.0, -2.0]])))
    named = kind(**QUICK).fit([{"a": a, "b": b} for a, b in x], y)
    with pytest.raises(ValueError, match=r"the columns of fit were .a.(,| and) .b."):
        named.predict([{0: 2.0, 1: -2.0}])


@pytest.mark.parametrize("kind", [TabularClassifier, TabularRegressor, MLPClassifier, MLPRegressor])
def test_tables_of_pyarrow(kind: Any, x: np.ndarray, tmp_path: Path) -> None:
    pa = pytest.importorskip("pyarrow")
    tabular = kind in (TabularClassifier, TabularRegressor)
    frame = pd.DataFrame(x, columns=list("abc"))
    if tabular:
        frame = frame.assign(town=pd.Categorical(np.where(x[:, 1] > 0, "u", "v")))
    y = (x[:, 0] > 0).astype(int)
    settings: dict[str, Any] = (
        QUICK if tabular else {"solver": "lbfgs", "hidden_layer_sizes": (4,), "max_iter": 5000, "random_state": 0}
    )
    arrow = pa.Table.from_pandas(frame)
    model, other = kind(**settings).fit(arrow, pa.chunked_array([y])), kind(**settings).fit(frame, y)
    assert model.feature_names_in_.tolist() == list(frame.columns)
    for table in (arrow, arrow.to_batches()[0], frame):
        np.testing.assert_array_equal(model.predict(table), other.predict(frame))
    if tabular:
        model.to_model().save(tmp_path / "m.safetensors")
        np.testing.assert_array_equal(pynn.load(tmp_path / "m.safetensors").predict(arrow), model.predict(frame))
        np.testing.assert_array_equal(model.encoder_.transform(arrow), model.encoder_.transform(frame))
    with pytest.raises(ValueError, match=r"X has two columns named 'a'"):
        kind(**settings).fit(arrow.rename_columns(["a", *"abc"][: arrow.num_columns]), y)


@pytest.mark.parametrize("kind", [TabularClassifier, TabularRegressor, MLPClassifier, MLPRegressor])
def test_a_name_is_no_target(kind: Any, x: np.ndarray) -> None:
    frame = pd.DataFrame(x, columns=list("abc"))
    with pytest.raises(TypeError, match=r"y is 'c', expected the values.*fit\(X.drop\(columns='c'\), X\['c'\]\)"):
        kind().fit(frame, "c")


def test_several_labels_a_row_are_refused(x: np.ndarray) -> None:
    y = (x[:, :2] > 0).astype(int)
    for labels in (y, pd.DataFrame(y), y.tolist()):
        with pytest.raises(
            ValueError, match=r"got an array of shape \(60, 2\).*one label a row.*MultiOutputClassifier"
        ):
            TabularClassifier(**QUICK).fit(x, labels)


@pytest.mark.parametrize("kind", [TabularClassifier, MLPClassifier])
def test_nullable_labels_stay_what_they_are(kind: Any, x: np.ndarray) -> None:
    y = pd.Series(x[:, 0] > 0)
    settings: dict[str, Any] = (
        QUICK
        if kind is TabularClassifier
        else {"solver": "lbfgs", "hidden_layer_sizes": (4,), "max_iter": 5000, "random_state": 0}
    )
    expected = kind(**settings).fit(x, y.to_numpy()).predict(x)
    for dtype, wanted in (("boolean", np.bool_), ("Int64", np.int64), ("UInt8", np.uint8)):
        model = kind(**settings).fit(x, y.astype(dtype))
        assert model.classes_.dtype == model.predict(x).dtype == wanted
        np.testing.assert_array_equal(model.predict(x), expected)
        with pytest.raises(ValueError, match="Input y contains NaN"):
            kind(**settings).fit(x, y.astype(dtype).mask(np.arange(60) == 5))


@pytest.mark.parametrize("kind", [MLPClassifier, MLPRegressor])
def test_networks_on_arrays_say_who_reads_records(kind: Any, x: np.ndarray) -> None:
    y = (x[:, 0] > 0).astype(int)
    model = kind(hidden_layer_sizes=(4,), max_iter=1000, solver="lbfgs").fit(x, y)
    for call in (lambda X: kind().fit(X, y), model.predict):
        with pytest.raises(TypeError, match=r"X is a list of dicts, expected numbers .*DataFrame\(X\); TabularClassif"):
            call([{"a": 1.0}] * 60)
        with pytest.raises(TypeError, match="X is dict, expected numbers"):
            call({"a": 1.0})


@BOTH
def test_tables_that_cannot_be_read_say_so(x: np.ndarray, kind: Any) -> None:
    y = (x[:, 0] > 0).astype(int)
    frame = pd.DataFrame(x, columns=list("abc"))
    model = kind(**QUICK).fit(frame, y)
    for call in (lambda X: kind(**QUICK).fit(X, y[: len(X) if hasattr(X, "__len__") else 0]), model.predict):
        with pytest.raises(ValueError, match=r"Found array with 0 sample\(s\) \(shape=\(0, 3\)\)"):
            call(frame[:0])
        with pytest.raises(TypeError, match=r"X is LazyFrame.*X.collect\(\)"):
            call(pl.DataFrame(x, schema=list("abc")).lazy())
    model = kind(**QUICK).fit(x, y)
    masked = np.ma.masked_array(x, np.arange(180).reshape(60, 3) == 4)
    for call in (lambda X: kind(**QUICK).fit(X, y), model.predict):
        with pytest.raises(ValueError, match="X is masked: 1 of"):
            call(masked)


@BOTH
def test_numbered_columns_are_found_by_their_numbers(x: np.ndarray, kind: Any, tmp_path: Path) -> None:
    y = (x[:, 0] > 0).astype(int)
    for labels in ([0, 1, 2], [7, 3, 5]):
        frame = pd.DataFrame(x, columns=labels)
        model = kind(**QUICK).fit(frame, y)
        expected = model.predict(frame)
        np.testing.assert_array_equal(model.predict(frame[labels[::-1]]), expected)
        np.testing.assert_array_equal(model.predict(x), expected)
        model.to_model().save(tmp_path / "m.safetensors")
        loaded = pynn.load(tmp_path / "m.safetensors")
        np.testing.assert_array_equal(loaded.predict(frame[labels[::-1]]), expected)
        with pytest.raises(ValueError, match=f"has no column {labels[0]}"):
            model.predict(frame.rename(columns={labels[0]: 9}))
    with pytest.raises(ValueError, match="has no column 7, 3, 5"):  # those of the last fit
        model.predict(pd.DataFrame(x))
    by_place = kind(**QUICK).fit(x, y)
    np.testing.assert_array_equal(by_place.predict(pd.DataFrame(x, columns=[7, 3, 5])), by_place.predict(x))
    np.testing.assert_array_equal(by_place.predict(pd.DataFrame(x)[[2, 1, 0]]), by_place.predict(x))


# Settings -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("sizes", [(8.7,), 8.7, (8, "9"), (True,), ()])
def test_sizes_are_whole(x: np.ndarray, sizes: Any) -> None:
    if sizes == ():
        TabularRegressor("fast", epochs=1, hidden_layer_sizes=sizes).fit(x, x[:, 0])
        return
    with pytest.raises(ValueError, match="hidden_layer_sizes"):
        TabularRegressor(hidden_layer_sizes=sizes).fit(x, x[:, 0])


def test_quantiles_that_do_not_reach_the_median(x: np.ndarray, tmp_path: Path) -> None:
    y = x[:, 0]
    for levels in ([0.9], 0.9):
        model = TabularRegressor(quantiles=levels, **QUICK).fit(x, y)
        np.testing.assert_array_equal(model.predict(x), model.predict_quantiles(x)[:, 0])
        assert np.isfinite(model.score(x, y))
        with pytest.raises(ValueError, match="outside of those"):
            model.predict_interval(x)
    for levels in ([0.7, 0.9], [0.1, 0.4]):
        with pytest.raises(ValueError, match=r"0\.5 must lie within"):
            TabularRegressor(quantiles=levels, **QUICK).fit(x, y)
    several = TabularRegressor(quantiles=[0.2, 0.6], **QUICK).fit(x, y)
    np.testing.assert_array_equal(several.to_model().predict(x), several.predict_quantiles(x))
    assert several.quantiles_.tolist() == [0.2, 0.6]


def test_a_fitted_model_does_not_follow_later_settings(x: np.ndarray) -> None:
    y = np.exp(x[:, 0])
    fitted = [
        TabularRegressor(**{**QUICK, **one}) for one in ({}, {"loss": "gaussian_nll"}, {"quantiles": [0.1, 0.5, 0.9]})
    ]
    for model, loss in zip(fitted, ("squared_error", "gaussian_nll", "squared_error"), strict=True):
        model.fit(x, y)
        before = (model.predict(x), *model.predict_interval(x, coverage=0.8))
        for later in (
            {"loss": "poisson"},
            {"loss": "gaussian_nll"},
            {"quantiles": [0.4, 0.6]},
            {"loss": "huber", "quantiles": None},
        ):
            model.set_params(**later)
            for one, other in zip(before, (model.predict(x), *model.predict_interval(x, coverage=0.8)), strict=True):
                np.testing.assert_array_equal(one, other)
        assert model.loss_ == loss


# Columns of codes ---------------------------------------------------------------------------------


@pytest.mark.parametrize("chosen", [["shop"], [1], [-1], np.array([False, True]), pd.Index(["shop"])], ids=str)
@pytest.mark.parametrize("preset", ["full", "fast"])
def test_numbers_of_named_columns_are_categories(
    rng: np.random.Generator, chosen: Any, preset: str, tmp_path: Path, backend: str
) -> None:
    effects = rng.permutation(12) * 1.0  # of a shop, without an order
    frame = pd.DataFrame({"size": rng.uniform(0, 1, 600), "shop": rng.integers(0, 12, 600)})
    y = frame["size"] + effects[frame["shop"]]
    settings = {"epochs": 30, "hidden_layer_sizes": (32,), "random_state": 0}
    model = TabularRegressor(preset, categorical_features=chosen, **settings).fit(frame, y)
    kinds = {column.name: column.kind for column in model.encoder_.columns_}
    assert kinds == {"size": "number", "shop": "category"}
    assert model.score(frame, y) > TabularRegressor(preset, **settings).fit(frame, y).score(frame, y)
    model.to_model().save(tmp_path / "m.safetensors")
    np.testing.assert_allclose(pynn.load(tmp_path / "m.safetensors").predict(frame), model.predict(frame), rtol=1e-6)


@pytest.mark.parametrize(
    ("chosen", "message"),
    [
        (["shops"], r"categorical_features has 'shops', but X has the columns 'size', 'shop'; name some of them"),
        ([2], r"categorical_features has 2, but X has the columns"),
        ([True], r"categorical_features is a mask of 1 columns, but X has 2; name the columns"),
        ([True, "shop"], r"categorical_features has True, expected names or places of columns, or a mask of all"),
        ([1.5], r"categorical_features has 1.5, expected names or places"),
        ("shop", r"'categorical_features' parameter of Tabular\w+ must be .* Got 'shop' instead"),
    ],
)
@BOTH
def test_columns_that_are_not_there_are_no_categories(
    rng: np.random.Generator, kind: Any, chosen: Any, message: str
) -> None:
    frame = pd.DataFrame({"size": rng.uniform(0, 1, 60), "shop": rng.integers(0, 5, 60)})
    with pytest.raises((ValueError, TypeError), match=message):
        kind("fast", categorical_features=chosen, **QUICK).fit(frame, np.arange(60) % 2)


def test_a_mistyped_key_is_refused_alone_and_beside_other_records(rng: np.random.Generator) -> None:
    x = pd.DataFrame({"area": rng.uniform(20, 200, 60), "rooms": rng.integers(1, 8, 60)})
    model = TabularRegressor(**QUICK).fit(x, x["area"])
    wrong, right, lacking = {"area": 100, "room": 3}, {"area": 100, "rooms": 3}, {"area": 100}
    for call in (model.predict, model.to_model().predict):
        with pytest.raises(ValueError, match=r"no column 'rooms'.*; 'room' may be 'rooms': rename it"):
            call([wrong])
        with pytest.raises(ValueError, match=r"row 1 of [Xx] has no 'rooms', but 'room', which fit did not have"):
            call([right, wrong])
        assert len(call([right, lacking])) == 2  # None as missing
    with pytest.raises(ValueError, match="'AREA' may be 'area': rename it"):
        model.predict(x.rename(columns={"area": "AREA"}))


@pytest.mark.parametrize("order", ["in order", "shuffled", "a part"])
def test_numbers_of_rows_are_warned_of(order: str, rng: np.random.Generator) -> None:
    x = pd.DataFrame({"id": np.arange(1, 101), "a": rng.standard_normal(100)})
    x = x if order == "in order" else x.sample(frac=1 if order == "shuffled" else 0.7, random_state=0)
    with pytest.warns(UserWarning, match=r"X has whole numbers in 'id' that are all different"):
        TabularClassifier(**QUICK).fit(x, x["a"] > 0)
    for other in (x.assign(id=x["id"] // 2), x.assign(id=x["id"] * 5), x.assign(id=x["id"] / 3), x[:40]):
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            TabularClassifier(**QUICK).fit(other, other["a"] > 0)


@pytest.mark.parametrize("loss", ["poisson", "gamma", "tweedie"])
def test_losses_of_amounts_name_the_users_row_and_have_no_ends_below_0(loss: str, rng: np.random.Generator) -> None:
    x = rng.standard_normal((80, 2))
    y = rng.gamma(1.0, 3.0, 80)
    low, high = TabularRegressor(**{**QUICK, "loss": loss}).fit(x, y).predict_interval(x)
    assert low.min() == 0
    assert (high > 0).all()
    y[7] = -5
    with pytest.raises(ValueError, match=r"y\[7\] is -5"):
        TabularRegressor(**{**QUICK, "loss": loss}).fit(x, y)


@pytest.mark.parametrize("kind", [TabularClassifier, TabularRegressor, MLPClassifier, MLPRegressor])
def test_validation_in_the_place_of_weights_is_named(x: np.ndarray, kind: Any) -> None:
    y = (x[:, 0] > 0).astype(int)
    for given in ((x, y), [x, y, np.ones(60)], x, pd.DataFrame(x)):
        with pytest.raises(ValueError, match=r"sample_weight is .*, expected \(N,\).*validation=\(X_val, y_val\)"):
            kind().fit(x, y, given)
    with pytest.raises((TypeError, ValueError), match="validation"):
        kind().fit(x, y, x, y)
    for column in (np.ones((60, 1)), pd.DataFrame({"weight": np.ones(60)})):
        with pytest.raises(ValueError, match=r"sample_weight has shape \(60, 1\), .* becomes \(N,\) by .ravel\(\)"):
            kind().fit(x, y, column)
    for weights in ([1, 2], (0.5, 1.0, 2.0)):  # few samples with weights of their own
        count = len(weights)
        with pytest.raises(ValueError, match=rf"sample_weight has shape \({count},\), expected \(60,\)"):
            kind().fit(x, y, weights)


@pytest.mark.parametrize("kind", [MLPClassifier, MLPRegressor])
def test_settings_in_the_call_of_fit_are_named(x: np.ndarray, kind: Any) -> None:
    for word, name in {"epochs": "max_iter", "verbose": "verbose", "validation_split": "validation_fraction"}.items():
        with pytest.raises(TypeError, match=rf"fit has no '{word}'; .* estimator: {kind.__name__}\({name}=...\)"):
            kind().fit(x, np.arange(60) % 2, **{word: 3})
