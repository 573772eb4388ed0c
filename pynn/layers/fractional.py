"""Fractional max pooling: regions of random sizes, so that an image shrinks by a fractional ratio."""

from __future__ import annotations

import math

import numpy as np

from ..checks import FLAG, Choice, Interval, Pair
from ..kernels.philox import philox
from ..signatures import takes
from ..typing import Array, Shape
from .pool import Bounds, MaxRegions, Regions
from .randomness import draw
from .shapes import expect_image, pair

MODES = ("random", "pseudorandom")
HALF = 2**31  # of the 2^32 offsets of a pseudorandom sequence


def _pseudorandom(length: int, count: int, word: int) -> Array:
    """Return count + 1 edges ceil(a(i + u)) - ceil(a u), a = length / count, u = word / 2^32: exact, in integers."""
    unit = count << 32
    edges = [-(-length * ((i << 32) + word) // unit) for i in range(count + 1)]
    return np.array(edges, np.int64) - edges[0]


def _random(length: int, count: int, words: Array) -> Array:
    """Return count + 1 edges; the steps floor(a) and ceil(a) are ordered by the random words."""
    step, longer = divmod(length, count)
    steps = np.full(count, step, np.int64)
    steps[np.argsort(words, kind="stable")[:longer]] += 1
    return np.concatenate([np.zeros(1, np.int64), np.cumsum(steps)])


class FractionalMaxPool2d(MaxRegions):
    """Fractional max pooling: y = the maximum of each channel in each region, P = floor(H / ratio) rows of regions.

    Parameters
    ----------
    ratio : float or tuple (rows, columns)
        How much smaller the image gets, at least 1; usually 1 < ratio < 2.
    mode : {"random", "pseudorandom"}, default "random"
        "random" puts the region sizes in random order; "pseudorandom" uses the edges ceil(a(i + u)), a = H/P, with a
        random 0 <= u < 1, which is more even.
    overlapping : bool, default True
        Whether a region includes the first row and column of the next, which the paper found better.

    Raises
    ------
    ValueError
        If it is built on inputs that are not images, or ratio leaves no output.

    Notes
    -----
    Input (N, H, W, C), output (N, P, Q, C). Regions are ceil(H / P) or floor(H / P) rows high and tile the image;
    columns independently.

    In training all samples of a step share their regions, a function of seed, layer and step: the same on any backend,
    with any number of threads, and after a resume. Outside training the regions are fixed: pseudorandom with u = 1/2.
    ``monte_carlo`` averages over random regions, as the paper does at test time. The gradient goes to the maximum, of
    equal numbers to the first, row by row.

    References
    ----------
    .. [1] Graham, "Fractional Max-Pooling", 2014.
    """

    _fixed: Regions | None  # those outside training, made when they are needed

    _takes = takes(ratio=Pair(Interval(1, math.inf, "[)")), mode=Choice("random", "pseudorandom"), overlapping=FLAG)

    def __init__(self, ratio: float | tuple[float, float], mode: str = "random", *, overlapping: bool = True) -> None:
        self.ratio = ratio
        self.mode = mode
        self.overlapping = overlapping

    def build(self, input_shape: Shape) -> Shape:
        height, width, channels = expect_image(input_shape)
        ratio = pair(self.ratio)
        counts = int(height // ratio[0]), int(width // ratio[1])
        if min(counts) < 1:
            raise ValueError(f"the ratio {self.ratio!r} leaves nothing of an image of {height} x {width}")
        self._lengths = ((height, counts[0]), (width, counts[1]))
        self._fixed = None
        return counts[0], counts[1], channels

    def forward(self, x: Array, training: bool) -> Array:
        key = draw(self, training)
        self._regions = self._fixed or self._lay_regions() if key is None else self._drawn(*key[:3])
        return super().forward(x, training)

    def _lay_regions(self) -> Regions:
        rows, columns = (self._bounds(_pseudorandom(length, count, HALF)) for length, count in self._lengths)
        self._fixed = (*rows, *columns)
        return self._fixed

    def _drawn(self, seed: int, stream: int, step: int) -> Regions:
        """Return the regions of a step, from Philox words, rows first."""
        found: list[Array] = []
        first = 0
        needed = sum(count for _, count in self._lengths)
        words = philox(seed, stream, step, -(-needed // 4)).reshape(-1)
        for length, count in self._lengths:
            if self.mode == "random":
                edges = _random(length, count, words[first : first + count])
            else:
                edges = _pseudorandom(length, count, int(words[first]))
            first += count
            found += self._bounds(edges)
        return found[0], found[1], found[2], found[3]

    def _bounds(self, edges: Array) -> Bounds:
        stop = np.minimum(edges[1:] + int(self.overlapping), edges[-1])
        return edges[:-1].copy(), stop
