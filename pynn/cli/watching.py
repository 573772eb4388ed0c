"""What ``pynn train`` does with what its Monitor saw: verdicts, and the page of --report."""

from __future__ import annotations

import argparse
import os
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pynn

from ..messages import terminal
from . import messages, report


def check(options: argparse.Namespace) -> Path | None:
    """The file of the page; ValueError, before the training, if it or the run's folder cannot be written."""
    if options.run_folder is not None:
        from ..diagnostics import run_folder  # here: other commands need not load the diagnostics

        folder = Path(options.run_folder)
        if not options.run_folder:
            raise ValueError("--run: expected the name of a folder, got ''")
        if run_folder.in_use(folder):
            raise ValueError(f"{terminal.printable(folder)} is in use by another run; choose another --run")
        try:
            run_folder.expect_own(folder)
        except (ValueError, OSError) as cause:
            raise ValueError(f"{messages.sentence(cause)}; choose another --run") from cause
        os.makedirs(folder, exist_ok=True)  # the page may be wanted in it
    if options.report is None:
        return None
    page = Path(options.report)
    report.expect_page(page, "--report")
    return page


def watched(fit: Callable[..., pynn.History], *data: Any, **options: Any) -> pynn.History:
    """Fit without the Monitor's warning, which speaks of Python; the command says the same in its own words."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=r".*pynn\.diagnose\(model\)")
        return fit(*data, **options)


def stopped(monitor: pynn.Monitor) -> str | None:
    """Why the Monitor ended the run, if it did."""
    return None if monitor.record is None else monitor.record.ended.get("stopped")


def end(monitor: pynn.Monitor, page: Path | None, quiet: bool) -> bool:
    """Print the verdicts and write the page; return whether it was written. A failure must not affect the result."""
    if monitor.record is None:
        return False
    if not quiet:
        report.print_verdicts(pynn.diagnose(monitor.record))
    if page is None:
        return False
    try:
        pynn.diagnostics.report(monitor.record, page)
    except OSError as cause:
        terminal.say(f"pynn: no report: {messages.sentence(cause)}")
        return False
    if not quiet:
        print(f"wrote {terminal.printable(page)}")
    return True
