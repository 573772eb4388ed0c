"""Embedding: vectors of codes."""

from __future__ import annotations

from typing import Any

import numpy as np

from .table import Arguments, Operation, Sizes, nan

# samples, columns, units, and the size of the first column; each next one has one row more
SIZES: tuple[Sizes, ...] = (
    (0, 3, 4, 2), (1, 1, 1, 1), (5, 1, 8, 3), (33, 3, 7, 1), (64, 67, 5, 2), (256, 10, 8, 3), (511, 2, 16, 40),
    (513, 4, 17, 3), (1300, 1, 70, 2), (40, 3, 129, 5),
)  # fmt: skip


def make(sizes: Sizes, rng: np.random.Generator, known: bool) -> Arguments:
    n, c, m, first = sizes
    counts = first + np.arange(c)
    codes = rng.integers(0 if known else -1, counts, (n, c)).astype(float)
    weight = rng.standard_normal((int(counts.sum()), m))
    return {"codes": codes, "sizes": counts, "weight": weight, "out": nan(n, c, m)}


def backward_make(sizes: Sizes, rng: np.random.Generator, known: bool) -> Arguments:
    a = make(sizes, rng, known)
    return {
        "dy": rng.standard_normal(a["out"].shape), "codes": a["codes"], "sizes": a["sizes"],
        "dweight": nan(*a["weight"].shape), "#weight": a["weight"],
    }  # fmt: skip


def one_hot(a: Arguments) -> np.ndarray:
    """(N, C, D): 1 where place (n, c) reads row d."""
    starts = np.cumsum(a["sizes"]) - a["sizes"]
    rows = np.where(a["codes"] < 0, -1, a["codes"] + starts)
    return (rows[..., None] == np.arange(a["sizes"].sum())).astype(float)


def answer(a: Arguments) -> dict[str, Any]:
    return {"out": np.tensordot(one_hot(a), a["weight"], 1)}


def backward_answer(a: Arguments) -> dict[str, Any]:
    return {"dweight": np.tensordot(one_hot(a), a["dy"], ((0, 1), (0, 1)))}


def loss(a: Arguments, kernels: Any) -> float:
    out = np.empty_like(a["dy"])
    kernels.embedding_forward(a["codes"], a["sizes"], a["#weight"], out)
    return float((out * a["dy"]).sum())


def rows() -> list[Operation]:
    rows = []
    for known in (True, False):
        name, bench = "known" if known else "unknown", (256, 20, 8, 10)
        rows += [
            Operation("embedding_forward", name, SIZES, lambda s, r, k=known: make(s, r, k), answer, tolerance=0,
                      bench=bench),
            Operation("embedding_backward", name, SIZES, lambda s, r, k=known: backward_make(s, r, k), backward_answer,
                      tolerance=64, loss=loss, gradients={"#weight": "dweight"}, bench=bench),
        ]  # fmt: skip
    return rows
