"""Activations."""

from __future__ import annotations

from typing import Any

import numpy as np

from .table import FLAT, Arguments, Operation, Sizes, away_from_zero, nan

ALPHA = {"leaky_relu": 0.1, "elu": 0.7}


def activate(z: np.ndarray, name: str, alpha: float) -> np.ndarray:
    z = np.asarray(z, np.float64)
    if name == "sigmoid":
        return 0.5 * (1 + np.tanh(z / 2)) if np.all(z > -15) else np.exp(-np.logaddexp(0, -z))
    if name == "tanh":
        return np.tanh(z)
    if name == "relu":
        return z * (z > 0)
    if name == "leaky_relu":
        return np.maximum(alpha * z, z)
    if name == "elu":
        return np.maximum(z, 0) + alpha * np.expm1(np.minimum(z, 0))
    if name == "selu":
        return 1.0507009873554805 * activate(z, "elu", 1.6732632423543772)
    if name == "softplus":
        return np.logaddexp(0, z)
    return z


def slope(y: np.ndarray, name: str, alpha: float) -> np.ndarray:
    """f' as a function of the output y."""
    if name == "sigmoid":
        return y - y * y
    if name == "tanh":
        return (1 - y) * (1 + y)
    if name == "relu":
        return np.sign(np.maximum(y, 0))
    if name == "leaky_relu":
        return np.where(y > 0, 1, alpha)
    if name == "elu":
        return np.where(y > 0, 1, y + alpha)
    if name == "selu":
        return np.where(y > 0, 1.0507009873554805, y + 1.0507009873554805 * 1.6732632423543772)
    if name == "softplus":
        return 1 - np.exp(-y)
    return np.ones_like(y)


def rows() -> list[Operation]:
    rows = []
    for name in ("identity", "sigmoid", "tanh", "relu", "leaky_relu", "elu", "selu", "softplus"):
        alpha = ALPHA.get(name, 0.0)

        def forward(sizes: Sizes, rng: np.random.Generator, name: str = name, alpha: float = alpha) -> Arguments:
            x = rng.standard_normal(sizes) * 4
            x.reshape(-1)[: min(x.size, 7)] = np.array([0, -0.0, 1e-7, -1e-7, 30, -30, 90])[: x.size]
            return {"x": x, "activation": name, "alpha": alpha, "out": nan(*sizes)}

        def backward(sizes: Sizes, rng: np.random.Generator, name: str = name, alpha: float = alpha) -> Arguments:
            x = away_from_zero(rng, sizes)
            y = activate(x, name, alpha)
            return {
                "dy": rng.standard_normal(sizes),
                "y": y,
                "activation": name,
                "alpha": alpha,
                "dx": nan(*sizes),
                "#x": x,
            }

        def loss(a: Arguments, kernels: Any) -> float:
            out = np.empty_like(a["#x"])
            kernels.activation_forward(a["#x"], a["activation"], a["alpha"], out)
            return float((out * a["dy"]).sum())

        rows += [
            Operation("activation_forward", name, FLAT, forward,
                      lambda a: {"out": activate(a["x"], a["activation"], a["alpha"])}, elementwise=True,
                      bench=(256, 4096)),
            Operation("activation_backward", name, FLAT, backward,
                      lambda a: {"dx": a["dy"] * slope(a["y"], a["activation"], a["alpha"])},
                      loss=loss, gradients={"#x": "dx"}, bench=(256, 4096)),
        ]  # fmt: skip
    return rows
