"""URLs of databases: how they are shown, and in words why one cannot be opened. Knows no storage."""

from __future__ import annotations

import os
import re
from pathlib import Path

from optuna.exceptions import StorageInternalError

from ...messages.terminal import printable

EXPECTED = "expected a URL such as sqlite:///study.db or postgresql://user:password@host/name"
SLASHES = "a file has three slashes: sqlite:///study.db"
DRIVERS = {
    "psycopg": '"psycopg[binary]"',
    "psycopg2": "psycopg2-binary",
    "MySQLdb": "mysqlclient",
}  # names in pip, where they are others


def shown(url: str) -> str:
    """The URL as it may be shown: without a password."""
    hidden = re.sub(r"//([^:/@]*):.*@", r"//\1:***@", url)
    return printable(re.sub(r"(?i)((?:password|passwd|pwd)=)[^&]*", r"\1***", hidden))


def is_sqlite(url: str) -> bool:
    """Whether it is a file of SQLite."""
    return re.match(r"sqlite(\+\w+)?:", url) is not None


def expect_folder(url: str) -> None:
    """FileNotFoundError for a file of SQLite in a folder that is not there."""
    from sqlalchemy.engine import make_url
    from sqlalchemy.exc import SQLAlchemyError

    try:
        name = make_url(url).database if is_sqlite(url) else None
    except (SQLAlchemyError, ValueError):  # the storage says it
        return
    if name and not name.startswith((":memory:", "file:")) and not Path(name).absolute().parent.is_dir():
        folder = os.path.dirname(name)
        raise FileNotFoundError(f"{shown(url)}: the folder {printable(folder)} does not exist; make it first")


def refused(url: str, cause: Exception, what: str = "opened") -> Exception:
    """The error in one sentence; the cause itself if it speaks of something else."""
    from sqlalchemy import exc

    name = shown(url)
    if isinstance(cause, exc.NoSuchModuleError):
        return ValueError(f"{name} cannot be {what}: SQLAlchemy knows no such kind of database; {EXPECTED}")
    if isinstance(cause, (exc.ArgumentError, ValueError)):
        return ValueError(f"{name} is no URL of a database; {SLASHES if is_sqlite(url) else EXPECTED}")
    if isinstance(cause, ImportError):
        missing = getattr(cause.__cause__ or cause, "name", None)
        package = DRIVERS.get(missing or "", missing)
        install = f"pip install {package}" if package else "install the one of this kind of database"
        return ImportError(f"{name} cannot be {what} without its driver: {install}")
    if isinstance(cause, StorageInternalError) and isinstance(cause.__cause__, exc.SQLAlchemyError):
        cause = cause.__cause__
    if isinstance(cause, exc.SQLAlchemyError):
        said = str(getattr(cause, "orig", None) or cause).partition("\n")[0]
        return ValueError(f"{name} cannot be {what}: {_without_password(url, said)}; {_advice(url)}")
    return cause


def _advice(url: str) -> str:
    if is_sqlite(url):
        return "is it a file of SQLite, and may it be written?"
    return "does the server run, and are its name, the user and the password right?"


def _without_password(url: str, text: str) -> str:
    secret = re.search(r"//[^:/@]*:(.*)@", url)
    return printable(text.replace(secret[1], "***") if secret and secret[1] else text)
