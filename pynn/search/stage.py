"""A stage of a search: its study, and in words what it did."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Generic, TypeVar

from ..messages.counting import several
from .storage.records import Trial
from .storage.stored import Stored

Kind = TypeVar("Kind", bound=Stored)


class Stage(Generic[Kind]):
    """A stage of a search.

    Parameters
    ----------
    study : Stored
        Its trials.

    Attributes
    ----------
    words : list of str
        What became of the ranges after it.
    start : int or None
        The trial of the stage before whose weights trials began with.
    """

    def __init__(self, study: Kind) -> None:
        self.study, self.words = study, list[str]()
        self.start: int | None = None

    def text(self, trials: Sequence[Trial]) -> str:
        """What it did, in words. trials: of this stage."""
        number = self.study.stage
        text = f"stage {number}: {several(len(trials), 'trial')} of {several(self.study.settings.epochs, 'epoch')}"
        if self.start is not None:
            text += f", {sum(one.went_on for one in trials)} of them on from the weights of trial {self.start}"
        return "; ".join([text, *self.words])
