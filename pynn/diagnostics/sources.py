"""Where a record comes from: a model, its history, a record itself, or the folder of a run."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..ensembles.ensemble import Ensemble
from ..messages.terminal import brief
from . import run_folder
from .record import Record


@dataclass(frozen=True, eq=False)
class Source:
    """A record, the name by which the user calls its run, and how it stands with it: ended, running or killed."""

    record: Record
    name: str
    state: str


def members(run: Any) -> list[Any]:
    """The networks of an ensemble or of a fitted estimator, each with a training of its own; else the run itself."""
    if isinstance(run, Ensemble):
        return list(run)
    networks = getattr(run, "_networks", None)  # of an estimator of `pynn.sklearn`
    return [run] if networks is None else networks()


def single(run: Any) -> Any:
    """The run, of an estimator its network; ValueError for an ensemble of several."""
    found = members(run)
    if len(found) > 1:
        first = "ensemble[0]" if isinstance(run, Ensemble) else "estimator.models_[0]"
        raise ValueError(
            f"run is an ensemble of {len(found)} networks, each with a training of its own: pass them one by one, the "
            f"first is {first}"
        )
    return found[0]


def of(run: Any) -> Source:
    """The record of a model, an estimator, a History, a Record, or of the folder of a run.

    TypeError for anything else, ValueError if the run was not watched.
    """
    if isinstance(run, (str, os.PathLike)):
        record = run_folder.read(run)
        return Source(record, Path(os.path.abspath(run)).name or os.fspath(run), run_folder.state(run, record))
    found = run = single(run)
    if not isinstance(run, Record):
        holder = run if hasattr(run, "record") else getattr(run, "history", run)
        if run is None or (holder is not None and not hasattr(holder, "record")):
            raise TypeError(
                f"run is {brief(run)}, expected a model, an estimator, a history, a Record or the folder of a run"
            )
        found = None if holder is None else holder.record
    if found is None:
        raise ValueError("this run was not watched: train with callbacks=[pynn.Monitor()]")
    return Source(found, "", "ended" if found.ended else "running")
