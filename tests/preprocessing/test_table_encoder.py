"""TableEncoder: what a data frame becomes, what it refuses, in how much memory, and scikit-learn's ways of using it."""

from __future__ import annotations

import datetime as dt
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import pynn
from pynn.preprocessing import rows, table_encoder


def _scaling() -> pynn.Pipeline:
    return pynn.Pipeline(pynn.RobustScaling(), pynn.SmoothClip())


def _changed(columns: dict[str, Any], **change: Any) -> dict[str, Any]:
    return {
        **columns,
        **{name: [value] * 60 if not isinstance(value, list) else value for name, value in change.items()},
    }


# What comes out -----------------------------------------------------------------------------------


def test_the_layout_is_numbers_indicators_one_hot_and_codes(columns: dict[str, Any]) -> None:
    encoder = pynn.TableEncoder()
    y = encoder.fit_transform(columns)
    names = encoder.get_feature_names_out().tolist()
    assert names == [
        *("age", "day_days", "day_weekday", "day_hour", "size", "age_missing"),
        *("city_Bern", "city_Rom", "city_Wien", "smoker_True", "sex_m", "job"),
    ]
    assert (y.dtype, y.shape, encoder.output_shape_) == (np.float32, (60, 12), (12,))
    assert (encoder.numbers_, encoder.one_hot_, encoder.codes_) == (slice(0, 6), slice(6, 11), slice(11, 12))
    assert encoder.sizes_ == [12]
    assert (encoder.n_features_in_, encoder.feature_names_in_.tolist()) == (8, list(columns))
    assert [column.kind for column in encoder.columns_] == [
        *("number", "category", "category", "constant", "boolean", "date", "number", "category")
    ]
    found = dict(zip(names, y.T, strict=True))
    age = np.array(columns["age"], float)
    np.testing.assert_array_equal(found["age_missing"], np.isnan(age))
    np.testing.assert_array_equal(found["age"], np.where(np.isnan(age), np.nanmedian(age), age))
    np.testing.assert_allclose(found["size"], columns["size"], rtol=1e-6)
    np.testing.assert_allclose(found["day_days"], np.arange(60) + np.arange(60) % 5 / 24, rtol=1e-6)
    np.testing.assert_array_equal(found["day_weekday"], (np.arange(60) + 2) % 7)
    np.testing.assert_allclose(found["day_hour"], np.arange(60) % 5, atol=1e-5)
    for city in ("Bern", "Rom", "Wien"):
        np.testing.assert_array_equal(found[f"city_{city}"], [value == city for value in columns["city"]])
    np.testing.assert_array_equal(found["smoker_True"], np.where(columns["smoker"], 1, -1))
    np.testing.assert_array_equal(found["sex_m"], [{"m": 1, "f": -1, None: 0}[value] for value in columns["sex"]])
    order = sorted(set(columns["job"]))
    np.testing.assert_array_equal(found["job"], [order.index(value) for value in columns["job"]])


@pytest.mark.parametrize("library", ["pandas", "polars"])
def test_frames_are_what_their_columns_are(columns: dict[str, Any], library: str) -> None:
    frame = pytest.importorskip(library).DataFrame(columns)
    expected = pynn.TableEncoder(numbers=_scaling()).fit_transform(columns)
    encoder = pynn.TableEncoder(numbers=_scaling()).fit(frame)
    np.testing.assert_array_equal(encoder.transform(frame), expected)
    np.testing.assert_array_equal(encoder.transform(columns), expected)
    turned = frame[list(reversed(columns))]
    np.testing.assert_array_equal(encoder.transform(turned), expected)
    for start, stop in ((0, 1), (3, 4), (10, 60)):
        np.testing.assert_array_equal(encoder.transform(frame[start:stop]), expected[start:stop])


@pytest.mark.parametrize("one_hot", [0, 1, 2, 3, 11, 12, 100])
def test_the_number_of_values_decides_about_one_hot(columns: dict[str, Any], one_hot: int) -> None:
    encoder = pynn.TableEncoder(one_hot).fit(columns)
    sizes = {"job": 12, "city": 3, "smoker": 2, "sex": 2}
    codes = [name for name in columns if sizes.get(name, 0) > one_hot]
    assert encoder.get_feature_names_out()[encoder.codes_].tolist() == codes
    assert encoder.sizes_ == [sizes[name] for name in codes]
    y = encoder.transform(columns)
    if "sex" in codes:
        found = y[:, encoder.codes_][:, codes.index("sex")]
        np.testing.assert_array_equal(found, [{"f": 0, "m": 1, None: -1}[value] for value in columns["sex"]])


def test_without_embedding_all_categories_are_one_hot_up_to_a_limit(columns: dict[str, Any]) -> None:
    y = pynn.TableEncoder(embedding=False).fit_transform(columns)
    assert y.shape == (60, 6 + 5 + 12)
    rare = {"c": ["a"] * 9 + ["b"] * 5 + ["c"] * 7 + list("defgh") + [None] * 2, "n": list(range(28))}
    encoder = pynn.TableEncoder(3, embedding=False, max_categories=4).fit(rare)
    assert encoder.get_feature_names_out()[1:].tolist() == ["c_a", "c_b", "c_c", "c_other"]
    assert encoder.codes_ == slice(5, 5)
    new = encoder.transform({"c": ["a", "c", "h", "never seen", None], "n": [0] * 5})[:, 1:]
    np.testing.assert_array_equal(new, [[1, 0, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1], [0, 0, 0, 1], [0, 0, 0, 0]])


def test_unknown_and_missing_categories_are_zeros_and_minus_one(columns: dict[str, Any]) -> None:
    encoder = pynn.TableEncoder().fit(columns)
    for value in ("never seen", None):
        y = encoder.transform(_changed(columns, city=value, sex=value, job=value, smoker=None))
        np.testing.assert_array_equal(y[:, encoder.one_hot_], 0)
        np.testing.assert_array_equal(y[:, encoder.codes_], -1)


def test_gaps_that_fit_did_not_see_become_the_median(columns: dict[str, Any]) -> None:
    encoder = pynn.TableEncoder().fit(columns)
    y = encoder.transform(_changed(columns, size=None, age=np.nan, day=None))
    np.testing.assert_allclose(y[:, 4], np.median(columns["size"]), rtol=1e-6)
    np.testing.assert_array_equal(y[:, 5], 1)
    np.testing.assert_allclose(y[:, 1], np.median(np.arange(60) + np.arange(60) % 5 / 24), rtol=1e-6)
    assert "age_missing" not in pynn.TableEncoder(indicator=False).fit(columns).get_feature_names_out()


def test_values_keep_their_type() -> None:
    table = {"a": [1, 2, 3] * 4, "b": ["1", "2", "3"] * 4}
    encoder = pynn.TableEncoder(categorical=["a"]).fit(table)
    y = encoder.transform({"a": [1, 2.0, 9], "b": ["1", "3", "x"]})
    np.testing.assert_array_equal(y, [[1, 0, 0, 1, 0, 0], [0, 1, 0, 0, 0, 1], [0, 0, 0, 0, 0, 0]])
    with pytest.raises(
        TypeError, match=r"column 'a' .* holds '1', .* categories such as 1 .*; turn its values into num"
    ):
        encoder.transform({"a": ["1"], "b": ["1"]})
    with pytest.raises(
        TypeError, match=r"column 'b' .* holds 1, .* categories such as '1' .*; turn its values into text"
    ):
        encoder.transform({"a": [1], "b": [1]})


def test_categories_of_integers_match_whatever_holds_them() -> None:
    pandas = pytest.importorskip("pandas")
    train = pandas.DataFrame({"c": pandas.Categorical([3, 7, 9, 3])})
    encoder = pynn.TableEncoder().fit(train)
    expected = encoder.transform(train)
    for same in (
        pandas.Categorical([3, 7, 9, 3], categories=[9, 7, 3]), [3, 7, 9, 3], np.array([3.0, 7, 9, 3]),
        pandas.array([3, 7, 9, 3], dtype="Int64"), np.array([3, 7, 9, 3], object),
    ):  # fmt: skip
        np.testing.assert_array_equal(encoder.transform(pandas.DataFrame({"c": same})), expected)


def test_numbers_scale_all_columns_but_the_codes(columns: dict[str, Any]) -> None:
    plain = pynn.TableEncoder().fit(columns)
    encoder = pynn.TableEncoder(numbers=_scaling())
    y = encoder.fit_transform(columns)
    x = np.zeros((60, 12))
    for start in range(60):
        x[start] = plain._apply(pynn.data.frames.table(columns)[start : start + 1])[0]
    by_hand = _scaling().fit(x[:, :11])
    np.testing.assert_allclose(y[:, :11], by_hand.transform(x[:, :11]), rtol=1e-6, atol=1e-7)
    np.testing.assert_array_equal(y[:, 11], x[:, 11])
    np.testing.assert_allclose(encoder.scaling_[0].median_, by_hand[0].median_, rtol=1e-12)
    assert not encoder.numbers.fitted, "a copy is fitted"


@pytest.mark.parametrize(
    "numbers", [pynn.Standardization(), pynn.Pipeline(pynn.MeanSubtraction(), pynn.RobustScaling())]
)
def test_any_scaling_learns_from_the_encoded_columns(
    columns: dict[str, Any], numbers: pynn.Transformer, monkeypatch: pytest.MonkeyPatch
) -> None:
    raw = pynn.TableEncoder(embedding=False).fit(columns)._apply(pynn.data.frames.table(columns))
    expected = numbers.unfitted().fit_transform(raw)
    for piece in (1 << 21, 50):
        monkeypatch.setattr(rows, "PIECE", piece)
        monkeypatch.setattr(table_encoder, "AT_ONCE", piece)
        y = pynn.TableEncoder(embedding=False, numbers=numbers).fit_transform(columns)
        np.testing.assert_allclose(y, expected, rtol=1e-5, atol=1e-6)


def test_numbers_that_change_the_columns_are_refused(columns: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"numbers is PCA\(components=2\), which makes \(2,\) of 11 columns"):
        pynn.TableEncoder(numbers=pynn.PCA(2)).fit(columns)


def test_it_is_the_first_step_of_a_pipeline(columns: dict[str, Any]) -> None:
    pipeline = pynn.Pipeline(pynn.TableEncoder(embedding=False), pynn.Standardization(), pynn.PCA(3))
    y = pipeline.fit_transform(columns)
    raw = pynn.TableEncoder(embedding=False).fit(columns)._apply(pynn.data.frames.table(columns))
    np.testing.assert_allclose(y, pynn.Pipeline(pynn.Standardization(), pynn.PCA(3)).fit_transform(raw), atol=1e-5)
    assert pipeline.reads_tables
    with pytest.raises(TypeError, match="must be the first step of a pipeline"):
        pynn.Pipeline(pynn.Standardization(), pynn.TableEncoder()).fit(np.eye(4))


def test_numbers_as_text_are_warned_of_by_name() -> None:
    table = {"price": [f"{row}.5" for row in range(20)], "zip": [f"0{row}" for row in range(20)]}
    with pytest.warns(
        UserWarning, match=r"numbers or dates as text in 'price', .* pynn\.TableEncoder\(categorical=\['price'\]\)$"
    ):
        encoder = pynn.TableEncoder().fit(table)
    assert [column.kind for column in encoder.columns_] == ["number", "category"]
    np.testing.assert_array_equal(encoder.transform({"price": ["7", "?"], "zip": ["00", None]}), [[7, 0], [10, -1]])


@pytest.mark.parametrize("library", ["pandas", "polars"])
def test_the_cure_fits_the_table(library: str) -> None:
    frames = pytest.importorskip(library)
    table = frames.DataFrame({"price": [f"{row}.5" for row in range(20)]})
    cast = {"pandas": 'astype("category")', "polars": "cast(polars.Categorical)"}[library]
    with pytest.warns(UserWarning, match=re.escape(f"to keep a column as categories: x['price'].{cast}")):
        pynn.TableEncoder().fit(table)


def test_words_that_become_missing_are_named_and_lists_get_a_cure_that_they_have() -> None:
    rows = [[f"{row}", f"{row}.5"] for row in range(198)] + [["refused", "?"], ["NA", "1"]]
    with pytest.warns(UserWarning, match="become missing") as caught:
        encoder = pynn.TableEncoder().fit(rows)
    (said,) = [str(warning.message) for warning in caught]
    assert "0 is text that is read as numbers; 'NA', 'refused' become missing; 1 is text" in said
    assert "'?' becomes missing" in said
    assert said.endswith("to keep a column as categories: pynn.TableEncoder(categorical=[0])")
    kept = pynn.TableEncoder(categorical=[0])
    with pytest.warns(UserWarning, match="as text in 1,"):
        assert [column.kind for column in kept.fit(rows).columns_] == ["category", "number"]
    assert encoder.transform([["refused", "2"]])[0, 2] == 1  # as in fit


def test_ids_are_left_out_with_a_warning() -> None:
    pandas = pytest.importorskip("pandas")
    x = pandas.DataFrame({"name": [f"n{row}" for row in range(60)], "a": np.arange(60.0) ** 2})
    with pytest.warns(
        UserWarning, match=r"text in 'name' that differs in nearly every row: .* left out; to keep a"
    ) as caught:
        encoder = pynn.TableEncoder().fit(x)
    assert len(caught) == 1
    assert [column.kind for column in encoder.columns_] == ["id", "number"]
    np.testing.assert_array_equal(encoder.transform(x[["a"]])[:, 0], x["a"])
    kept = pynn.TableEncoder().fit(x.assign(name=x["name"].astype("category")))
    assert kept.sizes_ == [60]
    unreadable = pandas.DataFrame({"height": [f"{row} cm" for row in range(60)], "a": x["a"]})
    with pytest.warns(
        UserWarning,
        match=r"'height' looks like numbers or dates, but is none, as '0 cm' shows; .* turn 'height' into numbers",
    ):
        pynn.TableEncoder().fit(unreadable)


def test_a_saved_model_reads_text_as_the_fitted_one(tmp_path: Path) -> None:
    pandas = pytest.importorskip("pandas")
    days = [f"{day % 28 + 1}.{day % 12 + 1}.{2000 + day % 20}" for day in range(110)]
    x = pandas.DataFrame({"day": days, "price": [f"{row},5 €" for row in range(109)] + ["free"]})
    model = pynn.Sequential(pynn.Affine(1))
    with pytest.warns(UserWarning, match="'price' .* with decimal commas; 'free' becomes missing"):
        model.fit(x, np.arange(110.0), epochs=1, preprocessing=pynn.TableEncoder(embedding=False), loss="l2")
    model.save(tmp_path / "model.safetensors")
    loaded = pynn.load(tmp_path / "model.safetensors")
    np.testing.assert_array_equal(loaded.predict(x), model.predict(x))
    assert loaded.preprocessing.columns_ == model.preprocessing.columns_
    with pytest.raises(
        ValueError, match=r"column 'day' holds '2020-01-01' in row 0 .* read as dates, day\.month\.year; turn it"
    ):
        loaded.predict(x.assign(day="2020-01-01"))


@pytest.mark.parametrize("chosen", [["a"], np.array(["a"]), np.array([True, False]), [True, False], None])
def test_a_saved_model_knows_which_columns_were_called_categories(tmp_path: Path, chosen: Any) -> None:
    x = {"a": [1, 2, 3] * 4, "b": list(range(0, 24, 2))}
    model, encoder = pynn.Sequential(pynn.Affine(1)), pynn.TableEncoder(categorical=chosen)
    model.fit(x, np.arange(12.0), epochs=1, preprocessing=encoder, loss="l2")
    model.save(tmp_path / "model.safetensors")
    loaded = pynn.load(tmp_path / "model.safetensors")
    assert [column.kind for column in loaded.preprocessing.columns_] == [
        "number" if chosen is None else "category", "number",
    ]  # fmt: skip
    np.testing.assert_array_equal(loaded.predict(x), model.predict(x))
    assert repr(loaded.preprocessing) == repr(model.preprocessing)
    one = [{"b": 4, "a": 3}]
    np.testing.assert_array_equal(loaded.predict(one), model.predict({"a": [3], "b": [4]}))


@pytest.mark.parametrize("library", ["pandas", "polars"])
def test_columns_without_any_value_are_missing(library: str) -> None:
    frames = pytest.importorskip(library)
    start = dt.date(2020, 1, 1)
    x = {
        "d": [start + dt.timedelta(row) for row in range(40)], "t": ["a", "b"] * 20, "n": list(range(0, 80, 2)),
        "w": list("abcdefghijklmnopqrst") * 2, "b": [True, False] * 20,
    }  # fmt: skip
    encoder = pynn.TableEncoder().fit(frames.DataFrame(x))
    expected = encoder.transform({name: [None] for name in x})
    gap = np.nan if library == "pandas" else None
    np.testing.assert_array_equal(encoder.transform(frames.DataFrame({name: [gap] for name in x})), expected)
    if library == "pandas":
        empty = frames.DataFrame({name: frames.to_datetime([None]) for name in x})
        np.testing.assert_array_equal(encoder.transform(empty), expected)


# Arrays -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", ["float64", "float32", "int64", "uint8", "object"])
def test_arrays_are_tables_without_names(dtype: str, rng: np.random.Generator) -> None:
    x = rng.integers(0, 50, (40, 5)).astype(dtype)
    encoder = pynn.TableEncoder(numbers=_scaling()).fit(x)
    expected = _scaling().fit_transform(x.astype(float))
    np.testing.assert_allclose(encoder.transform(x), expected, rtol=1e-6)
    np.testing.assert_array_equal(encoder.transform(x[3:4]), encoder.transform(x)[3:4])
    np.testing.assert_array_equal(encoder.transform(np.asfortranarray(x)), encoder.transform(x))
    assert not hasattr(encoder, "feature_names_in_")
    assert encoder.get_feature_names_out().tolist() == ["x0", "x1", "x2", "x3", "x4"]


def test_quick_rows_are_those_of_the_general_way(rng: np.random.Generator) -> None:
    x = rng.normal(size=(50, 4))
    x[:, 2] = 1  # left out
    for numbers in (None, pynn.RobustScaling(), pynn.Standardization(), _scaling()):
        encoder = pynn.TableEncoder(numbers=numbers).fit(x)
        whole = encoder.transform(x.tolist())
        assert whole.shape == (50, 3)
        for row in range(5):
            np.testing.assert_array_equal(encoder.transform(x[row : row + 1]), whole[row : row + 1])
        gap = x[:1].copy()
        gap[0, 0] = np.nan
        filled = gap.copy()
        filled[0, 0] = np.median(x[:, 0])
        np.testing.assert_array_equal(encoder.transform(gap), encoder.transform(filled))
        with pytest.raises(ValueError, match=r"x: column 1 is -inf in row 0"):
            encoder.transform(np.array([[0, -np.inf, 0, 0]]))


def test_arrays_with_gaps_and_categories(rng: np.random.Generator) -> None:
    x = np.column_stack([rng.normal(size=40), rng.integers(0, 3, 40), rng.integers(0, 30, 40)])
    x[::5, 0] = np.nan
    encoder = pynn.TableEncoder(categorical=[1, -1]).fit(x)
    assert [column.kind for column in encoder.columns_] == ["number", "category", "category"]
    y = encoder.transform(x)
    np.testing.assert_array_equal(y[:, 1], np.isnan(x[:, 0]))
    np.testing.assert_array_equal(y[:, 2:5], np.eye(3)[x[:, 1].astype(int)])
    np.testing.assert_array_equal(np.unique(x[:, 2])[y[:, 5].astype(int)], x[:, 2])
    np.testing.assert_array_equal(encoder.transform([[0.0, 9.0, 99.0]])[:, 2:], [[0, 0, 0, -1]])


def test_arrays_and_frames_meet_by_place() -> None:
    pandas = pytest.importorskip("pandas")
    x = np.arange(20.0).reshape(10, 2)
    frame = pandas.DataFrame(x, columns=["a", "b"])
    for one, other in ((x, frame), (frame, x), (frame, pandas.DataFrame(x)), (pandas.DataFrame(x), frame)):
        encoder = pynn.TableEncoder().fit(one)
        np.testing.assert_array_equal(encoder.transform(other), x)
    with pytest.raises(ValueError, match=r"x has 1 columns, expected the 2 of fit, 'a', 'b'"):
        pynn.TableEncoder().fit(frame).transform(x[:, :1])


def test_numbers_too_large_for_float32_are_named() -> None:
    encoder = pynn.TableEncoder().fit({"a": [1.0, 2.0], "b": [1.0, 2.0]})
    with pytest.raises(ValueError, match=r"'b' becomes too large for float32; give numbers=pynn.RobustScaling\(\)"):
        encoder.transform({"a": [1.0], "b": [1e300]})


def test_columns_are_known_by_their_whole_numbers_and_others_by_their_places() -> None:
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame([[1.0, "u"], [2.0, "v"], [3.0, "u"]], columns=[10, 20])
    encoder, twin = pynn.TableEncoder().fit(frame), pynn.TableEncoder()
    assert [column.name for column in encoder.columns_] == [10, 20]
    twin.restore((2,), encoder.tensors())
    for one in (encoder, twin):
        for same in (frame, frame[[20, 10]], frame.assign(more=1).set_axis([10, 20, 30], axis=1)):
            np.testing.assert_array_equal(one.transform(same), [[1, -1], [2, 1], [3, -1]])
        with pytest.raises(ValueError, match="x has no column 20: fit had the columns 10, 20"):
            one.transform(frame.set_axis([10, 0], axis=1))
    labels = pandas.MultiIndex.from_tuples([("a", 1), ("a", 2)])
    for names in ([5.5, 3], labels):
        frame = pandas.DataFrame([[1.0, "u"], [2.0, "v"], [3.0, "u"]], columns=names)
        encoder = pynn.TableEncoder().fit(frame)
        assert [column.name for column in encoder.columns_] == [0, 1]
        twin = pynn.TableEncoder()
        twin.restore((2,), encoder.tensors())
        np.testing.assert_array_equal(twin.transform(frame), [[1, -1], [2, 1], [3, -1]])
