"""The options of every command and their help. Invalid options raise a ValueError with a single sentence."""

from __future__ import annotations

import argparse
from typing import Any

import pynn
from pynn import datasets

from ..optimizers import OPTIMIZERS, optimizer
from . import arguments, augment, evaluate, lab, predict, presets, report, train
from .arguments import Parser
from .presets import ACTIVATIONS, LEARNING_RATES, SCHEDULES, default
from .search import options as search
from .tables.estimators import PRESETS

DESCRIPTION = "Train neural networks fast on ordinary CPUs."
EXAMPLES = """\
examples:
  pynn train                                   learn the built-in digits
  pynn evaluate digits.safetensors             measure the model on test data
  pynn predict digits.safetensors seven.png    read a picture
  pynn train houses.csv --target price         learn a column of a table
  pynn search digits --trials 60               find a better network and rate
  pynn predict houses.safetensors new.csv      predict it for other rows
  pynn train --run first                       keep what was seen of the training
  pynn doctor first                            say what was wrong with it
  pynn report first                            write a page on it
  pynn lab                                     what a course claims, checked
  pynn info                                    show what pynn runs on

`pynn COMMAND --help` describes each of them."""

TRAIN_DESCRIPTION = """\
Train a network on a data set of images, or on a table. Writes the model, and a
picture of the training and of the test (needs matplotlib: pip install
"pynn-cpu[plot]").

A data set: a part of the training data is held out for validation and measured
after each epoch: val_loss, val_accuracy. The last line, "test accuracy 0.9778",
is for the test part, which has no influence on the training.

A table: a .csv, .csv.gz, .tsv or .parquet file and --target, the column to
predict from all others (needs pip install "pynn-cpu[tables]"). Its other
columns may be numbers, text, true and false, or dates, with gaps. Prints how
they are understood, the scores on a fifth of the rows, held out for the test,
beside those of a baseline that knows only the target, and which columns
matter. FILE.safetensors is all that pynn predict needs.

The same seed writes the same model, byte for byte, with any number of threads
(on NumPy: with the same number), unless --time-budget ends the training. Ctrl-C
stops, and saves the model as trained so far."""
TRAIN_EXAMPLES = f"""\
defaults of the ready networks (epochs for {", ".join(dict.fromkeys(presets.KINDS.values()))}):
{presets.table()}
On CIFAR their default is --augment {presets.CIFAR_AUGMENT}.

augmentations, with their default numbers:
{augment.table()}

examples:
  pynn train
  pynn train --layers 128 --dropout 0 --no-batchnorm --output small.safetensors
  pynn train mnist --data ~/data
  pynn train mnist --layers 512,512 --dropout 0.5 --batchnorm --epochs 10
  pynn train mnist --model lenet5
  pynn train cifar10 --model resnet20 --augment flip,crop,rotation:15
  pynn train houses.csv --target price
  pynn train churn.csv.gz --target Churn --preset fast --drop customerID"""

EVALUATE_DESCRIPTION = """\
Measure a model: on the test part of a data set (loss, accuracy, and confusion
matrix), or on a table that holds the column which the model predicts."""
EVALUATE_EXAMPLES = """\
examples:
  pynn evaluate digits.safetensors
  pynn evaluate mnist.safetensors mnist --data ~/data
  pynn evaluate houses.safetensors more.csv"""

PREDICT_DESCRIPTION = """\
Predict the class of pictures, or a column of a table.

Pictures: the three best guesses for each. A picture is converted to grey or
RGB, as the model needs, resized to fit the model's input and padded with the
colour of its border. Needs Pillow: pip install "pynn-cpu[images]".

A table: writes a table with a row for each of its rows, in the same order: the
prediction, and the probability of each class, p(NAME); of a model of quantiles
a column for each level, q(LEVEL). Columns are found by their names; those that
the model does not need are ignored."""
PREDICT_EXAMPLES = """\
examples:
  pynn predict digits.safetensors seven.png
  pynn predict mnist.safetensors *.png --invert yes
  pynn predict houses.safetensors new.csv -o prices.csv"""


REPORT_DESCRIPTION = """\
Write a page on a training run: verdicts, curves, layers, mistakes, data and
settings. It is one HTML file that needs no network. Several runs are compared.

Of a search it has the best settings, a table of all trials, their curves, the
score against each parameter and its importance, and the stages; it may be
written while the search goes on."""
REPORT_EXAMPLES = """\
examples:
  pynn train --run first
  pynn train --run second --dropout 0.2
  pynn report first
  pynn report first second --output comparison.html
  pynn report first --live
  pynn report digits.search.log --output search.html"""

DOCTOR_DESCRIPTION = """\
Say what is wrong with a training run, with the evidence and what to try.
Exit code 0: nothing, or only things worth knowing; 1: a warning or an error."""
DOCTOR_EXAMPLES = """\
examples:
  pynn train --run first
  pynn doctor first"""


def build() -> Parser:
    """The parser; its `read` returns options whose `run` is the command's function."""
    parser = Parser(prog="pynn", description=DESCRIPTION, epilog=EXAMPLES)
    parser.add_argument("--version", action="version", version=f"pynn {pynn.__version__}")
    parser.set_defaults(run=lambda options: _show_help(parser))
    commands = parser.add_subparsers(title="commands", metavar="COMMAND")
    _add_train(commands)
    search.add(commands)
    _add_evaluate(commands)
    _add_predict(commands)
    _add_report(commands)
    _add_doctor(commands)
    lab.add(commands)
    command = commands.add_parser("info", help="show version, backend, instruction set, threads, compiler")
    command.set_defaults(run=_show_info)
    parser.commands = commands.choices
    return parser


def _show_help(parser: Parser) -> int:
    parser.print_help()
    return 0


def _show_info(options: argparse.Namespace) -> int:
    print(pynn.info())
    return 0


def _add_train(commands: Any) -> None:
    command = commands.add_parser(
        "train", help="train a network on a data set or a table", description=TRAIN_DESCRIPTION, epilog=TRAIN_EXAMPLES
    )
    command.set_defaults(run=train.run)
    command.add_argument(
        "dataset", metavar="DATASET", nargs="?", type=arguments.dataset, default="digits",
        help=f"{', '.join(datasets.names())}, or the path of a table (default: digits, which come with pynn)",
    )  # fmt: skip
    arguments.add_data(command)
    _add_table(command.add_argument_group("a table"))
    _add_network(command.add_argument_group("the network for a data set"))
    _add_learning(command.add_argument_group("how it learns"))
    output = command.add_argument_group("output")
    output.add_argument(
        "-o", "--output", metavar="MODEL", help="the model's file; the picture gets the same name with .png (default: "
        "DATASET.safetensors or that of the table in the current folder)",
    )  # fmt: skip
    output.add_argument("--force", action="store_true", help="a table: overwrite files that pynn train did not write")
    output.add_argument("--no-plot", dest="plot", action="store_false", help="write no picture")
    output.add_argument(
        "--run", metavar="FOLDER", dest="run_folder", help="a data set: keep what was seen of the training in this "
        "folder, for pynn report and pynn doctor, which also read it meanwhile",
    )  # fmt: skip
    output.add_argument(
        "--report",
        metavar="FILE",
        help="a data set: write a page on the training, with curves, layers, and mistakes: run.html",
    )
    output.add_argument("--quiet", action="store_true", help="print only the last line")


def _add_table(group: Any) -> None:
    arguments.add_table(group)
    group.add_argument(
        "--preset", metavar="NAME", type=arguments.choice(PRESETS),
        help="full, the most accurate; simplified, in about half the time; fast, in much less (default: full)",
    )  # fmt: skip
    group.add_argument(
        "--time-budget", metavar="SECONDS", type=arguments.positive, help="train for about this time at most"
    )
    group.add_argument(
        "--ensemble", metavar="N", type=arguments.count, help="train this many networks and average them (default: 1)"
    )


def _add_network(group: Any) -> None:
    group.add_argument(
        "--model", metavar="NAME", type=arguments.choice(presets.NETWORKS),
        help="mlp, which the next four options describe, or a ready network for images: "
        f"{', '.join(presets.READY)} (default: mlp)",
    )  # fmt: skip
    group.add_argument(
        "--layers", metavar="WIDTHS", type=arguments.widths,
        help=f"widths of the hidden layers, such as 512,512, or none (default: {default('layers')})",
    )  # fmt: skip
    group.add_argument(
        "--activation", metavar="NAME", type=arguments.choice(ACTIVATIONS),
        help=f"{', '.join(ACTIVATIONS)} (default: {default('activation')})",
    )  # fmt: skip
    group.add_argument(
        "--dropout", metavar="RATE", type=arguments.share,
        help=f"share of each hidden layer that is dropped, 0 for none (default: {default('dropout')}); "
        "vgg_small drops after each pooling (default: 0.3)",
    )  # fmt: skip
    group.add_argument(
        "--batchnorm", action=argparse.BooleanOptionalAction,
        help=f"batch normalization before each activation (default: {default('batchnorm')})",
    )  # fmt: skip
    group.add_argument("--dtype", choices=("float32", "float64"), help="dtype of all arithmetic (default: float32)")


def _add_optimizer(group: Any) -> None:
    group.add_argument(
        "--optimizer", metavar="NAME", type=arguments.choice(OPTIMIZERS),
        help=f"{', '.join(OPTIMIZERS)} (default: {default('optimizer')})",
    )  # fmt: skip
    decays = {name: optimizer(name).weight_decay for name in OPTIMIZERS}
    text = "; ".join(["0", *(f"{name}: {decay:g}" for name, decay in decays.items() if decay)])
    rates = ", ".join(f"{name} {rate:g}" for name, rate in LEARNING_RATES.items())
    group.add_argument(
        "--learning-rate",
        metavar="RATE",
        type=arguments.positive,
        help=f"at the start (default: {rates}; ready networks: below)",
    )
    group.add_argument(
        "--schedule", metavar="NAME", type=arguments.choice(SCHEDULES),
        help="schedule of the learning rate: linear and cosine fall to 0, step falls to a tenth after each third of "
        f"the epochs, constant stays (default: {default('schedule')})",
    )  # fmt: skip
    group.add_argument(
        "--weight-decay", metavar="RATE", type=arguments.not_negative,
        help=f"how much each step pulls the weights towards 0 (default: {text}; ready networks: below)",
    )  # fmt: skip


def _add_learning(group: Any) -> None:
    _add_optimizer(group)
    group.add_argument(
        "--augment", metavar="NAMES", type=augment.read,
        help=f"random changes of the training images, such as flip,crop:4, or none (default: {default('augment')})",
    )  # fmt: skip
    group.add_argument(
        "--epochs",
        metavar="N",
        type=arguments.count,
        help=f"times through the training data (default: {default('epochs')})",
    )
    group.add_argument(
        "--batch-size", metavar="N", type=arguments.count, help=f"samples in a step (default: {default('batch_size')})"
    )
    group.add_argument(
        "--l2",
        metavar="STRENGTH",
        type=arguments.not_negative,
        help=f"penalty on large weights (default: {default('l2')})",
    )
    group.add_argument(
        "--validation", metavar="SHARE", type=arguments.share,
        help=f"share of the training data that is held out for validation (default: {default('validation')})",
    )  # fmt: skip
    group.add_argument(
        "--seed", metavar="N", type=arguments.seed, default=0,
        help="seed of the initial weights, masks, order, and rows held out (default: 0)",
    )  # fmt: skip
    arguments.add_threads(group)


def _add_evaluate(commands: Any) -> None:
    command = commands.add_parser(
        "evaluate", help="measure a model on test data", description=EVALUATE_DESCRIPTION, epilog=EVALUATE_EXAMPLES
    )
    command.set_defaults(run=evaluate.run)
    command.add_argument("model", metavar="MODEL", help="a file that `pynn train` or `model.save` wrote")
    command.add_argument(
        "dataset", metavar="DATASET", nargs="?", type=arguments.dataset,
        help=f"{', '.join(datasets.names())} (default: what the model was trained on), or the path of a table",
    )  # fmt: skip
    arguments.add_data(command)
    command.add_argument(
        "--target", metavar="COLUMN", help="of a table: the column with the truth (default: as in the training)"
    )
    arguments.add_encoding(command)
    arguments.add_threads(command)


def _add_predict(commands: Any) -> None:
    command = commands.add_parser(
        "predict", help="predict the class of pictures, or a column of a table",
        description=PREDICT_DESCRIPTION, epilog=PREDICT_EXAMPLES,
    )  # fmt: skip
    command.set_defaults(run=predict.run)
    command.add_argument("model", metavar="MODEL", help="a file that `pynn train` or `model.save` wrote")
    command.add_argument(
        "files", metavar="FILE", nargs="+", help="pictures: PNG, JPEG, GIF, BMP, TIFF, WebP or PNM files; or one "
        "table: a .csv, .csv.gz, .tsv or .parquet file",
    )  # fmt: skip
    command.add_argument(
        "-o", "--output", metavar="TABLE", help="a table: where to write the predictions (default: to the terminal)"
    )
    arguments.add_encoding(command)
    command.add_argument(
        "--invert", choices=("auto", "yes", "no"),
        help="pictures: the data sets are light on dark; auto inverts grey pictures whose border is light (default: "
        "auto)",
    )  # fmt: skip
    arguments.add_threads(command)


def _add_report(commands: Any) -> None:
    command = commands.add_parser(
        "report",
        help="write a page on a training run or a search",
        description=REPORT_DESCRIPTION,
        epilog=REPORT_EXAMPLES,
    )
    command.set_defaults(run=report.run)
    command.add_argument(
        "runs", metavar="RUN", nargs="+",
        help="a folder that `pynn train --run` or `pynn.Monitor` wrote; or a search: what --storage of `pynn search` "
        "named, a file or a URL",
    )  # fmt: skip
    command.add_argument("-o", "--output", metavar="FILE", help=f"the page's file (default: {report.PAGE})")
    command.add_argument("--name", metavar="NAME", help="of the search, if the file holds several")
    command.add_argument(
        "--live", action="store_true",
        help="write no file, but serve the page to a browser on this machine, and follow the training",
    )  # fmt: skip


def _add_doctor(commands: Any) -> None:
    command = commands.add_parser(
        "doctor", help="say what is wrong with a training run", description=DOCTOR_DESCRIPTION, epilog=DOCTOR_EXAMPLES
    )
    command.set_defaults(run=report.doctor)
    command.add_argument("run_folder", metavar="RUN", help="a folder that `pynn train --run` or `pynn.Monitor` wrote")
