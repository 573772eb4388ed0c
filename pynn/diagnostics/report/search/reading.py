"""Trials of a search as its page shows them: their scale of scores, and values as text. Knows no charts."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from typing import Any

import numpy as np

from .... import searched
from .. import scales, words
from ..scales import Scale

LONGEST = 60  # characters of a value
NARROW = 22  # characters of a setting that fit into a column
NUMBER = re.compile(r"(?<![\w.])\d+(?:\.\d+(?:e[+-]?\d+)?|e[+-]?\d+)(?![\w.])")


def scale(result: Any, trials: Sequence[Any]) -> Scale:
    """The axis of the scores."""
    values = np.array([searched.score(one) for one in trials])
    return scales.around(values, log=searched.is_wide(result, values))


def has_scores(trials: Sequence[Any]) -> bool:
    """Whether there is a score to draw."""
    return any(math.isfinite(searched.score(one)) for one in trials)


def staged(result: Any) -> bool:
    """Whether there are several stages."""
    return len(result.spaces) > 1


def called(result: Any, trial: Any) -> str:
    """What a trial is called in a sentence."""
    return f"trial {trial.number} of stage {trial.stage}" if staged(result) else f"trial {trial.number}"


def names(result: Any) -> list[str]:
    """The parameters of all stages and options, in their order."""
    return list(searched.parts(result))


def plain(value: Any) -> str:
    """A value of a parameter as text that is not escaped yet."""
    if isinstance(value, (tuple, list)):
        return f"({', '.join(map(plain, value))})"
    return words.number(value) if isinstance(value, float) else str(value)


def shown(value: Any) -> str:
    """A value of a parameter as HTML."""
    return words.escaped(plain(value), LONGEST)


def shortened(text: str) -> str:
    """A setting of `fit` with numbers of four digits."""
    return NUMBER.sub(lambda found: f"{float(found[0]):.4g}".replace("e-0", "e-"), text)


def code(text: str) -> str:
    """A setting of `fit` as HTML: its lines break after spaces, brackets and equals signs."""
    return re.sub(r"([(=])", r"\1<wbr>", words.escaped(text, 400))


def settings(params: Any) -> str:
    """Parameters with their values, as a sentence has them."""
    return ", ".join(f"{words.escaped(name, LONGEST)} <b>{shown(value)}</b>" for name, value in params.items())
