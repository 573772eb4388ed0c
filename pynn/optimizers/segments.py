"""Segments: what a model wants done differently with some stretches of its flat vector. Knows no layers."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from itertools import pairwise
from typing import NamedTuple


class Segment(NamedTuple):
    """One block of the flat vector, up to the start of the next one, and how it is trained.

    start, stop: its place. frozen: it is not trained (default False). factor: of the learning rate (default 1).
    decays: whether weight decay counts it (default True). missed: the steps that it was frozen in (default 0; filled in
    by the optimizer).
    """

    start: int
    stop: int
    frozen: bool = False  # nothing changes it, nor the optimizer's state of it
    factor: float = 1.0  # of the learning rate
    decays: bool = True  # counts for weight decay: weights do, biases, gamma and beta do not
    missed: int = 0  # steps of the optimizer that left it out


class Missed(NamedTuple):
    """A stretch of the flat vector that some steps left out, since it was frozen then."""

    start: int
    stop: int
    steps: int


def runs(segments: Iterable[Segment], by_decay: bool, missed: Sequence[Missed] = ()) -> tuple[Segment, ...]:
    """The stretches that are trained, neighbours with equal settings made one: each is one kernel call of a step.

    by_decay: whether it matters what counts for weight decay; else everything does. missed: what `add_missed` gives.
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
    """The segment in parts that have missed the same number of steps."""
    inside = [one for one in missed if one.start < segment.stop and one.stop > segment.start]
    for one in inside:
        start, stop = max(one.start, segment.start), min(one.stop, segment.stop)
        yield segment._replace(stop=start)
        yield segment._replace(start=start, stop=stop, missed=one.steps)
        segment = segment._replace(start=stop)
    yield segment


def add_missed(missed: Iterable[Missed], segments: Iterable[Segment], steps: int) -> tuple[Missed, ...]:
    """What has missed how many steps, in order, once the frozen ones of these segments have missed `steps` more."""
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
