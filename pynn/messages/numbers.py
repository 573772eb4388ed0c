"""Numbers of one kind as text that tells them apart."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

MOST = 17  # digits, which tell all floating numbers apart


def told_apart(values: Sequence[float], digits: int = 6) -> list[str]:
    """Numbers with so many digits, or as many more as show how far they are from each other; integers in full.

    Parameters
    ----------
    values : list of float
        The ends of a range, or places along it, in their order.
    digits : int, default 6
        That are enough for numbers far from each other.

    Returns
    -------
    list of str
        Their texts.
    """
    share = 10.0 ** -(digits // 2)  # of a distance, by which it may be shown wrong
    distances = [after - before for before, after in pairwise(values)]
    for count in range(digits, MOST):
        texts = [str(value) if isinstance(value, int) else f"{value:.{count}g}" for value in values]
        shown = [float(after) - float(before) for before, after in pairwise(texts)]
        if all(abs(one - exact) <= share * abs(exact) for one, exact in zip(shown, distances, strict=True)):
            return texts
    return [str(value) if isinstance(value, int) else f"{value:.{MOST}g}" for value in values]
