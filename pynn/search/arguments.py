"""Arguments of a search that need more than a check: stages, the usual metric, the folder for models."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from ..checks import Count
from ..messages.terminal import brief
from ..saving import files
from ..training.measures import Measures
from ..training.trainable import chosen_loss
from . import journal, trial
from .space import Space


def expect_stages(stages: Any) -> None:
    """ValueError or TypeError for anything but pairs of trials and epochs."""
    if not isinstance(stages, Iterable) or not (listed := list(stages)):
        raise TypeError(f"stages is {brief(stages)}, expected a list of (trials, epochs): [(30, 3), (15, 10), (5, 30)]")
    for stage in listed:
        if not isinstance(stage, (tuple, list)) or len(stage) != 2 or not all(map(Count(1).holds, stage)):
            raise ValueError(f"stages has {brief(stage)}, expected (trials, epochs), two integers of at least 1")


def usual_metric(build: Callable[..., Any], space: Space) -> str:
    """val_accuracy, or val_loss if the loss of the model defines no accuracy."""
    model, settings = trial.built(build, space.middle(), 1)
    loss = chosen_loss(model, settings.get("loss"))
    return "val_accuracy" if "accuracy" in Measures(settings.get("metrics")).names(loss) else "val_loss"


def models_folder(folder: Any, storage: Any) -> Path | None:
    """The folder for models: the given one, or one beside the journal file."""
    if folder is not None:
        return Path(os.path.abspath(files.named(folder)))
    if isinstance(storage, (str, os.PathLike)) and not journal.is_url(storage):
        return Path(os.path.abspath(files.named(storage))).with_suffix(".models")
    return None
