"""``pynn report``: the page on a run, on several, or on a search; ``pynn doctor``: the verdicts on a run."""

from __future__ import annotations

import argparse
import os
from pathlib import Path
from typing import Any

import pynn

from ..messages import terminal
from ..saving import files
from . import messages

PAGE = "report.html"
FILES = (".log", ".journal", ".db", ".sqlite", ".sqlite3")  # as storages of searches are called


def run(options: argparse.Namespace) -> int:
    """Write or serve the page; return the exit code."""
    _expect_there(options.runs)
    searched = [run for run in options.runs if _is_search(run)]
    _expect_one_kind(options, searched)
    if options.live:
        if options.output is not None:
            raise ValueError("--live writes no file; leave out --output")
        return _serve(options.runs)
    path = Path(options.output or PAGE)
    expect_page(path, "--output")
    pynn.diagnostics.report(_found(searched[0], options.name) if searched else options.runs, path)
    print(f"wrote {terminal.printable(path)}")
    return 0


def _is_search(run: str) -> bool:
    """Whether it is where `pynn search` keeps trials: a file or a URL. Runs are folders."""
    return "://" in run or os.path.isfile(run)


def _expect_there(runs: list[str]) -> None:
    """FileNotFoundError for what has the name of a file and is not there: elsewhere runs are expected."""
    for run in runs:
        if not _is_search(run) and os.path.splitext(run)[1].lower() in FILES and not os.path.exists(run):
            raise FileNotFoundError(
                f"{terminal.printable(run)} does not exist, expected the file in which a search keeps its trials, or "
                "the folder of a run"
            )


def _expect_one_kind(options: argparse.Namespace, searched: list[str]) -> None:
    """ValueError for options that do not go with what is reported."""
    if searched and len(options.runs) > 1:
        raise ValueError(
            f"{terminal.printable(searched[0])} holds a search, which has a page of its own: name it alone"
        )
    if searched and options.live:
        raise ValueError("--live follows trainings, not searches; leave it out, and write the page again later")
    if options.name is not None and not searched:
        raise ValueError("--name is for the storage of a search that holds several; leave it out")


def _found(storage: str, name: str | None) -> Any:
    """What a search has found so far."""
    from ..search import load  # here: Optuna is slow to import, and may be missing

    return load(storage, name)


def expect_page(path: Path, option: str) -> None:
    """ValueError if the page cannot be written."""
    if path.suffix.lower() not in (".html", ".htm"):
        raise ValueError(f"{option}: expected a name that ends in .html, got {str(path)!r}")
    try:
        files.expect_writable(path)
    except OSError as cause:
        raise ValueError(f"{messages.sentence(cause)}; choose another {option}") from cause


def _serve(runs: list[str]) -> int:
    from ..diagnostics.report.live import Live  # here: the server is slow to import

    live = Live(runs)
    print(f"the report is at {live.url}\nCtrl-C ends it", flush=True)
    try:
        live.serve()
    except KeyboardInterrupt:
        terminal.say("pynn: the report has ended")
    return 0


def doctor(options: argparse.Namespace) -> int:
    """Print the verdicts; return 1 if there are any of severity "warning" or "error"."""
    from ..diagnostics import sources  # here: other commands need not load the diagnostics
    from ..diagnostics.report import about

    source = sources.of(options.run_folder)
    print(messages.filled(f"{terminal.printable(options.run_folder)}: {about.ended(source)}"))
    found = pynn.diagnose(source.record)
    print_verdicts(found)
    return 1 if found else 0


def print_verdicts(found: pynn.diagnostics.Verdicts) -> None:
    """Each verdict in a line of its own, or that there is none."""
    for line in str(found).splitlines():
        print(messages.filled(line))
