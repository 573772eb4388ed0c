"""GELU, SiLU and Mish."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from .table import FLAT, Arguments, Operation, Sizes, nan

erf, erfc = np.vectorize(math.erf, otypes=[float]), np.vectorize(math.erfc, otypes=[float])


def gated(x: np.ndarray, name: str) -> np.ndarray:
    if name == "gelu":
        return 0.5 * x * erfc(-x / np.sqrt(2))
    if name == "gelu_tanh":
        u = np.sqrt(2 / np.pi) * (x + 0.044715 * x**3)
        return x * np.exp(-np.logaddexp(0, -2 * u))
    if name == "mish":
        return x * np.tanh(np.logaddexp(0, x))
    return x * np.exp(-np.logaddexp(0, -x))


def slope(x: np.ndarray, name: str) -> np.ndarray:
    if name == "gelu":
        return 0.5 + 0.5 * erf(x / np.sqrt(2)) + x * np.exp(-x * x / 2) / np.sqrt(2 * np.pi)
    if name == "gelu_tanh":
        u = np.sqrt(2 / np.pi) * (x + 0.044715 * x**3)
        du = np.sqrt(2 / np.pi) * (1 + 0.134145 * x**2)
        return 0.5 * (1 + np.tanh(u)) + 0.5 * x * du / np.cosh(np.minimum(np.abs(u), 300)) ** 2
    s = np.exp(-np.logaddexp(0, -x))
    if name == "mish":
        t = np.tanh(np.logaddexp(0, x))
        return t + x * s * (1 - t * t)
    return s + x * s * np.exp(-np.logaddexp(0, x))


def rows() -> list[Operation]:
    rows = []
    for name in ("gelu", "gelu_tanh", "silu", "mish"):

        def forward(sizes: Sizes, rng: np.random.Generator, name: str = name) -> Arguments:
            x = np.maximum(rng.standard_normal(sizes) * 3, -4)  # further out e^-x² takes its toll of the answer itself
            x.reshape(-1)[: min(x.size, 7)] = np.array([0, -0.0, 1e-7, -1e-7, 30, -40, 90])[: x.size]
            return {"x": x, "activation": name, "out": nan(*sizes)}

        def backward(sizes: Sizes, rng: np.random.Generator, name: str = name) -> Arguments:
            return {
                "dy": rng.standard_normal(sizes), "x": rng.standard_normal(sizes) * 3, "activation": name,
                "dx": nan(*sizes),
            }  # fmt: skip

        def loss(a: Arguments, kernels: Any) -> float:
            out = np.empty_like(a["x"])
            kernels.gate_forward(a["x"], a["activation"], out)
            return float((out * a["dy"]).sum())

        rows += [
            Operation("gate_forward", name, FLAT, forward, lambda a: {"out": gated(a["x"], a["activation"])},
                      tolerance=24, elementwise=True, bench=(256, 4096)),
            Operation("gate_backward", name, FLAT, backward,
                      lambda a: {"dx": a["dy"] * slope(a["x"], a["activation"])},
                      loss=loss, gradients={"x": "dx"}, bench=(256, 4096)),
        ]  # fmt: skip
    return rows
