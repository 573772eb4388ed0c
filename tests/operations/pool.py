"""Pooling: regions that tile, overlap, leave gaps or hold one place."""

from __future__ import annotations

from typing import Any

import numpy as np

from .table import Arguments, Operation, Sizes, nan

IMAGES: tuple[Sizes, ...] = (
    (0, 4, 4, 3), (1, 1, 1, 1), (2, 3, 5, 0), (3, 4, 6, 5), (2, 7, 5, 17),
    (1, 9, 8, 33), (2, 28, 28, 6), (3, 16, 15, 64),
)  # fmt: skip


def bounds(size: int, regions: str) -> tuple[np.ndarray, np.ndarray]:
    """First and stop of each region along an axis."""
    starts = np.arange(0, size, 2)
    if regions == "tiles":  # 2 by 2, the last one may be 1
        stops = starts + 2
    elif regions == "overlaps":  # 3, by steps of 2, cut off at both ends
        starts, stops = np.arange(-1, size, 2), np.arange(-1, size, 2) + 3
    elif regions == "gaps":
        starts = np.arange(0, size, 3)
        stops = starts + 1
    elif regions == "dense":  # 4, by steps of 1
        starts, stops = np.arange(size) - 2, np.arange(size) + 2
    else:
        starts, stops = np.array([0]), np.array([size])
    return np.maximum(starts, 0), np.minimum(stops, size)


def make(sizes: Sizes, rng: np.random.Generator, regions: str) -> Arguments:
    n, h, w, c = sizes
    top, bottom = bounds(h, regions)
    left, right = bounds(w, regions)
    # numbers that differ by more than a gradient check moves them
    x = rng.random((n, h * w, c)).argsort(axis=1) / 8 + rng.random((n, h * w, c)) / 16 - h * w / 16
    out = nan(n, len(top), len(left), c)
    x = x.reshape(sizes)
    return {
        "x": x,
        "row_start": top,
        "row_stop": bottom,
        "column_start": left,
        "column_stop": right,
        "winner": out,
        "out": out.copy(),
    }


def each(a: Arguments) -> Any:
    """Place in the output and the slices of each region."""
    for p in range(len(a["row_start"])):
        for q in range(len(a["column_start"])):
            yield p, q, slice(a["row_start"][p], a["row_stop"][p]), slice(a["column_start"][q], a["column_stop"][q])


def max_answer(a: Arguments) -> dict[str, Any]:
    out = np.full(a["out"].shape, -np.inf)
    winner = np.full(out.shape, -1.0)
    for p, q, rows, columns in each(a):
        number = 0
        for i in range(rows.start, rows.stop):
            for j in range(columns.start, columns.stop):
                better = a["x"][:, i, j] > out[:, p, q]
                winner[:, p, q] = np.where(better, number, winner[:, p, q])
                out[:, p, q] = np.where(better, a["x"][:, i, j], out[:, p, q])
                number += 1
    return {"winner": winner, "out": out}


def avg_make(sizes: Sizes, rng: np.random.Generator, regions: str) -> Arguments:
    found = make(sizes, rng, regions)
    del found["winner"]
    return found


def avg_answer(a: Arguments) -> dict[str, Any]:
    rows, columns = membership(a, a["x"].shape)
    out = np.einsum("nhwc,ph,qw->npqc", a["x"], rows / rows.sum(1, keepdims=True), columns / columns.sum(1)[:, None])
    return {"out": out}


def membership(a: Arguments, shape: Sizes) -> tuple[np.ndarray, np.ndarray]:
    """1 where a row of the image lies in a row of regions (P, H), and for columns (Q, W)."""
    rows, columns = np.arange(shape[1]), np.arange(shape[2])
    return (
        ((a["row_start"][:, None] <= rows) & (rows < a["row_stop"][:, None])).astype(float),
        ((a["column_start"][:, None] <= columns) & (columns < a["column_stop"][:, None])).astype(float),
    )


def backward_make(sizes: Sizes, rng: np.random.Generator, regions: str, numbered: bool) -> Arguments:
    forward = make(sizes, rng, regions)
    dy = {"dy": rng.standard_normal(forward["out"].shape)}
    if numbered:
        dy["winner"] = max_answer(forward)["winner"]
    x = forward.pop("x")
    return {**dy, **{k: v for k, v in forward.items() if k not in ("winner", "out")}, "dx": nan(*sizes), "#x": x}


def max_backward_answer(a: Arguments) -> dict[str, Any]:
    dx = np.zeros(a["dx"].shape)
    n, p, q, c = np.indices(a["dy"].shape)
    row, column = np.divmod(a["winner"].astype(int), (a["column_stop"] - a["column_start"])[q])
    np.add.at(dx, (n, a["row_start"][p] + row, a["column_start"][q] + column, c), a["dy"])
    return {"dx": dx}


def avg_backward_answer(a: Arguments) -> dict[str, Any]:
    rows, columns = membership(a, a["dx"].shape)
    shares = rows / rows.sum(1, keepdims=True), columns / columns.sum(1, keepdims=True)
    return {"dx": np.einsum("npqc,ph,qw->nhwc", a["dy"], *shares)}


def max_loss(a: Arguments, kernels: Any) -> float:
    out = np.empty_like(a["dy"])
    kernels.max_pool_forward(
        a["#x"], a["row_start"], a["row_stop"], a["column_start"], a["column_stop"], np.empty_like(out), out
    )
    return float((out * a["dy"]).sum())


def avg_loss(a: Arguments, kernels: Any) -> float:
    out = np.empty_like(a["dy"])
    kernels.avg_pool_forward(a["#x"], a["row_start"], a["row_stop"], a["column_start"], a["column_stop"], out)
    return float((out * a["dy"]).sum())


def rows() -> list[Operation]:
    rows = []
    for regions in ("tiles", "overlaps", "gaps", "dense", "whole"):
        bench = (64, 32, 32, 32) if regions in ("tiles", "overlaps") else None
        rows += [
            Operation("max_pool_forward", regions, IMAGES, lambda s, r, k=regions: make(s, r, k), max_answer,
                      tolerance=1, bench=bench),
            Operation("max_pool_backward", regions, IMAGES, lambda s, r, k=regions: backward_make(s, r, k, True),
                      max_backward_answer, loss=max_loss, gradients={"#x": "dx"}, bench=bench),
            Operation("avg_pool_forward", regions, IMAGES, lambda s, r, k=regions: avg_make(s, r, k), avg_answer,
                      tolerance=32, bench=bench),
            Operation("avg_pool_backward", regions, IMAGES, lambda s, r, k=regions: backward_make(s, r, k, False),
                      avg_backward_answer, loss=avg_loss, gradients={"#x": "dx"}, bench=bench),
        ]  # fmt: skip
    return rows
