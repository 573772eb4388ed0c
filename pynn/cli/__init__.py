"""The command `pynn`: train, evaluate, predict, search, report, doctor, lab, info.

User errors are one line on stderr and code 2.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from typing import TextIO

import numpy as np

from ..messages import terminal
from . import messages, parser

__all__ = ["main"]

# Errors that pynn raises about its input. Anything else is a bug and shows its traceback.
USER_ERRORS = (ValueError, TypeError, OSError, ImportError, FloatingPointError, MemoryError)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command.

    Parameters
    ----------
    arguments : list of str, optional
        By default those of the process.

    Returns
    -------
    int
        The exit code. 0: done; 1: the training diverged, and no model was written, or `pynn doctor` found something
        wrong; 2: invalid input, explained in one line on stderr; 130: interrupted by Ctrl-C; 141: the output pipe was
        closed.
    """
    if sys.stdout is not None and hasattr(sys.stdout, "reconfigure"):
        sys.stdout.reconfigure(errors="backslashreplace")  # file names may hold what the terminal cannot show
    try:
        with np.errstate(all="ignore"):  # a loss that overflows raises its own error
            code = _run(arguments)
        if sys.stdout is not None:
            sys.stdout.flush()
        return code
    except BrokenPipeError:
        _close(sys.stdout)
        return 141
    except KeyboardInterrupt:
        terminal.say("pynn: interrupted")
        return 130
    except USER_ERRORS as error:
        terminal.say(f"pynn: error: {messages.sentence(error)}")
        _flush(sys.stdout)
        return 1 if isinstance(error, FloatingPointError) else 2


def _run(arguments: Sequence[str] | None) -> int:
    try:
        options = parser.build().read(sys.argv[1:] if arguments is None else arguments)
    except SystemExit as done:  # --help and --version
        return int(done.code or 0)
    return int(options.run(options))


def _flush(stream: TextIO | None) -> None:
    """Write buffered output; if that fails, drop it, so that Python does not complain at exit."""
    if stream is None:
        return
    try:
        stream.flush()
    except OSError:
        _close(stream)


def _close(stream: TextIO) -> None:
    """Redirect the remaining buffered output to the null device."""
    try:
        descriptor = stream.fileno()
    except (OSError, ValueError):  # not a real file
        return
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, descriptor)
    os.close(nowhere)
