"""Types of options for argparse: what a campaign cannot do ends in one sentence and exit code 2, before it begins."""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Callable, Iterable
from pathlib import Path

Error = argparse.ArgumentTypeError


class Unable(Exception):
    """The campaign cannot run here; the message says why."""


def integer(least: int) -> Callable[[str], int]:
    """An integer that is not smaller."""

    def convert(text: str) -> int:
        expected = f"expected {'a positive integer' if least == 1 else f'an integer of at least {least:,}'}"
        try:
            value = int(text)
        except ValueError:
            raise Error(f"it is {text!r}, {expected}") from None
        if value < least:
            raise Error(f"it is {text}, {expected}")
        return value

    return convert


positive, natural = integer(1), integer(0)


def seconds(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 0 < value < float("inf"):
        raise Error(f"it is {text!r}, expected a positive number of seconds")
    return value


def megabytes(least: int) -> Callable[[str], int]:
    """So many or more, or 0, which stands for no limit."""

    def convert(text: str) -> int:
        value = natural(text)
        if 0 < value < least:
            raise Error(f"it is {text}, expected at least {least:,}, which the process itself takes, or 0 for no limit")
        return value

    return convert


def names_of(what: str, known: Iterable[str]) -> Callable[[str], list[str]]:
    """Some of these names, with commas between them."""
    all_of_them = list(known)

    def convert(text: str) -> list[str]:
        names = list(dict.fromkeys(name.strip() for name in text.split(",")))
        if unknown := [name for name in names if name not in all_of_them]:
            raise Error(f"there is no {what} {unknown[0]!r}, expected some of {', '.join(all_of_them)}")
        return names

    return convert


def numbered(what: str, known: Iterable[str]) -> Callable[[str], tuple[str, int]]:
    """NAME:NUMBER."""
    one_of = names_of(what, known)

    def convert(text: str) -> tuple[str, int]:
        name, colon, number = text.partition(":")
        if not colon or not (number.isascii() and number.isdigit()):
            raise Error(f"it is {text!r}, expected NAME:NUMBER such as {name or 'NAME'}:7")
        return one_of(name)[0], int(number)

    return convert


def folder(text: str) -> Path:
    """A folder that is there, for new files."""
    try:
        with tempfile.TemporaryFile(dir=text):
            return Path(text)
    except OSError as error:
        raise Error(f"no file can be written to {text!r} ({error.strerror}), expected an existing folder") from None


def new_folder(text: str) -> Path:
    """A folder for new files, which is made where there is none."""
    try:
        Path(text).mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise Error(f"{text!r} cannot be made: {error.strerror}") from None
    return folder(text)
