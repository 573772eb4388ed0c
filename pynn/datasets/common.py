"""What the datasets share: the classes that hold them, where their files are looked for, downloads with pooch."""

from __future__ import annotations

import importlib
import os
import threading
import warnings
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..messages.terminal import brief, printable

StrPath = str | os.PathLike[str]
Split = tuple[NDArray[np.uint8], NDArray[np.int64]]

_FILTERS = threading.RLock()  # warning filters are one list for the whole process
if hasattr(os, "register_at_fork"):  # fork only while no thread changes the filters: the child inherits them
    os.register_at_fork(before=_FILTERS.acquire, after_in_parent=_FILTERS.release, after_in_child=_FILTERS.release)

INSTALL_POOCH = 'pip install "pynn-cpu[data]"'


@contextmanager
def caught_warnings() -> Iterator[list[warnings.WarningMessage]]:
    """Record all warnings instead of showing them. One thread at a time: two would restore each other's filters."""
    with _FILTERS, warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        yield caught


class Samples(NamedTuple):
    """Samples and targets of the user's own data; unpacks as ``x, y, classes = ...``.

    Parameters
    ----------
    x : array (N, ...)
        The samples.
    y : array (N,)
        Labels 0..len(classes) - 1, or regression targets.
    classes : tuple of str
        Name of each label; () for regression targets.
    """

    x: NDArray[Any]
    y: NDArray[Any]
    classes: tuple[str, ...]


@dataclass(frozen=True, eq=False, repr=False)
class Dataset:
    """Images with labels, split into a training and a test part.

    Parameters
    ----------
    name : str
        Name that `load` accepts.
    train, test : tuple (x, y)
        x uint8 (N, H, W, C), pixels 0..255; y int64 (N,), labels 0..len(classes) - 1.
    classes : tuple of str
        Name of each label.
    """

    name: str
    train: Split
    test: Split
    classes: tuple[str, ...]

    def __repr__(self) -> str:
        parts = [
            f"{part}=({describe(x)}, {describe(y)})" for part, (x, y) in (("train", self.train), ("test", self.test))
        ]
        return f"Dataset({self.name!r}, {', '.join(parts)}, {len(self.classes)} classes)"


def describe(array: NDArray[Any]) -> str:
    """Return an array's dtype and shape for messages."""
    return f"{array.dtype} {array.shape}"


def class_names(classes: Iterable[Any]) -> list[str]:
    """Return the user's class names in label order; ValueError if they are empty, repeated or not a list."""
    if isinstance(classes, (str, bytes)) or not isinstance(classes, Iterable):
        raise ValueError(f"classes: expected a list of names in the order of their labels, got {brief(classes)}")
    names = [str(name) for name in classes]
    if not names:
        raise ValueError("classes: expected at least one name, got none")
    if len(set(names)) < len(names):
        raise ValueError(f"classes: expected each class once, got {names}")
    return names


def base_folder(title: str, folder: str, files: str, root: StrPath | None) -> str:
    """Return ROOT, the folder to look in for a dataset whose `files` are in ROOT or in its sub-folder `folder`."""
    base = root or os.environ.get("PYNN_DATA")
    if not base:
        pooch = import_pooch()
        if pooch is None:
            raise FileNotFoundError(
                f"{title} was not found: no folder was given, and PYNN_DATA is not set. "
                f"{advice(folder)}: {files}; or have them downloaded: {INSTALL_POOCH}"
            )
        base = pooch.os_cache("pynn-cpu")
    base = os.path.expanduser(os.fspath(base))
    if os.path.exists(base) and not os.path.isdir(base):
        raise ValueError(f"{printable(base)}: expected a folder that holds {folder}{os.sep}, got a file")
    return base


def advice(folder: str) -> str:
    """Say how to point pynn at the folder that contains `folder`."""
    return (
        f"Set PYNN_DATA (or root=, or --data on the command line) to a folder in which {folder}{os.sep} holds its files"
    )


def import_pooch() -> Any:
    """Return the module pooch, or None if the extra `data` is not installed."""
    try:
        return importlib.import_module("pooch")
    except ModuleNotFoundError:
        return None


def download(title: str, urls: Iterable[str], md5: str, path: str, otherwise: str) -> None:
    """Download one file to path from the first URL that delivers it whole; FileNotFoundError lists what failed.

    otherwise: what the user can do if every download fails.
    """
    pooch, (folder, file) = import_pooch(), os.path.split(path)
    downloader = pooch.HTTPDownloader(progressbar=True, chunk_size=1 << 16, timeout=30)
    failures = []
    for url in urls:
        try:
            pooch.retrieve(url, f"md5:{md5}", fname=file, path=folder, downloader=downloader)
            return
        except (OSError, ValueError) as error:  # no network, not found, wrong checksum, read-only folder
            failures.append(printable(f"{url}: {error}"))
    raise FileNotFoundError(
        f"{title} was not found, and the download of {file} into {printable(folder)} failed. Try again later. Or: "
        f"{otherwise}. Errors: {'; '.join(failures)}"
    )
