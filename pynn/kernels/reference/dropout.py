"""Dropout."""

from __future__ import annotations

import math

import numpy as np

from ..checks import Floats, checked, expect
from ..philox import draws16
from ..scalars import Word32, Word64


@checked(x="...", out="out ...")
def dropout(x: Floats, rate: float, seed: Word64, stream: Word32, step: Word32, out: Floats) -> None:
    """out = x · mask / (1 - rate): each element is dropped (set to 0) with probability rate, 0 <= rate < 1.

    The mask is a function of (seed, stream, step) and the element's index alone, so the backward pass is the same call
    on the gradient. rate is rounded to a multiple of 2^-16, and the scale is that of the rounded rate.
    """
    expect(0 <= rate < 1, "dropout", "rate", rate, "0 <= rate < 1")
    threshold = min(math.floor(rate * 65536 + 0.5), 65535)
    keep = draws16(seed, stream, step, x.size).reshape(x.shape) >= threshold
    out[...] = np.where(keep, x * x.dtype.type(65536 / (65536 - threshold)), 0)
