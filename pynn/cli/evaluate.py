"""``pynn evaluate``: loss and accuracy of a model on test data, and its confusion matrix; tables have a module."""

from __future__ import annotations

import argparse
import math
from typing import Any

import pynn
from pynn import datasets

from ..datasets import Dataset
from ..typing import Array
from . import confusion, messages, models
from .tables import files
from .tables.estimators import is_table_model


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
    print(confusion.table(counts, dataset.classes, messages.width()))
    print(f"\ntest loss {measured['loss']:.4f}\ntest accuracy {measured['accuracy']:.4f}")
    return 0


def _table(options: argparse.Namespace, model: Any) -> int:
    """Evaluate a model of tables, after a check that model and data fit together."""
    if not is_table_model(model):
        raise ValueError(models.no_table(options.model, options.dataset))
    if not isinstance(options.dataset, files.TablePath):
        raise ValueError(f"{options.model} is for tables; name one: pynn evaluate {options.model} data.csv")
    if options.data is not None:
        raise ValueError("--data is for the data sets of pynn; write the path of the table instead")
    from .tables import evaluate  # here: it needs pandas

    return evaluate.run(options, model)


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
