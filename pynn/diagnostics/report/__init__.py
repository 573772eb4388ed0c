"""The report on a run, on several, or on a search: one HTML file; or a page that follows the training."""

from __future__ import annotations

import os
from collections.abc import Iterable
from typing import Any

from ...saving import files
from .. import sources
from ..record import Record
from . import page, search

__all__ = ["report"]


def report(run_or_runs: Any, path: str | os.PathLike[str]) -> None:
    """Write a page on a training run, on several beside each other, or on a search for hyperparameters.

    The page has the verdicts of `diagnose`, curves, statistics and histograms of the layers, mistakes, data, settings,
    and the command that was run. That of a search has the best settings, a table of trials, their curves, parameters
    and importance, and the stages. It is one file that loads nothing.

    Parameters
    ----------
    run_or_runs : Sequential, Ensemble, estimator, History, Record, path, list of these, or the Result of a search
        Trained models, estimators of `pynn.sklearn`, histories, or folders that a `Monitor` wrote. Of an ensemble the
        trainings of its networks are beside each other. ``pynn.search.load`` reads a search's file.
    path : path
        The HTML file.

    Raises
    ------
    ValueError
        If a run was not watched by a `Monitor`, a folder is damaged, or a search has no trials.
    OSError
        If the file cannot be written.

    Examples
    --------
    >>> history = model.fit(x, y, callbacks=[pynn.Monitor()])
    >>> pynn.diagnostics.report(history, "run.html")
    """
    target = files.named(path)
    if _is_search(run_or_runs):
        files.write_whole(target, search.html(run_or_runs).encode())
        return
    given = list(run_or_runs) if _is_several(run_or_runs) else [run_or_runs]
    if any(map(_is_search, given)):
        raise ValueError("run_or_runs has the result of a search, which has a page of its own: write one for each")
    runs = [network for run in given for network in sources.members(run)]
    if not runs:
        raise ValueError("run_or_runs is empty, expected a run or several")
    content = page.html([sources.of(run) for run in runs])
    files.write_whole(target, content.encode())


def _is_several(runs: Any) -> bool:
    """Whether it is a list of runs; a History is a mapping, a model is iterable over its layers."""
    single = isinstance(runs, (str, os.PathLike, Record)) or hasattr(runs, "record") or hasattr(runs, "history")
    return not single and isinstance(runs, Iterable)


def _is_search(run: Any) -> bool:
    """Whether it is what a search has found."""
    return hasattr(run, "ranked") and hasattr(run, "spaces")
