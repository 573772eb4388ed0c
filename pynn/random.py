"""Random numbers as a function of (seed, number, purpose), without state between calls."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

WEIGHTS, ORDER, BIASES = 0, 1, 3  # purposes of random numbers; 2 is that of `pynn train`


def generator(seed: int, number: int, purpose: int) -> np.random.Generator:
    """A random generator for (seed, number, purpose): Philox with these as key and counter."""
    key, counter = np.array([seed, number], np.uint64), np.array([0, 0, 0, purpose], np.uint64)
    return np.random.Generator(np.random.Philox(key=key, counter=counter))


def order(size: int, seed: int | None, epoch: int) -> NDArray[np.int64]:
    """The order of samples in an epoch, a function of (seed, epoch); unchanged if seed is None."""
    if seed is None:
        return np.arange(size, dtype=np.int64)
    return generator(seed, epoch, ORDER).permutation(size)
