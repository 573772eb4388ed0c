"""Periodic features of numbers."""

from __future__ import annotations

from typing import Any

import numpy as np

from .table import Arguments, Operation, Sizes, nan

# samples, features, frequencies, outputs
SIZES: tuple[Sizes, ...] = (
    (0, 3, 4, 2), (1, 1, 1, 1), (5, 2, 3, 0), (4, 3, 0, 2), (3, 17, 5, 4), (33, 20, 16, 3), (63, 7, 17, 9),
    (257, 3, 33, 2), (513, 5, 8, 7), (700, 19, 15, 1),
)  # fmt: skip
GRADIENTS = {"x": "dx", "frequency": "dfrequency", "phase": "dphase", "weight": "dweight"}


def make(sizes: Sizes, rng: np.random.Generator) -> Arguments:
    n, d, m, c = sizes
    return {
        "x": rng.standard_normal((n, d)), "frequency": rng.standard_normal((d, m)),
        "phase": rng.uniform(-np.pi, np.pi, (d, m)), "weight": rng.standard_normal((d, m, c)) / max(m, 1) ** 0.5,
        "bias": rng.standard_normal((d, c)), "out": nan(n, d, c + 1),
    }  # fmt: skip


def far(sizes: Sizes, rng: np.random.Generator) -> Arguments:
    """Phases of up to 10,000: x and frequencies are whole multiples of 1/16, so that float32 holds them."""
    a = make(sizes, rng)
    a["x"] = rng.integers(-1600, 1600, a["x"].shape) / 16
    a["frequency"] = rng.integers(-256, 256, a["frequency"].shape) / 16
    return a


def backward_make(sizes: Sizes, rng: np.random.Generator, makes: Any, wanted: bool) -> Arguments:
    a = makes(sizes, rng)
    dy, bias = rng.standard_normal(a.pop("out").shape), a.pop("bias")
    outputs = {name: nan(*a[source].shape) if wanted else None for source, name in GRADIENTS.items()}
    return {"dy": dy, **a, **outputs, "dbias": nan(*bias.shape), "#bias": bias}


def angles(a: Arguments) -> np.ndarray:
    turns = np.einsum("nd,dm->ndm", a["x"], a["frequency"])
    return 2 * np.pi * (turns % 1) + a["phase"]


def answer(a: Arguments) -> dict[str, Any]:
    mapped = (np.cos(angles(a))[:, :, None] @ a["weight"])[:, :, 0] + a["bias"]
    return {"out": np.concatenate([mapped, a["x"][:, :, None]], axis=2)}


def backward_answer(a: Arguments) -> dict[str, Any]:
    dy, dx = a["dy"][..., :-1], a["dy"][..., -1].copy()
    found = {"dbias": dy.sum(0)}
    if a["dx"] is None:
        return found
    waves = np.exp(1j * angles(a))
    h = -waves.imag * (a["weight"] @ dy[..., None])[..., 0]
    dx += 2 * np.pi * (h * a["frequency"]).sum(2)
    return {
        **found, "dx": dx, "dfrequency": 2 * np.pi * (h * a["x"][..., None]).sum(0), "dphase": h.sum(0),
        "dweight": (waves.real[..., None] * dy[:, :, None]).sum(0),
    }  # fmt: skip


def loss(a: Arguments, kernels: Any) -> float:
    out = np.empty_like(a["dy"])
    kernels.periodic_forward(a["x"], a["frequency"], a["phase"], a["weight"], a["#bias"], out)
    return float((out * a["dy"]).sum())


def rows() -> list[Operation]:
    bench, rows = (256, 20, 16, 3), []
    for name, makes in (("", make), ("far", far)):
        rows += [
            Operation("periodic_forward", name, SIZES, makes, answer, tolerance=32, bench=bench),
            Operation("periodic_backward", name, SIZES, lambda s, r, m=makes: backward_make(s, r, m, True),
                      backward_answer, tolerance=64, bench=bench, loss=loss if makes is make else None,
                      gradients={**GRADIENTS, "#bias": "dbias"} if makes is make else {}),
        ]  # fmt: skip
    rows.append(
        Operation("periodic_backward", "dbias", SIZES, lambda s, r: backward_make(s, r, make, False), backward_answer,
                  tolerance=64)
    )  # fmt: skip
    return rows
