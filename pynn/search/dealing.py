"""Deals units of samples, those that are equal or of a group, out to parts of given shares."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ..typing import Array


def dealt(units: Array, classes: Array, shares: Sequence[float], random: np.random.Generator) -> Array:
    """The part of each unit: large ones first, to the part that lacks most of their classes, then most samples.

    Parameters
    ----------
    units : array (N,)
        The unit of each sample, 0..U-1.
    classes : array (N,)
        The class of each sample, 0..C-1.
    shares : list of float
        What each part is to have of the samples of every class.
    random : Generator
        Draws the order of units of the same size.
    """
    places, sizes = np.argsort(units, kind="stable"), np.bincount(units)
    starts, counts = np.cumsum(sizes) - sizes, np.bincount(classes)
    order = random.permutation(len(sizes))
    order = order[np.argsort(-sizes[order], kind="stable")]
    part, lacking = np.empty(len(sizes), np.int64), np.outer(counts, shares)
    total, large = lacking.sum(axis=0), int(np.count_nonzero(sizes > 1))
    for unit in order[:large]:
        found, own = np.unique(classes[places[starts[unit] :][: sizes[unit]]], return_counts=True)
        wanted = (own / counts[found] ** 2) @ lacking[found]
        part[unit] = chosen = np.lexsort((-total.round(9), -wanted.round(12)))[0]
        lacking[found, chosen] -= own
        total[chosen] -= sizes[unit]
    single = order[large:]
    kinds = classes[places[starts[single]]]
    for same in by_value(kinds):
        each = _filled(lacking[kinds[same[0]]], total, len(same))
        part[single[same]] = np.repeat(np.arange(len(shares)), each)
        total -= each
    return part


def _filled(lacking: Array, total: Array, count: int) -> Array:
    """How many of so many samples each part gets; the last ones go to parts that lack most in total, too."""
    room = np.maximum(lacking, 0)
    exact = room * (count / room.sum())
    whole: Array = np.floor(exact + 1e-9).astype(np.int64)
    first = np.lexsort((-(total - whole).round(9), -(exact - whole).round(9)))
    whole[first[: count - whole.sum()]] += 1
    return whole


def fill_empty(part: Array, sizes: Array) -> None:
    """Give that of two parts which has no unit the smallest one of the other, if this has several."""
    if len(part) > 1 and part.min() == part.max():
        part[np.argmin(sizes)] = 1 - part[0]


def by_value(values: Array) -> list[Array]:
    """The places of each value."""
    if not len(values):
        return []
    order = np.argsort(values, kind="stable")
    return np.split(order, np.flatnonzero(np.diff(values[order])) + 1)
