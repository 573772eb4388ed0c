"""Batches out of a data set."""

from __future__ import annotations

import numpy as np

from .table import Arguments, Operation, Sizes, nan


def make(sizes: Sizes, rng: np.random.Generator, dtype: str) -> Arguments:
    n, d, b = sizes
    x = rng.integers(0, 256, (n, d)).astype(np.uint8) if dtype == "uint8" else rng.standard_normal((n, d))
    divisor = 255 if dtype == "uint8" else 1
    return {
        "x": x,
        "indices": rng.integers(0, n, b) if n else np.zeros(0, np.int64),
        "divisor": divisor,
        "out": nan(b, d),
    }


def rows() -> list[Operation]:
    gathers = ((1, 1, 1), (10, 7, 25), (100, 784, 32), (4, 3, 0), (5, 0, 3))
    return [
        Operation("gather", dtype, gathers, lambda s, r, t=dtype: make(s, r, t),
                  lambda a: {"out": np.take(a["x"], a["indices"], axis=0) / a["divisor"]}, tolerance=1,
                  bench=(10_000, 784, 128))
        for dtype in ("uint8", "float")
    ]  # fmt: skip
