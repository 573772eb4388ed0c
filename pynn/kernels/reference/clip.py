"""For gradient clipping: the norm of a vector, scaling and clamping."""

from __future__ import annotations

import numpy as np

from ..checks import Floats, checked, expect


@checked(vector="P")
def norm(vector: Floats) -> float:
    """Return √Σx², scaled by the largest |x| so that no square overflows; NaN or infinite if a number is.

    Returns
    -------
    float
        The norm.
    """
    largest = float(np.abs(vector).max(initial=0))
    if not 0 < largest < np.inf:
        return largest
    return largest * float(np.sqrt(np.square(vector.astype(np.float64) / largest).sum()))


@checked(vector="out P")
def scale(vector: Floats, factor: float) -> None:
    """x ← factor·x, for every number x of the vector; factor may be outside the range of its dtype."""
    least, most = (float(limit) for limit in (np.finfo(vector.dtype).tiny, np.finfo(vector.dtype).max))
    while factor and np.isfinite(factor) and not least <= abs(factor) <= most:
        power = 2.0**-100 if abs(factor) < 1 else 2.0**100
        vector *= power
        factor /= power
    vector *= factor


@checked(vector="out P")
def clip(vector: Floats, limit: float) -> None:
    """x ← min(max(x, -limit), limit); NaN stays NaN."""
    expect(limit > 0, "clip", "limit", limit, "a positive number")
    np.clip(vector, -limit, limit, out=vector)
