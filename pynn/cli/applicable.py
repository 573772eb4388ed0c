"""Options of ``pynn train`` that are for data sets alone, and those for tables alone: the other kind is refused."""

from __future__ import annotations

import argparse
from collections.abc import Mapping

from .tables.files import TablePath

RECIPE = "a table's network and training follow from --preset, and --time-budget shortens the training"
IMAGES = (
    "model", "layers", "activation", "batchnorm", "dropout", "dtype", "optimizer", "learning_rate", "schedule",
    "weight_decay", "augment", "epochs", "batch_size", "l2",
)  # fmt: skip
FOR_DATASETS: dict[str, str] = {
    **dict.fromkeys(IMAGES, RECIPE),
    "validation": "a fifth of the training rows is held out for validation by itself; --test is the share of the test",
    "data": "write the path of the table instead: pynn train FOLDER/data.csv",
    "run_folder": "watch the training of a table from Python: TabularClassifier(callbacks=[pynn.Monitor('run')])",
    "report": "watch the training of a table from Python: TabularClassifier(callbacks=[pynn.Monitor('run')])",
}
FOR_TABLES: dict[str, str] = {
    "target": "the data sets have classes of their own",
    "task": "the data sets have classes",
    "preset": "choose --model",
    "time_budget": "choose --epochs",
    "test": "the data sets have a test part of their own; --validation is the share for validation",
    "ensemble": "use pynn.Ensemble from Python",
    "drop": "--dropout is the share of each hidden layer that is dropped",
    "categorical": "the data sets are images",
    "encoding": "the data sets have no text",
    "force": "a data set's model is overwritten in any case",
}
TABLE_DEFAULTS = {"preset": "full", "ensemble": 1, "drop": (), "categorical": ()}
DATASET_DEFAULTS = {"model": "mlp", "dtype": "float32"}
SPELLED = {"run_folder": "run"}


def check(options: argparse.Namespace) -> None:
    """ValueError for an option of `pynn train` that does not apply; fill in the defaults of the others."""
    expect(options, FOR_DATASETS, FOR_TABLES)
    for name, value in (TABLE_DEFAULTS if isinstance(options.dataset, TablePath) else DATASET_DEFAULTS).items():
        if getattr(options, name) is None:
            setattr(options, name, value)


def expect(options: argparse.Namespace, for_datasets: Mapping[str, str], for_tables: Mapping[str, str]) -> None:
    """ValueError for an option that does not apply to what is trained on; each comes with what to do instead."""
    table = isinstance(options.dataset, TablePath)
    for name, cure in (for_datasets if table else for_tables).items():
        value = getattr(options, name)
        if (value is not None and value is not False) or (name == "batchnorm" and options.batchnorm is not None):
            option = f"--{SPELLED.get(name, name).replace('_', '-')}"
            kind = "the data sets of pynn" if table else "tables, such as data.csv"
            raise ValueError(f"{option} is for {kind}, and {options.dataset} is not one; leave it out: {cure}")
