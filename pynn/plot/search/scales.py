"""Parameters of a search on axes: each on its own scale. Spaces are read by attribute. Knows no figures."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from ...messages.counting import several
from ...messages.numbers import told_apart
from ...messages.terminal import brief, printable
from ...searched import Parameter, parts

LONGEST = 24  # characters of a name


class Scale(Parameter):
    """A parameter on an axis of a figure."""

    def share(self, value: Any) -> float:
        """Where a value lies from end to end, 0..1."""
        if self.named:
            return 0.5 if len(self.values) == 1 else self.place(value) / (len(self.values) - 1)
        low, high, place = (math.log(one) if self.log else one for one in (self.low, self.high, value))
        return 0.5 if low == high else (place - low) / (high - low)

    def marks(self, longest: int) -> list[tuple[float, str]]:
        """Shares with their texts, for an axis from end to end: the values, or both ends and the middle."""
        if self.named:
            return [(self.share(value), written(value, longest)) for value in self.values]
        values = self.three()
        return list(zip(map(self.share, values), told_apart(values, 2), strict=True))


def scales(result: Any) -> dict[str, Scale]:
    """The scale of each parameter of a search."""
    expect_result(result)
    return {name: Scale(own) for name, own in parts(result).items()}


def expect_result(result: Any) -> None:
    """TypeError or ValueError for anything but the result of a search with trials."""
    if not hasattr(result, "ranked") or not hasattr(result, "spaces"):
        raise TypeError(f"result is {brief(result)}, expected what Search.run or Search.coarse_to_fine returns")
    if not result.trials:
        raise ValueError("the search has no trials, so there is nothing to draw")


def chosen(known: Sequence[str], wanted: Sequence[str] | None) -> list[str]:
    """The parameters to draw; ValueError for one that there is not."""
    if wanted is None:
        return list(known)
    names = [wanted] if isinstance(wanted, str) else list(wanted)
    unknown = [name for name in names if name not in known]
    if unknown or not names:
        came = brief(unknown[0]) if unknown else "nothing"
        raise ValueError(f"names has {came}, expected some of {', '.join(map(printable, known))}")
    return names


def counted(trials: Sequence[Any]) -> str:
    """How many trials these are."""
    return several(len(trials), "trial")


def spoken(name: str) -> str:
    """The name of a measurement or a parameter."""
    return short(name, LONGEST)


def short(name: str, longest: int) -> str:
    """A name of no more characters than that; its middle is left out, since ends tell names apart."""
    text = printable(name, 200)
    if len(text) <= longest:
        return text
    tail = (longest - 1) // 3
    return f"{text[: longest - 1 - tail]}…{text[len(text) - tail :]}"


def written(value: Any, longest: int = LONGEST) -> str:
    """A value of a parameter as text."""
    if isinstance(value, (tuple, list)):
        return short(", ".join(written(one) for one in value) or "none", longest)
    return f"{value:.3g}" if isinstance(value, float) else short(str(value), longest)
