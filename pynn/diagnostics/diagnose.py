"""diagnose: what is wrong with a training run, in words, with evidence and cure."""

from __future__ import annotations

from typing import Any

from . import sources
from .record import Record
from .verdicts import Verdict, Verdicts


def diagnose(run: Any) -> Verdicts:
    """Say what is wrong with a run.

    Parameters
    ----------
    run : Sequential, History, Record or path
        A trained model, the history that `fit` returned, what a `Monitor` recorded, or the folder that it wrote.

    Returns
    -------
    Verdicts
        In the order of what to try first.
    """
    return of_record(sources.of(run).record)


def of_record(record: Record) -> Verdicts:
    """The verdicts on a record."""
    return Verdicts([Verdict(**finding) for finding in record.findings])
