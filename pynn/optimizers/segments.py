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
        Whether the block and its part of the optimizer's state stay unchanged.
    factor : float, default 1
        Factor of the learning rate.
    decays : bool, default True
        Whether weight decay applies to it: to weights, not to biases, gamma and beta.
    missed : int, default 0
        Number of steps in which it was frozen; set by the optimizer.
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
    merged: list[Segment] = []
    for segment in segments:
        if segment.frozen:
            continue
        for run in _parted(segment if by_decay else segment._replace(decays=True), missed):
            if merged and merged[-1].stop == run.start and merged[-1][2:] == run[2:]:
                merged[-1] = merged[-1]._replace(stop=run.stop)
            elif run.stop > run.start:
                merged.append(run)
    return tuple(merged)


def _parted(segment: Segment, missed: Sequence[Missed]) -> Iterator[Segment]:
    """The segment, cut where the number of missed steps changes."""
    inside = [block for block in missed if block.start < segment.stop and block.stop > segment.start]
    for block in inside:
        start, stop = max(block.start, segment.start), min(block.stop, segment.stop)
        yield segment._replace(stop=start)
        yield segment._replace(start=start, stop=stop, missed=block.steps)
        segment = segment._replace(start=stop)
    yield segment


def add_missed(missed: Iterable[Missed], segments: Iterable[Segment], steps: int) -> tuple[Missed, ...]:
    """How many steps each block has missed, in order, after `steps` more in which these segments held."""
    changes: Counter[int] = Counter()
    frozen = [(segment.start, segment.stop, steps) for segment in segments if segment.frozen]
    for start, stop, count in [*missed, *frozen]:
        changes[start] += count
        changes[stop] -= count
    result, total = [], 0
    for start, stop in pairwise(sorted(edge for edge, change in changes.items() if change)):
        total += changes[start]
        if total > 0:
            result.append(Missed(start, stop, total))
    return tuple(result)
