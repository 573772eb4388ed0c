"""Ranges of numbers, each on its own scale. Knows no spaces and no trials."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal
from typing import TYPE_CHECKING, Any

from ... import checks
from ...checks import ANY, POSITIVE, is_integer, is_number
from ...messages.numbers import told_apart
from ...messages.terminal import brief
from ...signatures import answering

if TYPE_CHECKING:
    from optuna.trial import BaseTrial

EDGE = 0.15  # of a range: so near to its end is at the edge
POSITIVE_LOW = POSITIVE.with_hint(": a logarithmic scale has no 0; use uniform, or a small number such as 1e-6")


class Range:
    """Numbers from low to high; `uniform`, `log_uniform` and `integer` make them.

    Parameters
    ----------
    low, high : float
        The ends, both included.
    log : bool
        Whether the scale is logarithmic.
    whole : bool
        Whether only integers are taken.
    within : tuple of float, optional
        The ends beyond which the range is never moved.
    """

    def __init__(self, low: float, high: float, log: bool, whole: bool, within: tuple[float, float] | None) -> None:
        self.low, self.high, self.log, self.whole, self.within = low, high, log, whole, within

    @property
    def kind(self) -> str:
        """The name of the function that makes such a range."""
        return "integer" if self.whole else "log_uniform" if self.log else "uniform"

    def __repr__(self) -> str:
        log = ", log=True" if self.whole and self.log else ""
        within = "" if self.within is None else f", within={self.within}"
        return f"{self.kind}({', '.join(told_apart((self.low, self.high)))}{log}{within})"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Range) and vars(self) == vars(other)

    __hash__ = None  # type: ignore[assignment]

    def data(self) -> dict[str, Any]:
        """The range as a space's file has it."""
        options = {"log": True} if self.whole and self.log else {}
        within = {} if self.within is None else {"within": list(self.within)}
        return {self.kind: [self.low, self.high], **options, **within}

    def suggest(self, trial: BaseTrial, name: str) -> float:
        """The number that Optuna takes for a trial."""
        if self.whole:
            return trial.suggest_int(name, int(self.low), int(self.high), log=self.log)
        return trial.suggest_float(name, self.low, self.high, log=self.log)

    def position(self, value: float) -> float:
        """Where a number lies on the scale: 0 at low, 1 at high."""
        low, high, place = (math.log(one) if self.log else one for one in (self.low, self.high, value))
        return 0.5 if low == high else (place - low) / (high - low)  # logarithms of neighbours may be the same

    def at_exactly(self, position: float) -> float:
        """The number at a position, which may lie outside 0..1; also of integers it may be a fraction."""
        if position in (0, 1):
            return self.high if position else self.low  # which logarithms give but for their last bits
        if self.log:
            return math.exp(math.log(self.low) + position * (math.log(self.high) - math.log(self.low)))
        return self.low + position * (self.high - self.low)

    def edge(self, end: str) -> tuple[float, float]:
        """From where to where its "lower" or "upper" end is."""
        first, last = (0.0, EDGE) if end == "lower" else (1 - EDGE, 1.0)
        return self.at_exactly(first), self.at_exactly(last)

    def at(self, position: float) -> float:
        """The number that a trial may take at a position of 0..1."""
        value = self.at_exactly(position)
        return round(value) if self.whole else value

    def points(self, count: int) -> list[float]:
        """So many numbers equally far from each other on the scale, or all integers if there are not more."""
        if self.whole and self.high - self.low < count:
            return list(range(int(self.low), int(self.high) + 1))
        places = [0.5] if count == 1 else [place / (count - 1) for place in range(count)]
        found = [min(max(self.at(place), self.low), self.high) for place in places]
        return sorted(set(found))

    @property
    def limits(self) -> tuple[float, float]:
        """How far the range may be moved: half of the way to 0, where a logarithm never comes, and of shares to 1."""
        if self.within is not None:
            return self.within
        if self.whole or self.log:
            return -math.inf if self.low < 0 else 1 if self.whole and self.low >= 1 else 0, math.inf
        share = self.low >= 0 and self.high <= 1
        return -math.inf if self.low < 0 else self.low / 2, (1 + self.high) / 2 if share else math.inf

    def between(self, low: float, high: float) -> Range:
        """The same kind of range with other ends, of few digits: all between them stays in it, as far as limits allow.

        Ends are rounded outwards to three digits of its width, or of themselves if its scale is logarithmic and wide.
        """
        least, most = self.limits
        inside = low >= self.low, high <= self.high  # then rounding must not take them out
        if self.whole:
            low, high = math.floor(round(low, 6)), math.ceil(round(high, 6))
            high = max(high, low + 1)
        elif low < high and (low > 0 or not self.log):
            width = min(math.log(high / low), 1.0) if self.log else high - low
            low, high = (
                end if end in (self.low, self.high) else _rounded(end, width * end if self.log else width, direction)
                for end, direction in ((low, ROUND_FLOOR), (high, ROUND_CEILING))
            )
        least, most = self.low if inside[0] else least, self.high if inside[1] else most
        low, high = max(low, least), min(high, most)
        if not low < high or (self.log and low <= 0):
            return self
        return Range(low, high, self.log, self.whole, self.within)


@answering
def uniform(low: float, high: float, *, within: Sequence[float] | None = None) -> Range:
    """Numbers from low to high, each as likely as the others.

    Parameters
    ----------
    low, high : float
        The ends, low < high.
    within : (float, float), optional
        Ends beyond which `coarse_to_fine` never moves the range. By default it moves an end at most half of the way to
        0 if low is not negative, and to 1 if the range lies in 0..1, where 1 may make no sense: of a momentum.

    Returns
    -------
    Range
        For a space.

    Raises
    ------
    ValueError or TypeError
        If the ends are no numbers, or not in order.

    Examples
    --------
    >>> space = {"dropout": uniform(0.0, 0.6)}
    """
    _expect_ends("uniform", low, high)
    return Range(float(low), float(high), False, False, _limits("uniform", low, high, within))


@answering
def log_uniform(low: float, high: float, *, within: Sequence[float] | None = None) -> Range:
    """Numbers from low to high, equally likely on a logarithmic scale: for learning rates and penalties.

    Parameters
    ----------
    low, high : float
        The ends, 0 < low < high.
    within : (float, float), optional
        Ends beyond which `coarse_to_fine` never moves the range.

    Returns
    -------
    Range
        For a space.

    Raises
    ------
    ValueError or TypeError
        If the ends are no numbers, not in order, or not above 0.

    References
    ----------
    .. [1] CS231n, "Neural Networks Part 3", hyperparameter ranges.

    Examples
    --------
    >>> space = {"learning_rate": log_uniform(1e-5, 1e-1)}
    """
    ANY("log_uniform", "low", low)  # of text no hint at 0
    POSITIVE_LOW("log_uniform", "low", low)
    _expect_ends("log_uniform", low, high)
    return Range(float(low), float(high), True, False, _limits("log_uniform", low, high, within))


@answering
def integer(low: int, high: int, *, log: bool = False, within: Sequence[float] | None = None) -> Range:
    """Whole numbers from low to high, both included.

    Parameters
    ----------
    low, high : int
        The ends, low < high.
    log : bool, default False
        Whether they are equally likely on a logarithmic scale, as numbers of units are.
    within : (int, int), optional
        Ends beyond which `coarse_to_fine` never moves the range. By default 1 or 0 if low is not below it.

    Returns
    -------
    Range
        For a space.

    Raises
    ------
    ValueError or TypeError
        If the ends are no integers, or not in order.

    Examples
    --------
    >>> space = {"layers": integer(1, 6), "units": integer(16, 512, log=True)}
    """
    checks.expect_flag("integer", log=log)
    for name, value in (("low", low), ("high", high)):
        if not _is_whole(value):
            raise TypeError(f"integer: {name} is {brief(value)}, expected an integer; use uniform for other numbers")
    low, high = int(low), int(high)  # 1e3 is one too
    if log:
        checks.Count(1)("integer", "low", low)
    _expect_ends("integer", low, high)
    return Range(low, high, log, True, _limits("integer", low, high, within))


def _is_whole(value: object) -> bool:
    """Whether it is a whole number, of whatever type."""
    return is_integer(value) or (is_number(value) and float(value).is_integer())  # type: ignore[arg-type]


def _rounded(end: float, width: float, direction: str) -> float:
    """The number with three digits of the width, which is not 0. direction: of `decimal`."""
    if not width:  # smaller than any number
        return end
    decimals = 2 - math.floor(math.log10(width))
    exact = Decimal(repr(round(end, decimals + 6)))  # 0.30000000000000004 shall not become 0.31
    return float(exact.quantize(Decimal(1).scaleb(-decimals), direction))


MAKERS: dict[str, Callable[..., Range]] = {"uniform": uniform, "log_uniform": log_uniform, "integer": integer}


def _expect_ends(kind: str, low: Any, high: Any) -> None:
    for name, value in (("low", low), ("high", high)):
        ANY(kind, name, value)
    if not low < high:
        raise ValueError(
            f"{kind}: low is {low:g} and high is {high:g}, expected low < high; a choice of one value fixes it"
        )


def _limits(kind: str, low: float, high: float, within: Any) -> tuple[float, float] | None:
    if within is None:
        return None
    two = isinstance(within, (tuple, list)) and len(within) == 2 and all(map(is_number, within))
    if not two or not within[0] <= low < high <= within[1]:
        ends = " and ".join(told_apart((low, high)))
        raise ValueError(f"{kind}: within is {brief(within)}, expected two numbers around {ends}")
    least, most = (one.item() if hasattr(one, "item") else one for one in within)  # a storage takes none of NumPy's
    return least, most
