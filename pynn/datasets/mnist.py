"""MNIST and Fashion-MNIST from IDX files, local or downloaded."""

from __future__ import annotations

import os
from typing import NamedTuple

import numpy as np

from ..messages.terminal import printable
from .common import INSTALL_POOCH, Dataset, Split, StrPath, advice, base_folder, describe, download, import_pooch
from .digits import CLASSES as _DIGITS
from .idx import read_idx


def mnist(root: StrPath | None = None) -> Dataset:
    """Load MNIST: handwritten digits of 28x28 pixels, 60,000 to train and 10,000 to test.

    Parameters
    ----------
    root : path, optional
        Folder to look in; by default PYNN_DATA, else the cache folder. `help(pynn.datasets)` lists the places in it.
        Missing files, 12 MB, are downloaded into it if pooch is installed.

    Returns
    -------
    Dataset
        With x uint8 (N, 28, 28, 1).

    Raises
    ------
    FileNotFoundError
        If files are missing and cannot be downloaded.
    ValueError
        If files are damaged, do not match each other, or are Fashion-MNIST's.

    References
    ----------
    .. [1] Y. LeCun, C. Cortes and C. Burges, "The MNIST database of handwritten digits".
    """
    return _load_idx_set("mnist", root)


def fashion_mnist(root: StrPath | None = None) -> Dataset:
    """Load Fashion-MNIST: pieces of clothing, 28x28 pixels, 60,000 to train and 10,000 to test.

    Parameters
    ----------
    root : path, optional
        Folder to look in; by default PYNN_DATA, else the cache folder. `help(pynn.datasets)` lists the places in it.
        Missing files, 31 MB, are downloaded into it if pooch is installed.

    Returns
    -------
    Dataset
        With x uint8 (N, 28, 28, 1).

    Raises
    ------
    FileNotFoundError
        If files are missing and cannot be downloaded.
    ValueError
        If files are damaged, do not match each other, or are MNIST's.

    References
    ----------
    .. [1] Xiao et al., "Fashion-MNIST", 2017; Zalando Research, licence MIT.
    """
    return _load_idx_set("fashion_mnist", root)


class _IdxSet(NamedTuple):
    title: str
    folders: tuple[str, ...]  # below ROOT; the first is the one to download into
    classes: tuple[str, ...]
    first_test_labels: tuple[int, ...]  # tell the two sets apart: their files have the same names
    mirrors: tuple[str, ...]
    md5: tuple[str, ...]  # of _FILES with .gz, in their order


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
        raise ValueError(f"{images_path}: expected images uint8 (N, 28, 28), got {describe(images)}")
    if labels.dtype != np.uint8 or labels.ndim != 1:
        raise ValueError(f"{labels_path}: expected labels uint8 (N,), got {describe(labels)}")
    if len(images) != len(labels):
        raise ValueError(f"{labels_path}: expected {len(images)} labels, as many as images, got {len(labels)}")
    if len(images) == 0:
        raise ValueError(f"{images_path}: expected images, got none")
    if labels.max() >= classes:
        at = int(labels.argmax())
        raise ValueError(f"{labels_path}: expected labels 0..{classes - 1}, got {labels[at]} at index {at}")
    return images[..., np.newaxis], labels.astype(np.int64)


def _locate(source: _IdxSet, root: StrPath | None) -> dict[str, str]:
    """Return the path of each of _FILES; download the missing ones."""
    base = base_folder(source.title, source.folders[0], f"{', '.join(_FILES)} (plain or .gz)", root)
    folders = [os.path.join(base, folder) for folder in source.folders]
    for folder in [*folders, base] if root else folders:
        paths = _files_in(folder)
        if len(paths) == len(_FILES):
            return paths
    # The fullest folder, or the first. Never base itself: its files may belong to the other dataset.
    folder = max(folders, key=lambda folder: len(_files_in(folder)))
    missing = [file for file in _FILES if file not in _files_in(folder)]
    if import_pooch() is None:
        raise FileNotFoundError(
            f"{source.title} was not found: expected in {printable(folder)} the files "
            f"{', '.join(missing)} (plain or .gz). "
            f"{advice(source.folders[0])}, or have them downloaded: {INSTALL_POOCH}"
        )
    for file in missing:
        urls = [f"{mirror}{file}.gz" for mirror in source.mirrors]
        md5 = source.md5[_FILES.index(file)]
        download(source.title, urls, md5, os.path.join(folder, f"{file}.gz"), advice(source.folders[0]))
    return _files_in(folder)


def _files_in(folder: str) -> dict[str, str]:
    """Return the paths of those of _FILES that are in the folder, plain or compressed."""
    paths = {file: [os.path.join(folder, file + ending) for ending in ("", ".gz")] for file in _FILES}
    existing = {file: next(filter(os.path.isfile, both), None) for file, both in paths.items()}
    return {file: path for file, path in existing.items() if path is not None}
