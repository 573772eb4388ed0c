"""Which paths are tables. Knows only names, and imports the libraries that read tables."""

from __future__ import annotations

import os
from importlib import import_module
from pathlib import Path

from ...messages.terminal import printable

TEXT = (".csv", ".csv.gz", ".tsv", ".tsv.gz")
PARQUET = (".parquet", ".pq")
ENDINGS = (*TEXT, *PARQUET)
CURES = {  # other programs' files: what to do
    ".xlsx": "save the sheet as CSV", ".xls": "save the sheet as CSV", ".ods": "save the sheet as CSV",
    ".zip": "unpack it", ".bz2": "unpack it", ".xz": "unpack it", ".zst": "unpack it", ".7z": "unpack it",
    ".json": "convert it in Python: pandas.read_json(...).to_csv('data.csv', index=False)",
    ".jsonl": "convert it in Python: pandas.read_json(..., lines=True).to_csv('data.csv', index=False)",
    ".feather": "convert it in Python: pandas.read_feather(...).to_parquet('data.parquet')",
    ".arrow": "convert it in Python: pandas.read_feather(...).to_parquet('data.parquet')",
    ".dta": "convert it in Python: pandas.read_stata(...).to_csv('data.csv', index=False)",
    ".sav": "convert it in Python: pandas.read_spss(...).to_csv('data.csv', index=False)",
    ".sas7bdat": "convert it in Python: pandas.read_sas(...).to_csv('data.csv', index=False)",
    ".txt": "rename it to .csv or .tsv if it has columns", ".dat": "rename it to .csv or .tsv if it has columns",
    ".data": "rename it to .csv, with a first line that names the columns",
}  # fmt: skip
MISSING = 'tables need pandas and scikit-learn: pip install "pynn-cpu[tables]"'


class TablePath(str):
    """The path of a table, where the name of a data set is expected too."""


def ending(path: str) -> str | None:
    """The ending if it is one of a table."""
    return next((known for known in ENDINGS if path.lower().endswith(known)), None)


def looks_like_a_table(text: str) -> bool:
    """Whether this means a table rather than the name of a data set."""
    return ending(text) is not None or Path(text).suffix.lower() in CURES or os.path.isfile(text)


def stem(path: str) -> str:
    """The file's name without its folder and ending."""
    name = os.path.basename(path)
    return name[: -len(ending(path) or "")] or name


def expect_table(path: str) -> None:
    """ValueError for a file of another kind; FileNotFoundError, with a close name, for none."""
    name = printable(path)
    if os.path.isdir(path):
        raise IsADirectoryError(f"{name} is a folder, expected a table: a file ending in {', '.join(ENDINGS)}")
    if not os.path.exists(path):
        raise FileNotFoundError(f"{name} does not exist{_alike(path)}")
    if not os.path.isfile(path):
        raise OSError(f"{name} is a device, a pipe or a socket, expected a table")
    if ending(path) is None:
        suffix = Path(path).suffix.lower()
        cure = CURES.get(suffix, "rename it if it is a text file with columns")
        raise ValueError(f"{name}: expected a table whose name ends in {', '.join(ENDINGS)}; {cure}")


def expect_libraries() -> None:
    """ImportError with the command that installs what is missing."""
    try:
        import_module("pandas")
        import_module("sklearn")
    except ModuleNotFoundError as cause:
        raise ImportError(MISSING) from cause


def _alike(path: str) -> str:
    """Files of that folder with a close name, as a question."""
    import difflib  # here: only errors need it

    folder, name = os.path.split(path)
    try:
        names = [each for each in os.listdir(folder or ".") if ending(each)]
    except OSError:
        return f": there is no folder {printable(folder)}"
    close = difflib.get_close_matches(name, names, 1, 0.6)
    return f"; did you mean {printable(os.path.join(folder, close[0]))}?" if close else ""
