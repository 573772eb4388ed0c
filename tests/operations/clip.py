"""What gradient clipping needs."""

from __future__ import annotations

import math

import numpy as np

from .table import LONG, Operation, Sizes


def vector(sizes: Sizes, rng: np.random.Generator, spread: float = 1.0) -> np.ndarray:
    return rng.standard_normal(sizes) * spread


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
    ]  # fmt: skip
