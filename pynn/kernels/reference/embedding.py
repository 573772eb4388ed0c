"""Embedding: a vector for each code of a table's columns."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ..checks import Floats, checked, expect

EXACT = 2**24  # float32 holds every whole number up to here


def _expect_sizes(where: str, sizes: NDArray[np.int64], table: Floats) -> None:
    rows, total = table.shape[0], 0
    for k, size in enumerate(sizes.tolist()):
        left = f"1..{rows - total}, as the sizes add up to the table's {rows} rows"
        expect(1 <= size <= rows - total, where, f"sizes[{k}]", size, left)
        exact = f"at most {EXACT}: float32 does not hold all whole numbers beyond, float64 does"
        expect(table.dtype == np.float64 or size <= EXACT, where, f"sizes[{k}]", size, exact)
        total += size
    if total != rows:
        raise ValueError(f"{where}: sizes add up to {total}, expected the table's {rows} rows")


def _rows(where: str, codes: Floats, sizes: NDArray[np.int64]) -> NDArray[np.int64]:
    """The row (N, C) of each code, -1 for unknown."""
    codes = np.where(np.abs(codes) < np.finfo(codes.dtype).tiny, 0, codes)  # kernels count subnormal numbers as 0
    fits = (codes >= -1) & (codes < sizes) & (codes == np.floor(codes))
    if not fits.all():
        n, k = (int(place) for place in np.unravel_index(int(np.argmin(fits)), fits.shape))
        expect(False, where, f"codes[{n}, {k}]", float(codes[n, k]), f"a whole number of -1..{sizes[k] - 1}")
    return np.where(codes < 0, -1, codes.astype(np.int64) + (np.cumsum(sizes) - sizes))


@checked(codes="N C", sizes="int64 C", weight="D M", out="out N C M")
def embedding_forward(codes: Floats, sizes: NDArray[np.int64], weight: Floats, out: Floats) -> None:
    """out[n, c] = row codes[n, c] of column c's part of weight, zeros for code -1.

    weight (D, M) has sizes[0] rows for column 0, then sizes[1] for column 1, ... Codes are whole numbers, 0..sizes[c]-1
    or -1 for unknown, in the dtype of the weight.
    """
    _expect_sizes("embedding_forward", sizes, weight)
    rows = _rows("embedding_forward", codes, sizes)
    out[...] = 0
    known = rows >= 0
    out[known] = weight[rows[known]]


@checked(dy="N C M", codes="N C", sizes="int64 C", dweight="out D M")
def embedding_backward(dy: Floats, codes: Floats, sizes: NDArray[np.int64], dweight: Floats) -> None:
    """dweight[d] = Σ dy[n, c] over the places (n, c) whose code stands for row d; 0 for rows that were not read."""
    _expect_sizes("embedding_backward", sizes, dweight)
    rows = _rows("embedding_backward", codes, sizes)
    known = rows >= 0
    read, gradients = rows[known], dy[known]
    for unit in range(dweight.shape[1]):
        dweight[:, unit] = np.bincount(read, gradients[:, unit], minlength=len(dweight))
