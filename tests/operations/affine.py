"""Affine maps."""

from __future__ import annotations

from typing import Any

import numpy as np

from .activation import ALPHA, activate, slope
from .table import PRODUCTS, Arguments, Operation, Sizes, nan


def affine_make(sizes: Sizes, rng: np.random.Generator, activation: str, with_bias: bool) -> Arguments:
    n, d, m = sizes
    return {
        "x": rng.standard_normal((n, d)),
        "weight": rng.standard_normal((d, m)) / max(d, 1) ** 0.5,
        "bias": rng.standard_normal(m) if with_bias else None,
        "activation": activation,
        "alpha": ALPHA.get(activation, 0.0),
        "out": nan(n, m),
    }


def affine_answer(a: Arguments) -> dict[str, Any]:
    z = np.einsum("nd,dm->nm", a["x"], a["weight"]) + (0 if a["bias"] is None else a["bias"])
    return {"out": activate(z, a["activation"], a["alpha"])}


def affine_backward_make(
    sizes: Sizes, rng: np.random.Generator, activation: str, with_bias: bool, with_dx: bool, with_dweight: bool
) -> Arguments:
    forward = affine_make(sizes, rng, activation, with_bias)
    n, d, m = sizes
    y = affine_answer(forward)["out"]
    dz = None if activation == "identity" and with_bias else nan(n, m)
    return {
        "dy": rng.standard_normal((n, m)), "x": forward["x"], "weight": forward["weight"], "y": y,
        "activation": activation, "alpha": forward["alpha"], "dz": dz, "dx": nan(n, d) if with_dx else None,
        "dweight": nan(d, m) if with_dweight else None, "dbias": nan(m) if with_bias else None,
        "#bias": forward["bias"],
    }  # fmt: skip


def affine_backward_answer(a: Arguments) -> dict[str, Any]:
    dz = a["dy"] * slope(a["y"], a["activation"], a["alpha"])
    answer = {}
    if a["dweight"] is not None:
        answer["dweight"] = np.einsum("nd,nm->dm", a["x"], dz)
    if a["dz"] is not None:
        answer["dz"] = dz
    if a["dbias"] is not None:
        answer["dbias"] = np.einsum("nm->m", dz)
    if a["dx"] is not None:
        answer["dx"] = np.einsum("nm,dm->nd", dz, a["weight"])
    return answer


def affine_loss(a: Arguments, kernels: Any) -> float:
    out = np.empty_like(a["y"])
    kernels.affine_forward(a["x"], a["weight"], a["#bias"], a["activation"], a["alpha"], out)
    return float((out * a["dy"]).sum())


def rows() -> list[Operation]:
    rows = []
    for activation, with_bias, with_dx, with_dweight in (
        ("identity", True, True, True), ("identity", False, False, True), ("relu", True, True, True),
        ("sigmoid", True, False, True), ("tanh", False, True, True), ("leaky_relu", True, True, True),
        ("elu", True, True, True), ("relu", True, True, False), ("identity", False, True, False),
    ):  # fmt: skip
        options = f"{activation}-{'bias' if with_bias else 'nobias'}"
        gradients = {"x": "dx"} if with_dx else {}
        gradients |= {"weight": "dweight"} if with_dweight else {}
        gradients |= {"#bias": "dbias"} if with_bias else {}
        backward = options + ("" if with_dx else "-nodx") + ("" if with_dweight else "-nodweight")
        forward = Operation("affine_forward", options, PRODUCTS,
                            lambda s, r, f=activation, b=with_bias: affine_make(s, r, f, b), affine_answer,
                            tolerance=32, bench=(128, 784, 512))  # fmt: skip
        rows += [forward] if with_dweight else []
        rows += [
            Operation("affine_backward", backward, PRODUCTS,
                      lambda s, r, f=activation, b=with_bias, x=with_dx, w=with_dweight:
                          affine_backward_make(s, r, f, b, x, w),
                      affine_backward_answer, tolerance=32, loss=affine_loss, gradients=gradients,
                      bench=(128, 784, 512)),
        ]  # fmt: skip
    return rows
