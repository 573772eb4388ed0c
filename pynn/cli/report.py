"""``pynn report``: the page on a run, or on several; ``pynn doctor``: the verdicts on a run."""

from __future__ import annotations

import argparse
from pathlib import Path

import pynn

from ..messages import terminal
from ..saving import files
from . import messages

PAGE = "report.html"


def run(options: argparse.Namespace) -> int:
    """Write or serve the page; return the exit code."""
    if options.live:
        if options.output is not None:
            raise ValueError("--live writes no file; leave out --output")
        return _serve(options.runs)
    path = Path(options.output or PAGE)
    expect_page(path, "--output")
    pynn.diagnostics.report(options.runs, path)
    print(f"wrote {terminal.printable(path)}")
    return 0


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
