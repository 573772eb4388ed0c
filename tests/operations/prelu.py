"""PReLU."""

from __future__ import annotations

from typing import Any

import numpy as np

from .table import ROWS, Arguments, Operation, Sizes, away_from_zero, nan


def make(sizes: Sizes, rng: np.random.Generator, per_feature: bool) -> Arguments:
    n, c = sizes
    return {"x": away_from_zero(rng, (n, c)), "slope": rng.standard_normal(c if per_feature else 1), "out": nan(n, c)}


def backward_make(sizes: Sizes, rng: np.random.Generator, per_feature: bool, with_dx: bool) -> Arguments:
    forward = make(sizes, rng, per_feature)
    return {
        "dy": rng.standard_normal(sizes), "x": forward["x"], "slope": forward["slope"],
        "dx": nan(*sizes) if with_dx else None, "dslope": nan(forward["slope"].size),
    }  # fmt: skip


def answer(a: Arguments) -> dict[str, Any]:
    return {"out": np.maximum(a["x"], 0) + a["slope"] * np.minimum(a["x"], 0)}


def backward_answer(a: Arguments) -> dict[str, Any]:
    below = np.minimum(a["x"], 0)
    each = np.einsum("nc,nc->c", a["dy"], below)
    found = {"dslope": each if a["slope"].size == each.size else np.array([each.sum()])}
    if a["dx"] is not None:
        found["dx"] = a["dy"] * ((a["x"] > 0) + (a["x"] <= 0) * a["slope"])
    return found


def loss(a: Arguments, kernels: Any) -> float:
    out = np.empty_like(a["x"])
    kernels.prelu_forward(a["x"], a["slope"], out)
    return float((out * a["dy"]).sum())


def rows() -> list[Operation]:
    rows = []
    sizes = ((0, 3), (1, 5), *ROWS)
    for per_feature in (False, True):
        name = "per feature" if per_feature else "one slope"
        rows += [
            Operation("prelu_forward", name, sizes, lambda s, r, p=per_feature: make(s, r, p), answer,
                      tolerance=1, bench=(256, 4096)),
            Operation("prelu_backward", name, sizes, lambda s, r, p=per_feature: backward_make(s, r, p, True),
                      backward_answer, tolerance=64, loss=loss, gradients={"x": "dx", "slope": "dslope"},
                      bench=(256, 4096)),
            Operation("prelu_backward", f"{name}-nodx", sizes,
                      lambda s, r, p=per_feature: backward_make(s, r, p, False), backward_answer, tolerance=64),
        ]  # fmt: skip
    return rows
