"""What each column of a table is: every dtype of pandas and polars, NumPy's tables, text that is numbers or dates."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import numpy as np
import pytest

import pynn
from pynn.data import columns, frames

ROWS = 30


def _rows(*values: Any) -> list[Any]:
    return [values[row % len(values)] for row in range(ROWS)]


def _column(values: Any) -> columns.Column:
    return columns.describe({"c": values} if isinstance(values, list) else values)[0]


def _pandas(dtype: Any, *values: Any) -> Any:
    pandas = pytest.importorskip("pandas")
    return pandas.DataFrame({"c": pandas.Series(_rows(*values), dtype=dtype)})


def _arrow(dtype: str, *values: Any) -> Any:
    pandas, arrow = pytest.importorskip("pandas"), pytest.importorskip("pyarrow")
    kinds = {
        "decimal": lambda: arrow.decimal128(5, 2), "timestamp": lambda: arrow.timestamp("us"),
        "zoned": lambda: arrow.timestamp("ns", tz="Europe/Berlin"), "duration": lambda: arrow.duration("s"),
        "list": lambda: arrow.list_(arrow.int64()), "struct": lambda: arrow.struct([("a", arrow.int64())]),
        "time64": lambda: arrow.time64("us"), "dictionary": lambda: arrow.dictionary(arrow.int8(), arrow.string()),
    }  # fmt: skip
    kind = kinds.get(dtype, getattr(arrow, dtype, None))()
    return pandas.DataFrame({"c": pandas.Series(pandas.array(_rows(*values), dtype=pandas.ArrowDtype(kind)))})


def _polars(dtype: str, *values: Any) -> Any:
    polars = pytest.importorskip("polars")
    kind = polars.Enum(["a", "b", "c"]) if dtype == "Enum" else getattr(polars, dtype)
    return polars.DataFrame({"c": polars.Series(_rows(*values), dtype=kind)})


DAY, LATER, NOON = dt.date(2020, 1, 1), dt.date(2021, 6, 1), dt.datetime(2020, 3, 1, 12)
MIDNIGHT = dt.datetime(2020, 1, 1)
Expected = tuple[str, int, tuple[Any, ...]]
NUMBER: Expected = ("number", 0, ())
GAPS: Expected = ("number", 10, ())
DATES: Expected = ("date", 10, ("days", "month", "weekday"))
WITH_HOURS: Expected = ("date", 10, ("days", "weekday", "hour"))

KINDS: dict[str, tuple[Callable[[], Any], Expected]] = {
    **{f"pandas {kind}": (lambda kind=kind: _pandas(kind, 1, 2, 5), NUMBER)
       for kind in ("int8", "uint64", "float16", "float32", "float64", "longdouble", "Int32", "UInt8", "Float64")},
    **{f"pandas {kind}, gaps": (lambda kind=kind: _pandas(kind, 1, None, 5), GAPS)
       for kind in ("float32", "Int64", "UInt16", "Float32", "object")},
    "pandas sparse": (lambda: _pandas("Sparse[float64]", 0, 0, 1.5), NUMBER),
    "pandas sparse bool": (lambda: _pandas("Sparse[bool]", False, True), ("boolean", 0, (False, True))),
    "pandas bool": (lambda: _pandas(bool, True, False), ("boolean", 0, (False, True))),
    "pandas boolean": (lambda: _pandas("boolean", True, None, False), ("boolean", 10, (False, True))),
    "pandas object bool": (lambda: _pandas(object, True, None, False), ("boolean", 10, (False, True))),
    "pandas str": (lambda: _pandas(None, "b", "a", None), ("category", 10, ("a", "b"))),
    "pandas string": (lambda: _pandas("string", "b", None, "a"), ("category", 10, ("a", "b"))),
    "pandas object text": (lambda: _pandas(object, "b", np.nan, "a"), ("category", 10, ("a", "b"))),
    "pandas category": (lambda: _pandas("category", "b", "a", None), ("category", 10, ("a", "b"))),
    "pandas category of int": (lambda: _pandas("category", 7, 3, None), ("category", 10, (3, 7))),
    "pandas category of float": (lambda: _pandas("category", 7.5, 3.0, None), ("category", 10, (3, 7.5))),
    "pandas datetime": (lambda: _pandas("datetime64[ns]", DAY, LATER, None), DATES),
    "pandas datetime s": (lambda: _pandas("datetime64[s]", MIDNIGHT, NOON, None), WITH_HOURS),
    "pandas zoned": (lambda: _pandas("datetime64[us, UTC]", MIDNIGHT, NOON), ("date", 0, ("days", "weekday", "hour"))),
    "pandas timedelta": (lambda: _pandas("timedelta64[ns]", dt.timedelta(1), None, dt.timedelta(2)), GAPS),
    "pandas period": (lambda: _pandas("period[D]", DAY, LATER), ("date", 0, ("days", "month", "weekday"))),
    "dates": (lambda: _pandas(object, DAY, None, LATER), ("date", 10, ("days", "month", "weekday"))),
    "times": (lambda: _pandas(object, dt.time(3), dt.time(4, 30), None), GAPS),
    "timedeltas": (lambda: _pandas(object, dt.timedelta(1), None, dt.timedelta(2)), GAPS),
    "decimals": (lambda: _pandas(object, Decimal("1.5"), None, Decimal(3)), GAPS),
    "bytes": (lambda: _pandas(object, b"b", b"a"), ("category", 0, ("a", "b"))),
    "text and numbers": (lambda: _pandas(object, 1, "1", None), ("category", 10, (1, "1"))),
    "True and 1": (lambda: _pandas(object, 1, True, "a"), ("category", 0, (True, 1, "a"))),
    "empty": (lambda: _pandas(object, None), ("empty", ROWS, ())),
    "all NaN": (lambda: _pandas(float, np.nan), ("empty", ROWS, ())),
    "empty text": (lambda: _pandas("string", None), ("empty", ROWS, ())),
    "constant": (lambda: _pandas(None, 7), ("constant", 0, ())),
    "constant text": (lambda: _pandas(None, "a"), ("constant", 0, ())),
    "constant date": (lambda: _pandas("datetime64[ns]", DAY), ("constant", 0, ())),
    "one value and gaps": (lambda: _pandas(None, 7, None), ("number", 15, ())),
    "one text and gaps": (lambda: _pandas(None, "a", None), ("category", 15, ("a",))),
    **{f"arrow {kind}": (lambda kind=kind: _arrow(kind, 1, None, 5), GAPS) for kind in ("int64", "uint8", "float32")},
    "arrow decimal": (lambda: _arrow("decimal", Decimal("1.5"), None, Decimal(3)), GAPS),
    "arrow bool": (lambda: _arrow("bool_", True, None, False), ("boolean", 10, (False, True))),
    **{f"arrow {kind}": (lambda kind=kind: _arrow(kind, "b", None, "a"), ("category", 10, ("a", "b")))
       for kind in ("string", "large_string", "dictionary")},
    "arrow binary": (lambda: _arrow("binary", b"b", None, b"a"), ("category", 10, ("a", "b"))),
    **{f"arrow {kind}": (lambda kind=kind: _arrow(kind, DAY, None, LATER), ("date", 10, ("days", "month", "weekday")))
       for kind in ("date32", "date64")},
    **{f"arrow {kind}": (lambda kind=kind: _arrow(kind, MIDNIGHT, None, NOON), WITH_HOURS)
       for kind in ("timestamp", "zoned")},
    "arrow duration": (lambda: _arrow("duration", dt.timedelta(1), None, dt.timedelta(3)), GAPS),
    "arrow time": (lambda: _arrow("time64", dt.time(3), None, dt.time(4)), GAPS),
    "arrow null": (lambda: _arrow("null", None), ("empty", ROWS, ())),
    **{f"polars {kind}": (lambda kind=kind: _polars(kind, 1, 2, 5), NUMBER) for kind in ("Int8", "UInt64", "Float32")},
    **{f"polars {kind}, gaps": (lambda kind=kind: _polars(kind, 1, None, 5), GAPS) for kind in ("Int64", "Float64")},
    "polars Int128": (lambda: _polars("Int128", 1, None, 5), GAPS),
    "polars Decimal": (lambda: _polars("Decimal", Decimal("1.5"), None, Decimal(3)), GAPS),
    "polars Boolean": (lambda: _polars("Boolean", True, None, False), ("boolean", 10, (False, True))),
    **{f"polars {kind}": (lambda kind=kind: _polars(kind, "b", None, "a"), ("category", 10, None))
       for kind in ("String", "Categorical", "Enum")},
    "polars Date": (lambda: _polars("Date", DAY, None, LATER), ("date", 10, ("days", "month", "weekday"))),
    "polars Datetime": (lambda: _polars("Datetime", MIDNIGHT, None, NOON), ("date", 10, ("days", "weekday", "hour"))),
    "polars Duration": (lambda: _polars("Duration", dt.timedelta(1), None, dt.timedelta(3)), GAPS),
    "polars Time": (lambda: _polars("Time", dt.time(3), None, dt.time(4)), GAPS),
    "polars Binary": (lambda: _polars("Binary", b"b", None, b"a"), ("category", 10, None)),
    "polars Null": (lambda: _polars("Null", None), ("empty", ROWS, ())),
    "lists": (lambda: {"c": _rows(1, None, 5)}, GAPS),
    "lists of text": (lambda: {"c": _rows("b", None, "a")}, ("category", 10, ("a", "b"))),
    "record": (lambda: np.array([(1,), (2,)] * 15, [("c", "i4")]), NUMBER),
    "record of text": (lambda: np.array([("b",), ("a",)] * 15, [("c", "U4")]), ("category", 0, ("a", "b"))),
    "record of bytes": (lambda: np.array([(b"b",), (b"a",)] * 15, [("c", "S4")]), ("category", 0, ("a", "b"))),
    "objects": (lambda: np.array(_rows(1, None, 2.5), object)[:, None], GAPS),
    "rows": (lambda: [["b", 1], ["a", 2]] * 15, ("category", 0, ("a", "b"))),
    "array": (lambda: np.arange(60, dtype=np.uint8).reshape(30, 2), NUMBER),
}  # fmt: skip


@pytest.mark.parametrize("case", KINDS)
def test_kinds(case: str) -> None:
    table, (kind, missing, details) = KINDS[case][0](), KINDS[case][1]
    column = columns.describe(table)[0]
    assert (column.kind, column.missing) == (kind, missing)
    if details is None:
        assert sorted(column.categories) == ["a", "b"]
    else:
        assert (column.parts or column.categories) == details
    assert column.used is (kind not in ("constant", "empty"))


REFUSED: dict[str, tuple[Callable[[], Any], str]] = {
    "complex": (lambda: _pandas(complex, 1j, 2), r"has dtype complex128: complex numbers cannot be inputs; use"),
    "lists": (lambda: _pandas(object, [1], [2]), r"has dtype object: values such as \[1\] cannot be inputs; make"),
    "dicts": (lambda: _pandas(object, {"a": 1}, {}), r"values such as \{'a': 1\} cannot be inputs"),
    "tuples": (lambda: _pandas(object, (1, 2), (2, 3)), r"tuples cannot be inputs"),
    "objects": (lambda: _pandas(object, object(), "a"), r"values such as .* cannot be inputs; .* or drop it"),
    "arrow list": (lambda: _arrow("list", [1], None), r"has dtype list<.*: nested values cannot be inputs"),
    "arrow struct": (lambda: _arrow("struct", {"a": 1}, None), r"has dtype struct<.*: nested values"),
    "polars List": (lambda: _polars("List", [1], None), r"has dtype List\(Int64\): nested values"),
    "polars Struct": (lambda: _polars("Struct", {"a": 1}, None), r"has dtype Struct.*: nested values"),
    "polars Object": (lambda: _polars("Object", object(), object()), r"has dtype Object: values such as"),
    "infinity": (lambda: _pandas(float, 1, 2, np.inf), r"is inf in row 2, expected finite numbers; replace it"),
    "a huge integer": (lambda: _pandas(object, 1, 10**400), r"is 10000.* in row 1, too large for float64"),
    "a far date": (lambda: np.array([("-20000-01-01",)] * 3, [("c", "M8[s]")]), r"has the date -20000-01-01"),
    "zones and none": (lambda: _pandas(object, NOON, NOON.replace(tzinfo=dt.timezone.utc)),
                       r"dates with a time zone and others without one"),
    "an infinite category": (lambda: _pandas("category", np.inf, 1), r"has the category inf, expected finite"),
    "columns in a column": (lambda: np.array([((1, 2),)] * 3, [("c", "i4", 2)]), r"nested values"),
}  # fmt: skip


@pytest.mark.parametrize("case", REFUSED)
def test_columns_that_cannot_be_used_are_refused_by_name(case: str) -> None:
    make, message = REFUSED[case]
    with pytest.raises((TypeError, ValueError), match=r"^x: column 'c' (has dtype .*: |has )?" + message):
        columns.describe(make())


@pytest.mark.parametrize(
    ("table", "error", "message"),
    [
        (np.arange(3.0), ValueError, r"x has shape \(3,\), expected a table \(N, D\); a single column is x\[:, None\]"),
        (np.zeros((0, 3)), ValueError, "x is empty: it has no rows"),
        (np.zeros((3, 0)), ValueError, "x has no columns"),
        ({}, ValueError, "x has no columns"),
        ("abc", TypeError, "x is 'abc', expected a table: a frame of pandas or polars"),
        (None, TypeError, "x is NoneType, expected a table"),
        ([[1, "a"], [2]], ValueError, "rows of different lengths"),
        ({"a": [1, 2], "b": [1, 2, 3]}, ValueError, r"column 'b' has another length than the first"),
        ({"a": [1, 2], 3: [1, 2]}, TypeError, "has a column named 3 and others whose names are text"),
        (np.ma.masked_array([[1.0, 2.0]], [[True, False]]), ValueError, "x is masked"),
    ],
)
def test_other_things_are_no_tables(table: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        columns.describe(table)


def test_a_series_and_a_lazy_frame_are_told_what_to_do() -> None:
    pandas, polars = pytest.importorskip("pandas"), pytest.importorskip("polars")
    with pytest.raises(TypeError, match=r"x is Series, .*by x\.to_frame\(\)"):
        columns.describe(pandas.Series([1, 2]))
    with pytest.raises(TypeError, match=r"x is LazyFrame, .* pass x\.collect\(\)"):
        columns.describe(polars.LazyFrame({"a": [1, 2]}))


# Text ---------------------------------------------------------------------------------------------


def test_numbers_as_text_are_numbers() -> None:
    text = [f"{number / 4}" for number in range(26)] + ["?", " ", "NA", None]
    column = _column(text)
    assert (column.kind, column.missing, column.text) == ("number", 4, True)
    values = columns.read(column, frames.table({"c": ["1e3", " -2.5 ", "?", "", None, "+7"]}), "c")
    np.testing.assert_array_equal(values, [1000, -2.5, np.nan, np.nan, np.nan, 7])
    np.testing.assert_array_equal(columns.read(column, frames.table({"c": [1, 2]}), "c"), [1, 2])


@pytest.mark.parametrize(
    "values",
    [
        [f"0{number}" for number in range(30)],  # zip codes
        [f"{number}" for number in range(9)] * 3,  # a few different ones
        [f"{number} kg" for number in range(30)],
        [f"{number}" for number in range(20)] + [f"n{number}" for number in range(10)],
        [f"1_{number}00" for number in range(30)],
        ["inf", "nan"] * 15,
        [f"2020-13-{number + 10}" for number in range(20)],
        [f"{number}.5.20" for number in range(30)],
    ],
)
def test_other_text_stays_a_category(values: list[str]) -> None:
    assert _column(values).kind == "category"


def test_a_stray_value_among_many_numbers_becomes_missing() -> None:
    column = _column([str(number) for number in range(500)] + ["12 kg"])
    assert (column.kind, column.missing) == ("number", 1)


@pytest.mark.parametrize(
    ("make", "form", "last"),
    [
        (lambda n: f"${n}.73", ".", 39.73),
        (lambda n: f"{n + 1},573", ".", 40573),
        (lambda n: f"{n}.2%", ".", 39.2),
        (lambda n: f"-{n} €", ".", -39),
        (lambda n: f"{n},5", ",", 39.5),
        (lambda n: f"1.0{n + 10},25", ",", 1049.25),
        (lambda n: f"0,5{n + 10}", ",", 0.549),  # no thousands begin with 0
        (lambda n: f"{n + 1},573" if n else "1,5", ",", 40.573),
        (lambda n: f"0.5{n + 10}", ".", 0.549),
        (lambda n: f"{n + 1}.573", ".", 40.573),
    ],
)
def test_numbers_in_other_forms(make: Callable[[int], str], form: str, last: float) -> None:
    text = [make(number) for number in range(40)]
    column = _column([*text, "?"])
    assert (column.kind, column.form, column.words) == ("number", form, ("?",))
    values = columns.read(column, frames.table({"c": [text[-1], "unknown"]}), "c")
    np.testing.assert_allclose(values, [last, np.nan], rtol=1e-15)


@pytest.mark.parametrize(
    ("values", "doubt"),
    [
        ([f"1,{row + 200}" for row in range(40)], True),
        ([f"7.{row + 200}" for row in range(40)], True),
        ([f"7.{row + 200}" for row in range(40)] + ["0.25"], False),
        ([f"0,{row + 200}" for row in range(40)], False),
        ([*map(str, range(200)), "n.a."], False),
        ([7 + row / 1000 for row in range(40)] + ["none given"], False),
        ([*range(40), "1,234"], True),
    ],
)
def test_a_doubt_about_decimal_commas_is_spoken(values: list[Any], doubt: bool) -> None:
    assert ("(it could be with decimal commas)" in _column(values).note) is doubt


def test_the_library_of_a_table_does_not_change_how_its_text_is_read(rng: np.random.Generator) -> None:
    pandas, polars = pytest.importorskip("pandas"), pytest.importorskip("polars")
    words = [f"({place})" for place in range(300)]  # come first in the order of text, and here in that of rows
    tables = {
        "c": [*words, *map(str, range(40_000))], "d": [*words, *(["a"] * 40_000)],
        "e": ["refused", "?", *map(str, range(9, 40_307))],
    }  # fmt: skip
    for name, values in tables.items():
        mixed = [values[place] for place in rng.permutation(len(values))]
        found = [_column(pandas.DataFrame({name: each})) for each in (values, mixed)]
        found += [_column(polars.DataFrame({name: each})) for each in (values, mixed)]
        found = [columns.replace(column, dtype="") for column in found]
        assert found[0] == found[1] == found[2] == found[3]
        assert found[0].kind == ("category" if name == "d" else "number")


@pytest.mark.parametrize(
    ("form", "other"),
    [
        ("%d.%m.%Y", ""), ("%m/%d/%Y", "%d/%m/%Y"), ("%d/%m/%Y", ""), ("%Y/%m/%d", ""), ("%d %B %Y", ""),
        ("%b %d, %Y", ""), ("%d.%m.%Y %H:%M", ""), ("%Y-%m", ""),
    ],
)  # fmt: skip
def test_dates_in_other_forms(form: str, other: str) -> None:
    days = 12 if other else 28
    dates = [dt.datetime(2000 + row, row % 12 + 1, 1 if form == "%Y-%m" else row % days + 1) for row in range(60)]
    column = _column([date.strftime(form) for date in dates])
    assert (column.kind, column.origin) == ("date", 10957)
    assert column.form in (form, form.replace("%B", "%b"), "ISO8601")
    assert ("it could be day/month/year" in column.note) is bool(other)
    found = columns.read(column, frames.table({"c": [dates[5].strftime(form)]}), "c")
    assert found == (dates[5] - dt.datetime(1970, 1, 1)).days


def test_words_among_numbers_become_missing() -> None:
    numbers = [row / 7 for row in range(90)]
    column = _column([*numbers, "", "NA", "unknown", "?"])
    assert (column.kind, column.missing, column.words) == ("number", 4, ("", "?", "NA", "unknown"))
    assert _column([1, 2, 3, "NA"]).kind == "number"
    assert _column([*numbers, "none given", "12.5"]).words == ("none given",)
    assert _column([*numbers, *["often"] * 3, "a"]).words == ("often", "a")
    assert _column([*numbers, *"abcdefghijkl"]).kind == "category"
    found = columns.read(column, frames.table({"c": [2, "?", "3.5", None]}), "c")
    np.testing.assert_array_equal(found, [2, np.nan, 3.5, np.nan])
    plain = _column(numbers)
    np.testing.assert_array_equal(columns.read(plain, frames.table({"c": [2, "NA"]}), "c"), [2, np.nan])
    with pytest.raises(TypeError, match=r"holds '3\.5', for example in row 1, but in fit it had numbers"):
        columns.read(plain, frames.table({"c": [2, "3.5"]}), "c")


def test_text_of_another_form_is_refused() -> None:
    column = _column([f"{day % 28 + 1}.{day % 12 + 1}.2020" for day in range(80)])
    with pytest.raises(ValueError, match=r"column 'c' holds '2020-01-02' in row 1 \(and 1 more\), .* day\.month\.year"):
        columns.read(column, frames.table({"c": [None, "2020-01-02", "2020-01-03"]}), "c")


def test_text_that_fit_did_not_see_is_warned_of_and_refused_if_it_is_more_than_in_fit() -> None:
    column = _column([f"{row}.5" for row in range(300)] + ["refused"])
    known = frames.table({"c": ["1", "refused", "?", None]})
    np.testing.assert_array_equal(columns.read(column, known, "c"), [1, np.nan, np.nan, np.nan])
    with pytest.warns(UserWarning, match=r"column 'c' holds 'oops' in row 1, which is taken as missing: in fit it had"):
        values = columns.read(column, frames.table({"c": ["1", "oops"] + ["2"] * 98}), "c")
    assert np.isnan(values[1])
    for rows in (["oops"], ["oops", "2"], ["oops"] * 5 + ["2"] * 95, ["oops"] * 200 + ["2"] * 9800):
        with pytest.raises(
            ValueError, match=r"column 'c' holds 'oops' in row 0.*, but in fit .*; turn it into numbers"
        ):
            columns.read(column, frames.table({"c": rows}), "c")
    mixed = _column([*range(300), "refused"])
    with pytest.warns(UserWarning, match="'oops' in row 0, which is taken as missing"):
        columns.read(mixed, frames.table({"c": ["oops", *range(9)]}), "c")
    with pytest.raises(ValueError, match=r"'oops' in row 0 \(and 1 more\), but in fit"):
        columns.read(mixed, frames.table({"c": ["oops", "dear", *range(7)]}), "c")


def test_numbers_that_became_categories_are_read_as_numbers() -> None:
    pandas = pytest.importorskip("pandas")
    column = _column([1, 2, 3])
    other = frames.table(pandas.DataFrame({"c": pandas.Categorical([3, None, 1])}))
    np.testing.assert_array_equal(columns.read(column, other, "c"), [3, np.nan, 1])


def test_text_that_differs_in_nearly_every_row_is_an_id() -> None:
    assert _column([f"n{row}" for row in range(60)] + ["n1", "n2", None]).kind == "id"
    assert _column([f"n{row}" for row in range(50)] + ["n1"] * 10).kind == "category"
    assert _column([f"n{row}" for row in range(49)]).kind == "category"
    assert columns.describe({"c": [f"n{row}" for row in range(60)]}, ["c"])[0].kind == "category"


def test_text_that_was_declared_categories_stays() -> None:
    pandas, polars = pytest.importorskip("pandas"), pytest.importorskip("polars")
    text = [str(number) for number in range(30)]
    assert _column(pandas.DataFrame({"c": pandas.Categorical(text)})).kind == "category"
    assert _column(polars.DataFrame({"c": polars.Series(text, dtype=polars.Categorical)})).kind == "category"
    assert _column(pandas.DataFrame({"c": text})).kind == "number"
    assert columns.describe({"c": text}, categorical=["c"])[0].kind == "category"


@pytest.mark.parametrize(
    ("text", "days"),
    [
        ("2020-01-02", 18263.0), ("2020-01-02T12:00", 18263.5), ("2020-01-02 06:00:00", 18263.25),
        ("2020-01-02 00:00:00.864", 18263 + 0.864 / 86400), ("2020-01-02 00:00:00.000000123", 18263.0),
    ],
)  # fmt: skip
def test_dates_as_text_are_dates(text: str, days: float) -> None:
    column = _column([f"2020-{month:02}-{day:02}" for month in (1, 2, 3) for day in range(1, 11)])
    assert (column.kind, column.text, column.origin, column.parts) == ("date", True, 18262, ("days", "weekday"))
    found = columns.read(column, frames.table({"c": [text, "?", None]}), "c")
    np.testing.assert_allclose(found, [days, np.nan, np.nan], rtol=1e-12)


def test_zones_in_text_are_read_in_utc() -> None:
    column = _column([f"2020-01-{day:02}T01:00:00+02:00" for day in range(1, 21)])
    assert (column.aware, column.origin) == (True, pytest.approx(18262 - 1 / 24, abs=1e-9))
    for text in ("2020-01-01T00:00Z", "2020-01-01 03:30+0330", "2019-12-31T19:00-05:00"):
        assert columns.read(column, frames.table({"c": [text]}), "c") == pytest.approx(18262)


def test_text_of_dates_with_and_without_a_zone_is_refused() -> None:
    zoned = [f"2020-01-{day:02}T01:00Z" for day in range(1, 21)]
    with pytest.raises(ValueError, match=r"column 'c' has dates with a time zone and others without one"):
        _column([*zoned, "2020-02-01T01:00"])


# Dates --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("unit", ["Y", "M", "W", "D", "h", "m", "s", "ms", "us", "ns"])
def test_dates_of_every_unit_are_the_same_days(unit: str) -> None:
    dates = np.array(["2000-01-06", "1960-01-07", "2020-02-27", "NaT"], "M8[D]").astype(f"M8[{unit}]")
    table = np.array([(date,) for date in dates], [("c", dates.dtype)])
    days = frames.table(table).column("c").data
    np.testing.assert_array_equal(days[:3], dates[:3].astype("M8[D]").astype(int))
    assert np.isnan(days[3])
    swapped = table.astype([("c", dates.dtype.newbyteorder(">"))])
    np.testing.assert_array_equal(frames.table(swapped).column("c").data, days)


def test_attoseconds_and_steps_of_units() -> None:
    table = np.array([(864 * 10**15,), (0,)], [("c", "M8[as]")])
    np.testing.assert_allclose(frames.table(table).column("c").data, [1e-5, 0], rtol=1e-12)
    table = np.array([(5,), (2,)], [("c", "M8[6h]")])
    np.testing.assert_array_equal(frames.table(table).column("c").data, [1.25, 0.5])
    table = np.array([(36,), (12,)], [("c", "m8[h]")])
    np.testing.assert_array_equal(frames.table(table).column("c").data, [1.5, 0.5])


def test_parts_of_dates_follow_the_calendar() -> None:
    days = np.arange(np.datetime64("1899-12-25"), np.datetime64("1903-01-10")).astype(float)
    column = columns.Column("c", "date", "", origin=days[0])
    dates = [dt.date(1899, 12, 25) + dt.timedelta(place) for place in range(len(days))]
    np.testing.assert_array_equal(columns.part(days + 0.3, column, "month"), [date.month for date in dates])
    np.testing.assert_array_equal(columns.part(days + 0.7, column, "weekday"), [date.weekday() for date in dates])
    np.testing.assert_allclose(columns.part(days + 0.75, column, "hour"), 18)
    np.testing.assert_array_equal(columns.part(days, column, "days"), np.arange(len(days)))
    assert np.isnan(columns.part(np.array([np.nan]), column, "month"))


# Notes and what was learned -----------------------------------------------------------------------


def test_columns_that_tell_nothing_are_noted() -> None:
    table = {
        "id": [f"n{row}" for row in range(300)], "rows": list(range(5, 305)), "same": [1] * 300, "none": [None] * 300,
        "many": [f"m{row % 200}" for row in range(300)], "fine": [f"f{row % 5}" for row in range(300)],
        "number": [row * 7 % 300 for row in range(300)],
    }  # fmt: skip
    notes = {column.name: column.note for column in columns.describe(table)}
    assert "another value in nearly every row" in notes["id"]
    assert "numbers the rows" in notes["rows"]
    assert notes["same"] == "is 1 in every row; it is left out"
    assert notes["none"] == "has no values; it is left out"
    assert notes["many"] == "has 200 different values in 300 rows, most of them rare"
    assert notes["fine"] == notes["number"] == ""


def test_counts_follow_the_categories() -> None:
    column = _column(["b"] * 3 + ["a"] * 5 + ["c", None])
    assert (column.categories, column.counts, column.missing) == (("a", "b", "c"), (5, 3, 1), 1)
    short = columns.limited(column, 2)
    assert (short.categories, short.counts, short.other) == (("a",), (5,), True)
    assert columns.limited(column, 3) is column


def test_unused_categories_are_not_learned() -> None:
    pandas = pytest.importorskip("pandas")
    column = _column(pandas.DataFrame({"c": pandas.Categorical(["b", "a"] * 3, categories=["z", "b", "a"])}))
    assert column.categories == ("b", "a")  # in the order that the user gave


def test_dates_that_are_categories_are_the_same_text_in_every_unit() -> None:
    pandas = pytest.importorskip("pandas")
    dates = pandas.to_datetime(["2020-01-01", "2020-01-02"] * 3)
    found = [_column(pandas.DataFrame({"c": dates.as_unit(unit).astype("category")})) for unit in ("s", "us", "ns")]
    assert {column.categories for column in found} == {("2020-01-01 00:00:00", "2020-01-02 00:00:00")}


def test_a_selection_of_rows_shares_what_was_read() -> None:
    table = frames.table({"c": [1.0, 2.0, np.nan, 4.0, 5.0], "t": list("abcde")})
    part = table[1:4][np.array([2, 0])]
    assert (len(part), part.shape) == (2, (2, 2))
    np.testing.assert_array_equal(part.chosen(part.column("c").data), [4, 2])
    assert [part.row(place) for place in (0, 1)] == [3, 1]
    assert part.column("t") is table.column("t")
    np.testing.assert_array_equal(table[::2].chosen(table.column("c").data), [1, np.nan, 5])
    learned = columns.learn(table[:2], "t")
    assert (learned.categories, columns.learn(table[3:], "t").categories) == (("a", "b"), ("d", "e"))


def test_large_whole_numbers_that_differ_are_not_constant() -> None:
    column = _column((2**60 + np.arange(20)[::-1]).tolist())
    assert (column.kind, column.note) == ("number", "")
    assert _column([2**60 + 1] * 20).note == f"is {2**60 + 1} in every row; it is left out"


def test_rows_may_be_selected_backwards() -> None:
    table = frames.table({"c": [1.0, 2.0, 3.0]})[::-1]
    np.testing.assert_array_equal(table.chosen(table.column("c").data), [3, 2, 1])
    np.testing.assert_array_equal(table[1:].chosen(table.column("c").data), [2, 1])


def test_what_was_learned_of_a_table_is_kept_for_its_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    table, calls = frames.table({"a": [1, 2, 3], "b": ["x", "y", "x"]}), []
    learn = columns.learn
    monkeypatch.setattr(columns, "learn", lambda *given: calls.append(given) or learn(*given))
    first = columns.learn_all(table)
    assert (columns.learn_all(table, ["zz"]), len(calls)) == (first, 2)
    assert [column.kind for column in columns.learn_all(table, ["a"])] == ["category", "category"]
    assert columns.learn_all(table[:1])[0].kind == "constant"
    first.clear()
    assert len(columns.learn_all(table)) == 2


def test_rows_may_be_dicts() -> None:
    found = frames.table([{"a": 3, "b": "x"}, {"b": "y", "c": 1.5}])
    assert (found.labels, len(found)) == (("a", "b", "c"), 2)
    np.testing.assert_array_equal(found.column("a").data, [3, np.nan])
    assert found.column("b").values == ("x", "y")


@pytest.mark.parametrize(
    ("record", "message"),
    [
        ({"a": 3, "b": 1.0}, r"x is one record, as 'a' is 3; pass \[x\], or lists of values: \{'a': \[3\]\}"),
        ({"a": "word", "b": None}, r"x is one record, as 'a' is 'word'; pass \[x\]"),
        ({"a": [3], "b": np.float64(2)}, r"x: column 'b' is .*2.*, expected a list of values, one for each row"),
    ],
)
def test_a_single_record_is_told_what_to_do(record: dict[str, Any], message: str) -> None:
    with pytest.raises(TypeError, match=message):
        columns.describe(record)


@pytest.mark.parametrize(
    "chosen", [["b"], [1], [-1], (1,), {"b"}, np.array(["b"]), np.array([1]), [False, True], np.array([False, True])]
)
def test_columns_of_categories_go_by_name_place_or_mask(chosen: Any) -> None:
    found = columns.describe({"a": [1, 2, 3], "b": [1, 2, 3]}, chosen)
    assert [column.kind for column in found] == ["number", "category"]


@pytest.mark.parametrize(
    ("chosen", "error", "message"),
    [
        ("ab", TypeError, "categorical is 'ab', expected a list of names or places of columns, or a mask of all"),
        (1, TypeError, "categorical is 1, expected a list"),
        (np.eye(2), TypeError, r"categorical is array\("),
        ([1.0], TypeError, "categorical has 1.0, expected names or places of columns, or a mask of all"),
        (["a", True], TypeError, "categorical has True, expected names"),
        ([None], TypeError, "categorical has None, expected names"),
        (["zz"], ValueError, "categorical has 'zz', but x has the columns 'a', 'b'; name some of them"),
        ([2], ValueError, "categorical has 2, but x has the columns"),
        ([True], ValueError, "categorical is a mask of 1 columns, but x has 2; name the columns"),
    ],
)
def test_columns_of_categories_that_are_none(chosen: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        columns.describe({"a": [1, 2], "b": [1, 2]}, chosen)


def test_describe_is_public() -> None:
    assert pynn.data.columns.describe is columns.describe


@pytest.mark.parametrize("kind", ["String", "Categorical", "Enum"])
def test_long_text_of_polars_is_what_short_text_is(kind: str) -> None:
    polars = pytest.importorskip("polars")
    text = _rows("b", None, "a", "c", "a") * 50
    dtype = polars.Enum(["c", "b", "a"]) if kind == "Enum" else getattr(polars, kind)
    table = frames.table(polars.DataFrame({"c": polars.Series(text, dtype=dtype)}))
    raw = table.column("c")
    assert [None if code < 0 else raw.values[code] for code in raw.data] == text
    assert columns.learn(table, "c").categories == ("a", "b", "c")
    assert columns.learn(table, "c").counts == tuple(text.count(value) for value in "abc")
