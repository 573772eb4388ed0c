"""Output of the commands: errors as sentences, text that fits the terminal."""

from __future__ import annotations

import os
import sys

import pynn

from .. import kernels
from ..messages import terminal
from ..messages.counting import several


def sentence(error: BaseException) -> str:
    """The error's message in one line."""
    if isinstance(error, OSError) and error.strerror:
        text = f"{error.filename}: {error.strerror}" if error.filename is not None else error.strerror
    elif isinstance(error, MemoryError):
        text = f"not enough memory ({error or 'no details'}); take smaller layers or a smaller batch"
    else:
        text = str(error)
    return terminal.printable(" ".join(text.split())) or type(error).__name__


def width() -> int | None:
    """Columns of the terminal that stdout is; None if it is not a terminal."""
    return terminal.width(sys.stdout)


def filled(text: str) -> str:
    """The text broken into lines that fit the terminal."""
    text = terminal.printable(text)
    columns = width()
    if columns is None or len(text) <= columns:
        return text
    import textwrap

    return textwrap.fill(text, columns, subsequent_indent="  ", break_long_words=False, break_on_hyphens=False)


def print_backend() -> None:
    """Say what runs, and why NumPy does if it was not asked for."""
    info = pynn.info()
    if info.backend == "numpy" and not os.environ.get("PYNN_BACKEND"):
        terminal.say(f"pynn runs on NumPy: {kernels.why_not_native()}")
    runs = f"native kernels, instruction set {info.isa}, {several(info.threads, 'thread')}"
    print(filled(f"pynn {info.version}, {runs if info.backend == 'native' else f'NumPy {info.numpy}'}"))
