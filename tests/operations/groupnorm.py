"""Group normalization."""

from __future__ import annotations

from typing import Any

import numpy as np

from .table import Arguments, Operation, Sizes, nan

# (N, P, G, C/G): around the edges of vectors, runs of rows (256) and pieces of samples; few large samples
SIZES: tuple[Sizes, ...] = (
    (0, 3, 2, 2), (1, 1, 1, 1), (3, 1, 1, 17), (2, 2, 5, 1), (5, 4, 3, 16), (7, 9, 16, 3), (3, 300, 5, 7),
    (2, 257, 11, 3), (300, 3, 4, 8), (700, 1, 1, 33), (9, 1, 3, 40), (2, 1100, 5, 7),
)  # fmt: skip


def make(sizes: Sizes, rng: np.random.Generator) -> Arguments:
    n, places, groups, width = sizes
    c = groups * width
    return {
        "x": rng.standard_normal((n, places, c)) * 2 + 3, "gamma": rng.standard_normal(c),
        "beta": rng.standard_normal(c), "epsilon": 1e-3, "mean": nan(n, groups), "rstd": nan(n, groups),
        "out": nan(n, places, c),
    }  # fmt: skip


def by_groups(x: np.ndarray, groups: int) -> np.ndarray:
    """(N, P, C) as (N, G, all numbers of the group)."""
    n, places, c = x.shape
    return x.reshape(n, places, groups, c // groups).transpose(0, 2, 1, 3).reshape(n, groups, places * (c // groups))


def back(x: np.ndarray, shape: Sizes) -> np.ndarray:
    n, places, c = shape
    groups = x.shape[1]
    return x.reshape(n, groups, places, c // groups).transpose(0, 2, 1, 3).reshape(shape)


def answer(a: Arguments) -> dict[str, Any]:
    x = by_groups(a["x"], a["mean"].shape[1])
    mean, rstd = x.mean(axis=2), (x.var(axis=2) + a["epsilon"]) ** -0.5
    normalized = back((x - mean[..., None]) * rstd[..., None], a["x"].shape)
    return {"out": normalized * a["gamma"] + a["beta"], "mean": mean, "rstd": rstd}


def backward_make(sizes: Sizes, rng: np.random.Generator, with_dx: bool) -> Arguments:
    forward = make(sizes, rng)
    done = answer(forward)
    shape = forward["x"].shape
    return {
        "dy": rng.standard_normal(shape), "x": forward["x"], "gamma": forward["gamma"], "mean": done["mean"],
        "rstd": done["rstd"], "dx": nan(*shape) if with_dx else None, "dgamma": nan(shape[2]), "dbeta": nan(shape[2]),
        "#beta": forward["beta"],
    }  # fmt: skip


def backward_answer(a: Arguments) -> dict[str, Any]:
    """Through variance and mean one after the other, so that nothing is shared with the kernel's formula."""
    groups, shape = a["mean"].shape[1], a["x"].shape
    rstd = a["rstd"][..., None]
    centred = by_groups(a["x"], groups) - a["mean"][..., None]
    answer = {
        "dgamma": np.einsum("npc,npc->c", a["dy"], back(centred * rstd, shape)),
        "dbeta": np.einsum("npc->c", a["dy"]),
    }
    if a["dx"] is not None:
        d = by_groups(a["dy"] * a["gamma"], groups)
        count = d.shape[2]
        dvar = (d * centred).sum(axis=2, keepdims=True) * -0.5 * rstd**3
        dmean = -(d * rstd).sum(axis=2, keepdims=True) - 2 * dvar * centred.mean(axis=2, keepdims=True)
        answer["dx"] = back(d * rstd + dvar * 2 * centred / count + dmean / count, shape)
    return answer


def loss(a: Arguments, kernels: Any) -> float:
    out, statistics = np.empty_like(a["x"]), np.empty((2, *a["mean"].shape))
    kernels.groupnorm_forward(a["x"], a["gamma"], a["#beta"], 1e-3, statistics[0], statistics[1], out)
    return float((out * a["dy"]).sum())


def rows() -> list[Operation]:
    gradients = {"x": "dx", "gamma": "dgamma", "#beta": "dbeta"}
    return [
        Operation("groupnorm_forward", "", SIZES, make, answer, tolerance=64, bench=(256, 1, 1, 4096)),
        Operation("groupnorm_backward", "", SIZES, lambda s, r: backward_make(s, r, True), backward_answer,
                  tolerance=128, loss=loss, gradients=gradients, bench=(256, 1, 1, 4096)),
        Operation("groupnorm_backward", "nodx", SIZES, lambda s, r: backward_make(s, r, False), backward_answer,
                  tolerance=128),
    ]  # fmt: skip
