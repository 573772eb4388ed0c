"""Batch normalization."""

from __future__ import annotations

from typing import Any

import numpy as np

from .activation import ALPHA, activate, slope
from .table import ROWS, Arguments, Operation, Sizes, nan


def batchnorm_make(sizes: Sizes, rng: np.random.Generator, activation: str) -> Arguments:
    n, c = sizes
    return {
        "x": rng.standard_normal((n, c)) * 2 + 3, "gamma": rng.standard_normal(c), "beta": rng.standard_normal(c),
        "epsilon": 1e-5, "momentum": 0.9, "running_mean": rng.standard_normal(c), "running_var": rng.random(c),
        "activation": activation, "alpha": ALPHA.get(activation, 0.0),
        "mean": nan(c), "rstd": nan(c), "out": nan(n, c),
    }  # fmt: skip


def batchnorm_answer(a: Arguments) -> dict[str, Any]:
    x, n = a["x"], len(a["x"])
    mean, var = x.mean(axis=0), x.var(axis=0)
    rstd = (var + a["epsilon"]) ** -0.5
    z = a["gamma"] * ((x - mean) * rstd) + a["beta"]
    return {
        "out": activate(z, a["activation"], a["alpha"]), "mean": mean, "rstd": rstd,
        "running_mean": 0.9 * a["running_mean"] + 0.1 * mean,
        "running_var": 0.9 * a["running_var"] + 0.1 * var * (n / (n - 1)),
    }  # fmt: skip


def batchnorm_backward_make(sizes: Sizes, rng: np.random.Generator, activation: str, with_dx: bool) -> Arguments:
    forward = batchnorm_make(sizes, rng, activation)
    done = batchnorm_answer(forward)
    n, c = sizes
    dy = rng.standard_normal((n, c))
    dy[np.abs(done["out"]) < 1e-4] = 0  # at ReLU's corner rounding decides
    return {
        "dy": dy, "x": forward["x"], "gamma": forward["gamma"], "beta": forward["beta"], "mean": done["mean"],
        "rstd": done["rstd"], "activation": activation, "alpha": forward["alpha"],
        "dx": nan(n, c) if with_dx else None, "dgamma": nan(c), "dbeta": nan(c),
    }  # fmt: skip


def batchnorm_backward_answer(a: Arguments) -> dict[str, Any]:
    """By the full Jacobian of the normalization of one column, so that nothing is shared with the kernel's formula."""
    centred = a["x"] - a["mean"]
    normalized = centred * a["rstd"]
    y = activate(a["gamma"] * normalized + a["beta"], a["activation"], a["alpha"])
    dz = a["dy"] * slope(y, a["activation"], a["alpha"])
    n = len(dz)
    answer = {"dgamma": (dz * normalized).sum(axis=0), "dbeta": dz.sum(axis=0)}
    if a["dx"] is not None:
        dvar = (dz * a["gamma"] * centred).sum(axis=0) * -0.5 * a["rstd"] ** 3
        dmean = -(dz * a["gamma"] * a["rstd"]).sum(axis=0) - 2 * dvar * centred.mean(axis=0)
        answer["dx"] = dz * a["gamma"] * a["rstd"] + dvar * 2 * centred / n + dmean / n
    return answer


def batchnorm_loss(a: Arguments, kernels: Any) -> float:
    c = a["x"].shape[1]
    out = np.empty_like(a["x"])
    kernels.batchnorm_forward(
        a["x"], a["gamma"], a["beta"], 1e-5, 0.9, np.zeros(c), np.ones(c), a["activation"], a["alpha"],
        np.empty(c), np.empty(c), out,
    )  # fmt: skip
    return float((out * a["dy"]).sum())


def inference_make(sizes: Sizes, rng: np.random.Generator, activation: str) -> Arguments:
    n, c = sizes
    return {
        "x": rng.standard_normal((n, c)), "gamma": rng.standard_normal(c), "beta": rng.standard_normal(c),
        "mean": rng.standard_normal(c), "var": rng.random(c), "epsilon": 1e-5,
        "activation": activation, "alpha": ALPHA.get(activation, 0.0), "out": nan(n, c),
    }  # fmt: skip


def inference_answer(a: Arguments) -> dict[str, Any]:
    scale = a["gamma"] / np.sqrt(a["var"] + a["epsilon"])
    return {"out": activate(a["x"] * scale + (a["beta"] - a["mean"] * scale), a["activation"], a["alpha"])}


def inference_backward_make(sizes: Sizes, rng: np.random.Generator, activation: str) -> Arguments:
    forward = inference_make(sizes, rng, activation)
    dy = rng.standard_normal(sizes)
    dy[np.abs(inference_answer(forward)["out"]) < 1e-4] = 0  # at ReLU's corner rounding decides
    del forward["out"]
    return {"dy": dy, **forward, "dx": nan(*sizes)}


def inference_backward_answer(a: Arguments) -> dict[str, Any]:
    return {"dx": a["dy"] * slope(inference_answer(a)["out"], a["activation"], a["alpha"])
            * (a["gamma"] / np.sqrt(a["var"] + a["epsilon"]))}  # fmt: skip


def inference_loss(a: Arguments, kernels: Any) -> float:
    out = np.empty_like(a["x"])
    statistics = a["gamma"], a["beta"], a["mean"], a["var"], a["epsilon"]
    kernels.batchnorm_inference(a["x"], *statistics, a["activation"], a["alpha"], out)
    return float((out * a["dy"]).sum())


def rows() -> list[Operation]:
    rows = []
    for activation in ("identity", "relu", "tanh"):
        gradients = {"x": "dx", "gamma": "dgamma", "beta": "dbeta"}
        rows += [
            Operation("batchnorm_forward", activation, ROWS, lambda s, r, f=activation: batchnorm_make(s, r, f),
                      batchnorm_answer, tolerance=64, bench=(256, 4096)),
            Operation("batchnorm_backward", activation, ROWS,
                      lambda s, r, f=activation: batchnorm_backward_make(s, r, f, True), batchnorm_backward_answer,
                      tolerance=64, loss=batchnorm_loss, gradients=gradients, bench=(256, 4096)),
            Operation("batchnorm_inference", activation, ((0, 3), (1, 5), *ROWS),
                      lambda s, r, f=activation: inference_make(s, r, f), inference_answer, tolerance=64,
                      bench=(256, 4096)),
            Operation("batchnorm_inference_backward", activation, ((0, 3), (1, 5), *ROWS),
                      lambda s, r, f=activation: inference_backward_make(s, r, f), inference_backward_answer,
                      tolerance=64, loss=inference_loss, gradients={"x": "dx"}),
        ]  # fmt: skip
    rows.append(
        Operation("batchnorm_backward", "relu-nodx", ROWS,
                  lambda s, r: batchnorm_backward_make(s, r, "relu", False), batchnorm_backward_answer, tolerance=64)
    )  # fmt: skip
    return rows
