"""Additions to argparse: words of other programs, help for narrow terminals, readers of option values."""

from __future__ import annotations

import argparse
import math
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import Any, NoReturn, TypeVar

from pynn import datasets

from . import augment, words
from .tables import files

T = TypeVar("T")

COMMAS = "; write a number after its option, and several widths with commas: --layers 512,512"


class Help(argparse.RawDescriptionHelpFormatter):
    """Help that keeps its line breaks if the terminal is wide enough."""

    def _fill_text(self, text: str, width: int, indent: str) -> str:
        return "\n\n".join(_block(block.splitlines(), width) for block in text.split("\n\n"))


def _block(lines: list[str], width: int) -> str:
    """Format a paragraph, or lines that begin with spaces (a table, examples) under a heading."""
    if max(map(len, lines), default=0) <= width:
        return "\n".join(lines)
    import textwrap  # here: only narrow terminals need it

    if not any(line.startswith(" ") for line in lines):
        lines = [" ".join(lines)]
    fill = textwrap.TextWrapper(width, break_long_words=False, break_on_hyphens=False)
    fill.subsequent_indent = "      " if len(lines) > 1 else ""
    return "\n".join(map(fill.fill, lines))


class Parser(argparse.ArgumentParser):
    """argparse with errors as exceptions, hints for words of other programs, exact option names, and `Help`."""

    commands: Mapping[str, Parser] = MappingProxyType({})

    def __init__(self, **options: Any) -> None:
        super().__init__(**{"allow_abbrev": False, "formatter_class": Help, **options})

    def error(self, message: str) -> NoReturn:
        raise ValueError(f"{message} (see: {self.prog} --help)")

    def read(self, arguments: Sequence[str]) -> argparse.Namespace:
        """Parse the arguments into options."""
        self._expect_known(arguments)
        options, left = self.parse_known_args(arguments)
        if left:
            hint = COMMAS if any(map(_is_number, left)) else ""
            self.error(f"unrecognized arguments: {' '.join(left)}{hint}")
        return options

    def _expect_known(self, arguments: Sequence[str]) -> None:
        """ValueError for an unknown option or command, before argparse misinterprets its value.

        argparse would answer ``pynn train --lr 0.1`` with the error that there is no data set '0.1'.
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
        names = [name for name in parser._option_string_actions if name.startswith("--")]
        if sentence := words.about(option):
            return f"; {sentence}"
        if match := words.like(option, names, words.OPTIONS):
            return f"; did you mean {match}?"
        for command_name, command in self.commands.items():
            names = [name for name in command._option_string_actions if name.startswith("--")]
            match = words.like(option, names, words.OPTIONS)
            if match and parser is self:
                return f"; options of a command follow it: pynn {command_name} {match} ..."
            if match:
                return f"; only pynn {command_name} has {match}"
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
    if files.ending(text):
        return f"; did you mean pynn train {text} --target COLUMN?"
    match = words.like(text, words.COMMANDS, words.COMMANDS)
    return f"; did you mean pynn {match}?" if match else ""


def choice(known: Iterable[str]) -> Callable[[str], str]:
    """A reader of one of these names in any spelling: LeNet-5 is lenet5."""
    names = {words.plain(name): name for name in known}

    def read(text: str) -> str:
        name = names.get(words.plain(text))
        if name is None:
            match = words.like(text, known, words.CHOICES)
            hint = f"; did you mean {match}?" if match else ""
            raise argparse.ArgumentTypeError(f"invalid choice: {text!r}{hint} (choose from {', '.join(known)})")
        return name

    return read


def dataset(text: str) -> str:
    """The data set of this name, or a TablePath for a path to a file; errors explain common mistakes."""
    hint = ""
    known = words.plain(text) in map(words.plain, datasets.names()) or text.lower().endswith(".safetensors")
    if not known and files.looks_like_a_table(text):
        return files.TablePath(text)
    if _is_number(text):
        hint = COMMAS
    elif text.lower() in ("yes", "no", "true", "false", "on", "off"):
        hint = "; --batchnorm and --no-batchnorm take no value"
    elif text.partition(":")[0] in augment.AUGMENTATIONS:
        hint = "; separate the names after --augment by commas: --augment flip,crop"
    elif "=" in text:
        hint = "; an option begins with two dashes: --epochs 5"
    elif text.lower().endswith(".safetensors"):
        hint = ", which is a model file; the model comes first: pynn evaluate MODEL DATASET"
    if hint:
        raise argparse.ArgumentTypeError(f"there is no data set {text!r}{hint}")
    try:
        return datasets.find(text)
    except ValueError as cause:
        raise argparse.ArgumentTypeError(str(cause)) from None


def columns(text: str) -> tuple[str, ...]:
    """Names of columns separated by commas."""
    names = tuple(name.strip() for name in text.split(",") if name.strip())
    if not names:
        raise argparse.ArgumentTypeError(f"expected names of columns separated by commas; got {text!r}")
    return names


def widths(text: str) -> tuple[int, ...]:
    """The layer widths in text such as 512,512 or none."""
    if text.strip().lower() in ("", "none"):
        return ()
    try:
        return tuple(count(part) for part in text.split(","))
    except argparse.ArgumentTypeError:
        raise argparse.ArgumentTypeError(
            f"expected widths of at least 1, such as 512 or 512,512, or none; got {text!r}"
        ) from None


def _checked(convert: Callable[[str], T], fits: Callable[[T], bool], expected: str) -> Callable[[str], T]:
    """A reader of an option's value that accepts what satisfies `fits`."""

    def read(text: str) -> T:
        try:
            value = convert(text)
        except ValueError:
            value = None
        if value is None or not fits(value):
            raise argparse.ArgumentTypeError(f"expected {expected}; got {text!r}")
        return value

    return read


count = _checked(int, lambda value: 1 <= value <= sys.maxsize, "a whole number of at least 1")
seed = _checked(int, lambda value: 0 <= value < 2**64, "a whole number 0 .. 2^64 - 1")
share = _checked(float, lambda value: 0 <= value < 1, "a number of at least 0 and below 1")
part = _checked(float, lambda value: 0 < value < 1, "a number above 0 and below 1")
positive = _checked(float, lambda value: 0 < value < math.inf, "a number above 0")
not_negative = _checked(float, lambda value: 0 <= value < math.inf, "a number of at least 0")


# Options that several commands have


def add_table(group: Any) -> None:
    """Which columns of a table are learned, and how."""
    group.add_argument("--target", metavar="COLUMN", help="the column to predict")
    group.add_argument(
        "--task", metavar="TASK", type=choice(("classification", "regression")),
        help="classification or regression (default: guessed from the target, and said)",
    )  # fmt: skip
    group.add_argument("--test", metavar="SHARE", type=part, help="share of the rows that is held out (default: 0.2)")
    group.add_argument("--drop", metavar="COLUMNS", type=columns, help="columns to leave out, separated by commas")
    group.add_argument(
        "--categorical", metavar="COLUMNS", type=columns, help="columns of numbers that are categories, such as codes"
    )
    add_encoding(group)


def add_encoding(command: Any) -> None:
    """How a text file is written."""
    command.add_argument("--encoding", metavar="NAME", help="of a text file: cp1252, utf-16, ... (default: utf-8)")


def add_data(command: Any) -> None:
    """Where data sets are."""
    command.add_argument("--data", metavar="FOLDER", help="where the files of the data sets are (default: $PYNN_DATA)")


def add_threads(command: Any) -> None:
    """How many threads run."""
    command.add_argument(
        "--threads",
        metavar="N",
        type=count,
        help="threads of the native kernels (default: $OMP_NUM_THREADS, else all cores)",
    )
