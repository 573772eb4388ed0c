"""What the seeds of an experiment say of its claims."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from statistics import median

from .experiment import Claim, Experiment, Result

SHARE = 0.8  # of the seeds have to support a claim
FEWEST = 3  # seeds for a verdict


@dataclass(frozen=True)
class Verdict:
    """A claim with its figures.

    Parameters
    ----------
    claim : Claim
        What is judged.
    figures : tuple of float
        One for each seed; NaN where a run gave no finite number, which never supports a claim.
    """

    claim: Claim
    figures: tuple[float, ...]

    @property
    def supported(self) -> int:
        """How many seeds support the claim."""
        return sum(map(self.claim.supported_by, self.figures))

    @property
    def judged(self) -> bool:
        """Whether there are enough seeds."""
        return len(self.figures) >= FEWEST

    @property
    def holds(self) -> bool:
        """Whether four of five seeds support the claim, and their median does."""
        enough = self.supported >= math.ceil(SHARE * len(self.figures))
        return self.judged and enough and self.claim.supported_by(self.median)

    @property
    def state(self) -> str:
        """What it is called: holds, fails, or open where there are too few seeds."""
        return "open" if not self.judged else "holds" if self.holds else "fails"

    @property
    def median(self) -> float:
        """The figure in the middle."""
        return median(self.figures) if all(f == f for f in self.figures) else math.nan


@dataclass(frozen=True)
class Outcome:
    """The results of an experiment.

    Parameters
    ----------
    experiment : Experiment
        What was run.
    results : dict
        Seed to what the run returned.
    seconds : float
        Time of all runs together.
    quick : bool
        Whether it was the short form.
    """

    experiment: Experiment
    results: Mapping[int, Result]
    seconds: float
    quick: bool

    @cached_property
    def verdicts(self) -> tuple[Verdict, ...]:
        """One for each claim."""
        return tuple(
            Verdict(claim, tuple(_figure(self.experiment, claim, result) for result in self.results.values()))
            for claim in self.experiment.claims
        )


def _figure(experiment: Experiment, claim: Claim, result: Result) -> float:
    if claim.key not in result:
        raise KeyError(f"experiment {experiment.name}: run returned no {claim.key!r}")
    value = result[claim.key]
    return math.nan if value is None else float(value)
