"""CIFAR-10 and CIFAR-100 in their binary or Python form, local or downloaded."""

from __future__ import annotations

import os
from contextlib import suppress
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from .. import checks
from ..messages.terminal import brief, printable
from . import unpickle
from .common import INSTALL_POOCH, Dataset, Split, StrPath, advice, base_folder, download, import_pooch

SIDE, PIXELS = 32, 3 * 32 * 32
MOST_BYTES = 1 << 28  # of one file in an archive
ZIPPED, RATIO = 1 << 24, 20  # an archive may hold this many bytes, or this many times its own size
SCRATCH = ".pynn-cifar-"  # prefix of a download's temporary folder
LONGEST_NAME = 100  # characters of a class's name
Part = tuple[NDArray[np.uint8], NDArray[np.int64]]  # planes (N, 3, 32, 32), labels (N,)


class _Form(NamedTuple):
    """The file names of one form of a dataset."""

    folders: tuple[str, ...]  # below ROOT
    train: tuple[str, ...]
    test: str
    names: str


class _Set(NamedTuple):
    title: str
    binary: _Form
    python: _Form
    labels: dict[str, int]  # number of classes of each kind of label, in the order of a binary record's bytes
    train_size: int
    archive: str
    md5: str


_BATCHES = tuple(f"data_batch_{number}" for number in range(1, 6))
_MIRROR = "https://www.cs.toronto.edu/~kriz/"
_SETS = {
    "cifar10": _Set(
        title="CIFAR-10",
        binary=_Form(
            ("cifar-10-batches-bin",), tuple(f"{name}.bin" for name in _BATCHES), "test_batch.bin", "batches.meta.txt"
        ),
        python=_Form(("cifar-10-batches-py",), _BATCHES, "test_batch", "batches.meta"),
        labels={"": 10},
        train_size=10_000,
        archive="cifar-10-binary.tar.gz",
        md5="c32a1d4ab5d03f1284b67883e8d87530",
    ),
    "cifar100": _Set(
        title="CIFAR-100",
        binary=_Form(("cifar-100-binary",), ("train.bin",), "test.bin", "{}_label_names.txt"),
        python=_Form(("cifar-100-python",), ("train",), "test", "meta"),
        labels={"coarse": 20, "fine": 100},
        train_size=50_000,
        archive="cifar-100-binary.tar.gz",
        md5="03b5dce01913d631647c71ecec9e9cb8",
    ),
}
TEST_SIZE = 10_000


def cifar10(root: StrPath | None = None, partial: bool = True) -> Dataset:
    """Load CIFAR-10: colour photographs of 32x32 pixels in 10 classes, 50,000 to train and 10,000 to test.

    Parameters
    ----------
    root : path, optional
        Folder to look in; by default PYNN_DATA, else the cache folder. `help(pynn.datasets)` lists the places in it. If
        it has none of the files, 163 MB are downloaded, provided that pooch is installed.
    partial : bool, default True
        Whether to accept a part of the five training files, and files with fewer images; a UserWarning then says how
        many there are. False requires all 60,000 images.

    Returns
    -------
    Dataset
        With x uint8 (N, 32, 32, 3), RGB; the class names are those in the files.

    Raises
    ------
    FileNotFoundError
        If files are missing and cannot be downloaded.
    ValueError
        If files are damaged, belong to another set or, for partial=False, are incomplete.

    Notes
    -----
    The Python form consists of pickles. They are read without running any code in them.

    References
    ----------
    .. [1] A. Krizhevsky, "Learning Multiple Layers of Features from Tiny Images", 2009.
    """
    return _load("cifar10", root, "", partial)


def cifar100(root: StrPath | None = None, partial: bool = True, labels: str = "fine") -> Dataset:
    """Load CIFAR-100: like CIFAR-10, but 100 classes of 500 training and 100 test images each.

    Parameters
    ----------
    root : path, optional
        As for `cifar10`; the download has 161 MB.
    partial : bool, default True
        As for `cifar10`.
    labels : str, default "fine"
        "fine" for the 100 classes, "coarse" for the 20 groups of five.

    Returns
    -------
    Dataset
        As `cifar10` does.

    Raises
    ------
    FileNotFoundError
        If files are missing and cannot be downloaded.
    ValueError
        As for `cifar10`, or for other labels.
    """
    if labels not in _SETS["cifar100"].labels:
        raise ValueError(f"labels: expected 'fine' or 'coarse', got {brief(labels)}")
    return _load("cifar100", root, labels, partial)


def _load(name: str, root: StrPath | None, labels: str, partial: bool) -> Dataset:
    source = _SETS[name]
    form, folder = _locate(source, root, partial)
    read = _read_binary if form is source.binary else _read_python
    names = _names_binary if form is source.binary else _names_python
    files = [file for file in form.train if os.path.isfile(os.path.join(folder, file))]
    train = _joined([read(source, os.path.join(folder, file), labels, source.train_size) for file in files])
    test = _joined([read(source, os.path.join(folder, form.test), labels, TEST_SIZE)])
    complete = (source.train_size * len(form.train), TEST_SIZE)
    if (len(train[1]), len(test[1])) != complete:
        message = (
            f"{printable(folder)} holds a part of {source.title}: {len(files)} of "
            f"{len(form.train)} training files with "
            f"{len(train[1]):,} of {complete[0]:,} images, and {len(test[1]):,} of {complete[1]:,} test images"
        )
        if not partial:
            raise ValueError(f"{message}; expected all of them, or partial=True")
        checks.warn(message)
    return Dataset(name, train, test, names(source, form, folder, labels))


def _locate(source: _Set, root: StrPath | None, partial: bool) -> tuple[_Form, str]:
    """Return the form and the folder of the files; download them if there are none, or too few."""
    first = source.binary.folders[0]
    base = base_folder(source.title, first, f"the files of {source.archive}", root)
    places = [(form, os.path.join(base, form.folders[0])) for form in (source.binary, source.python)]
    if root:
        places += [(source.binary, base), (source.python, base)]
    missing = {place: _missing(source, *place, partial) for place in places}
    for place in places:
        if not missing[place]:
            return place
    form, folder = max(places, key=lambda place: sum(os.path.isfile(path) for path in _paths(source, *place)))
    if import_pooch() is None:
        raise FileNotFoundError(
            f"{source.title} was not found: expected in {printable(folder)} the files "
            f"{', '.join(missing[form, folder])}. "
            f"{advice(first)}, or have them downloaded: {INSTALL_POOCH}"
        )
    _download(source, base)
    return places[0]


def _name_files(source: _Set, form: _Form) -> list[str]:
    return list(dict.fromkeys(form.names.format(kind) for kind in source.labels))


def _paths(source: _Set, form: _Form, folder: str) -> list[str]:
    return [os.path.join(folder, file) for file in (*form.train, form.test, *_name_files(source, form))]


def _missing(source: _Set, form: _Form, folder: str, partial: bool) -> list[str]:
    files = [os.path.basename(path) for path in _paths(source, form, folder) if not os.path.isfile(path)]
    train = [file for file in files if file in form.train]
    return [file for file in files if file not in train] if partial and len(train) < len(form.train) else files


def _download(source: _Set, base: str) -> None:
    """Download the archive of the binary form, extract its files, and delete it."""
    import tempfile

    os.makedirs(base, exist_ok=True)
    _sweep(base)
    with tempfile.TemporaryDirectory(dir=base, prefix=SCRATCH) as scratch:
        path = os.path.join(scratch, source.archive)
        download(source.title, [_MIRROR + source.archive], source.md5, path, advice(source.binary.folders[0]))
        files = [os.path.basename(file) for file in _paths(source, source.binary, "")]
        extract(path, source.binary.folders[0], files, scratch)
        folder = os.path.join(base, source.binary.folders[0])
        os.makedirs(folder, exist_ok=True)
        for file in files:
            os.replace(os.path.join(scratch, file), os.path.join(folder, file))


def _sweep(base: str) -> None:
    """Remove leftovers of killed downloads, up to 163 MB each; those younger than a day may be in use."""
    import shutil
    import time

    for name in os.listdir(base):
        path = os.path.join(base, name)
        with suppress(OSError):  # another process may do the same
            if name.startswith(SCRATCH) and os.lstat(path).st_mtime < time.time() - 86_400:
                shutil.rmtree(path)


def extract(archive: str, folder: str, files: list[str], into: str) -> None:
    """Write the regular files folder/file of a tar archive as into/file; skip links, devices and everything else.

    Raises ValueError, which names the archive, if it is damaged or lacks one of the files.
    """
    import gzip
    import tarfile
    import zlib

    remaining = {f"{folder}/{file}": file for file in files}
    try:
        with gzip.open(archive) as unzipped:
            limited: Any = _Limited(unzipped, max(ZIPPED, RATIO * os.path.getsize(archive)))
            tar = tarfile.open(fileobj=limited, mode="r|")  # noqa: SIM115 (it has nothing to close)
            for member in tar:
                file = remaining.get(member.name.removeprefix("./")) if member.isreg() else None
                if file is None:
                    continue
                if member.size > MOST_BYTES:
                    raise ValueError(f"{archive}: {member.name} has {member.size:,} bytes, expected fewer")
                content = tar.extractfile(member)
                assert content is not None
                with open(os.path.join(into, file), "wb") as written:
                    written.write(content.read())
                del remaining[f"{folder}/{file}"]
    except (tarfile.TarError, EOFError, OSError, zlib.error) as cause:
        raise ValueError(f"{archive}: damaged archive ({printable(cause, 200)})") from None
    if remaining:
        raise ValueError(f"{archive}: expected it to contain {', '.join(remaining)}")


class _Limited:
    """A file that raises an EOFError after `most` bytes, whatever its content asks for."""

    def __init__(self, file: Any, most: int) -> None:
        self.file, self.left = file, most

    def read(self, count: int) -> bytes:
        content: bytes = self.file.read(min(count, self.left + 1))
        self.left -= len(content)
        if self.left < 0:
            raise EOFError("it holds far more than an archive of its size should")
        return content


def _joined(parts: list[Part]) -> Split:
    """Join the images and labels of several files: images (N, 32, 32, 3)."""
    images = np.empty((sum(len(labels) for _, labels in parts), SIDE, SIDE, 3), np.uint8)
    start = 0
    for planes, labels in parts:
        images[start : start + len(labels)] = planes.transpose(0, 2, 3, 1)
        start += len(labels)
    return images, np.concatenate([labels for _, labels in parts])


def _read_binary(source: _Set, path: str, labels: str, most: int) -> Part:
    record = len(source.labels) + PIXELS
    size = os.path.getsize(path)
    if size == 0 or size % record or size // record > most:
        raise ValueError(
            f"{printable(path)}: damaged, cut off or another file: expected 1 to {most:,} images of {source.title}, "
            f"{record} bytes each; got {size:,} bytes"
        )
    records = np.fromfile(path, np.uint8).reshape(-1, record)
    for place, kind in enumerate(source.labels):  # all kinds: a wrong label reveals another file
        _check_labels(path, records[:, place], source.labels[kind])
    chosen = records[:, list(source.labels).index(labels)].astype(np.int64)
    return records[:, len(source.labels) :].reshape(-1, 3, SIDE, SIDE), chosen


def _read_python(source: _Set, path: str, labels: str, most: int) -> Part:
    content = unpickle.read(path)
    key = f"{labels}_labels" if labels else "labels"
    data, numbers = content.get("data"), content.get(key)
    if not isinstance(data, np.ndarray) or data.dtype != np.uint8 or data.shape[1:] != (PIXELS,):
        got = f"{data.dtype} {data.shape}" if isinstance(data, np.ndarray) else type(data).__name__
        raise ValueError(f"{printable(path)}: expected images of {source.title}, 'data' uint8 (N, {PIXELS}); got {got}")
    if not isinstance(numbers, list) or any(type(number) is not int for number in numbers):
        raise ValueError(
            f"{printable(path)}: expected a list of whole numbers {key!r}; is it a file of {source.title}?"
        )
    if not 1 <= len(numbers) == len(data) <= most:
        raise ValueError(
            f"{printable(path)}: expected 1 to {most:,} images with a label each; got {len(data)} "
            f"images, {len(numbers)} labels"
        )
    chosen = np.array([number if 0 <= number < 256 else 255 for number in numbers], np.int64)  # 255 is invalid too
    _check_labels(path, chosen, source.labels[labels])
    return data.reshape(-1, 3, SIDE, SIDE), chosen


def _check_labels(path: str, labels: NDArray[Any], classes: int) -> None:
    wrong = labels >= classes
    if wrong.any():
        raise ValueError(
            f"{printable(path)}: damaged or another file: expected labels 0..{classes - 1}, got "
            f"another at image {wrong.argmax()}"
        )


def _names_binary(source: _Set, form: _Form, folder: str, labels: str) -> tuple[str, ...]:
    path = os.path.join(folder, form.names.format(labels))
    with open(path, "rb") as file:
        lines = file.read(1 << 16).decode("ascii", "replace").split("\n")
    return _checked_names(path, [line.strip() for line in lines if line.strip()], source.labels[labels])


def _names_python(source: _Set, form: _Form, folder: str, labels: str) -> tuple[str, ...]:
    path = os.path.join(folder, form.names)
    names = unpickle.read(path).get(f"{labels}_label_names" if labels else "label_names")
    return _checked_names(path, names if isinstance(names, list) else [], source.labels[labels])


def _checked_names(path: str, names: list[Any], classes: int) -> tuple[str, ...]:
    if len(names) != classes:
        raise ValueError(f"{printable(path)}: expected the names of {classes} classes, got {len(names)}")
    if not all(isinstance(name, (str, bytes)) and len(name) <= LONGEST_NAME for name in names):
        raise ValueError(
            f"{printable(path)}: expected the names of {classes} classes, got values that are not text or too long"
        )
    texts = [name.decode("latin-1") if isinstance(name, bytes) else name for name in names]
    if not all(name.isprintable() and "\ufffd" not in name for name in texts):
        raise ValueError(f"{printable(path)}: expected the names of {classes} classes, got unprintable characters")
    return tuple(texts)
