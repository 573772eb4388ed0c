"""Dropout."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ..checks import REQUIRED, Floats, checked, expect
from ..philox import draws16, threshold
from ..scalars import Word32, Word64


@checked(x="...", out="out ...")
def dropout(
    x: Floats,
    rate: float,
    inverted: bool = True,
    seed: Word64 = REQUIRED,
    stream: Word32 = REQUIRED,
    step: Word32 = REQUIRED,
    offset: Word64 = 0,
    out: Floats = REQUIRED,
) -> None:
    """out = x · mask, over 1 - rate if inverted: each element is dropped (set to 0) with probability rate.

    0 <= rate < 1, rounded to a multiple of 2^-16; the scale is that of the rounded rate. The mask is a function of
    (seed, stream, step) and of offset + the element's index only: the backward pass is the same call on the gradient,
    and part of an array gets its part of the mask by its offset.

    References
    ----------
    .. [1] Srivastava et al., "Dropout", 2014.
    """
    expect(0 <= rate < 1, "dropout", "rate", rate, "0 <= rate < 1")
    keep = (draws16(seed, stream, step, x.size, offset) >= threshold(rate)).reshape(x.shape)
    _mask(x, keep, rate if inverted else 0.0, out)


@checked(x="N P C", out="out N P C")
def spatial_dropout(
    x: Floats, rate: float, seed: Word64, stream: Word32, step: Word32, offset: Word64 = 0, out: Floats = REQUIRED
) -> None:
    """out = x · mask / (1 - rate) for x (N, P, C) with P positions: whole channels of a sample are dropped.

    The mask is that of `dropout`, inverted, on an (N, C) array: the same rate, seed, stream and step; offset counts its
    elements.

    References
    ----------
    .. [1] Tompson et al., "Efficient Object Localization Using Convolutional Networks", 2015.
    """
    expect(0 <= rate < 1, "spatial_dropout", "rate", rate, "0 <= rate < 1")
    if x.size == 0:  # any number of channels without positions
        return
    samples, _, channels = x.shape
    keep = draws16(seed, stream, step, samples * channels, offset) >= threshold(rate)
    _mask(x, keep.reshape(samples, 1, channels), rate, out)


def _mask(x: Floats, keep: NDArray[np.bool_], rate: float, out: Floats) -> None:
    out[...] = np.where(keep, x * x.dtype.type(65536 / (65536 - threshold(rate))), 0)
