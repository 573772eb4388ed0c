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
    """

    def __init__(self, study: Kind) -> None:
        self.study, self.words = study, list[str]()

    def text(self, trials: Sequence[Trial]) -> str:
        """What it did, in words. trials: of this stage."""
        number = self.study.stage
        text = f"stage {number}: {several(len(trials), 'trial')} of {several(self.study.settings.epochs, 'epoch')}"
        if starts := self.study.starts:
            many = "trials" if len(starts) > 1 else "trial"
            which = " and ".join(map(str, starts))
            text += f", {sum(one.went_on for one in trials)} of them on from the weights of {many} {which}"
        return "; ".join([text, *self.words])
