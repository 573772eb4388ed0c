"""Maxout."""

from __future__ import annotations

from typing import Any

import numpy as np

from .table import ROWS, Arguments, Operation, Sizes, nan


def spread(rng: np.random.Generator, n: int, m: int, pieces: int) -> np.ndarray:
    """Pieces that differ by more than a gradient check moves them."""
    ranks = rng.random((n, pieces, m)).argsort(axis=1)
    return (ranks + rng.random((n, pieces, m)) * 0.9 - pieces / 2).reshape(n, pieces * m)


def make(sizes: Sizes, rng: np.random.Generator, pieces: int) -> Arguments:
    n, m = sizes
    return {"z": spread(rng, n, m, pieces), "pieces": pieces, "winner": nan(n, m), "out": nan(n, m)}


def answer(a: Arguments) -> dict[str, Any]:
    (n, m), pieces = a["out"].shape, a["pieces"]
    winner, out = np.zeros((n, m)), a["z"][:, :m].copy()
    for k in range(1, pieces):
        piece = a["z"][:, k * m : (k + 1) * m]
        winner[piece > out] = k
        out = np.maximum(out, piece)
    return {"winner": winner, "out": out}


def backward_make(sizes: Sizes, rng: np.random.Generator, pieces: int) -> Arguments:
    forward = make(sizes, rng, pieces)
    n, m = sizes
    return {
        "dy": rng.standard_normal((n, m)), "winner": answer(forward)["winner"], "pieces": pieces,
        "dz": nan(n, pieces * m), "#z": forward["z"],
    }  # fmt: skip


def backward_answer(a: Arguments) -> dict[str, Any]:
    onehot = np.eye(a["pieces"])[a["winner"].astype(int)]
    return {"dz": np.einsum("nm,nmk->nkm", a["dy"], onehot).reshape(a["dz"].shape)}


def loss(a: Arguments, kernels: Any) -> float:
    out = np.empty_like(a["dy"])
    kernels.maxout_forward(a["#z"], a["pieces"], np.empty_like(out), out)
    return float((out * a["dy"]).sum())


def rows() -> list[Operation]:
    rows = []
    for pieces in (1, 2, 3, 5):
        sizes = ((0, 3), (1, 5), *ROWS)
        rows += [
            Operation("maxout_forward", f"{pieces} pieces", sizes, lambda s, r, k=pieces: make(s, r, k), answer,
                      tolerance=1, bench=(256, 1024)),
            Operation("maxout_backward", f"{pieces} pieces", sizes, lambda s, r, k=pieces: backward_make(s, r, k),
                      backward_answer, tolerance=1, loss=loss, gradients={"#z": "dz"}, bench=(256, 1024)),
        ]  # fmt: skip
    return rows
