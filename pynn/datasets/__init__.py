"""Datasets: embedded digits; MNIST, Fashion-MNIST and CIFAR, local or downloaded; folders of pictures; CSV files.

Knows arrays and files only: no models, no training, no command line. A reader takes time and memory that follow the
size of its file, and answers any file with data or an OSError or ValueError: tests/datasets/test_crafted_files.py and
the campaign tests/fuzz/data_files.py have a case of each reader.

Files are looked for in one folder, ROOT: the argument `root`; else the environment variable PYNN_DATA; else, if pooch
is installed, the user's cache folder. For MNIST and Fashion-MNIST, the first of these folders that holds all four files
is used; each file may be plain or end in `.gz`:

- MNIST: `ROOT/mnist/`, `ROOT/MNIST/raw/` (torchvision's layout)
- Fashion-MNIST: `ROOT/fashion-mnist/`, `ROOT/fashion_mnist/`, `ROOT/FashionMNIST/raw/`
- either: ROOT itself, but only if the argument `root` names it. Both sets use the same file names, so a folder that
  is set once for all datasets must not mix them up.

CIFAR-10: `ROOT/cifar-10-batches-bin/` (binary form), `ROOT/cifar-10-batches-py/` (Python form); CIFAR-100:
`ROOT/cifar-100-binary/`, `ROOT/cifar-100-python/`; either: ROOT itself, if the argument `root` names it.

If pooch is installed (`pip install "pynn-cpu[data]"`), missing files are downloaded into `ROOT/mnist/` or
`ROOT/fashion-mnist/` (or next to the files that are already there), or into the folder of CIFAR's binary form, and
checked against their published MD5. Existing files are read as they are.
"""

from __future__ import annotations

import os
from typing import Any

from ..messages.terminal import brief
from .cifar import cifar10, cifar100
from .common import Dataset, Samples, Split, StrPath
from .digits import digits
from .idx import read_idx
from .mnist import fashion_mnist, mnist
from .pictures import image_folder
from .tables import csv

__all__ = [
    "Dataset",
    "Samples",
    "Split",
    "cifar10",
    "cifar100",
    "csv",
    "digits",
    "fashion_mnist",
    "image_folder",
    "load",
    "mnist",
    "names",
    "read_idx",
]


def names() -> tuple[str, ...]:
    """Return the names that `load` accepts.

    Returns
    -------
    tuple of str
        "digits", "mnist", "fashion_mnist", "cifar10" and "cifar100".
    """
    return ("digits", "mnist", "fashion_mnist", "cifar10", "cifar100")


def find(name: str) -> str:
    """Return the name in `names()` that this spelling, such as "CIFAR-10" or "Fashion MNIST", means.

    Raises ValueError, with a suggestion if there is a similar name.
    """
    known = {_spelled(known_name): known_name for known_name in names()}
    name = str(name)
    key = _spelled(name)
    if key in known:
        return known[key]
    if os.path.exists(name) or os.path.splitext(name)[1]:
        raise ValueError(
            f"there is no data set {brief(name)}; read your own files and folders in Python, "
            "with pynn.datasets.csv and pynn.datasets.image_folder"
        )
    import difflib  # here: importing pynn must stay light

    like = [known[known_name] for known_name in difflib.get_close_matches(key, known, cutoff=0.7)]
    hint = f"; did you mean {' or '.join(sorted(like))}?" if like else ""
    raise ValueError(f"there is no data set {brief(name)}; expected one of {', '.join(names())}{hint}")


def _spelled(name: str) -> str:
    return "".join(filter(str.isalnum, name.lower()))


def load(name: str, root: StrPath | None = None, **options: Any) -> Dataset:
    """Load a dataset by its name.

    Parameters
    ----------
    name : str
        One of `names()`, in any spelling: "CIFAR-10" is "cifar10".
    root : path, optional
        Folder to look in, as for `mnist`; the digits are part of the package and need none.
    **options
        Further arguments of that dataset's function, such as `seed` of `digits`.

    Returns
    -------
    Dataset
        Training and test images with labels.

    Raises
    ------
    ValueError
        For any other name. The dataset's own function may raise more.
    """
    key = find(name)
    if key == "digits":
        return digits(**options)
    functions = {"mnist": mnist, "fashion_mnist": fashion_mnist, "cifar10": cifar10, "cifar100": cifar100}
    return functions[key](root, **options)
