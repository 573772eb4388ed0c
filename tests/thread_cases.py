"""Calls of every kernel on arrays that are large enough to be divided among threads."""

from __future__ import annotations

import pytest
from operations import OPERATIONS

# large enough to be shared out, with several runs of rows and blocks of k, and odd
LARGE = {1: (300_001,), 2: (4099, 257), 3: (1025, 300, 1031), 4: (130, 67, 11, 7), 5: (9, 33, 35, 3, 40)}
CONVOLUTIONS = (
    (11, 31, 29, 6, 3, 3, 2, 70, 2, 1, 1, 2, 1, 2, 16, 29),
    (19, 15, 17, 40, 3, 3, 1, 70, 1, 1, 1, 1, 1, 1, 15, 17),  # by Winograd
    (19, 25, 23, 2, 5, 5, 1, 6, 1, 1, 1, 1, 2, 2, 25, 23),  # few outputs
)
CASES = [
    pytest.param(op, sizes, id=f"{op.name}-{sizes[3]}" if op.kernel.startswith("conv2d") else op.name)
    for op in OPERATIONS
    for sizes in (CONVOLUTIONS if op.kernel.startswith("conv2d") else (LARGE[len(op.sizes[-2])],))
]
