"""A table's file as a data frame. Errors name file, line, column and cure."""

from __future__ import annotations

import csv
import re
import warnings
from collections.abc import Collection
from typing import Any, NoReturn

import numpy as np
from numpy.typing import NDArray

from ...data import parsing
from ...messages.counting import several
from ...messages.terminal import printable
from . import dialect as dialects
from . import files, values
from .dialect import Dialect


class Source:
    """Where a frame came from, for messages: line numbers of its rows.

    Attributes: path; dialect, None for Parquet files, whose rows are counted from 1.
    """

    def __init__(self, path: str, dialect: Dialect | None) -> None:
        self.path, self.dialect = path, dialect

    @property
    def decimal(self) -> str:
        """The sign before decimals."""
        return parsing.POINT if self.dialect is None else self.dialect.decimal

    @property
    def doubt(self) -> str:
        """A number that has another value with the other sign, where none tells which it is; else ""."""
        return "" if self.dialect is None else self.dialect.doubt

    @property
    def spoken(self) -> str:
        """How numbers are read, where it is not plain; else ""."""
        if self.decimal == parsing.POINT and not self.doubt:
            return ""
        said = f"numbers are read {parsing.spoken(self.decimal)}"
        return f"{said}: {quoted(self.doubt)} is {parsing.number(self.doubt, self.decimal):g}" if self.doubt else said

    def place(self, row: int, column: str | None = None) -> str:
        """The place of a row's value: data.csv, line 17, column 'age'."""
        where = f"row {row + 1}"
        if self.dialect is not None:
            for number, (line, _, _) in enumerate(self.dialect.rows()):
                if number == row:
                    where = f"line {line}"
                    break
        return f"{printable(self.path)}, {where}" + ("" if column is None else f", column {quoted(column)}")


def quoted(name: object) -> str:
    """A name for messages."""
    return printable(repr(str(name)), 100)


def read(
    path: str, encoding: str | None = None, text: Collection[str] = (), decimal: str = parsing.POINT
) -> tuple[Any, Source]:
    """The table as a data frame.

    text: columns that are read as text, though they may hold digits. decimal: the sign where the file does not tell.
    """
    files.expect_table(path)
    if files.ending(path) in files.PARQUET:
        if encoding is not None:
            raise ValueError("--encoding is for text files; a Parquet file has its own, leave it out")
        return _parquet(path), Source(path, None)
    dialect = dialects.recognized(path, encoding, decimal)
    try:
        frame = _csv(dialect, text)
    except UnicodeDecodeError as cause:
        _say_encoding(dialect, cause)
    except (EOFError, OSError) as cause:
        if dialect.packed:
            raise ValueError(f"{printable(path)} is damaged: it ends early; make it again ({cause})") from cause
        raise
    if not len(frame):
        raise ValueError(f"{printable(path)} has names but no rows, expected a line for each row after the first")
    return frame, Source(path, dialect)


def words_for_missing(source: Source, name: str, missing: NDArray[np.bool_]) -> dict[str, int]:
    """The words that a text file writes in the rows where this column has no value, such as NA, and how often."""
    if source.dialect is None:
        return {}
    texts = _parsed(source.dialect, {name: str}, [name], keep_default_na=False)[name][missing].str.strip()
    return {str(word): int(count) for word, count in texts[texts != ""].value_counts().items()}


def _parquet(path: str) -> Any:
    import pandas

    try:
        frame = pandas.read_parquet(path)
    except ImportError as cause:
        raise ImportError("Parquet files need pyarrow: pip install pyarrow") from cause
    except (ValueError, OSError) as cause:
        raise ValueError(f"{printable(path)} is not a Parquet file, or is damaged: {cause}") from cause
    if type(frame.index).__name__ != "RangeIndex":  # a named index is a column of the file
        names = [name for name in frame.index.names if name is not None and name not in frame.columns]
        frame = frame.reset_index(level=names) if names else frame
    frame = frame.reset_index(drop=True)
    frame.columns = [str(name) for name in frame.columns]
    for place, name in enumerate(frame.columns):
        if name in frame.columns[:place]:
            raise ValueError(f"{printable(path)}: two columns are named {quoted(name)}; rename one of them")
    if not len(frame) or not len(frame.columns):
        raise ValueError(f"{printable(path)} has no rows, expected a table with at least one")
    return frame


def _csv(dialect: Dialect, text: Collection[str]) -> Any:
    """The frame. pandas fills short rows silently: such rows are looked for where the last column has gaps."""
    import pandas

    kinds = {name: str for name in text if name in dialect.names}
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            frame = _parsed(dialect, kinds)
        except pandas.errors.ParserError as cause:
            _say_ragged(dialect, "EOF inside string" in str(cause))
            raise ValueError(f"{printable(dialect.path)}: {cause}") from cause
        except pandas.errors.EmptyDataError:
            frame = pandas.DataFrame(columns=list(dialect.names))
    if any(issubclass(warning.category, pandas.errors.ParserWarning) for warning in caught):
        _say_ragged(dialect)
    if len(frame) and frame[dialect.names[-1]].isna().any():
        _say_ragged(dialect)
    mixed = {name: str for name in dialect.names if name not in kinds and _is_mixed(frame[name])}
    if mixed:  # numbers in one piece of the file, text in another
        frame = _parsed(dialect, {**kinds, **mixed})
    _keep_leading_zeros(dialect, frame)
    return frame


def _keep_leading_zeros(dialect: Dialect, frame: Any) -> None:
    """Put the text of the file in place of whole numbers where any has a leading zero: zip codes and other codes."""
    names = [name for name in dialect.names if _is_whole(frame[name])]
    if not names or not _has_leading_zero(dialect):
        return
    texts = _parsed(dialect, dict.fromkeys(names, str), names)
    for name in names:
        if values.padded(texts[name].dropna().unique().tolist()):
            frame[name] = texts[name]


def _is_whole(column: Any) -> bool:
    kind = getattr(column.dtype, "kind", "O")
    return kind in "iu" or (kind == "f" and values.whole(column.to_numpy()))


def _has_leading_zero(dialect: Dialect) -> bool:
    """Whether a 0 before a digit begins any value: quick, since few files have one."""
    begins, rest = re.compile(rf'(?:^|[{re.escape(dialect.separator)}"\s])0\d'), ""
    with dialect.open() as stream:
        while piece := stream.read(1 << 20):
            if begins.search(rest + piece):
                return True
            rest = piece[-2:]
    return False


def _parsed(dialect: Dialect, kinds: dict[str, Any], only: list[str] | None = None, **options: Any) -> Any:
    import pandas

    with dialect.open() as stream:
        for _ in range(dialect.skip):
            stream.readline()
        frame = pandas.read_csv(
            stream, sep=dialect.separator, decimal=dialect.decimal, skipinitialspace=True, index_col=False,
            header=0, names=list(dialect.names), dtype=kinds, usecols=only, skip_blank_lines=len(dialect.names) > 1,
            **options,
        )  # fmt: skip
    return frame


def _is_mixed(column: Any) -> bool:
    if column.dtype != object:
        return False
    kinds = {type(value) for value in column.dropna().unique().tolist()}
    return len(kinds) > 1


def _say_ragged(dialect: Dialect, open_quote: bool = False) -> None:
    """ValueError for the first row with another number of values, or whose quote is not closed; else nothing.

    open_quote: whether the file ends within quotes.
    """
    expected, name = len(dialect.names), printable(dialect.path)
    start, others, first = dialect.skip + 2, 0, ""
    try:
        for line, last, row in dialect.rows():
            start = line if open_quote else last + 1
            if len(row) == expected:
                continue
            others += 1
            if others == 1:
                if open_quote and last > line:
                    break
                lines = f"line {line}" if line == last else f"lines {line} to {last}"
                first = f"{name}, {lines}: {several(len(row), 'value')}, but line {1 + dialect.skip} names {expected}"
    except csv.Error:  # a value of more than 131,072 characters
        open_quote = True
    if open_quote:
        _say_quote(name, start)
    if not others:
        return
    sign = dialects.SEPARATORS.get(dialect.separator, repr(dialect.separator))
    more = f" ({several(others - 1, 'more line')} like it)" if others > 1 else ""
    raise ValueError(
        f"{first}{more}; the columns are separated by {sign}: put values that hold one in quotes, and write a missing "
        "value as nothing between two of them"
    )


def _say_quote(name: str, line: int) -> NoReturn:
    raise ValueError(
        f'{name}, line {line}: a quote (") is opened and not closed; close it, or write quotes inside a value twice: ""'
    )


def _say_encoding(dialect: Dialect, cause: UnicodeDecodeError) -> NoReturn:
    """Name the line of the first bytes that are not text in this encoding."""
    import gzip

    name, shown = printable(dialect.path), "UTF-8" if dialect.encoding == "utf-8-sig" else dialect.encoding
    where, byte = "", cause.object[cause.start : cause.start + 1]
    if dialect.encoding != "utf-16":
        with gzip.open(dialect.path, "rb") if dialect.packed else open(dialect.path, "rb") as stream:
            for number, line in enumerate(stream, 1):
                try:
                    line.decode(dialect.encoding)
                except UnicodeDecodeError as found:
                    where, byte = f", line {number}", line[found.start : found.start + 1]
                    break
    raise ValueError(
        f"{name}{where}: the byte 0x{byte.hex()} is not {shown}; save the file as UTF-8, or name its encoding: "
        "--encoding cp1252 (Windows and Excel in Western Europe), latin-1, shift_jis, gb18030"
    ) from cause
