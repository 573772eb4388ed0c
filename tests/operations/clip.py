"""What gradient clipping needs, and the max-norm constraint."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from .table import LONG, ROWS, Arguments, Operation, Sizes


def vector(sizes: Sizes, rng: np.random.Generator, spread: float = 1.0) -> np.ndarray:
    return rng.standard_normal(sizes) * spread


def max_norm_make(sizes: Sizes, rng: np.random.Generator) -> Arguments:
    """Columns of norms around the limit of 3, one of zeros, one huge."""
    weight = rng.standard_normal(sizes) * rng.uniform(0, 6, sizes[1]) / max(1, sizes[0] ** 0.5)
    weight[:, 1::5] = 0
    weight[:, 2::7] *= 1e25
    return {"weight": weight, "limit": 3.0}


def max_norm_answer(a: Arguments) -> dict[str, Any]:
    columns = [column * min(1, 3 / (math.hypot(*column) or 1)) for column in a["weight"].T]
    return {"weight": np.array(columns).T.reshape(a["weight"].shape)}


def rows() -> list[Operation]:
    big = (1_000_000,)
    return [
        *(
            Operation("norm", options, LONG, lambda s, r, k=spread: {"vector": vector(s, r, k)},
                      lambda a: {"return": math.hypot(*a["vector"])}, floor=1e-38, bench=None if options else big)
            for options, spread in (("", 1.0), ("huge", 1e30), ("tiny", 1e-30))
        ),
        Operation("scale", "", LONG, lambda s, r: {"vector": vector(s, r), "factor": 0.3},
                  lambda a: {"vector": a["vector"] * 0.3}, bench=big),
        Operation("clip", "", LONG, lambda s, r: {"vector": vector(s, r), "limit": 0.7},
                  lambda a: {"vector": np.sign(a["vector"]) * np.minimum(np.abs(a["vector"]), 0.7)}, bench=big),
        Operation("max_norm", "", ((0, 3), (3, 0), (1, 1), *ROWS), max_norm_make, max_norm_answer, bench=(1024, 1024)),
    ]  # fmt: skip
