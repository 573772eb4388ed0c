"""The max-norm constraint."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from .table import ROWS, Arguments, Operation, Sizes


def make(sizes: Sizes, rng: np.random.Generator) -> Arguments:
    """Columns of norms around the limit of 3, one of zeros, one huge."""
    weight = rng.standard_normal(sizes) * rng.uniform(0, 6, sizes[1]) / max(1, sizes[0] ** 0.5)
    weight[:, 1::5] = 0
    weight[:, 2::7] *= 1e25
    return {"weight": weight, "limit": 3.0}


def answer(a: Arguments) -> dict[str, Any]:
    columns = [column * min(1, 3 / (math.hypot(*column) or 1)) for column in a["weight"].T]
    return {"weight": np.array(columns).T.reshape(a["weight"].shape)}


def rows() -> list[Operation]:
    return [
        Operation("max_norm", "", ((0, 3), (3, 0), (1, 1), *ROWS), make, answer, bench=(1024, 1024)),
    ]
