"""Images to learn from: the embedded digits, and MNIST and Fashion-MNIST from IDX files, local or downloaded.

Knows arrays and files alone: no model, no training, no command line.

Where the files of MNIST and Fashion-MNIST are looked for. One folder, ROOT, is used: the argument `root`; else the
environment variable PYNN_DATA; else, with pooch installed, the user's cache folder. In it, each file plain or with
`.gz`, and the first place that holds all four files wins:

- MNIST: `ROOT/mnist/`, `ROOT/MNIST/raw/` (as torchvision leaves it)
- Fashion-MNIST: `ROOT/fashion-mnist/`, `ROOT/fashion_mnist/`, `ROOT/FashionMNIST/raw/`
- either: ROOT itself, but only where the argument `root` names it. The files of both sets have the same names, so
  a folder that is set once for all datasets must not turn one into the other.

Files that are missing are downloaded, with pooch installed (`pip install "pynn-cpu[data]"`), into `ROOT/mnist/` or
`ROOT/fashion-mnist/` (or, where a part of the files is there, beside them), and checked against their published MD5.
Files that are there are read as they are.
"""

from __future__ import annotations

import importlib
import math
import operator
import os
from dataclasses import dataclass
from io import BufferedIOBase
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

__all__ = ["Dataset", "digits", "fashion_mnist", "load", "mnist", "names", "read_idx"]

StrPath = str | os.PathLike[str]
Split = tuple[NDArray[np.uint8], NDArray[np.int64]]

_DIGITS = tuple("0123456789")
_IDX_TYPES = {0x08: "u1", 0x09: "i1", 0x0B: "i2", 0x0C: "i4", 0x0D: "f4", 0x0E: "f8"}
_CHUNK = 1 << 20  # bytes read at once: memory follows what a file holds, not what its header claims


@dataclass(frozen=True, eq=False, repr=False)
class Dataset:
    """Images with labels, in a training and a test part.

    name: "digits", "mnist" or "fashion_mnist".
    train, test: (x, y); x uint8 (N, H, W, C), pixels 0..255; y int64 (N,), labels 0..len(classes) - 1.
    classes: the name of each label.
    """

    name: str
    train: Split
    test: Split
    classes: tuple[str, ...]

    def __repr__(self) -> str:
        parts = [
            f"{part}=({_describe(x)}, {_describe(y)})" for part, (x, y) in (("train", self.train), ("test", self.test))
        ]
        return f"Dataset({self.name!r}, {', '.join(parts)}, {len(self.classes)} classes)"


def names() -> tuple[str, ...]:
    """The names that `load` takes."""
    return ("digits", *_IDX_SETS)


def load(name: str, root: StrPath | None = None, **options: Any) -> Dataset:
    """Load a dataset by its name: "digits", "mnist" or "fashion_mnist" ("fashion-mnist" is the same).

    root: the folder to look in, as for `mnist`; digits come with the package and need none.
    options: further arguments of that dataset's function, such as `seed` of `digits`.
    Raises ValueError for other names, and what `digits`, `mnist` and `fashion_mnist` raise.
    """
    key = str(name).lower().replace("-", "_")
    if key == "digits":
        return digits(**options)
    if key == "mnist":
        return mnist(root, **options)
    if key == "fashion_mnist":
        return fashion_mnist(root, **options)
    raise ValueError(f"name: expected one of {', '.join(names())}; got {name!r}")


def digits(test_share: float = 0.2, seed: int = 0) -> Dataset:
    """1,797 handwritten digits of 8x8 pixels, which come with the package. Nothing is read but its own file.

    Source: E. Alpaydin and C. Kaynak, Optical Recognition of Handwritten Digits, the test set; UCI Machine Learning
    Repository, 1998, doi 10.24432/C50P49; licence CC BY 4.0. Each pixel counts the inked points, 0..16, of a 4x4 block
    of the scanned digit. Changed here: counts are scaled to 0..255, count * 255 / 16 rounded to the nearest (8 to 128).

    test_share: the share of each class that goes to the test part, above 0 and below 1 (default 0.2), rounded to
        whole images, so that each class has at least one image in each part.
    seed: chooses the split and its order, 0 .. 2**128 - 1 (default 0); the same seed, the same split on any machine.
    Returns a Dataset with x uint8 (N, 8, 8, 1).
    Raises ValueError for a test_share or seed out of range, TypeError for a seed that is no whole number.
    """
    if not 0 < test_share < 1:
        raise ValueError(f"test_share: expected a number above 0 and below 1, got {test_share!r}")
    seed = operator.index(seed)
    if not 0 <= seed < 1 << 128:
        raise ValueError(f"seed: expected a whole number 0 .. 2**128 - 1, got {seed}")
    with np.load(os.path.join(os.path.dirname(__file__), "digits.npz"), allow_pickle=False) as file:
        counts, labels = file["images"], file["labels"].astype(np.int64)
    x = ((counts.astype(np.uint16) * 255 + 8) // 16).astype(np.uint8)[..., np.newaxis]
    train, test = _stratified(labels, test_share, seed)
    return Dataset("digits", (x[train], labels[train]), (x[test], labels[test]), _DIGITS)


def mnist(root: StrPath | None = None) -> Dataset:
    """MNIST: handwritten digits of 28x28 pixels, 60,000 to train and 10,000 to test (Y. LeCun, C. Cortes, C. Burges).

    root: the folder to look in; default: PYNN_DATA, else the cache folder. The module's docstring says where in it.
        Files that are missing are downloaded into it, 12 MB, where pooch is installed.
    Returns a Dataset with x uint8 (N, 28, 28, 1).
    Raises FileNotFoundError where files are missing and cannot be downloaded; ValueError for files that are damaged,
    do not fit each other, or are Fashion-MNIST's.
    """
    return _load_idx_set("mnist", root)


def fashion_mnist(root: StrPath | None = None) -> Dataset:
    """Fashion-MNIST: pieces of clothing, 28x28 pixels, 60,000 to train and 10,000 to test (Zalando Research, MIT).

    root: the folder to look in; default: PYNN_DATA, else the cache folder. The module's docstring says where in it.
        Files that are missing are downloaded into it, 31 MB, where pooch is installed.
    Returns a Dataset with x uint8 (N, 28, 28, 1).
    Raises FileNotFoundError where files are missing and cannot be downloaded; ValueError for files that are damaged,
    do not fit each other, or are MNIST's.
    """
    return _load_idx_set("fashion_mnist", root)


def read_idx(path: StrPath) -> NDArray[Any]:
    """Read the IDX file at `path`, the format of MNIST, plain or gzip (told by its content, not by its name).

    Returns a new array of the file's type (uint8, int8, int16, int32, float32 or float64) and shape, in native byte
    order, C-contiguous, writable. The shape may be () or hold zeros.
    Raises FileNotFoundError where there is no file; ValueError where it is no IDX file, is damaged, ends too early or
    goes on too long. Never takes much more memory than the file's own content needs, whatever its header claims.
    """
    path = os.fspath(path)
    if os.path.isdir(path):
        raise ValueError(f"{path}: expected an IDX file, got a folder")
    try:
        with open(path, "rb") as file:
            zipped = file.peek(2)[:2] == b"\x1f\x8b"
            return _parse_gzip(path, file) if zipped else _parse_idx(path, file)
    except (FileNotFoundError, NotADirectoryError):
        raise FileNotFoundError(f"{path}: no such file; expected an IDX file, plain or gzip") from None


def _parse_gzip(path: str, file: BufferedIOBase) -> NDArray[Any]:
    import gzip
    import zlib

    try:
        with gzip.GzipFile(fileobj=file) as unzipped:
            return _parse_idx(path, unzipped)
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise ValueError(f"{path}: damaged gzip file ({error}); delete it and get it again") from None


def _parse_idx(path: str, file: BufferedIOBase) -> NDArray[Any]:
    head = _read_up_to(file, 4)
    if len(head) < 4 or head[:2] != b"\0\0" or head[2] not in _IDX_TYPES:
        raise ValueError(
            f"{path}: not an IDX file: expected it to begin with the bytes 00 00, a type "
            f"({', '.join(f'{code:02x}' for code in _IDX_TYPES)}) and the number of dimensions; "
            f"got {head.hex(' ') or 'an empty file'}"
        )
    dtype, ndim = np.dtype(_IDX_TYPES[head[2]]), head[3]
    if ndim > 64:
        raise ValueError(f"{path}: expected at most 64 dimensions, as many as NumPy can hold; got {ndim}")
    sizes = _read_up_to(file, 4 * ndim)
    if len(sizes) < 4 * ndim:
        raise ValueError(
            f"{path}: cut off: expected {ndim} sizes, {4 * ndim} bytes, after the first 4; got {len(sizes)}"
        )
    shape = tuple(int.from_bytes(sizes[i : i + 4], "big") for i in range(0, 4 * ndim, 4))
    size = math.prod(shape) * dtype.itemsize
    data = _read_up_to(file, size + 1)  # one more than needed tells trailing bytes, and makes gzip check its checksum
    if len(data) != size:
        problem = "cut off" if len(data) < size else "goes on too long"
        got = len(data) if len(data) < size else "more"
        raise ValueError(
            f"{path}: {problem}: its header says {dtype} {shape}, so expected {size} bytes of data; got {got}"
        )
    try:
        array = np.frombuffer(data, dtype.newbyteorder(">")).reshape(shape)
    except ValueError as error:
        raise ValueError(f"{path}: its header says {dtype} {shape}, expected a shape NumPy can hold: {error}") from None
    return array.astype(dtype, copy=False)


def _read_up_to(file: BufferedIOBase, count: int) -> bytearray:
    data = bytearray()
    while len(data) < count and (chunk := file.read(min(_CHUNK, count - len(data)))):
        data += chunk
    return data


def _stratified(labels: NDArray[np.int64], test_share: float, seed: int) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Indices of the training and of the test part, each in random order, with the same share of every class."""
    order = np.random.Generator(np.random.Philox(key=seed)).permutation(len(labels))
    in_test = np.zeros(len(labels), bool)
    for label in np.unique(labels):
        places = np.flatnonzero(labels[order] == label)
        in_test[places[: min(max(round(len(places) * test_share), 1), len(places) - 1)]] = True
    return order[~in_test], order[in_test]


def _describe(array: NDArray[Any]) -> str:
    return f"{array.dtype} {array.shape}"


class _IdxSet(NamedTuple):
    title: str
    folders: tuple[str, ...]  # below ROOT; the first is the one to download into
    classes: tuple[str, ...]
    first_test_labels: tuple[int, ...]  # tell the two sets apart, whose files have the same names
    mirrors: tuple[str, ...]
    md5: tuple[str, ...]  # of _FILES with .gz, in their order


_INSTALL_POOCH = 'pip install "pynn-cpu[data]"'
_FILES = ("train-images-idx3-ubyte", "train-labels-idx1-ubyte", "t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte")
_IDX_SETS = {
    "mnist": _IdxSet(
        title="MNIST",
        folders=("mnist", os.path.join("MNIST", "raw")),
        classes=_DIGITS,
        first_test_labels=(7, 2, 1, 0, 4, 1, 4, 9, 5, 9),
        mirrors=(
            "https://ossci-datasets.s3.amazonaws.com/mnist/",
            "https://storage.googleapis.com/cvdf-datasets/mnist/",
        ),
        md5=(
            "f68b3c2dcbeaaa9fbdd348bbdeb94873",
            "d53e105ee54ea40749a09fcbcd1e9432",
            "9fb629c4189551a2d022fa330f9573f3",
            "ec29112dd5afa0611ce80d1b7f02629c",
        ),
    ),
    "fashion_mnist": _IdxSet(
        title="Fashion-MNIST",
        folders=("fashion-mnist", "fashion_mnist", os.path.join("FashionMNIST", "raw")),
        classes=(
            *("T-shirt/top", "Trouser", "Pullover", "Dress", "Coat"),
            *("Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot"),
        ),
        first_test_labels=(9, 2, 1, 1, 6, 1, 4, 6, 5, 7),
        mirrors=(
            "https://raw.githubusercontent.com/zalandoresearch/fashion-mnist/master/data/fashion/",
            "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/",
        ),
        md5=(
            "8d4fb7e6c68d591d4c3dfef9ec88bf0d",
            "25c81989df183df01b3e8a0aad5dffbe",
            "bef4ecab320f06d8554ea6380940ec79",
            "bb300cfdad3c16e7a12a480ee83cd310",
        ),
    ),
}


def _load_idx_set(name: str, root: StrPath | None) -> Dataset:
    source = _IDX_SETS[name]
    files = _locate(source, root)
    train = _read_split(files[_FILES[0]], files[_FILES[1]], len(source.classes))
    test = _read_split(files[_FILES[2]], files[_FILES[3]], len(source.classes))
    first = tuple(test[1][:10].tolist())
    for other in _IDX_SETS.values():
        if other is not source and first == other.first_test_labels:
            raise ValueError(f"{files[_FILES[3]]}: expected the labels of {source.title}, got those of {other.title}")
    return Dataset(name, train, test, source.classes)


def _read_split(images_path: str, labels_path: str, classes: int) -> Split:
    images, labels = read_idx(images_path), read_idx(labels_path)
    if images.dtype != np.uint8 or images.shape[1:] != (28, 28):
        raise ValueError(f"{images_path}: expected images uint8 (N, 28, 28), got {_describe(images)}")
    if labels.dtype != np.uint8 or labels.ndim != 1:
        raise ValueError(f"{labels_path}: expected labels uint8 (N,), got {_describe(labels)}")
    if len(images) != len(labels):
        raise ValueError(f"{labels_path}: expected {len(images)} labels, as many as images, got {len(labels)}")
    if len(images) == 0:
        raise ValueError(f"{images_path}: expected images, got none")
    if labels.max() >= classes:
        at = int(labels.argmax())
        raise ValueError(f"{labels_path}: expected labels 0..{classes - 1}, got {labels[at]} at index {at}")
    return images[..., np.newaxis], labels.astype(np.int64)


def _locate(source: _IdxSet, root: StrPath | None) -> dict[str, str]:
    """The path of each of _FILES; downloads those that are missing."""
    base = _base_folder(source, root)
    folders = [os.path.join(base, folder) for folder in source.folders]
    for folder in [*folders, base] if root else folders:
        found = _files_in(folder)
        if len(found) == len(_FILES):
            return found
    # The fullest folder, or the first. Never base itself: what lies there may be the other dataset's.
    folder = max(folders, key=lambda folder: len(_files_in(folder)))
    missing = [file for file in _FILES if file not in _files_in(folder)]
    pooch = _import_pooch()
    if pooch is None:
        raise FileNotFoundError(
            f"{source.title} is not there: expected in {folder} the files {', '.join(missing)} (plain or .gz). "
            f"{_advice(source)}, or have them downloaded: {_INSTALL_POOCH}"
        )
    for file in missing:
        _download(pooch, source, file, folder)
    return _files_in(folder)


def _base_folder(source: _IdxSet, root: StrPath | None) -> str:
    base = root or os.environ.get("PYNN_DATA")
    if not base:
        pooch = _import_pooch()
        if pooch is None:
            raise FileNotFoundError(
                f"{source.title} is not there: no folder was given, and PYNN_DATA is not set. "
                f"{_advice(source)}: {', '.join(_FILES)} (plain or .gz); or have them downloaded: {_INSTALL_POOCH}"
            )
        base = pooch.os_cache("pynn-cpu")
    base = os.path.expanduser(os.fspath(base))
    if os.path.exists(base) and not os.path.isdir(base):
        raise ValueError(f"{base}: expected a folder that holds {source.folders[0]}{os.sep}, got a file")
    return base


def _advice(source: _IdxSet) -> str:
    return (
        "Set PYNN_DATA (or root=, or --data on the command line) to a folder in which "
        f"{source.folders[0]}{os.sep} holds its files"
    )


def _files_in(folder: str) -> dict[str, str]:
    paths = {file: [os.path.join(folder, file + ending) for ending in ("", ".gz")] for file in _FILES}
    found = {file: next(filter(os.path.isfile, both), None) for file, both in paths.items()}
    return {file: path for file, path in found.items() if path is not None}


def _import_pooch() -> Any:
    """Pooch, or None where the extra `data` is not installed."""
    try:
        return importlib.import_module("pooch")
    except ModuleNotFoundError:
        return None


def _download(pooch: Any, source: _IdxSet, file: str, folder: str) -> None:
    """Bring one file into the folder, as .gz, from the first mirror that has it whole."""
    downloader = pooch.HTTPDownloader(progressbar=True, chunk_size=1 << 16, timeout=30)
    checksum = f"md5:{source.md5[_FILES.index(file)]}"
    failures = []
    for mirror in source.mirrors:
        url = f"{mirror}{file}.gz"
        try:
            pooch.retrieve(url, checksum, fname=f"{file}.gz", path=folder, downloader=downloader)
            return
        except (OSError, ValueError) as error:  # no network, not found, wrong checksum, a folder that is read-only
            failures.append(f"{url}: {error}")
    raise FileNotFoundError(
        f"{source.title} is not there, and the download of {file}.gz into {folder} failed. Try again later. Or: "
        f"{_advice(source)}. What came: {'; '.join(failures)}"
    )
