"""SELU and Mish, of which a share is taken."""

from __future__ import annotations

from typing import Any

import numpy as np

from . import activation, gated_activation
from .table import ROWS, Arguments, Operation, Sizes, away_from_zero, nan


def bent(x: np.ndarray, name: str) -> np.ndarray:
    return activation.activate(x, name, 0.0) if name == "selu" else gated_activation.gated(x, name)


def slope(x: np.ndarray, name: str) -> np.ndarray:
    return activation.slope(bent(x, name), name, 0.0) if name == "selu" else gated_activation.slope(x, name)


def make(sizes: Sizes, rng: np.random.Generator, name: str) -> Arguments:
    x = rng.standard_normal(sizes) * 3
    x.reshape(-1)[: min(x.size, 7)] = np.array([0, -0.0, 1e-7, -1e-7, 30, -40, 90])[: x.size]
    mix = rng.standard_normal(sizes[1])
    mix[:2] = [1, 0][: mix.size]
    return {"x": x, "mix": mix, "activation": name, "out": nan(*sizes)}


def backward_make(sizes: Sizes, rng: np.random.Generator, name: str, with_dx: bool) -> Arguments:
    return {
        "dy": rng.standard_normal(sizes), "x": away_from_zero(rng, sizes) * 2, "mix": rng.standard_normal(sizes[1]),
        "activation": name, "dx": nan(*sizes) if with_dx else None, "dmix": nan(sizes[1]),
    }  # fmt: skip


def answer(a: Arguments) -> dict[str, Any]:
    return {"out": a["x"] + a["mix"] * (bent(a["x"], a["activation"]) - a["x"])}


def backward_answer(a: Arguments) -> dict[str, Any]:
    found = {"dmix": np.einsum("nc,nc->c", a["dy"], bent(a["x"], a["activation"]) - a["x"])}
    if a["dx"] is not None:
        found["dx"] = a["dy"] * (1 + a["mix"] * (slope(a["x"], a["activation"]) - 1))
    return found


def loss(a: Arguments, kernels: Any) -> float:
    out = np.empty_like(a["x"])
    kernels.mixed_forward(a["x"], a["mix"], a["activation"], out)
    return float((out * a["dy"]).sum())


def rows() -> list[Operation]:
    rows = []
    sizes = ((0, 3), (1, 5), *ROWS)
    for name in ("selu", "mish"):
        rows += [
            Operation("mixed_forward", name, sizes, lambda s, r, f=name: make(s, r, f), answer, bench=(256, 4096)),
            Operation("mixed_backward", name, sizes, lambda s, r, f=name: backward_make(s, r, f, True),
                      backward_answer, tolerance=64, loss=loss, gradients={"x": "dx", "mix": "dmix"},
                      bench=(256, 4096)),
            Operation("mixed_backward", f"{name}-nodx", sizes, lambda s, r, f=name: backward_make(s, r, f, False),
                      backward_answer, tolerance=64),
        ]  # fmt: skip
    return rows
