"""Dropout."""

from __future__ import annotations

from typing import Any

import numpy as np

from .noise import make, words
from .table import FLAT, Arguments, Operation, Sizes


def mask(a: Arguments, size: int) -> np.ndarray:
    """Element i of a group of 128: word i // 32, its low half for i % 32 < 16, of the counter i % 16."""
    threshold = int(a["rate"] * 65536 + 0.5)
    keep = np.zeros(size, bool)
    for i in range(size):
        group, place = divmod(a["offset"] + i, 128)
        word = words(a, group * 16 + place % 16)[place // 32]
        keep[i] = (word >> (16 * (place // 16 % 2))) % 65536 >= threshold
    return keep


def scale(a: Arguments) -> float:
    return 65536 / (65536 - int(a["rate"] * 65536 + 0.5)) if a.get("inverted", True) else 1.0


def dropout_answer(a: Arguments) -> dict[str, Any]:
    return {"out": a["x"] * mask(a, a["x"].size).reshape(a["x"].shape) * scale(a)}


def spatial_answer(a: Arguments) -> dict[str, Any]:
    n, _, c = a["x"].shape
    return {"out": np.einsum("npc,nc->npc", a["x"], mask(a, n * c).reshape(n, c) * scale(a))}


def adjoint(kernel: str) -> Any:
    def loss(a: Arguments, kernels: Any) -> float:
        given = {name: value for name, value in a.items() if not name.startswith("#")}
        out = np.empty_like(a["x"])
        getattr(kernels, kernel)(**{**given, "x": a["#x"], "out": out})
        return float((out * a["x"]).sum())

    return loss


PLACES = 5
IMAGES: tuple[Sizes, ...] = ((0, 3), (3, 0), (1, 1), (3, 1), (4, 3), (5, 16), (3, 128), (9, 33), (2, 300))


def rows() -> list[Operation]:
    own = {"#x": "out"}
    rows = [
        Operation("dropout", f"rate {rate}" + ("" if inverted else " vanilla"), FLAT,
                  lambda s, r, seed=seed, offset=offset, rate=rate, inverted=inverted:
                      make(s, r, seed, offset, {"rate": rate, "inverted": inverted}),
                  dropout_answer, tolerance=1, loss=adjoint("dropout"), gradients=own,
                  bench=(256, 4096) if inverted else None)
        for rate, inverted, seed, offset in (
            (0.0, True, 0, 0), (0.5, True, 1, 0), (0.1, True, 2**63 + 5, 77), (0.99, True, 2**32, 2**64 - 1),
            (0.3, False, 7, 2**40 + 128),
        )
    ]  # fmt: skip
    rows += [
        Operation("spatial_dropout", f"rate {rate}", IMAGES,
                  lambda s, r, offset=offset, rate=rate: make((s[0], PLACES, s[1]), r, 5, offset, {"rate": rate}),
                  spatial_answer, tolerance=1, loss=adjoint("spatial_dropout"), gradients=own)
        for rate, offset in ((0.5, 0), (0.2, 200), (0.99, 2**50 + 127))
    ]  # fmt: skip
    return rows
