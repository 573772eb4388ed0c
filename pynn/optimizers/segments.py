"""Segments: how the blocks of a flat vector are trained. Knows no layers."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from itertools import pairwise
from typing import NamedTuple


class Segment(NamedTuple):
    """A block of the flat vector, and how it is trained.

    Parameters
    ----------
    start, stop : int
        Its range.
    frozen : bool, default False
        Whether it and the optimizer's state of it stay as they are.
    factor : float, default 1
        Of the learning rate.
    decays : bool, default True
        Whether weight decay applies to it: to weights, not to biases, gamma and beta.
    missed : int, default 0
        The steps in which it was frozen; set by the optimizer.
    """

    start: int
    stop: int
    frozen: bool = False
    factor: float = 1.0
    decays: bool = True
    missed: int = 0


class Missed(NamedTuple):
    """A block of the flat vector that was frozen in some steps."""

    start: int
    stop: int
    steps: int


def runs(segments: Iterable[Segment], by_decay: bool, missed: Sequence[Missed] = ()) -> tuple[Segment, ...]:
    """The trained blocks, neighbours with equal settings merged: each takes one kernel call a step.

    by_decay: whether `decays` matters; if not, it is True everywhere. missed: the result of `add_missed`.
    """
    found: list[Segment] = []
    for segment in segments:
        if segment.frozen:
            continue
        for run in _parted(segment if by_decay else segment._replace(decays=True), missed):
            if found and found[-1].stop == run.start and found[-1][2:] == run[2:]:
                found[-1] = found[-1]._replace(stop=run.stop)
            elif run.stop > run.start:
                found.append(run)
    return tuple(found)


def _parted(segment: Segment, missed: Sequence[Missed]) -> Iterator[Segment]:
    """The segment, cut where the number of missed steps changes."""
    inside = [one for one in missed if one.start < segment.stop and one.stop > segment.start]
    for one in inside:
        start, stop = max(one.start, segment.start), min(one.stop, segment.stop)
        yield segment._replace(stop=start)
        yield segment._replace(start=start, stop=stop, missed=one.steps)
        segment = segment._replace(start=stop)
    yield segment


def add_missed(missed: Iterable[Missed], segments: Iterable[Segment], steps: int) -> tuple[Missed, ...]:
    """How many steps each block has missed, in order, after `steps` more in which these segments held."""
    changes: Counter[int] = Counter()
    for start, stop, count in [*missed, *((one.start, one.stop, steps) for one in segments if one.frozen)]:
        changes[start] += count
        changes[stop] -= count
    found, total = [], 0
    for start, stop in pairwise(sorted(edge for edge, change in changes.items() if change)):
        total += changes[start]
        if total > 0:
            found.append(Missed(start, stop, total))
    return tuple(found)
