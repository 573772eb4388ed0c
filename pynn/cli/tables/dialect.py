"""How a text file writes a table: its encoding, separator and decimal sign, recognized from its first lines."""

from __future__ import annotations

import codecs
import csv
import gzip
import io
import re
from collections.abc import Iterable, Iterator
from typing import IO, Any, NamedTuple, cast

from ...data import parsing
from ...messages.terminal import printable

SEPARATORS = {",": "commas", ";": "semicolons", "\t": "tabs", "|": "bars"}
SAMPLE = 1 << 18  # bytes from which the dialect is guessed
ROWS = 200  # of them
BINARY = {
    b"PK\x03\x04": "a zip archive or an Excel workbook; save the sheet as CSV, or unpack it",
    b"\xd0\xcf\x11\xe0": "an Excel workbook; save the sheet as CSV",
    b"%PDF": "a PDF; export the table as CSV",
    b"PAR1": "a Parquet file; rename it to .parquet",
    b"\x89PNG": "a picture",
    b"\xff\xd8\xff": "a picture",
    b"BZh": "packed by bzip2; unpack it",
    b"\xfd7zXZ": "packed by xz; unpack it",
    b"\x28\xb5\x2f\xfd": "packed by zstd; unpack it",
    b"SQLite": "a database; export the table as CSV",
}
TEXTS = {  # beginnings; <DATE>,<OPEN> and [id],[name] name columns
    r"<(!doctype|html|\?xml|(?![^<>]*>\s*[,;\t|])[a-z])": "a page or XML, not a table; export the table as CSV",
    r"\{\s*[\"}]|\[\s*([\[{\"]|-?\d+(?!\d*\]\s*[,;\t|]))": "JSON, not a table; convert it in Python: "
    "pandas.read_json(...).to_csv('data.csv', index=False)",
    "version https://git-lfs": "a pointer of Git LFS, not the table itself; get it: git lfs pull",
}


class Dialect(NamedTuple):
    """How the file is written. skip: lines before the one with the names; doubt: a number that may be another one."""

    path: str
    names: tuple[str, ...]
    encoding: str = "utf-8-sig"
    separator: str = ","
    decimal: str = "."
    packed: bool = False
    skip: int = 0
    doubt: str = ""

    def open(self) -> IO[str]:
        """The text from its start."""
        opener: Any = gzip.open if self.packed else open
        return cast("IO[str]", opener(self.path, "rt", encoding=self.encoding, newline=""))

    def rows(self) -> Iterator[tuple[int, int, list[str]]]:
        """First line, last line and values of each row that is not blank, after the names."""
        with self.open() as stream:
            for _ in range(self.skip):
                stream.readline()
            reader = csv.reader(stream, delimiter=self.separator, skipinitialspace=True)
            before, named = 0, False
            for row in reader:
                first, before = before + 1, reader.line_num
                if row and named:
                    yield first + self.skip, before + self.skip, row
                named = named or bool(row)


def recognized(path: str, encoding: str | None, usual: str = parsing.POINT) -> Dialect:
    """The dialect of this file; ValueError if it is no table.

    usual: the decimal sign where the file does not tell.
    """
    name = printable(path)
    begin, packed = _begin(path)
    if not begin.strip():
        raise ValueError(f"{name} is empty, expected a line that names the columns, then a line for each row")
    for magic, kind in BINARY.items():
        if begin.startswith(magic):
            raise ValueError(f"{name} is {kind}")
    encoding = _encoding(begin, encoding)
    text = begin.decode(encoding, errors="replace")
    for start, kind in TEXTS.items():
        if re.match(start, text.lstrip("\ufeff \t\r\n"), re.IGNORECASE):
            raise ValueError(f"{name} is {kind}")
    if "\0" in text:
        raise ValueError(f"{name} holds binary data, expected text; save the table as CSV")
    skip, given = 0, None
    if match := re.match(r"sep=(.)\r?\n", text):  # Excel writes and reads this line
        skip, given, text = 1, match[1], text[match.end() :]
    separator = given or _separator(_complete(text, len(begin) >= SAMPLE), path.lower())
    rows = _parsed(_complete(text, len(begin) >= SAMPLE), separator)
    names = _names(rows[0] if rows else [], name, skip + 1)
    decimal, doubt = _decimal(rows[1:], separator, usual)
    return Dialect(path, names, encoding, separator, decimal, packed, skip, doubt)


def _begin(path: str) -> tuple[bytes, bool]:
    with open(path, "rb") as file:
        packed = file.read(2) == b"\x1f\x8b"
    try:
        with gzip.open(path, "rb") if packed else open(path, "rb") as stream:
            return stream.read(SAMPLE), packed
    except (gzip.BadGzipFile, EOFError) as cause:
        raise ValueError(f"{printable(path)} is damaged: it ends early, or is no gzip file; make it again") from cause


def _encoding(begin: bytes, given: str | None) -> str:
    if given is not None:
        try:
            name = codecs.lookup(given).name
        except LookupError:
            raise ValueError(f"--encoding: {given!r} is not known; such as utf-8, cp1252, latin-1, utf-16") from None
        return "utf-8-sig" if name == "utf-8" else name
    return "utf-16" if begin.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)) else "utf-8-sig"


def _complete(text: str, cut: bool) -> str:
    """The text without its last line if that may be cut off."""
    return text[: text.rfind("\n") + 1] or text if cut else text


def _parsed(text: str, separator: str) -> list[list[str]]:
    rows: list[list[str]] = []
    try:
        for row in csv.reader(io.StringIO(text, newline=""), delimiter=separator, skipinitialspace=True):
            if row:
                rows.append(row)
            if len(rows) > ROWS:
                break
    except csv.Error:  # an open quote: reading names its line
        pass
    return rows


def _separator(text: str, path: str) -> str:
    """The separator with which most lines have as many values as the first one, and more than one."""
    best, most = ",", (0.0, 0)
    candidates = sorted(SEPARATORS, key=lambda separator: separator != "\t") if ".tsv" in path else SEPARATORS
    for separator in candidates:
        rows = _parsed(text, separator)
        if not rows or len(rows[0]) < 2:
            continue
        alike = sum(len(row) == len(rows[0]) for row in rows) / len(rows)
        if (alike, len(rows[0])) > most:
            best, most = separator, (alike, len(rows[0]))
    return best


def _decimal(rows: Iterable[list[str]], separator: str, usual: str) -> tuple[str, str]:
    """The decimal sign of most numbers that have one, and if none tells, a number that depends on it, such as 1,234."""
    points, commas, doubt = 0, 0, ""
    for value in (value for row in rows for value in row if "," in value or "." in value):
        point, comma = (parsing.number(value, form) is not None for form in (parsing.POINT, parsing.COMMA))
        if separator == "," and "," not in value:  # where commas separate values, points are decimal ones
            comma = False
        points, commas = points + (point > comma), commas + (comma > point)
        doubt = value.strip() if point and comma and not doubt else doubt
    if points or commas:
        return parsing.COMMA if commas > points else parsing.POINT, ""
    return usual, doubt


def _names(row: list[str], path: str, line: int) -> tuple[str, ...]:
    """The columns' names; a column without one is called by its place."""
    names = tuple(name.strip() or f"column {place}" for place, name in enumerate(row, 1))
    if not names:
        raise ValueError(f"{path} is empty, expected a line that names the columns, then a line for each row")
    for place, name in enumerate(names):
        if name in names[:place]:
            raise ValueError(
                f"{path}, line {line}: columns {names.index(name) + 1} and {place + 1} have the same name, "
                f"{printable(repr(name), 100)}; rename one of them"
            )
    return names
