"""CSV files: columns, labels and numbers, and what is wrong in them, by line and column."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import pynn
from pynn import datasets

IRIS = 'width,"kind",length\n1.5, lily ,2\n-3e-1,aster,+4\n\n.5,"lily", 7 \n'


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "table.csv"


def test_columns_and_labels(path: Path) -> None:
    path.write_text(IRIS)
    x, y, classes = datasets.csv(path, target="kind")
    np.testing.assert_array_equal(x, np.array([[1.5, 2], [-0.3, 4], [0.5, 7]]), strict=True)
    np.testing.assert_array_equal(y, np.array([1, 0, 1], np.int64), strict=True)
    assert classes == ("aster", "lily")
    x, y, classes = datasets.csv(str(path), "kind", classes=["lily", "rose", "aster"])
    assert (y.tolist(), classes) == ([0, 2, 0], ("lily", "rose", "aster"))


@pytest.mark.parametrize("content", [IRIS.replace("\n", "\r\n"), "\ufeff" + IRIS, IRIS.rstrip("\n")])
def test_line_ends_and_byte_order_marks(path: Path, content: str) -> None:
    path.write_bytes(content.encode())
    assert datasets.csv(path, "kind").y.tolist() == [1, 0, 1]
    assert datasets.csv(path, "kind").x[2].tolist() == [0.5, 7]


def test_numbers_as_labels_are_sorted_by_value(path: Path) -> None:
    path.write_text("a;b\n10;0\n2;0\n1e1;0\n-1.5;0\n2.0;0\n")
    _, y, classes = datasets.csv(path, "a", delimiter=";")
    assert (y.tolist(), classes) == ([2, 1, 2, 0, 1], ("-1.5", "2", "10"))
    assert datasets.csv(path, "a", delimiter=";", classes=(10, 2, -1.5)).y.tolist() == [0, 1, 0, 2, 1]
    path.write_text("a,b\n10,0\n2,0\nx,0\n")  # one is text: all are
    assert datasets.csv(path, "a").classes == ("10", "2", "x")
    path.write_text("a,b\n10,0\nnan,0\n")
    assert datasets.csv(path, "a").classes == ("10", "nan")


@pytest.mark.slow
@pytest.mark.parametrize("letter", ["", "id"])
def test_a_class_a_row(path: Path, letter: str, rng: np.random.Generator) -> None:
    numbers = rng.permutation(150_000) + 100_000
    path.write_text("a,t\n" + "".join(f"1,{letter}{number}\n" for number in numbers))
    _, y, classes = datasets.csv(path, "t")
    np.testing.assert_array_equal(y, numbers - 100_000)
    assert classes == tuple(f"{letter}{number}" for number in range(100_000, 250_000))


def test_numbers_to_predict(path: Path) -> None:
    path.write_text("price,rooms,size\n1.25,2,30\n-7,4,100\n")
    x, y, classes = datasets.csv(path, "price", labels=False)
    np.testing.assert_array_equal(y, np.array([1.25, -7]), strict=True)
    assert (x.tolist(), classes) == ([[2, 30], [4, 100]], ())


def test_more_rows_than_are_converted_at_once(path: Path, rng: np.random.Generator) -> None:
    table = rng.standard_normal((9000, 4))
    rows = [",".join(map(repr, row)) for row in table.tolist()]
    path.write_text("\n".join(["a,b,c,d", *rows]))
    x, y, _ = datasets.csv(path, "c", labels=False)
    np.testing.assert_array_equal(x, table[:, [0, 1, 3]])  # repr and float lose nothing
    np.testing.assert_array_equal(y, table[:, 2])
    rows[8500] = "1,2,3,four"
    path.write_text("\n".join(["a,b,c,d", *rows]))
    with pytest.raises(ValueError, match="line 8502, column 'd': expected a finite number, got 'four'"):
        datasets.csv(path, "c")


def test_a_network_learns_from_it(path: Path, digits: pynn.datasets.Dataset) -> None:
    x, y = digits.train[0][:200].reshape(200, -1) / 255, digits.train[1][:200]
    header = [*(f"pixel{place}" for place in range(64)), "digit"]
    rows = [",".join([*map(str, pixels), f"<{label}>"]) for pixels, label in zip(x.tolist(), y, strict=True)]
    path.write_text("\n".join([",".join(header), *rows]))
    read, labels, classes = datasets.csv(path, "digit")
    np.testing.assert_array_equal(read, x)
    np.testing.assert_array_equal(labels, y)
    model = pynn.Sequential(pynn.Affine(len(classes)))
    model.fit(read, labels, epochs=30, optimizer=pynn.Adam(0.02), progress=False)
    assert model.evaluate(read, labels)["accuracy"] > 0.95


BAD: dict[str, tuple[bytes, str]] = {
    "empty": (b"", "expected a column 't', the target; its header has: nothing"),
    "no target": (b"a,b\n1,2\n", "expected a column 't', the target; its header has: a, b"),
    "no header": (b"1,1\n1,2\n", "line 1: expected a header, a different name for each column; got '1' twice"),
    "no name": (b"a,,t\n1,2,3\n", "line 1: expected a header.*got no name for column 2"),
    "only a target": (b"t\n1\n", "expected at least one column besides 't'; is the delimiter wrong"),
    "no rows": (b"a,t\n\n", "expected rows below its header, got none"),
    "few fields": (b"a,b,t\n1,2,3\n1,2\n", "line 3: expected 3 fields, as in the header; got 2"),
    "many fields": (b"a,t\n1,2,3\n", "line 2: expected 2 fields, as in the header; got 3"),
    "text": (b"a,t\n1,2\n\nx,2\n", "line 4, column 'a': expected a finite number, got 'x'"),
    "gap": (b"a,t\n,2\n", "line 2, column 'a': expected a finite number, got ''"),
    "nan": (b"a,t\nnan,2\n", "line 2, column 'a': expected a finite number, got 'nan'"),
    "inf": (b"a,t\n1,2\n-inf,2\n", "line 3, column 'a': expected a finite number, got '-inf'"),
    "too large": (b"a,t\n1e999,2\n", "column 'a': expected a finite number, got '1e999'"),
    "underscore": (b"a,t\n1_0,2\n", "column 'a': expected a finite number, got '1_0'"),
    "no label": (b"a,t\n1, \n", "line 2, column 't': expected a class, got nothing"),
    "quotes": (b'a,t\n"1"2,3\n', "line 2: not valid CSV"),
    "open quote": (b'a,t\n"1,3\n', "not valid CSV"),
    "bytes": (b"a,t\n1,\xff\n", "expected UTF-8 text"),
    "line break inside": (b'a,t\n1,"x\ny"\nz,2\n', "line 4, column 'a'"),
}


@pytest.mark.parametrize(("content", "message"), BAD.values(), ids=BAD)
def test_errors_in_the_data_are_named(path: Path, content: bytes, message: str) -> None:
    path.write_bytes(content)
    with pytest.raises(ValueError, match=f"^{re.escape(str(path))}.*{message}"):
        datasets.csv(path, "t")


def test_bad_targets(path: Path) -> None:
    path.write_text("a,t\n1,x\n2,3\n")
    with pytest.raises(ValueError, match="line 2, column 't': expected a finite number, got 'x'"):
        datasets.csv(path, "t", labels=False)
    with pytest.raises(ValueError, match="line 3, column 't': '3' is not among the 2 classes"):
        datasets.csv(path, "t", classes=["x", "y"])
    with pytest.raises(ValueError, match=r"classes: expected each class once, got \['x', '3', 'x'\]"):
        datasets.csv(path, "t", classes=["x", "3", "x"])
    with pytest.raises(ValueError, match="labels=False means regression targets"):
        datasets.csv(path, "t", labels=False, classes=["x"])


@pytest.mark.parametrize("delimiter", ["", ",,", '"', "\n", None, 5])
def test_bad_delimiters(path: Path, delimiter: Any) -> None:
    with pytest.raises(ValueError, match="delimiter: expected one character"):
        datasets.csv(path, "t", delimiter=delimiter)


def test_no_file(path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"table\.csv does not exist, expected a CSV file"):
        datasets.csv(path, "t")
    with pytest.raises(ValueError, match="expected a CSV file, got a folder"):
        datasets.csv(path.parent, "t")
