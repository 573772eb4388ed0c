"""Data to learn from: embedded digits; MNIST, Fashion-MNIST, CIFAR, local or downloaded; folders of pictures; CSV.

Knows arrays and files alone: no model, no training, no command line.

Where files are looked for. One folder, ROOT, is used: the argument `root`; else the environment variable PYNN_DATA;
else, with pooch installed, the user's cache folder. In it MNIST and Fashion-MNIST, each file plain or with `.gz`, and
the first place that holds all four files wins:

- MNIST: `ROOT/mnist/`, `ROOT/MNIST/raw/` (as torchvision leaves it)
- Fashion-MNIST: `ROOT/fashion-mnist/`, `ROOT/fashion_mnist/`, `ROOT/FashionMNIST/raw/`
- either: ROOT itself, but only where the argument `root` names it. The files of both sets have the same names, so
  a folder that is set once for all datasets must not turn one into the other.

CIFAR-10: `ROOT/cifar-10-batches-bin/` (binary form), `ROOT/cifar-10-batches-py/` (Python form); CIFAR-100:
`ROOT/cifar-100-binary/`, `ROOT/cifar-100-python/`; either: ROOT itself, where the argument `root` names it.

Files that are missing are downloaded, with pooch installed (`pip install "pynn-cpu[data]"`), into `ROOT/mnist/` or
`ROOT/fashion-mnist/` (or, where a part of the files is there, beside them), or CIFAR's binary form into its folder, and
checked against their published MD5. Files that are there are read as they are.
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
    """The names that `load` takes."""
    return ("digits", "mnist", "fashion_mnist", "cifar10", "cifar100")


def find(name: str) -> str:
    """The name of `names()` that this one stands for, however it is spelled: "CIFAR-10", "Fashion MNIST".

    Raises ValueError, with a name that looks like it, where there is none.
    """
    known = {_spelled(one): one for one in names()}
    name = str(name)
    key = _spelled(name)
    if key in known:
        return known[key]
    if os.path.exists(name) or os.path.splitext(name)[1]:
        raise ValueError(
            f"there is no data set {brief(name)}; files and folders of your own are read in Python, "
            "by pynn.datasets.csv and pynn.datasets.image_folder"
        )
    import difflib  # here: importing pynn must stay light

    like = [known[one] for one in difflib.get_close_matches(key, known, cutoff=0.7)]
    hint = f"; did you mean {' or '.join(sorted(like))}?" if like else ""
    raise ValueError(f"there is no data set {brief(name)}; expected one of {', '.join(names())}{hint}")


def _spelled(name: str) -> str:
    return "".join(filter(str.isalnum, name.lower()))


def load(name: str, root: StrPath | None = None, **options: Any) -> Dataset:
    """Load the dataset of this name, one of `names()`, however it is spelled: "CIFAR-10" is "cifar10".

    root: the folder to look in, as for `mnist`; digits come with the package and need none.
    options: further arguments of that dataset's function, such as `seed` of `digits`.
    Raises ValueError for other names, and what the dataset's function raises.
    """
    key = find(name)
    if key == "digits":
        return digits(**options)
    functions = {"mnist": mnist, "fashion_mnist": fashion_mnist, "cifar10": cifar10, "cifar100": cifar100}
    return functions[key](root, **options)
