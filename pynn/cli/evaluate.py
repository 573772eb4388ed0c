"""`pynn evaluate`: a model's loss and accuracy on test data, and which class it takes for which."""

from __future__ import annotations

import argparse
import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

import pynn
from pynn import datasets
from pynn.datasets import Dataset

from . import models

Array = NDArray[Any]


def run(options: argparse.Namespace) -> int:
    """Measure as the options say; return the exit code."""
    model = pynn.load(options.model)
    name = options.dataset or model.notes.get("dataset")
    if name not in datasets.names():
        raise ValueError(
            f"{options.model} does not say what it was trained on; name a data set: {', '.join(datasets.names())}"
        )
    models.set_threads(options.threads)
    dataset = models.load_dataset(name, options.data)
    x, y = _fitting(options.model, model, dataset)
    measured = model.evaluate(x, y)
    print(f"{options.model} on the {len(y):,} test images of {dataset.name}\n")
    print(table(confusion(y, model.predict(x), len(dataset.classes)), dataset.classes))
    print(f"\ntest loss {measured['loss']:.4f}\ntest accuracy {measured['accuracy']:.4f}")
    return 0


def _fitting(path: str, model: pynn.Sequential, dataset: Dataset) -> tuple[Array, Array]:
    """The test part in the model's input shape; ValueError where it does not fit the model."""
    x, y = dataset.test
    shape = models.input_shape(model)
    if math.prod(x.shape[1:]) != math.prod(shape) or len(shape) not in (1, 3):
        raise ValueError(
            f"{path} takes inputs of shape {shape}, but the images of {dataset.name} are {x.shape[1:]}; "
            "name the data set that it was trained on"
        )
    if models.outputs(model) != len(dataset.classes):
        raise ValueError(
            f"{path} tells {models.outputs(model)} classes apart, but {dataset.name} has {len(dataset.classes)}; "
            "name the data set that it was trained on"
        )
    return x.reshape(len(x), *shape), y


def confusion(labels: Array, predictions: Array, count: int) -> Array:
    """How often each class (row) was taken for each (column), (count, count)."""
    return np.bincount(labels * count + predictions, minlength=count * count).reshape(count, count)


def table(counts: Array, classes: Sequence[str]) -> str:
    """The confusion counts as text, a row for each true class with its accuracy."""
    numbers = [str(number) for number in range(len(classes))]
    short = max(map(len, classes)) <= 4
    heads = list(classes) if short else numbers
    names = list(classes) if short else [f"{number} {name}" for number, name in zip(numbers, classes, strict=True)]
    first = max(map(len, (*names, "true")))
    width = max(len(str(counts.max(initial=0))), *map(len, heads)) + 2
    lines = [f"{'':{first}}  predicted", f"{'true':<{first}}" + "".join(f"{head:>{width}}" for head in heads)]
    lines[1] += "  accuracy"
    lines.append("-" * len(lines[1]))
    for place, (name, row) in enumerate(zip(names, counts, strict=True)):
        cells = "".join(f"{count or '.':>{width}}" for count in row.tolist())
        total = row.sum()
        lines.append(f"{name:<{first}}{cells}  " + (f"{row[place] / total:8.4f}" if total else f"{'-':>8}"))
    return "\n".join(lines)
