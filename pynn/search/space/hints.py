"""What to write into a space in place of what is no part of one. Knows no spaces."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from ...checks import is_number
from ...messages.terminal import brief


def instead(value: Any) -> str:
    """The end of an error's text: what to write for the value."""
    if isinstance(value, np.ndarray):
        value = value.tolist()
    if isinstance(value, (list, tuple)):
        return f"; write choice({brief(value)})"
    if isinstance(value, range):
        whole = f"integer({value[0]}, {value[-1]}) or " if len(value) > 1 and value.step == 1 else ""
        return f"; write {whole}choice({brief(value)})"
    if isinstance(value, Mapping):
        if not any(isinstance(one, Mapping) or hasattr(one, "suggest") for one in value.values()):
            return ""
        return (
            "; a space has no spaces in it: write their parameters beside the others, or "
            'choice({"a": {...}, "b": {...}}) for those that only one value has'
        )
    if value is None or isinstance(value, (bool, str)) or is_number(value):
        return f"; leave out what is fixed and write it into build, or write choice([{brief(value)}])"
    made = _of_optuna(value)
    return f"; write {made}" if made else ""


def _of_optuna(value: Any) -> str:
    """What a distribution of Optuna is here; "" if it is none."""
    from optuna.distributions import (  # here: only errors need it
        CategoricalDistribution,
        FloatDistribution,
        IntDistribution,
    )

    if isinstance(value, CategoricalDistribution):
        return f"choice({brief(list(value.choices))})"
    if isinstance(value, IntDistribution):
        log = ", log=True" if value.log else ""
        if value.step != 1:
            return f"choice({range(value.low, value.high + 1, value.step)})"
        return f"integer({value.low}, {value.high}{log})"
    if isinstance(value, FloatDistribution):
        if value.step is not None:
            return "choice([...]) with the values, since ranges have no steps"
        return f"{'log_uniform' if value.log else 'uniform'}({value.low:g}, {value.high:g})"
    return ""
