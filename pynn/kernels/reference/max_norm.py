"""The max-norm constraint."""

from __future__ import annotations

import numpy as np

from ..checks import Floats, checked, expect


@checked(weight="out D M")
def max_norm(weight: Floats, limit: float) -> None:
    """w ← w · min(1, limit/‖w‖) for each column w of weight (D, M); columns with NaN or infinity stay as they are.

    limit: a positive number.

    References
    ----------
    .. [1] Srebro & Shraibman, "Rank, Trace-Norm and Max-Norm", 2005.
    .. [2] Srivastava et al., "Dropout", 2014.
    """
    expect(limit > 0, "max_norm", "limit", limit, "a positive number")
    if weight.size == 0:  # any number of empty columns
        return
    largest = np.abs(weight).max(axis=0, initial=0).astype(np.float64)
    sizes = np.where(largest > 0, largest, 1)  # no square overflows
    shares = weight / sizes
    roots = np.sqrt(np.square(shares).sum(axis=0))
    divisors = np.where(sizes * roots > limit, sizes * roots / limit, 1)
    extreme = np.isinf(divisors) & np.isfinite(largest)
    weight /= np.where(np.isfinite(divisors), divisors, 1)
    weight[:, extreme] = (shares * (limit / roots))[:, extreme]
