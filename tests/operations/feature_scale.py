"""A factor for each feature."""

from __future__ import annotations

from typing import Any

import numpy as np

from .table import ROWS, Arguments, Operation, Sizes, nan


def make(sizes: Sizes, rng: np.random.Generator) -> Arguments:
    return {"x": rng.standard_normal(sizes), "scale": rng.standard_normal(sizes[1]), "out": nan(*sizes)}


def backward_make(sizes: Sizes, rng: np.random.Generator, with_dx: bool) -> Arguments:
    return {
        "dy": rng.standard_normal(sizes), "x": rng.standard_normal(sizes), "scale": rng.standard_normal(sizes[1]),
        "dx": nan(*sizes) if with_dx else None, "dscale": nan(sizes[1]),
    }  # fmt: skip


def backward_answer(a: Arguments) -> dict[str, Any]:
    found = {"dscale": np.einsum("nc,nc->c", a["dy"], a["x"])}
    if a["dx"] is not None:
        found["dx"] = np.einsum("nc,c->nc", a["dy"], a["scale"])
    return found


def loss(a: Arguments, kernels: Any) -> float:
    out = np.empty_like(a["x"])
    kernels.scale_forward(a["x"], a["scale"], out)
    return float((out * a["dy"]).sum())


def rows() -> list[Operation]:
    sizes = ((0, 3), (1, 5), *ROWS)
    return [
        Operation("scale_forward", "", sizes, make, lambda a: {"out": np.einsum("nc,c->nc", a["x"], a["scale"])},
                  tolerance=1, bench=(256, 4096)),
        Operation("scale_backward", "", sizes, lambda s, r: backward_make(s, r, True), backward_answer, tolerance=64,
                  loss=loss, gradients={"x": "dx", "scale": "dscale"}, bench=(256, 4096)),
        Operation("scale_backward", "nodx", sizes, lambda s, r: backward_make(s, r, False), backward_answer,
                  tolerance=64),
    ]  # fmt: skip
