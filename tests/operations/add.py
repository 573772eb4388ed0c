"""The sum at the end of a residual block."""

from __future__ import annotations

from typing import Any

import numpy as np

from .activation import ALPHA, activate
from .table import FLAT, Arguments, Operation, Sizes, nan


def rows() -> list[Operation]:
    rows = []
    for name, factor in (("identity", 1.0), ("identity", 0.3), ("relu", 1.0), ("relu", -0.7), ("elu", 2.0)):

        def make(sizes: Sizes, rng: np.random.Generator, name: str = name, factor: float = factor) -> Arguments:
            return {
                "x": rng.standard_normal(sizes),
                "factor": factor,
                "y": rng.standard_normal(sizes),
                "activation": name,
                "alpha": ALPHA.get(name, 0.0),
                "out": nan(*sizes),
            }

        def answer(a: Arguments) -> dict[str, Any]:
            return {"out": activate(a["y"] + a["factor"] * a["x"], a["activation"], a["alpha"])}

        bench = (256, 4096) if factor == 1 else None
        rows.append(Operation("add", f"{name}, {factor}", FLAT, make, answer, bench=bench))
    return rows
