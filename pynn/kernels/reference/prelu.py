"""PReLU: a ReLU with a learned slope below 0."""

from __future__ import annotations

import numpy as np

from ..checks import REQUIRED, Floats, checked


def _expect_slopes(where: str, x: Floats, slope: Floats) -> None:
    channels = x.shape[1]
    if slope.size not in (1, channels):
        raise ValueError(f"{where}: slope has shape {slope.shape}, expected (1,) or ({channels},)")


@checked(x="N C", slope="P", out="out N C")
def prelu_forward(x: Floats, slope: Floats, out: Floats) -> None:
    """out (N, C) = x where x > 0, else slope · x. slope: (1,) for all columns, or (C,)."""
    _expect_slopes("prelu_forward", x, slope)
    out[...] = np.where(x > 0, x, slope * x)


@checked(dy="N C", x="N C", slope="P", dx="optional out N C", dslope="out P")
def prelu_backward(dy: Floats, x: Floats, slope: Floats, dx: Floats | None = None, dslope: Floats = REQUIRED) -> None:
    """dx = dy where x > 0, else slope · dy; dslope = Σ dy·x over x <= 0, by column or in all. dx may be None."""
    _expect_slopes("prelu_backward", x, slope)
    if x.size == 0:  # any number of columns
        dslope[...] = 0
        return
    sums = np.where(x > 0, 0, dy * x).sum(axis=0, dtype=np.float64)
    dslope[...] = sums if slope.size == x.shape[1] else sums.sum()
    if dx is not None:
        dx[...] = np.where(x > 0, dy, slope * dy)
