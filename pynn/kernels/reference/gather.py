"""Batches out of a data set."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..checks import REQUIRED, Floats, checked, expect


@checked(x="pixels N D", indices="int64 B", out="out B D")
def gather(x: NDArray[Any], indices: NDArray[np.int64], divisor: float = 1.0, out: Floats = REQUIRED) -> None:
    """out (B, D) = x[indices] / divisor: the rows of a batch; x (N, D) is uint8 or float, indices (B,) are 0..N-1."""
    rows = x.shape[0]
    outside = (indices < 0) | (indices >= rows)
    if outside.any():
        where = int(np.argmax(outside))
        raise ValueError(f"gather: indices[{where}] is {indices[where]}, expected 0..{rows - 1} ({rows} rows)")
    expect(divisor != 0, "gather", "divisor", divisor, "another number than 0")
    out[...] = x[indices]
    out /= out.dtype.type(divisor)
