"""diagnose: what is wrong with a training run, in words, with evidence and cure."""

from __future__ import annotations

from typing import Any

import numpy as np

from .case import Case
from .record import Record
from .rules.causes import judge
from .verdicts import Verdict, Verdicts


def diagnose(run: Any) -> Verdicts:
    """Say what is wrong with a run.

    Parameters
    ----------
    run : Sequential, History or Record
        A trained model, the history that `fit` returned, or what a `Monitor` recorded.

    Returns
    -------
    Verdicts
        In the order of what to try first.
    """
    record = run if isinstance(run, Record) else (run if hasattr(run, "record") else run.history).record
    return of_record(record)


def of_record(record: Record) -> Verdicts:
    """The verdicts on a record."""
    if not record.snapshots:
        return Verdicts([Verdict(**finding) for finding in record.findings])
    with np.errstate(all="ignore"):
        return judge(Case(record))
