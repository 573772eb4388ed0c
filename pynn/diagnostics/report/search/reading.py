"""Trials of a search as its page shows them: their order, scores, and values as text. Knows no charts."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from ....typing import Array
from .. import scales, words
from ..scales import Scale

MOST = 3000  # trials on a page
FINISHED, UNFINISHED = "finished", "unfinished"
EARLY = ("stopped", "pruned")  # trials that ended before their time, with a score
SPREAD = 20  # times the smallest score: so far the largest one needs a logarithmic axis
LONGEST = 60  # characters of a value


def score(trial: Any) -> float:
    """The score of a trial, NaN where it is of no use: of trials that diverged, failed or have not ended."""
    usable = trial.ended in (FINISHED, *EARLY) and trial.score is not None and math.isfinite(trial.score)
    return float(trial.score) if usable else math.nan


def ordered(result: Any) -> list[Any]:
    """The trials, the best first: those that finished, then those that ended early, then the others."""
    ranked = set(map(id, result.ranked))
    sign = -1 if result.mode == "max" else 1
    others = [one for one in result.trials if id(one) not in ranked]
    others.sort(key=lambda one: sign * score(one) if math.isfinite(score(one)) else math.inf)
    return [*result.ranked, *others][:MOST]


def wide(result: Any, values: Array) -> bool:
    """Whether scores are so far apart that their axis has to be logarithmic."""
    known = values[np.isfinite(values)]
    return bool(result.mode == "min" and len(known) and known.min() > 0 and known.max() > SPREAD * known.min())


def scale(result: Any, trials: Sequence[Any]) -> Scale:
    """The axis of the scores."""
    values = np.array([score(one) for one in trials])
    return scales.around(values, log=wide(result, values))


def staged(result: Any) -> bool:
    """Whether there are several stages."""
    return len(result.spaces) > 1


def called(result: Any, trial: Any) -> str:
    """What a trial is called in a sentence."""
    return f"trial {trial.number} of stage {trial.stage}" if staged(result) else f"trial {trial.number}"


def names(result: Any) -> list[str]:
    """The parameters of all stages and options, in their order."""
    return list(dict.fromkeys(name for space in result.spaces for name in space.flat()))


def plain(value: Any) -> str:
    """A value of a parameter as text that is not escaped yet."""
    if isinstance(value, (tuple, list)):
        return f"({', '.join(map(plain, value))})"
    return words.number(value) if isinstance(value, float) else str(value)


def shown(value: Any) -> str:
    """A value of a parameter as HTML."""
    return words.escaped(plain(value), LONGEST)


def settings(params: Any) -> str:
    """Parameters with their values, as a sentence has them."""
    return ", ".join(f"{words.escaped(name, LONGEST)} <b>{shown(value)}</b>" for name, value in params.items())
