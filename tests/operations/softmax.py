"""The gradient of softmax."""

from __future__ import annotations

from typing import Any

import numpy as np

from .loss import CLASSES, log_softmax
from .table import Arguments, Operation, Sizes, nan


def make(sizes: Sizes, rng: np.random.Generator) -> Arguments:
    x = rng.standard_normal(sizes) * 2
    y = np.exp(log_softmax(x)) if x.size else x
    return {"dy": rng.standard_normal(sizes), "y": y, "dx": nan(*sizes), "#x": x}


def answer(a: Arguments) -> dict[str, Any]:
    """By the Jacobian diag(y) - y yᵀ of each row."""
    dx = np.empty_like(a["y"])
    for i, y in enumerate(a["y"]):
        dx[i] = (np.diag(y) - np.outer(y, y)) @ a["dy"][i]
    return {"dx": dx}


def loss(a: Arguments, kernels: Any) -> float:
    out = np.empty_like(a["#x"])
    kernels.softmax(a["#x"], out)
    return float((out * a["dy"]).sum())


def rows() -> list[Operation]:
    return [
        Operation("softmax_backward", "", ((0, 3), (3, 0), *CLASSES), make, answer, tolerance=16,
                  loss=loss, gradients={"#x": "dx"}, bench=(4096, 1000)),
    ]  # fmt: skip
