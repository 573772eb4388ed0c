"""``pynn evaluate``: loss and accuracy of a model on test data, and its confusion matrix; tables have a module."""

from __future__ import annotations

import argparse
import math
from collections.abc import Sequence
from typing import Any

import numpy as np

import pynn
from pynn import datasets

from ..datasets import Dataset
from ..messages import terminal
from ..typing import Array
from . import messages, models
from .tables import files
from .tables.estimators import is_table_model

LONGEST_NAME = 60  # characters of a class's name


def run(options: argparse.Namespace) -> int:
    """Evaluate according to the options; return the exit code."""
    model = models.load("evaluate", options.model, [options.dataset or ""])
    if isinstance(options.dataset, files.TablePath) or is_table_model(model):
        return _table(options, model)
    for option, value in (("--target", options.target), ("--encoding", options.encoding)):
        if value is not None:
            raise ValueError(f"{option} is for tables, and {options.model} is for pictures; leave it out")
    name = options.dataset or model.notes.get("dataset")
    if name not in datasets.names():
        raise ValueError(
            f"{options.model} does not say what it was trained on; name a data set: {', '.join(datasets.names())}"
        )
    models.set_threads(options.threads)
    dataset = models.load_dataset(name, options.data)
    x, y = _fitting(options.model, model, dataset)
    measured = model.evaluate(x, y)
    print(messages.filled(f"{options.model} on the {len(y):,} test images of {dataset.name}"), end="\n\n")
    counts = pynn.metrics.confusion_matrix(y, model.predict(x), len(dataset.classes))
    print(table(counts, dataset.classes, messages.width()))
    print(f"\ntest loss {measured['loss']:.4f}\ntest accuracy {measured['accuracy']:.4f}")
    return 0


def _table(options: argparse.Namespace, model: Any) -> int:
    """Evaluate a model of tables, after a check that model and data fit together."""
    if not is_table_model(model):
        raise ValueError(f"{options.model} was not trained on a table, and {options.dataset} is one")
    if not isinstance(options.dataset, files.TablePath):
        raise ValueError(f"{options.model} is for tables; name one: pynn evaluate {options.model} data.csv")
    if options.data is not None:
        raise ValueError("--data is for the data sets of pynn; write the path of the table instead")
    from .tables import evaluate as table  # here: it needs pandas

    return table.run(options, model)


def _fitting(path: str, model: pynn.Sequential, dataset: Dataset) -> tuple[Array, Array]:
    """The test part in the model's input shape; ValueError if it does not fit the model."""
    x, y = dataset.test
    shape = models.input_shape(model)
    if math.prod(x.shape[1:]) != math.prod(shape) or len(shape) not in (1, 3):
        raise ValueError(
            f"{path} takes inputs of shape {shape}, but the images of {dataset.name} are {x.shape[1:]}; "
            "name the data set that it was trained on"
        )
    if models.outputs(model) != len(dataset.classes):
        raise ValueError(
            f"{path} distinguishes {models.outputs(model)} classes, but {dataset.name} has {len(dataset.classes)}; "
            "name the data set that it was trained on"
        )
    return x.reshape(len(x), *shape), y


def table(counts: Array, classes: Sequence[str], width: int | None = None) -> str:
    """The confusion counts as text, with a row and accuracy for each true class.

    width: of the terminal; if the columns do not fit, each class is followed by its most frequent mistakes.
    """
    classes = [terminal.printable(name, LONGEST_NAME) for name in classes]
    numbers = [str(number) for number in range(len(classes))]
    short = max(map(len, classes)) <= 4
    heads = classes if short else numbers
    names = classes if short else [f"{number} {name}" for number, name in zip(numbers, classes, strict=True)]
    first = max(map(len, (*names, "true")))
    cell = max(len(str(counts.max(initial=0))), *map(len, heads))
    for gap in (2, 1):
        if width is None or first + len(heads) * (cell + gap) + 10 <= width:
            return _matrix(counts, names, heads, first, cell + gap)
    return _mistakes(counts, names, first, width or 80)


def _matrix(counts: Array, names: list[str], heads: list[str], first: int, width: int) -> str:
    lines = [f"{'':{first}}  predicted", f"{'true':<{first}}" + "".join(f"{head:>{width}}" for head in heads)]
    lines[1] += "  accuracy"
    lines.append("-" * len(lines[1]))
    for place, (name, row) in enumerate(zip(names, counts, strict=True)):
        cells = "".join(f"{count or '.':>{width}}" for count in row.tolist())
        lines.append(f"{name:<{first}}{cells}  {_accuracy(row, place)}")
    return "\n".join(lines)


def _mistakes(counts: Array, names: list[str], first: int, width: int) -> str:
    """A line for each class: its count, the accuracy, and as many mistakes as fit."""
    lines = [f"{'true':<{first}}  count  accuracy  taken for"]
    lines.append("-" * min(width, len(lines[0]) + 20))
    for place, (name, row) in enumerate(zip(names, counts, strict=True)):
        line = f"{name:<{first}}  {row.sum():>5}  {_accuracy(row, place)}"
        wrong = [other for other in np.argsort(-row, kind="stable") if other != place and row[other]]
        for number, other in enumerate(wrong):
            text = f"{', ' if number else '  '}{names[other]} ({row[other]})"
            if len(line) + len(text) > width:
                break
            line += text
        lines.append(line)
    return "\n".join(lines)


def _accuracy(row: Array, place: int) -> str:
    total = row.sum()
    return f"{row[place] / total:8.4f}" if total else f"{'-':>8}"
