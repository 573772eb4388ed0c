"""Affine maps."""

from __future__ import annotations

from typing import Any

import numpy as np

from .activation import ALPHA, activate, slope
from .table import PRODUCTS, Arguments, Operation, Sizes, nan


def affine_make(
    sizes: Sizes, rng: np.random.Generator, activation: str, with_bias: bool, scale: float = 1.0
) -> Arguments:
    n, d, m = sizes
    return {
        "x": rng.standard_normal((n, d)),
        "weight": rng.standard_normal((d, m)) / max(d, 1) ** 0.5 / (scale or 1),
        "bias": rng.standard_normal(m) if with_bias else None,
        "activation": activation,
        "alpha": ALPHA.get(activation, 0.0),
        "out": nan(n, m),
        "scale": scale,
    }


def affine_answer(a: Arguments) -> dict[str, Any]:
    z = a["scale"] * np.einsum("nd,dm->nm", a["x"], a["weight"]) + (0 if a["bias"] is None else a["bias"])
    return {"out": activate(z, a["activation"], a["alpha"])}


def affine_backward_make(
    sizes: Sizes,
    rng: np.random.Generator,
    activation: str,
    with_bias: bool,
    with_dx: bool,
    with_dweight: bool,
    scale: float = 1.0,
) -> Arguments:
    forward = affine_make(sizes, rng, activation, with_bias, scale)
    n, d, m = sizes
    y = affine_answer(forward)["out"]
    dz = None if activation == "identity" and with_bias else nan(n, m)
    return {
        "dy": rng.standard_normal((n, m)), "x": forward["x"], "weight": forward["weight"], "y": y,
        "activation": activation, "alpha": forward["alpha"], "dz": dz, "dx": nan(n, d) if with_dx else None,
        "dweight": nan(d, m) if with_dweight else None, "dbias": nan(m) if with_bias else None,
        "scale": scale, "#bias": forward["bias"],
    }  # fmt: skip


def affine_backward_answer(a: Arguments) -> dict[str, Any]:
    dz = a["dy"] * slope(a["y"], a["activation"], a["alpha"])
    answer = {}
    if a["dweight"] is not None:
        answer["dweight"] = a["scale"] * np.einsum("nd,nm->dm", a["x"], dz)
    if a["dz"] is not None:
        answer["dz"] = dz
    if a["dbias"] is not None:
        answer["dbias"] = np.einsum("nm->m", dz)
    if a["dx"] is not None:
        answer["dx"] = a["scale"] * np.einsum("nm,dm->nd", dz, a["weight"])
    return answer


def affine_loss(a: Arguments, kernels: Any) -> float:
    out = np.empty_like(a["y"])
    kernels.affine_forward(a["x"], a["weight"], a["#bias"], a["activation"], a["alpha"], out, a["scale"])
    return float((out * a["dy"]).sum())


def rows() -> list[Operation]:
    rows = []
    for activation, with_bias, with_dx, with_dweight, scale in (
        ("identity", True, True, True, 1), ("identity", False, False, True, 1), ("relu", True, True, True, 1),
        ("sigmoid", True, False, True, 1), ("tanh", False, True, True, 1), ("leaky_relu", True, True, True, 1),
        ("elu", True, True, True, 1), ("relu", True, True, False, 1), ("identity", False, True, False, 1),
        ("identity", True, True, True, 0.0625), ("relu", True, True, True, 2.5), ("selu", False, True, True, 0.3),
    ):  # fmt: skip
        options = f"{activation}-{'bias' if with_bias else 'nobias'}{'' if scale == 1 else f'-scale{scale}'}"
        bench = (128, 784, 512) if scale == 1 else None
        gradients = {"x": "dx"} if with_dx else {}
        gradients |= {"weight": "dweight"} if with_dweight else {}
        gradients |= {"#bias": "dbias"} if with_bias else {}
        backward = options + ("" if with_dx else "-nodx") + ("" if with_dweight else "-nodweight")
        forward = Operation("affine_forward", options, PRODUCTS,
                            lambda s, r, f=activation, b=with_bias, k=scale: affine_make(s, r, f, b, k), affine_answer,
                            tolerance=32, bench=bench)  # fmt: skip
        rows += [forward] if with_dweight else []
        rows += [
            Operation("affine_backward", backward, PRODUCTS,
                      lambda s, r, f=activation, b=with_bias, x=with_dx, w=with_dweight, k=scale:
                          affine_backward_make(s, r, f, b, x, w, k),
                      affine_backward_answer, tolerance=32, loss=affine_loss, gradients=gradients,
                      bench=bench),
        ]  # fmt: skip
    return rows
