"""The options of ``pynn search`` and their help. Imports nothing that the other commands do not need."""

from __future__ import annotations

import argparse
import re
from typing import Any

from pynn import datasets

from ...optimizers import OPTIMIZERS
from .. import arguments, augment, presets
from . import command, parameters
from .defaults import EPOCHS, TRIALS

DESCRIPTION = """\
Find hyperparameters: train many networks, each with parameters drawn from a
space, and keep the best. Needs Optuna: pip install "pynn-cpu[search]".

Trials are kept in a file as they end. Ctrl-C, or a kill, loses nothing: the
same command goes on where it ended, and with more --trials it goes on further.
A trial whose loss runs away ends early, and so does one that is behind the
others with a bad diagnosis.

At the end come the best trials, the best parameters, the model of the best,
measured on the test part, which had no influence on the search, and a picture
(needs matplotlib: pip install "pynn-cpu[plot]")."""
EPILOG = """\
a space is a file of TOML; of a value that is not in it the options below, or
the defaults of pynn train hold:
  learning_rate = {log_uniform = [1e-4, 1e-1]}
  width = {integer = [16, 512], log = true}
  dropout = {uniform = [0, 0.6]}
  batch_size = {choice = [32, 64, 128]}
  optimizer.choice.adam = {}
  optimizer.choice.momentum = {momentum = {uniform = [0.5, 0.99]}}

what a space may name:
DATASETS
TABLES

examples:
  pynn search
  pynn search digits --space space.toml --trials 100 --jobs 2
  pynn search mnist --model lenet5 --stages 30x1,10x3,5x5 --data ~/data
  pynn search houses.csv --target price --trials 100"""


def add(commands: Any) -> None:
    """Add the command."""
    epilog = EPILOG.replace("DATASETS", parameters.listed("data sets", parameters.IMAGES)).replace(
        "TABLES", parameters.listed("tables", parameters.TABLES)
    )
    parser = commands.add_parser(
        "search", help="find hyperparameters: many networks, the best is kept", description=DESCRIPTION, epilog=epilog
    )
    parser.set_defaults(run=command.run)
    parser.add_argument(
        "dataset", metavar="DATASET", nargs="?", type=arguments.dataset, default="digits",
        help=f"{', '.join(datasets.names())}, or the path of a table (default: digits, which come with pynn)",
    )  # fmt: skip
    arguments.add_data(parser)
    searching = parser.add_argument_group("the search")
    _add_search(searching)
    _add_running(searching)
    _add_scoring(parser.add_argument_group("the score"))
    arguments.add_table(parser.add_argument_group("a table"))
    _add_fixed(parser.add_argument_group("a data set: what all trials have"))
    _add_output(parser.add_argument_group("output"))


def _add_search(group: Any) -> None:
    group.add_argument(
        "--space", metavar="FILE", help="what is searched, a file of TOML: below (default: learning rate, weight "
        "decay, width, dropout and batch size, without those that are fixed)",
    )  # fmt: skip
    group.add_argument(
        "--trials",
        metavar="N",
        type=arguments.count,
        help=f"networks in all, earlier ones included (default: {TRIALS})",
    )
    group.add_argument(
        "--epochs", metavar="N", type=arguments.count,
        help=f"times through the training data in each trial (default: {EPOCHS}; of small tables more)",
    )  # fmt: skip
    group.add_argument(
        "--stages", metavar="NxM,...", type=_stages, help="from coarse to fine instead: trials x epochs of each stage, "
        "such as 30x3,15x10,5x30; each searches around the best of the one before",
    )  # fmt: skip
    group.add_argument(
        "--go-on", action="store_true", help="trials of a stage begin with the best weights of the one before"
    )
    group.add_argument(
        "--sampler", metavar="NAME", type=arguments.choice(("random", "grid", "tpe")),
        help="how parameters are drawn: random, grid or tpe, which learns from earlier trials (default: random)",
    )  # fmt: skip
    group.add_argument(
        "--pruner", metavar="NAME", type=arguments.choice(("median", "hyperband")),
        help="end trials that do worse than others: median or hyperband of Optuna (default: none)",
    )  # fmt: skip


def _add_running(group: Any) -> None:
    group.add_argument(
        "--time-budget", metavar="SECONDS", type=arguments.positive, help="begin no trial after this time"
    )
    group.add_argument(
        "--storage", metavar="FILE", help="where trials are kept: a journal file, or the URL of a database (default: "
        "that of the model, ending in .log); models of the best are beside it",
    )  # fmt: skip
    group.add_argument(
        "--jobs", metavar="N", type=arguments.count,
        help="trials at the same time, each in a process with its share of the threads (default: 1)",
    )  # fmt: skip
    group.add_argument(
        "--dask", metavar="ADDRESS", type=_address, help="trials in the workers of a Dask cluster instead, by the "
        "address of its scheduler, such as tcp://10.0.0.1:8786 (needs the extra dask)",
    )  # fmt: skip
    group.add_argument(
        "--seed", metavar="N", type=arguments.seed, default=0, help="seed of all that is drawn (default: 0)"
    )
    arguments.add_threads(group)


def _add_scoring(group: Any) -> None:
    group.add_argument(
        "--metric", metavar="NAME", type=arguments.choice(("val_accuracy", "val_loss")),
        help="val_accuracy or val_loss, in the best epoch of a trial (default: val_accuracy; of numbers val_loss)",
    )  # fmt: skip
    group.add_argument(
        "--validation", metavar="SHARE", type=arguments.part,
        help="share of the training data on which trials are scored (default: 0.2)",
    )  # fmt: skip
    group.add_argument(
        "--folds", metavar="K", type=arguments.count, help="score each trial on so many folds instead, K times slower"
    )


def _add_fixed(group: Any) -> None:
    for name, metavar, kind, text in (
        ("model", "NAME", arguments.choice(presets.NETWORKS), f"mlp, {', '.join(presets.READY)} (default: mlp)"),
        ("layers", "WIDTHS", arguments.widths, "widths of the hidden layers of the mlp"),
        ("activation", "NAME", arguments.choice(presets.ACTIVATIONS), "of the mlp"),
        ("dropout", "RATE", arguments.share, "of the mlp and of vgg_small"),
        ("optimizer", "NAME", arguments.choice(OPTIMIZERS), "adam, nesterov, ..."),
        ("learning-rate", "RATE", arguments.positive, "at the start"),
        ("schedule", "NAME", arguments.choice(presets.SCHEDULES), "of the learning rate"),
        ("weight-decay", "RATE", arguments.not_negative, "how much each step pulls the weights towards 0"),
        ("augment", "NAMES", _augmentations, "random changes of the training images"),
        ("batch-size", "N", arguments.count, "samples in a step"),
        ("l2", "STRENGTH", arguments.not_negative, "penalty on large weights"),
    ):  # fmt: skip
        group.add_argument(f"--{name}", metavar=metavar, type=kind, help=text)
    group.add_argument("--batchnorm", action=argparse.BooleanOptionalAction, help="batch normalization in the mlp")
    group.add_argument("--dtype", choices=("float32", "float64"), help="dtype of all arithmetic (default: float32)")


def _add_output(group: Any) -> None:
    group.add_argument(
        "-o", "--output", metavar="MODEL", help="the file of the best model; the picture gets the same name with .png "
        "(default: that of the data set or table with .search.safetensors, in the current folder)",
    )  # fmt: skip
    group.add_argument("--force", action="store_true", help="a table: overwrite files that pynn did not write for it")
    group.add_argument("--no-plot", dest="plot", action="store_false", help="write no picture")
    group.add_argument("--quiet", action="store_true", help="print only the last line")


def _augmentations(text: str) -> str:
    """The text, which is checked."""
    augment.read(text)
    return text


def _address(text: str) -> str:
    """The address of a scheduler."""
    if not re.fullmatch(r"(\w+://)?\[?[^\s/]+:\d+", text):
        raise argparse.ArgumentTypeError(f"expected an address with a port, such as tcp://10.0.0.1:8786; got {text!r}")
    return text


def _stages(text: str) -> tuple[tuple[int, int], ...]:
    """The trials and epochs of each stage in text such as 30x3,15x10."""
    found = [re.fullmatch(r"\s*(\d{1,9})\s*[xX×*:]\s*(\d{1,9})\s*", part) for part in text.split(",")]
    stages = tuple((int(one[1]), int(one[2])) for one in found if one is not None)
    if len(stages) < len(found) or not all(min(stage) >= 1 for stage in stages):
        raise argparse.ArgumentTypeError(
            f"expected trials x epochs of each stage, separated by commas, such as 30x3,15x10; got {text!r}"
        )
    return stages
