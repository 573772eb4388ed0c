"""Tables on the command line: reading files, and what each column is taken for. The commands are in test_tables."""

from __future__ import annotations

import gzip
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("pandas")
pytest.importorskip("sklearn")

import pandas

from pynn.cli.tables import columns, dialect, files, reading, target
from pynn.data import parsing
from pynn.data.columns import Column, describe

pytestmark = pytest.mark.usefixtures("alone")


def read(content: str | bytes, name: str = "a.csv", **options):
    Path(name).write_bytes(content if isinstance(content, bytes) else content.encode())
    return reading.read(name, **options)


def refused(content: str | bytes, name: str = "a.csv", **options) -> str:
    with pytest.raises((ValueError, OSError)) as caught:
        read(content, name, **options)
    return str(caught.value)


# Dialects


@pytest.mark.parametrize(
    ("content", "name"),
    [
        ("a,b\n1.5,x\n2.5,y\n", "a.csv"),
        ("a;b\n1,5;x\n2,5;y\n", "a.csv"),
        ("a\tb\n1,5\tx\n2,5\ty\n", "a.tsv"),
        ("a\tb\n1.5\tx\n2.5\ty\n", "a.csv"),
        ("a|b\r\n1.5|x\r\n2.5|y\r\n", "a.csv"),
        ("sep=;\na;b\n1,5;x\n2,5;y\n", "a.csv"),
        ('"a" , "b"\n1.5, "x"\n 2.5,y\n', "a.csv"),
        ("a,b\n\n1.5,x\n\n2.5,y\n\n", "a.csv"),
        ("\ufeffa,b\n1.5,x\n2.5,y\n", "a.csv"),
        ("a,b\n1.5,x\n2.5,y\n".encode("utf-16"), "a.csv"),
        (gzip.compress(b"a,b\n1.5,x\n2.5,y\n"), "a.csv.gz"),
        (gzip.compress(b"a;b\n1,5;x\n2,5;y\n"), "a.csv"),
    ],
    ids=lambda value: repr(value)[:30],
)
def test_one_table_in_many_dialects(content, name):
    frame, _ = read(content, name)
    assert frame.columns.tolist() == ["a", "b"]
    assert frame["a"].tolist() == [1.5, 2.5]
    assert [value.strip() for value in frame["b"]] == ["x", "y"]


@pytest.mark.parametrize(
    ("values", "separator", "decimal", "found", "said"),
    [
        (["0", "1,234", "2,468"], "\t", ".", [0, 1234, 2468], "numbers are read with decimal points: '1,234' is 1234"),
        (["0", "1,234", "2,468"], ";", ".", [0, 1234, 2468], "numbers are read with decimal points: '1,234' is 1234"),
        (["0", "1,234", "2,4"], ";", ",", [0, 1.234, 2.4], "numbers are read with decimal commas"),
        (["0,125", "1,234", "7"], ";", ",", [0.125, 1.234, 7], "numbers are read with decimal commas"),
        (["1.000,5", "1.234", "7"], ";", ",", [1000.5, 1234, 7], "numbers are read with decimal commas"),
        (["1,000.5", "1,234", "7"], ";", ".", [1000.5, 1234, 7], ""),
        (
            ["1.234", "7.125", "7"],
            ";",
            ".",
            [1.234, 7.125, 7],
            "numbers are read with decimal points: '1.234' is 1.234",
        ),
        (["1.234", "7.125", "7"], ",", ".", [1.234, 7.125, 7], ""),
        (
            ['"1,234"', '"7,125"', "7"],
            ",",
            ".",
            [1234, 7125, 7],
            "numbers are read with decimal points: '1,234' is 1234",
        ),
        (['"0,5"', '"7,125"', "7"], ",", ",", [0.5, 7.125, 7], "numbers are read with decimal commas"),
    ],
)
def test_a_comma_that_may_be_of_thousands_is_no_decimal_sign(values, separator, decimal, found, said):
    frame, source = read("x" + separator + "k\n" + "".join(f"{value}{separator}a\n" for value in values))
    used, _ = columns.understood(frame, source)
    assert (source.decimal, source.spoken) == (decimal, said)
    np.testing.assert_array_equal(used["x"], found)


def test_the_usual_decimal_sign_holds_where_a_file_does_not_tell():
    for content, sign in (("x;k\n1,234;a\n", ","), ("x;k\n1,234;0.5\n", "."), ("x,k\n7.125,a\n", ".")):
        assert read(content, decimal=",")[1].decimal == sign


@pytest.mark.parametrize("head", ["<DATE>,<OPEN>", "[id],[name]", "<DATE>\t<OPEN>", "[2020],[2021]", "{a},{b}"])
def test_names_may_be_in_brackets(head):
    separator = "\t" if "\t" in head else ","
    assert read(f"{head}\n1{separator}2\n")[0].columns.tolist() == head.split(separator)


def test_other_encodings():
    with pytest.raises(ValueError, match=r"a.csv, line 3: the byte 0xe9 is not UTF-8; save .* --encoding cp1252"):
        read("a,b\n1,x\n2,é\n".encode("latin-1"))
    assert read("a,b\n1,é\n".encode("cp1252"), encoding="cp1252")[0]["b"].tolist() == ["é"]
    assert "--encoding: 'klingon' is not known" in refused("a,b\n1,2\n", encoding="klingon")


def test_a_parquet_file_and_its_index():
    pytest.importorskip("pyarrow")
    frame = pandas.DataFrame({"a": [1, 2, 3], "b": ["x", None, "z"]}, index=pandas.Index([7, 8, 9], name="key"))
    frame.to_parquet("a.parquet")
    found, source = reading.read("a.parquet")
    assert set(found.columns) == {"a", "b", "key"}
    assert source.place(1, "b") == "a.parquet, row 2, column 'b'"
    assert "is not a Parquet file, or is damaged" in refused("a,b\n1,2\n", "b.parquet")
    assert "--encoding is for text files" in refused(Path("a.parquet").read_bytes(), "a.parquet", encoding="utf-8")


# Wrong files


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "a.csv is empty, expected a line that names the columns"),
        ("\n \n", "a.csv is empty"),
        ("a,b\n", "a.csv has names but no rows"),
        ("a,b,c\n1,2,3\n4,5\n6,7,8\n", "a.csv, line 3: 2 values, but line 1 names 3; the columns are separated by"),
        ("a,b,c\n1,2,3\n4,5\n6\n8\n", "a.csv, line 3: 2 values, but line 1 names 3 (2 more lines like it)"),
        ("a,b,c\n1,2,3\n4,5,6,7\n", "a.csv, line 3: 4 values, but line 1 names 3"),
        ("a,b\n1,2,3\n4,5,6\n", "a.csv, line 2: 3 values, but line 1 names 2 (1 more line like it)"),
        ('a,b\n1,"x\ny"\n2,3,4\n', "a.csv, line 4: 3 values, but line 1 names 2"),
        ("sep=;\na;b\n1;2;3\n", "a.csv, line 3: 3 values, but line 2 names 2; the columns are separated by semicolons"),
        ('a,b\n1,2\n3,"x\n5,6\n', 'a.csv, line 3: a quote (") is opened and not closed'),
        ('a,b\n1,"x\n' + "3,4\n" * 60_000, 'a.csv, line 2: a quote (") is opened and not closed'),
        ("a,b,a\n1,2,3\n", "a.csv, line 1: columns 1 and 3 have the same name, 'a'; rename one of them"),
        ("<html><body>", "a.csv is a page or XML"),
        ("<data>\n<a>1</a>", "a.csv is a page or XML"),
        ('<data a="1, 2">', "a.csv is a page or XML"),
        ("<?xml version='1.0'?>", "a.csv is a page or XML"),
        ('{"a": 1}', "a.csv is JSON"),
        ('[{"a": 1}, {"a": 2}]', "a.csv is JSON"),
        ("[[1, 2], [3, 4]]", "a.csv is JSON"),
        ("[1, 2]", "a.csv is JSON"),
        (b"PK\x03\x04abc", "a.csv is a zip archive or an Excel workbook; save the sheet as CSV"),
        (b"a\0\1\2", "a.csv holds binary data"),
        (gzip.compress(b"a,b\n" * 99)[:20], "a.csv is damaged: it ends early"),
        (b"PAR1abc", "rename it to .parquet"),
    ],
    ids=lambda value: repr(value)[:30],
)  # fmt: skip
def test_files_that_are_no_tables(content, message):
    assert message in refused(content)


def test_paths_that_are_no_tables():
    Path("prices.csv").write_text("a,b\n1,2\n")
    Path("folder.csv").mkdir()
    for path, message in (
        ("price.csv", "price.csv does not exist; did you mean prices.csv?"),
        ("nowhere/price.csv", "there is no folder nowhere"),
        ("folder.csv", "folder.csv is a folder"),
    ):
        with pytest.raises(OSError, match=message):
            reading.read(path)
    assert "save the sheet as CSV" in refused("", "a.xlsx")
    assert "rename it to .csv or .tsv" in refused("", "a.txt")
    assert files.looks_like_a_table("prices.csv")
    assert files.looks_like_a_table("x.parquet")
    assert not files.looks_like_a_table("mnist")


def test_a_column_that_changes_its_kind_far_below_is_text_throughout():
    frame, _ = read("a,b\n" + "1,2\n" * 300_000 + "x,3\n")
    assert set(frame["a"]) == {"1", "x"}


def test_lines_of_rows():
    _, source = read('a,b\n\n1,"x\ny"\n2,z\n')
    assert source.place(0, "b") == "a.csv, line 3, column 'b'"
    assert source.place(1) == "a.csv, line 5"


def test_a_last_column_with_gaps_is_not_ragged():
    frame, _ = read("a,b\n1,\n2,3\n")
    assert frame["b"].isna().tolist() == [True, False]


def test_the_separator_is_the_one_that_fits_most_lines():
    text = "text;number\n" + "a, b and c;1,5\nd;2,5\n" * 20
    Path("a.csv").write_text(text)
    found = dialect.recognized("a.csv", None)
    assert (found.separator, found.decimal) == (";", ",")


# Columns


def kinds(content: str, **options):
    frame, source = read(content)
    used, described = columns.understood(frame, source, **options)
    return used, {column.name: column for column in described}


def rows(count: int, **made) -> str:
    lines = [",".join(made)]
    lines += [",".join(str(value(number)) for value in made.values()) for number in range(count)]
    return "\n".join(lines) + "\n"


def test_kinds_of_columns():
    used, found = kinds(
        rows(
            60, number=lambda i: i % 7 / 2, gaps=lambda i: "?" if i % 5 == 0 else i % 3, city=lambda i: "abc"[i % 3],
            truth=lambda i: ["TRUE", "false", ""][i % 3], iso=lambda i: f"2020-01-{i % 28 + 1:02d}",
            day=lambda i: f"{i % 28 + 1}.01.2020", money=lambda i: f"${i % 9}000.50", percent=lambda i: f"{i % 9} %",
            id=lambda i: 100 + i, name=lambda i: f"n{i}", same=lambda i: "k", nothing=lambda i: "",
            mostly=lambda i: "far" if i == 30 else i % 25 * 3,
        )
    )  # fmt: skip
    assert {name: column.kind for name, column in found.items()} == {
        **dict.fromkeys(("number", "gaps", "money", "percent", "id"), "number"), "truth": "boolean", "iso": "date",
        "day": "date", "nothing": "empty", "name": "id", "same": "constant",
        **dict.fromkeys(("city", "mostly"), "category"),
    }  # fmt: skip
    assert used.columns.tolist() == ["number", "gaps", "city", "truth", "iso", "day", "money", "percent", "mostly"]
    assert used["money"].tolist()[:2] == [0.5, 1000.5]
    assert used["day"].iloc[1] == pandas.Timestamp("2020-01-02")
    assert used["truth"].tolist()[:2] == [True, False]
    assert used["truth"].isna().sum() == 20
    assert used["gaps"].isna().sum() == found["gaps"].missing == 12
    assert (found["gaps"].form, found["gaps"].words) == (".", ("?",))
    assert found["gaps"].notes == ["read as numbers; '?' becomes missing"]
    assert (found["day"].form, found["iso"].form) == ("%d.%m.%Y", "ISO8601")
    assert found["iso"].notes == ["dates as days, weekday"]
    assert (found["same"].shown, found["same"].notes, found["nothing"].notes) == ("k", ["ignored"], ["ignored"])
    assert found["name"].notes[0].endswith("as names and ids have, which tells nothing about new ones; it is left out")
    assert found["id"].notes == ["row numbers: ignored"]
    assert found["mostly"].notes == ["mostly numbers, but 'far' in line 32"]
    assert found["city"].shown == "3: a, b, c"


def test_a_file_is_understood_as_its_frame_is_in_python():
    content = rows(
        2000, few=lambda i: "oops" if i == 7 else i % 300 / 4, once=lambda i: 5 if i % 3 else "",
        day=lambda i: "soon" if i == 9 else f"{i % 28 + 1}.{i % 12 + 1}.20{i % 20 + 10}", name=lambda i: f"n{i}",
        text=lambda i: "abc"[i % 3], zip=lambda i: f"0{i % 70 + 1000}", same=lambda i: "k", nothing=lambda i: "",
        price=lambda i: f"${i % 300}.25", many=lambda i: f"m{i % 900}", truth=lambda i: i % 2 == 0,
    )  # fmt: skip
    used, found = kinds(content)
    described = {column.name: column for column in describe(pandas.read_csv("a.csv"))}
    zips = {"zip": "number"}  # pandas reads them as numbers
    assert {name: column.kind for name, column in described.items()} == {
        **{name: column.kind for name, column in found.items()}, **zips,
    }  # fmt: skip
    assert found["few"].notes == ["read as numbers; 'oops' becomes missing"]
    assert (found["few"].missing, found["once"].missing, found["day"].missing) == (1, 667, 1)
    assert found["zip"].notes == ["has leading zeros, like zip codes: text"]
    assert used.columns.tolist() == [name for name, column in described.items() if column.used]
    assert used["day"].iloc[1] == pandas.Timestamp("2011-02-02")
    assert str(used["text"].dtype) == "category"  # and stays so, whatever rows are trained on


def test_lines_are_those_of_the_file_where_rows_were_left_out():
    frame, source = read("x,y\n" + ",\n" * 3 + "".join(f"{i if i != 20 else 'far'},{i}\n" for i in range(40)))
    _, described = columns.understood(frame[["x"]].iloc[3:], source)
    assert described[0].notes[-1] == "mostly numbers, but 'far' in line 25"
    with pytest.raises(ValueError, match=r"a\.csv, line 25, column 'x': 'far', expected numbers"):
        columns.as_known(frame["x"].iloc[3:], Column("x", "number", ""), source, stray=0)


def test_zones_of_dates_must_agree():
    with pytest.raises(ValueError, match=r"a\.csv: column 'd' has dates with a time zone and others without one"):
        kinds("d,x\n2020-01-01T00:00Z,1\n2020-01-02T00:00,2\n")


def test_numbers_that_are_categories():
    used, found = kinds(rows(30, code=lambda i: i % 4 if i % 5 else "", x=lambda i: i % 7), categorical=("code",))
    assert found["code"].kind == "category"
    assert set(used["code"].cat.categories) == {"0", "1", "2", "3"}  # not "1.0": gaps make floats of them


def test_infinity_has_a_place():
    with pytest.raises(ValueError, match=r"a.csv, line 4, column 'x': inf, expected finite numbers"):
        kinds("x,y\n1,2\n2,3\ninf,4\n")


def test_lists_are_refused():
    pytest.importorskip("pyarrow")
    pandas.DataFrame({"a": [[1], [2, 3]], "b": [1, 2]}).to_parquet("a.parquet")
    frame, source = reading.read("a.parquet")
    with pytest.raises(TypeError, match=r"a.parquet: column 'a' has dtype .*, or drop it"):
        columns.understood(frame, source)


def test_a_date_of_which_two_readings_fit_says_so():
    _, found = kinds(rows(10, d=lambda i: f"0{i % 9 + 1}/0{(i + 1) % 9 + 1}/2020", x=lambda i: i))
    assert found["d"].notes == ["dates as days, weekday", "read as dates, month/day/year (it could be day/month/year)"]
    _, found = kinds(rows(20, d=lambda i: f"{i + 1}/05/2020", x=lambda i: i))
    assert (found["d"].form, found["d"].notes[1]) == ("%d/%m/%Y", "read as dates, day/month/year")


@pytest.mark.parametrize(
    ("text", "decimal", "number"),
    [
        ("1,234.5", ".", 1234.5), ("1.234,5", ",", 1234.5), ("-$5", ".", -5), ("$-5", ".", -5), ("7 %", ".", 7),
        ("1e3", ".", 1000), (".5", ".", 0.5), ("12", ",", 12), ("1,5", ".", None), ("1-2", ".", None),
        ("abc", ".", None), ("--5", ".", None), ("", ".", None), ("1,23,4", ".", None),
    ],
)  # fmt: skip
def test_numbers_in_text(text, decimal, number):
    assert parsing.number(text, decimal) == number


# Another table in the same form


KNOWN = [
    Column("n", "number", "", text=True, form=".", words=("so so",)),
    Column("c", "category", "", categories=("a", "b")),
    Column("t", "boolean", ""),
    Column("d", "date", "", text=True, form="%d.%m.%Y"),
]


def applied(content: str):
    frame, source = read(content, text=("c",))
    return columns.applied(frame, KNOWN, source)


def test_another_table_is_read_alike():
    found = applied('other,d,t,c,n\n1,01.02.2020,true,007,"1,000"\n2,,No,1,?\n3,,1,,so so\n')
    assert found.columns.tolist() == ["n", "c", "t", "d"]
    assert found["n"].tolist()[0] == 1000
    assert found["n"].isna().tolist() == [False, True, True]
    assert found["c"].tolist()[:2] == ["007", "1"]
    assert found["t"].tolist() == [True, False, True]
    assert found["d"].iloc[0] == pandas.Timestamp("2020-02-01")


def test_a_word_among_many_numbers_is_told_and_becomes_missing(capsys):
    found = applied("n,c,t,d\n" + "1,a,true,01.02.2020\n" * 150 + "oops,a,true,01.02.2020\n")
    assert found["n"].isna().sum() == 1
    said = "pynn: a.csv, line 152, column 'n': 'oops', expected numbers, as in the training; taken as missing\n"
    assert capsys.readouterr().err == said


def test_numbers_are_read_as_in_the_training_where_both_signs_fit():
    frame, source = read('n\n"1,234"\n')
    for form, number in ((",", 1.234), (".", 1234), ("", 1234)):
        assert columns.as_known(frame["n"], Column("n", "number", "", form=form), source).tolist() == [number]
    frame, source = read('n,m\n"0,5",1.5\n"0,25",1.5\n')
    assert columns.as_known(frame["n"], Column("n", "number", ""), source).tolist() == [0.5, 0.25]
    frame, source = read("n;m\n1.234,5 €;1\n")
    assert columns.as_known(frame["n"], Column("n", "number", "", form="."), source).tolist() == [1234.5]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("n,c,t,d\n1,a,true,01.02.2020\nx,a,true,01.02.2020\n", "line 3, column 'n': 'x', expected numbers, as in the"),
        ("n,c,t,d\n1,a,maybe,01.02.2020\n", "line 2, column 't': 'maybe', expected true and false"),
        (
            "n,c,t,d\n1,a,true,2020-02-01\n",
            "'2020-02-01', expected dates written as day.month.year, as in the training",
        ),
        ("n,c,t,date\n1,a,true,2020-02-01\n", "a.csv: the column 'd' of the training is missing"),
        ("N,c,t,d\n1,a,true,01.02.2020\n", "the column 'n' of the training is missing"),
        ("c\na\n", "the columns 'n', 't', 'd' of the training are missing"),
        ("n,c,t,d\ninf,a,true,01.02.2020\n", "line 2, column 'n': inf, expected finite"),
    ],
)
def test_columns_that_changed(content, message):
    with pytest.raises(ValueError, match=r"a\.csv") as caught:
        applied(content)
    assert message in str(caught.value)


# Targets


def prepared(made: list[object], task: str | None = None):
    frame, source = read("x,y\n" + "".join(f"{number},{value}\n" for number, value in enumerate(made)))
    return target.prepared(frame, "y", task, source)


@pytest.mark.parametrize(
    ("made", "task", "reason"),
    [
        (["yes", "no"] * 10, "classification", "2 different values of text"),
        (["true", "false"] * 10, "classification", "true and false"),
        ([1, 2, 3] * 10, "classification", "3 different whole numbers; --task regression chooses the other"),
        ([1.0, 2.0, ""] * 10, "classification", "2 different whole numbers"),
        (list(range(30)), "regression", "30 different whole numbers; --task classification chooses the other"),
        ([0.5, 1.25, 2.5] * 10, "regression", "3 different numbers"),
        ([0.5, 1.25] * 10, "classification", "2 different numbers"),
        (["$10", "$20", "$31.5", "$4", "$55.5"] * 5, "regression", "5 different numbers"),
    ],
    ids=str,
)
def test_the_task_is_guessed_and_said(made, task, reason):
    found = prepared(made)
    assert found.task == task
    assert found.why[0].startswith(f"{task} (guessed: 'y' has {reason}")
    assert prepared(made, task).why[0] == f"{task}, as asked for by --task"


def test_classes_keep_their_kind():
    assert prepared([1.0, 2.0, ""] * 10).y.tolist() == [1, 2] * 10
    assert prepared(["true", "false"] * 10).y.dtype == bool
    assert prepared(["a", "b"] * 10).y.tolist() == ["a", "b"] * 10


def test_rows_without_a_target_and_single_classes_are_left_out():
    found = prepared([*["a", "b", ""] * 10, "c"])
    assert found.why[1:] == (
        "10 rows without a value of 'y' left out",
        "1 row left out whose class occurs once, which can be learned or tested, not both: 'c'",
    )
    assert len(found.rows) == len(found.y) == 20
    assert set(found.rows) == {place for place in range(30) if place % 3 != 2}
    found = prepared(["?", 1.5, 2.5, 3.5, 7.25] * 5)
    assert found.why[1] == "5 rows where 'y' is '?' left out"
    found = prepared(["insomnia", "apnea", "None", "None", ""] * 5)
    assert found.why[1:] == (
        "5 rows without a value of 'y' left out",
        "10 rows where 'y' is 'None' left out, a word for a missing value; if it is a class, write another word in the "
        "file",
    )


@pytest.mark.parametrize(
    ("made", "task", "message"),
    [
        ([""] * 20, None, "all values are missing"),
        ([5] * 20, None, "all 20 rows have '5'"),
        ([1, 2, 3], None, "3 rows with a value, expected at least 10"),
        ([f"k{i}" for i in range(20)], None, "it has a different value in each row, like an id"),
        (list(range(20)), "classification", "like an id, and no classes; for numbers choose --task regression"),
        ([f"k{i % 12}" for i in range(20)], None, "it has 12 values in 20 rows"),
        ([*["a"] * 18, "b", "c"], None, "only one class has more than one row"),
        (["1", "2", "x"] * 9, "regression", "a.csv, line 4, column 'y': 'x' is not a number"),
        ([1.5, 2.5, "inf"] * 9, "regression", "a.csv, line 4, column 'y': inf, expected finite numbers"),
        (["2020-01-01", "2021-01-01"] * 9, None, "it holds dates"),
    ],
    ids=str,
)
def test_targets_that_cannot_be_predicted(made, task, message):
    with pytest.raises(ValueError, match=r"a\.csv") as caught:
        prepared(made, task)
    assert message in str(caught.value)


def test_a_missing_target_names_similar_columns():
    frame, source = read("Price,rooms\n1,2\n")
    with pytest.raises(ValueError, match=r"a.csv, line 1: there is no column 'price'; did you mean 'Price'\? \(it has"):
        target.find(frame, "price", source)
    frame, source = read("1,2\n1,2\n")
    with pytest.raises(ValueError, match="the first line must name the columns"):
        target.find(frame, "price", source)


@pytest.mark.parametrize("share", [0.01, 0.2, 0.9])
def test_the_test_part_is_a_share_of_every_class(share):
    found = prepared(["a"] * 50 + ["b"] * 20 + ["c"] * 2)
    train, test = target.split(found, share, 3)
    assert sorted([*train, *test]) == list(range(72))
    for name, count in (("a", 50), ("b", 20), ("c", 2)):
        held = (found.y[test] == name).sum()
        assert held == min(max(round(count * share), 1), count - 1)
    again, other = target.split(found, share, 3)[1], target.split(found, share, 4)[1]
    assert again.tolist() == test.tolist()
    assert other.tolist() != test.tolist() or share == 0.01


def test_the_test_part_of_numbers():
    found = prepared(list(range(50)))
    train, test = target.split(found, 0.2, 0)
    assert (len(train), len(test)) == (40, 10)
    assert sorted([*train, *test]) == list(range(50))
