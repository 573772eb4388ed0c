"""Calls of every kernel on arrays that are large enough to be divided among threads."""

from __future__ import annotations

import pytest
from operations import OPERATIONS, Operation

# large enough to be shared out, with several runs of rows and blocks of k, and odd
LARGE = {1: (300_001,), 2: (4099, 257), 3: (1025, 300, 1031), 4: (130, 67, 11, 7), 5: (9, 33, 35, 3, 40)}
CONVOLUTIONS = (
    (11, 31, 29, 6, 3, 3, 2, 70, 2, 1, 1, 2, 1, 2, 16, 29),
    (19, 15, 17, 40, 3, 3, 1, 70, 1, 1, 1, 1, 1, 1, 15, 17),  # by Winograd
    (19, 25, 23, 2, 5, 5, 1, 6, 1, 1, 1, 1, 2, 2, 25, 23),  # few outputs
)
PRODUCTS = ((1025, 300, 1031), (201, 65, 101), (130, 300, 1031))  # the first two go back in slices of rows
SEVERAL = {"conv2d": CONVOLUTIONS, "affine": PRODUCTS}


def sizes_of(op: Operation) -> tuple[tuple[int, ...], ...]:
    """The sizes to call an operation with."""
    several = SEVERAL.get(op.kernel.split("_")[0])
    return several or (LARGE[len(op.sizes[-2])],)


CASES = [
    pytest.param(op, sizes, id=f"{op.name}-{sizes[min(3, len(sizes) - 1)]}" if len(sizes_of(op)) > 1 else op.name)
    for op in OPERATIONS
    for sizes in sizes_of(op)
]
