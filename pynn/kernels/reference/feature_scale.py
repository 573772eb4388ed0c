"""A factor for each feature."""

from __future__ import annotations

import numpy as np

from ..checks import REQUIRED, Floats, checked


@checked(x="N C", scale="C", out="out N C")
def scale_forward(x: Floats, scale: Floats, out: Floats) -> None:
    """out (N, C) = x · scale, with one factor for each column."""
    np.multiply(x, scale, out=out)


@checked(dy="N C", x="N C", scale="C", dx="optional out N C", dscale="out C")
def scale_backward(dy: Floats, x: Floats, scale: Floats, dx: Floats | None = None, dscale: Floats = REQUIRED) -> None:
    """dx (N, C) = dy · scale; dscale (C,) = Σ_n dy·x. dx may be None."""
    dscale[...] = (dy * x).sum(axis=0, dtype=np.float64)
    if dx is not None:
        np.multiply(dy, scale, out=dx)
