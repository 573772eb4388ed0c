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

from typing import Any

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


def load(name: str, root: StrPath | None = None, **options: Any) -> Dataset:
    """Load the dataset of this name, one of `names()`; "fashion-mnist" is "fashion_mnist".

    root: the folder to look in, as for `mnist`; digits come with the package and need none.
    options: further arguments of that dataset's function, such as `seed` of `digits`.
    Raises ValueError for other names, and what the dataset's function raises.
    """
    key = str(name).lower().replace("-", "_")
    if key == "digits":
        return digits(**options)
    if key == "mnist":
        return mnist(root, **options)
    if key == "fashion_mnist":
        return fashion_mnist(root, **options)
    if key == "cifar10":
        return cifar10(root, **options)
    if key == "cifar100":
        return cifar100(root, **options)
    raise ValueError(f"name: expected one of {', '.join(names())}; got {name!r}")
