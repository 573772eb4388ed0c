"""TableEncoder: what it refuses, in how much memory it works, and how scikit-learn uses it."""

from __future__ import annotations

import copy
import datetime as dt
import pickle
import tracemalloc
from typing import Any

import numpy as np
import pytest

import pynn
from pynn.preprocessing import NotFittedError, table_encoder


def _scaling() -> pynn.Pipeline:
    return pynn.Pipeline(pynn.RobustScaling(), pynn.SmoothClip())


def _changed(columns: dict[str, Any], **change: Any) -> dict[str, Any]:
    return {
        **columns,
        **{name: [value] * 60 if not isinstance(value, list) else value for name, value in change.items()},
    }


# What is refused ----------------------------------------------------------------------------------


def test_columns_are_found_by_name_and_missed_by_name(columns: dict[str, Any]) -> None:
    encoder = pynn.TableEncoder().fit(columns)
    expected = encoder.transform(columns)
    wider = {"new": [object()] * 60, **dict(reversed(columns.items()))}
    np.testing.assert_array_equal(encoder.transform(wider), expected)
    del wider["same"]  # it was constant
    np.testing.assert_array_equal(encoder.transform(wider), expected)
    for gone in ("age", "job"):
        del wider[gone]
    with pytest.raises(ValueError, match=r"x has no column 'age', 'job': fit had the columns 'age', 'job', 'city'"):
        encoder.transform(wider)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            {"size": "big"},
            r"'size' has dtype object and holds 'big', .* in row 0, but in fit it had numbers .*to_numeric",
        ),
        ({"size": dt.date(2020, 1, 1)}, r"'size' .* holds '2020-01-01', .* but in fit it had numbers"),
        ({"day": 3.0}, r"'day' has dtype object and holds 3.0, .* in fit it had dates .*pandas.to_datetime"),
        ({"day": "2020-01-01"}, r"'day' .* holds '2020-01-01', .* in fit it had dates"),
        (
            {"city": 3},
            r"'city' has dtype object and holds 3, .* categories such as 'Bern' .*; turn its values into text",
        ),
        ({"city": dt.date(2020, 1, 1)}, r"'city' .* holds '2020-01-01', .* in fit it had categories"),
        (
            {"smoker": "yes"},
            r"'smoker' .* holds 'yes', .* had booleans .*; turn it into booleans, for example with .map",
        ),
        ({"smoker": 7}, r"'smoker' .* holds 7, .* had booleans"),
        ({"size": [[1]] * 60}, r"'size' has dtype .*: nested values cannot be inputs"),
    ],
)
def test_a_column_of_another_kind_is_refused_by_name(
    columns: dict[str, Any], change: dict[str, Any], message: str
) -> None:
    encoder = pynn.TableEncoder().fit(columns)
    with pytest.raises(TypeError, match=r"x: column " + message):
        encoder.transform(_changed(columns, **change))


def test_what_means_the_same_is_taken(columns: dict[str, Any]) -> None:
    encoder = pynn.TableEncoder().fit(columns)
    y = encoder.transform(_changed(columns, smoker=[int(value) for value in columns["smoker"]], size=True, same="x"))
    np.testing.assert_array_equal(y[:, 9], encoder.transform(columns)[:, 9])
    np.testing.assert_array_equal(y[:, 4], 1)
    np.testing.assert_array_equal(encoder.transform(_changed(columns, age=None))[:, 5], 1)


def test_zones_of_dates_must_agree(columns: dict[str, Any]) -> None:
    encoder = pynn.TableEncoder().fit(columns)
    aware = [day.replace(tzinfo=dt.timezone.utc) for day in columns["day"]]
    with pytest.raises(ValueError, match=r"'day' has dates with a time zone, but in fit they had none; use .dt.tz_loc"):
        encoder.transform(_changed(columns, day=aware))
    encoder.fit(_changed(columns, day=aware))
    with pytest.raises(ValueError, match=r"'day' has dates with no time zone, but in fit they had one"):
        encoder.transform(columns)


@pytest.mark.parametrize(
    ("settings", "table", "error", "message"),
    [
        ({}, {"a": [1, 1], "b": [None, None]}, ValueError, r"no column that tells anything: 'a' is 1 in every row"),
        ({}, {"a": [1]}, ValueError, "x has 1 sample, expected at least 2"),
        ({}, {"a": [1, np.inf]}, ValueError, "column 'a' is inf in row 1"),
        ({"categorical": ["b"]}, {"a": [1, 2]}, ValueError, r"categorical has 'b', but x has the columns 'a'"),
        ({"categorical": [3]}, {"a": [1, 2]}, ValueError, r"categorical has 3, but x has the columns 'a'"),
        ({"categorical": [True] * 3}, {"a": [1, 2]}, ValueError, r"categorical is a mask of 3 columns, but x has 1"),
        ({"categorical": ["a"]}, {"a": [1, np.inf]}, ValueError, "column 'a' is inf in row 1"),
        (
            {"categorical": ["a"]},
            {"a": [dt.date(2020, 1, 1)] * 2},
            TypeError,
            "column 'a' holds dates, which cannot be",
        ),
    ],
)
def test_fit_refuses(settings: dict[str, Any], table: Any, error: type[Exception], message: str) -> None:
    encoder = pynn.TableEncoder(**settings)
    with pytest.raises(error, match=message):
        encoder.fit(table)
    assert not encoder.fitted


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"one_hot": -1}, "one_hot is -1"), ({"one_hot": 2.5}, "one_hot is 2.5"), ({"embedding": 1}, "embedding is 1"),
        ({"numbers": "robust"}, "numbers is 'robust'"), ({"numbers": pynn.RobustScaling}, r"write RobustScaling\(\)"),
        ({"indicator": "no"}, "indicator is 'no'"), ({"max_categories": 1}, "max_categories is 1"),
        ({"categorical": "a"}, "categorical is 'a', expected a list"), ({"categorical": [1.5]}, "categorical has 1.5"),
    ],
)  # fmt: skip
def test_arguments(settings: dict[str, Any], message: str) -> None:
    with pytest.raises((TypeError, ValueError), match=message):
        pynn.TableEncoder(**settings)


def test_a_fit_that_fails_changes_nothing(columns: dict[str, Any]) -> None:
    encoder = pynn.TableEncoder(numbers=_scaling()).fit(columns)
    expected = encoder.transform(columns)
    for broken in (_changed(columns, size=np.inf), {"a": [1, 1]}, {"c": [[1], [2]]}):
        with pytest.raises((TypeError, ValueError)):
            encoder.fit(broken)
        np.testing.assert_array_equal(encoder.transform(columns), expected)


def test_what_it_cannot_do_says_so(columns: dict[str, Any]) -> None:
    encoder = pynn.TableEncoder()
    for call in (encoder.transform, encoder.inverse_transform, lambda x: encoder.get_feature_names_out()):
        with pytest.raises((NotFittedError, TypeError), match=r"needs it to be fitted|has no inverse"):
            call(columns)
    encoder.fit(columns)
    with pytest.raises(TypeError, match="has no inverse"):
        encoder.inverse_transform(encoder.transform(columns))
    with pytest.raises(TypeError, match="a gradient cannot pass through TableEncoder"):
        encoder.back(encoder.transform(columns))


# Memory and speed's shape -------------------------------------------------------------------------


@pytest.mark.parametrize("library", ["numpy", "pandas"])
def test_memory_is_that_of_the_result_and_a_few_columns(library: str, rng: np.random.Generator) -> None:
    x: Any = rng.normal(size=(200_000, 10))
    column = 200_000 * 8
    if library == "pandas":
        x = pytest.importorskip("pandas").DataFrame(x, columns=list("abcdefghij"))
    encoder = pynn.TableEncoder(numbers=_scaling())
    encoder.fit(x[:100])
    tracemalloc.start()
    try:
        encoder.fit(x)
        fitting = tracemalloc.get_traced_memory()[1]
        tracemalloc.reset_peak()
        y = encoder.transform(x)
        transforming = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert fitting < 4 * column
    assert transforming < y.nbytes + 6 * table_encoder.AT_ONCE * 8


# The protocol -------------------------------------------------------------------------------------


def test_copies_pickles_and_parameters(columns: dict[str, Any]) -> None:
    encoder = pynn.TableEncoder(5, numbers=_scaling(), categorical=["age"]).fit(columns)
    expected = encoder.transform(columns)
    for twin in (copy.deepcopy(encoder), pickle.loads(pickle.dumps(encoder))):
        np.testing.assert_array_equal(twin.transform(columns), expected)
        assert repr(twin) == repr(encoder)
    params = encoder.get_params()
    assert list(params)[:6] == ["one_hot", "embedding", "numbers", "indicator", "max_categories", "categorical"]
    assert (params["numbers__1__limit"], encoder.get_params(deep=False).keys()) == (3, {*list(params)[:6]})
    with pytest.raises(ValueError, match="limit"):
        encoder.set_params(numbers__1__limit=-1)
    with pytest.raises(ValueError, match="has no parameter 'no_such'"):
        encoder.set_params(no_such=1)
    assert encoder.fitted
    encoder.set_params(numbers__1__limit=2, one_hot=4)
    assert (encoder.fitted, encoder.one_hot, encoder.numbers[1].limit) == (False, 4, 2)
    assert not [name for name in vars(encoder) if name.endswith("_")]
    with pytest.raises(ValueError, match="numbers is None, so it has no parameter 'limit'"):
        pynn.TableEncoder().set_params(numbers__limit=2)


def test_scikit_learn_uses_it(columns: dict[str, Any]) -> None:
    pandas, base = pytest.importorskip("pandas"), pytest.importorskip("sklearn.base")
    compose, pipelines = pytest.importorskip("sklearn.compose"), pytest.importorskip("sklearn.pipeline")
    linear, selection = pytest.importorskip("sklearn.linear_model"), pytest.importorskip("sklearn.model_selection")
    frame, y = pandas.DataFrame(columns), np.arange(60) % 2
    twin = base.clone(pynn.TableEncoder(4, numbers=_scaling(), categorical=["age"]).fit(frame))
    assert (twin.fitted, twin.one_hot, repr(twin.numbers)) == (False, 4, repr(_scaling()))
    encoder = pynn.TableEncoder(embedding=False, numbers=_scaling())
    pipeline = pipelines.make_pipeline(encoder, linear.LogisticRegression())
    search = selection.GridSearchCV(pipeline, {"tableencoder__numbers__1__limit": [2, 3]}, cv=2)
    assert search.fit(frame, y).predict(frame).shape == (60,)
    transformer = compose.ColumnTransformer([("a", encoder, ["age", "city"]), ("b", encoder, ["job"])])
    out = transformer.set_output(transform="pandas").fit_transform(frame)
    assert out.columns[:3].tolist() == ["a__age", "a__age_missing", "a__city_Bern"]
    np.testing.assert_array_equal(transformer.set_output(transform="default").transform(frame), out)


@pytest.mark.parametrize("library", ["pandas", "polars"])
def test_results_may_be_frames(columns: dict[str, Any], library: str) -> None:
    frame = pytest.importorskip(library).DataFrame(columns)
    encoder = pynn.TableEncoder().fit(frame)
    expected = encoder.transform(frame)
    found = encoder.set_output(transform=library).transform(frame[10:20])
    assert type(found) is type(frame)
    assert list(found.columns) == encoder.get_feature_names_out().tolist()
    np.testing.assert_array_equal(found, expected[10:20])
    if library == "pandas":
        assert found.index.tolist() == list(range(10, 20))
    with pytest.raises(ValueError, match="transform is 'excel', expected one of default, pandas, polars"):
        encoder.set_output(transform="excel")


@pytest.mark.parametrize("library", ["pandas", "polars"])
def test_results_keep_columns_of_equal_names_apart(library: str) -> None:
    x = {"age": [None, 2.0, 3.0, 4.0], "age_missing": [1.0, 2.0, 3.0, 4.0], "c": ["1", "2", 1, 5]}
    frame = pytest.importorskip(library)
    encoder = pynn.TableEncoder().fit(x)
    expected = encoder.transform(x)
    names = ["age", "age_missing", "age_missing_2", "c_1", "c_5", "c_1_2", "c_2"]
    assert encoder.get_feature_names_out().tolist() == names
    found = encoder.set_output(transform=library).transform(x)
    assert isinstance(found, frame.DataFrame)
    assert list(found.columns) == names
    np.testing.assert_array_equal(found, expected)
    assert isinstance(encoder.set_params(one_hot=3).fit_transform(x), frame.DataFrame)


def test_names_of_features_are_checked(columns: dict[str, Any]) -> None:
    encoder = pynn.TableEncoder().fit(columns)
    assert encoder.get_feature_names_out(list(columns)).tolist() == encoder.get_feature_names_out().tolist()
    with pytest.raises(ValueError, match="input_features is 'a', expected 'age'"):
        encoder.get_feature_names_out(["a"])
    assert pynn.TableEncoder().fit(np.eye(2)).get_feature_names_out(["a", "b"]).tolist() == ["a", "b"]
