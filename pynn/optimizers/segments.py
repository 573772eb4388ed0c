"""Segments: what a model wants done differently with some stretches of its flat vector. Knows no layers."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple


class Segment(NamedTuple):
    """One block of the flat vector, up to the start of the next one, and how it is trained.

    start, stop: its place. frozen: it is not trained (default False). factor: of the learning rate (default 1).
    decays: whether weight decay counts it (default True).
    """

    start: int
    stop: int
    frozen: bool = False  # nothing changes it, nor the optimizer's state of it
    factor: float = 1.0  # of the learning rate
    decays: bool = True  # counts for weight decay: weights do, biases, gamma and beta do not


def runs(segments: Iterable[Segment], by_decay: bool) -> tuple[Segment, ...]:
    """The stretches that are trained, neighbours with equal settings made one: each is one kernel call of a step.

    by_decay: whether it matters what counts for weight decay; else everything does.
    """
    found: list[Segment] = []
    for segment in segments:
        if segment.frozen:
            continue
        run = segment if by_decay else segment._replace(decays=True)
        if found and found[-1].stop == run.start and found[-1][2:] == run[2:]:
            found[-1] = found[-1]._replace(stop=run.stop)
        elif run.stop > run.start:
            found.append(run)
    return tuple(found)
