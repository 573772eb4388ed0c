"""Mean and deviation of numbers whose squares may overflow or underflow."""

from __future__ import annotations

import numpy as np

from ..checks import Floats


def spread(x: Floats, axis: int | tuple[int, ...], first: Floats, epsilon: float) -> tuple[Floats, Floats, Floats]:
    """The mean, the variance and 1/√(variance + epsilon) of x along the axes, in float64; the variance may be infinite.

    first: one number of each group, with the axes kept: a constant group gets exactly its mean and variance 0. Numbers
    of extreme size are scaled by a power of two, which is exact. The root is NaN where the dtype of x would round it to
    0.
    """
    unit = _unit(x, axis)
    scaled, first = (x, first) if (unit == 1).all() else (x * unit, first * unit)
    mean = first + (scaled - first).mean(axis, dtype=np.float64, keepdims=True)  # exact for a constant group
    variance = np.square(scaled - mean).mean(axis, keepdims=True)
    deviation = np.sqrt(variance) / unit
    root = np.where(unit == 1, 1 / np.sqrt(variance + epsilon), 1 / np.hypot(deviation, np.sqrt(epsilon)))
    root[root < np.finfo(x.dtype).tiny] = np.nan
    return np.squeeze(mean / unit, axis), np.squeeze(variance / unit / unit, axis), np.squeeze(root, axis)


def _unit(x: Floats, axis: int | tuple[int, ...]) -> Floats:
    """1 if the squares fit the dtype, else a power of two that scales the largest number to about 1."""
    far, most = (60, 100) if x.dtype == np.float32 else (450, 1000)
    top = np.abs(x).max(axis, initial=0, keepdims=True)
    exponent = np.where(np.isfinite(top), np.frexp(top)[1], 0)
    power = np.where(abs(exponent) < far, 0, np.clip(-exponent, -most, most))
    return np.ldexp(np.ones(1, x.dtype), power)
