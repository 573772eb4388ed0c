"""The options of every command, their help, and what each takes. Wrong ones raise ValueError with one sentence."""

from __future__ import annotations

import argparse
import math
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import Any, NoReturn, TypeVar

import pynn
from pynn import datasets
from pynn.optimizers import OPTIMIZERS, optimizer

from . import augment, evaluate, predict, presets, train, words
from .presets import ACTIVATIONS, LEARNING_RATES, SCHEDULES, default

T = TypeVar("T")

COMMAS = "; a number stands behind its option, and several widths have commas between: --layers 512,512"

DESCRIPTION = "Train neural networks fast on ordinary CPUs."
EXAMPLES = """\
examples:
  pynn train                                   learn the built-in digits
  pynn evaluate digits.safetensors             measure the model on test data
  pynn predict digits.safetensors seven.png    read a picture
  pynn info                                    show what pynn runs on

`pynn COMMAND --help` tells more about each."""

TRAIN_DESCRIPTION = """\
Train a network on a data set. Writes the model, and a picture of the learning
curves and of misread samples (needs matplotlib: pip install "pynn-cpu[plot]").

A part of the training data is held out for validation and measured after each
epoch: val_loss, val_accuracy. The last line, "test accuracy 0.9778", is of the
test part, which has no influence on the training.

The same seed writes the same model, byte for byte, with any number of threads
(on NumPy: with the same number). Ctrl-C stops, and saves the model as trained
so far."""
TRAIN_EXAMPLES = f"""\
ready networks where you say nothing (epochs of {", ".join(dict.fromkeys(presets.KINDS.values()))}):
{presets.table()}
On CIFAR they take --augment {presets.CIFAR_AUGMENT}.

augmentations, and the numbers that they take where you give none:
{augment.table()}

examples:
  pynn train
  pynn train --layers 128 --dropout 0 --no-batchnorm --output small.safetensors
  pynn train mnist --data ~/data
  pynn train mnist --layers 512,512 --dropout 0.5 --batchnorm --epochs 10
  pynn train mnist --model lenet5
  pynn train cifar10 --model resnet20 --augment flip,crop,rotation:15"""

EVALUATE_DESCRIPTION = """\
Measure a model on the test part of a data set: loss, accuracy, and which class
it takes for which."""
EVALUATE_EXAMPLES = """\
examples:
  pynn evaluate digits.safetensors
  pynn evaluate mnist.safetensors mnist --data ~/data"""

PREDICT_DESCRIPTION = """\
Tell the class of pictures, with the three best guesses. A picture is made grey
(or RGB, as the model wants), resized to fit the model's input and padded with
the colour of its border. Needs Pillow: pip install "pynn-cpu[images]"."""
PREDICT_EXAMPLES = """\
examples:
  pynn predict digits.safetensors seven.png
  pynn predict mnist.safetensors *.png --invert yes"""


class Help(argparse.RawDescriptionHelpFormatter):
    """Help that keeps its line breaks where the terminal has room for them."""

    def _fill_text(self, text: str, width: int, indent: str) -> str:
        return "\n\n".join(_block(block.splitlines(), width) for block in text.split("\n\n"))


def _block(lines: list[str], width: int) -> str:
    """A paragraph, or lines that begin with spaces (a table, examples) under a heading."""
    if max(map(len, lines), default=0) <= width:
        return "\n".join(lines)
    import textwrap  # here: it is needed on narrow terminals alone

    if not any(line.startswith(" ") for line in lines):
        lines = [" ".join(lines)]
    fill = textwrap.TextWrapper(width, break_long_words=False, break_on_hyphens=False)
    fill.subsequent_indent = "      " if len(lines) > 1 else ""
    return "\n".join(map(fill.fill, lines))


class Parser(argparse.ArgumentParser):
    """argparse with errors as exceptions that know the words of other programs, exact option names, and `Help`."""

    commands: Mapping[str, Parser] = MappingProxyType({})

    def __init__(self, **options: Any) -> None:
        super().__init__(**{"allow_abbrev": False, "formatter_class": Help, **options})

    def error(self, message: str) -> NoReturn:
        raise ValueError(f"{message} (see: {self.prog} --help)")

    def read(self, arguments: Sequence[str]) -> argparse.Namespace:
        """The options that these arguments are."""
        self._expect_known(arguments)
        options, left = self.parse_known_args(arguments)
        if left:
            hint = COMMAS if any(map(_is_number, left)) else ""
            self.error(f"unrecognized arguments: {' '.join(left)}{hint}")
        return options

    def _expect_known(self, arguments: Sequence[str]) -> None:
        """ValueError for an option or a command that is not there, before argparse takes its value for something else.

        `pynn train --lr 0.1` would be told that there is no data set '0.1'.
        """
        parser = self
        for text in arguments:
            if text == "--":
                return
            if text[:1] == "-" and text != "-" and " " not in text and not _is_number(text):
                option = text.partition("=")[0]
                if option not in parser._option_string_actions:
                    parser.error(f"unrecognized arguments: {option}{self._hint(parser, option)}")
            elif parser is self and text in self.commands:
                parser = self.commands[text]
            elif parser is self:
                self.error(f"invalid choice: {text!r}{_command_hint(text)} (choose from {', '.join(self.commands)})")

    def _hint(self, parser: Parser, option: str) -> str:
        own = [name for name in parser._option_string_actions if name.startswith("--")]
        if sentence := words.about(option):
            return f"; {sentence}"
        if meant := words.like(option, own, words.OPTIONS):
            return f"; did you mean {meant}?"
        for name, other in self.commands.items():
            meant = words.like(option, [one for one in other._option_string_actions if one[:2] == "--"], words.OPTIONS)
            if meant and parser is self:
                return f"; options of a command stand behind it: pynn {name} {meant} ..."
            if meant:
                return f"; {meant} is there in pynn {name} alone"
        return ""


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _command_hint(text: str) -> str:
    if words.plain(text) in map(words.plain, datasets.names()):
        return f"; did you mean pynn train {text}?"
    if text.endswith(".safetensors"):
        return f"; did you mean pynn evaluate {text}?"
    meant = words.like(text, words.COMMANDS, words.COMMANDS)
    return f"; did you mean pynn {meant}?" if meant else ""


def build() -> Parser:
    """The parser; its `read` gives options whose `run` is the command's function."""
    parser = Parser(prog="pynn", description=DESCRIPTION, epilog=EXAMPLES)
    parser.add_argument("--version", action="version", version=f"pynn {pynn.__version__}")
    parser.set_defaults(run=lambda options: _show_help(parser))
    commands = parser.add_subparsers(title="commands", metavar="COMMAND")
    _add_train(commands)
    _add_evaluate(commands)
    _add_predict(commands)
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
        "train", help="train a network on a data set", description=TRAIN_DESCRIPTION, epilog=TRAIN_EXAMPLES
    )
    command.set_defaults(run=train.run)
    command.add_argument(
        "dataset", metavar="DATASET", nargs="?", type=_dataset, default="digits",
        help=f"{', '.join(datasets.names())} (default: digits, which come with pynn)",
    )  # fmt: skip
    _add_data(command)
    _add_network(command.add_argument_group("the network"))
    _add_learning(command.add_argument_group("how it learns"))
    output = command.add_argument_group("output")
    output.add_argument(
        "--output", metavar="MODEL", help="the model's file; the picture gets the same name with .png (default: "
        "DATASET.safetensors in the current folder)",
    )  # fmt: skip
    output.add_argument("--no-plot", dest="plot", action="store_false", help="write no picture")
    output.add_argument("--quiet", action="store_true", help="print the last line alone")


def _add_network(group: Any) -> None:
    group.add_argument(
        "--model", metavar="NAME", type=_choice(presets.NETWORKS), default="mlp",
        help="mlp, which the next four options describe, or a ready network for images: "
        f"{', '.join(presets.READY)} (default: mlp)",
    )  # fmt: skip
    group.add_argument(
        "--layers", metavar="WIDTHS", type=_widths,
        help=f"widths of the hidden layers, such as 512,512, or none (default: {default('layers')})",
    )  # fmt: skip
    group.add_argument(
        "--activation", metavar="NAME", type=_choice(ACTIVATIONS),
        help=f"{', '.join(ACTIVATIONS)} (default: {default('activation')})",
    )  # fmt: skip
    group.add_argument(
        "--dropout", metavar="RATE", type=_share,
        help=f"share of each hidden layer that is dropped, 0 for none (default: {default('dropout')}); "
        "vgg_small drops after each pooling (default: 0.3)",
    )  # fmt: skip
    group.add_argument(
        "--batchnorm", action=argparse.BooleanOptionalAction,
        help=f"batch normalization before each activation (default: {default('batchnorm')})",
    )  # fmt: skip
    group.add_argument(
        "--dtype", choices=("float32", "float64"), default="float32", help="of all arithmetic (default: float32)"
    )


def _add_learning(group: Any) -> None:
    group.add_argument(
        "--optimizer", metavar="NAME", type=_choice(OPTIMIZERS),
        help=f"{', '.join(OPTIMIZERS)} (default: {default('optimizer')})",
    )  # fmt: skip
    decays = {name: optimizer(name).weight_decay for name in OPTIMIZERS}
    own = "; ".join(["0", *(f"{name}: {decay:g}" for name, decay in decays.items() if decay)])
    rates = ", ".join(f"{name} {rate:g}" for name, rate in LEARNING_RATES.items())
    group.add_argument(
        "--learning-rate",
        metavar="RATE",
        type=_positive,
        help=f"at the start (default: {rates}; ready networks: below)",
    )
    group.add_argument(
        "--schedule", metavar="NAME", type=_choice(SCHEDULES),
        help="of the learning rate: linear and cosine fall to 0, step falls to a tenth after each third of the epochs, "
        f"constant stays (default: {default('schedule')})",
    )  # fmt: skip
    group.add_argument(
        "--weight-decay", metavar="RATE", type=_not_negative,
        help=f"how much each step pulls the weights towards 0 (default: {own}; ready networks: below)",
    )  # fmt: skip
    group.add_argument(
        "--augment", metavar="NAMES", type=augment.read,
        help=f"random changes of the training images, such as flip,crop:4, or none (default: {default('augment')})",
    )  # fmt: skip
    group.add_argument(
        "--epochs", metavar="N", type=_count, help=f"times through the training data (default: {default('epochs')})"
    )
    group.add_argument(
        "--batch-size", metavar="N", type=_count, help=f"samples in a step (default: {default('batch_size')})"
    )
    group.add_argument(
        "--l2", metavar="STRENGTH", type=_not_negative, help=f"penalty on large weights (default: {default('l2')})"
    )
    group.add_argument(
        "--validation", metavar="SHARE", type=_share,
        help=f"share of the training data that is held out for validation (default: {default('validation')})",
    )  # fmt: skip
    group.add_argument(
        "--seed", metavar="N", type=_seed, default=0,
        help="of the first weights, masks, order, and what is held out (default: 0)",
    )  # fmt: skip
    _add_threads(group)


def _add_evaluate(commands: Any) -> None:
    command = commands.add_parser(
        "evaluate", help="measure a model on test data", description=EVALUATE_DESCRIPTION, epilog=EVALUATE_EXAMPLES
    )
    command.set_defaults(run=evaluate.run)
    command.add_argument("model", metavar="MODEL", help="a file that `pynn train` or `model.save` wrote")
    command.add_argument(
        "dataset", metavar="DATASET", nargs="?", type=_dataset,
        help=f"{', '.join(datasets.names())} (default: the one that the model was trained on)",
    )  # fmt: skip
    _add_data(command)
    _add_threads(command)


def _add_predict(commands: Any) -> None:
    command = commands.add_parser(
        "predict", help="tell the class of pictures", description=PREDICT_DESCRIPTION, epilog=PREDICT_EXAMPLES
    )
    command.set_defaults(run=predict.run)
    command.add_argument("model", metavar="MODEL", help="a file that `pynn train` or `model.save` wrote")
    command.add_argument("images", metavar="IMAGE", nargs="+", help="a PNG, JPEG, GIF, BMP, TIFF, WebP or PNM file")
    command.add_argument(
        "--invert", choices=("auto", "yes", "no"), default="auto",
        help="the data sets are light on dark; auto inverts grey pictures whose border is light (default: auto)",
    )  # fmt: skip


def _add_data(command: Any) -> None:
    command.add_argument("--data", metavar="FOLDER", help="where the files of the data sets are (default: $PYNN_DATA)")


def _add_threads(command: Any) -> None:
    command.add_argument(
        "--threads", metavar="N", type=_count, help="for the native kernels (default: $OMP_NUM_THREADS, else all cores)"
    )


def _choice(known: Iterable[str]) -> Callable[[str], str]:
    """A reader of one of these names, however it is spelled: LeNet-5 is lenet5."""
    names = {words.plain(name): name for name in known}

    def read(text: str) -> str:
        name = names.get(words.plain(text))
        if name is None:
            meant = words.like(text, known, words.CHOICES)
            hint = f"; did you mean {meant}?" if meant else ""
            raise argparse.ArgumentTypeError(f"invalid choice: {text!r}{hint} (choose from {', '.join(known)})")
        return name

    return read


def _dataset(text: str) -> str:
    hint = ""
    if _is_number(text):
        hint = COMMAS
    elif text.lower() in ("yes", "no", "true", "false", "on", "off"):
        hint = "; --batchnorm and --no-batchnorm take no value"
    elif text.partition(":")[0] in augment.AUGMENTATIONS:
        hint = "; the names behind --augment have commas between: --augment flip,crop"
    elif "=" in text:
        hint = "; an option begins with two dashes: --epochs 5"
    elif text.lower().endswith(".safetensors"):
        hint = ", that is a model's file; it stands first: pynn evaluate MODEL DATASET"
    if hint:
        raise argparse.ArgumentTypeError(f"there is no data set {text!r}{hint}")
    try:
        return datasets.find(text)
    except ValueError as cause:
        raise argparse.ArgumentTypeError(str(cause)) from None


def _widths(text: str) -> tuple[int, ...]:
    if text.strip().lower() in ("", "none"):
        return ()
    try:
        return tuple(_count(part) for part in text.split(","))
    except argparse.ArgumentTypeError:
        raise argparse.ArgumentTypeError(
            f"expected widths of at least 1, such as 512 or 512,512, or none; got {text!r}"
        ) from None


def _checked(convert: Callable[[str], T], fits: Callable[[T], bool], expected: str) -> Callable[[str], T]:
    """A reader of an option's value that accepts what `fits`."""

    def read(text: str) -> T:
        try:
            value = convert(text)
        except ValueError:
            value = None
        if value is None or not fits(value):
            raise argparse.ArgumentTypeError(f"expected {expected}; got {text!r}")
        return value

    return read


_count = _checked(int, lambda value: 1 <= value <= sys.maxsize, "a whole number of at least 1")
_seed = _checked(int, lambda value: 0 <= value < 2**64, "a whole number 0 .. 2^64 - 1")
_share = _checked(float, lambda value: 0 <= value < 1, "a number of at least 0 and below 1")
_positive = _checked(float, lambda value: 0 < value < math.inf, "a number above 0")
_not_negative = _checked(float, lambda value: 0 <= value < math.inf, "a number of at least 0")
