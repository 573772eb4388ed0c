"""Arguments of a search that need more than a check: stages, the usual metric, the folder for models."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from optuna.exceptions import TrialPruned

from .. import checks
from ..checks import Count, expect_name, is_number
from ..messages.terminal import brief
from ..monitor import grows
from ..saving import files
from .data import Part
from .space import Space
from .storage import journal
from .trials import measured, trial

TRIED = 10  # points of the space, of which one shall make a model


class Jobs(Count):
    """A number of processes, a client of Dask's distributed, or the address of its scheduler."""

    def __call__(self, where: str, name: str, value: Any) -> Any:
        if isinstance(value, str) and ":" in value:
            return value
        module = sys.modules.get("distributed")  # it is not imported for others
        if module is None or not isinstance(value, module.Client):
            return super().__call__(where, name, value)
        if value.asynchronous:
            raise TypeError(f"{where}: {name} is an asynchronous Client, expected a Client(asynchronous=False)")
        return value

    def text(self, name: str) -> str:
        """What is expected, for messages."""
        return f"{super().text(name)}, a Client of Dask's distributed, or its scheduler's address"


def listed_stages(stages: Any) -> list[tuple[int, int]]:
    """The stages; ValueError or TypeError for anything but pairs of trials and epochs."""
    if not isinstance(stages, Iterable) or not (listed := list(stages)):
        raise TypeError(f"stages is {brief(stages)}, expected a list of (trials, epochs): [(30, 3), (15, 10), (5, 30)]")
    for stage in listed:
        if not isinstance(stage, (tuple, list)) or len(stage) != 2 or not all(map(Count(1).holds, stage)):
            raise ValueError(f"stages has {brief(stage)}, expected (trials, epochs), two integers of at least 1")
    return [(trials, epochs) for trials, epochs in listed]


def chosen_metric(build: Callable[..., Any], space: Space, part: Part, metric: str | None, mode: str) -> str:
    """The score: this measurement, or by default val_accuracy, or val_loss if the loss defines no accuracy.

    ValueError if nothing measures it, or nobody knows its direction.
    """
    if metric is not None:
        expect_name("Search", "a measurement", metric=metric)
    if metric not in measured.ALWAYS:
        made = _some_model(build, space, part)
        if isinstance(made, Exception) and metric is None:
            raise made
        if not isinstance(made, Exception):
            metric = metric or ("val_accuracy" if "accuracy" in measured.names(*made) else "val_loss")
            measured.expect(metric, *made)
    assert metric is not None
    grows("Search", metric, mode)
    if not metric.startswith("val_") and metric != "learning_rate":
        held_out = "val_loss" if metric in ("data_loss", "penalty") else f"val_{metric}"
        checks.warn(f"Search: metric is {metric!r}, measured on the samples that are trained on, which large networks "
                    f"learn by heart; {held_out!r} is that of the samples held out")  # fmt: skip
    return metric


def _some_model(build: Callable[..., Any], space: Space, part: Part) -> trial.Built | Exception:
    """A model of the space and its settings, or the error of the first attempt. Parameters may make no model."""
    rng, errors = np.random.default_rng(0), []
    for place in range(TRIED):
        params = space.random(rng) if place else space.middle()
        try:
            return trial.built(build, params, 1, 0, part)
        except Exception as error:
            errors.append(error)
            if not place and hasattr(error, "add_note"):  # Python 3.11
                error.add_note(_tried(error, params))
    return errors[0]


def _tried(error: Exception, params: Mapping[str, Any]) -> str:
    """In words what `build` was given when it raised the error, and what may be done."""
    note = f"Search tried build with {params}, and with {TRIED - 1} others, which failed too"
    if isinstance(error, TrialPruned):
        return f"{note}; metric='val_loss', or another, has the search begin without a model"
    return note


def expect_validation(validation: Any) -> None:
    """ValueError or TypeError for a number that is no share, and for samples without targets."""
    if is_number(validation) and not 0 < validation < 1:
        raise ValueError(f"Search: validation is {validation:g}, expected a share of the samples, such as 0.2")
    if hasattr(validation, "shape") and not is_number(validation):
        raise TypeError(
            f"Search: validation is one array, of shape {validation.shape}, expected a share, a pynn.Split, or samples "
            "with their targets: validation=(x_val, y_val)"
        )


def models_folder(folder: Any, storage: Any) -> Path | None:
    """The folder for models: the given one, or one beside the journal file, whose whole name it has."""
    if folder is not None:
        return Path(os.path.abspath(files.named(folder)))
    if isinstance(storage, (str, os.PathLike)) and not journal.is_url(storage):
        return Path(f"{os.path.abspath(files.named(storage))}.models")
    return None
