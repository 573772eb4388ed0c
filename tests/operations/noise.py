"""Dropout and noise."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from .table import FLAT, Arguments, Operation, Sizes, away_from_zero, nan


def philox(counter: tuple[int, int, int, int], key: tuple[int, int]) -> tuple[int, int, int, int]:
    """Philox4x32-10 on plain integers, as in the paper (Salmon et al. 2011, section 3.3)."""
    c0, c1, c2, c3 = counter
    k0, k1 = key
    for _ in range(10):
        high0, low0 = divmod(0xD2511F53 * c0, 2**32)
        high1, low1 = divmod(0xCD9E8D57 * c2, 2**32)
        c0, c1, c2, c3 = high1 ^ c1 ^ k0, low1, high0 ^ c3 ^ k1, low0
        k0, k1 = (k0 + 0x9E3779B9) % 2**32, (k1 + 0xBB67AE85) % 2**32
    return c0, c1, c2, c3


def words(a: Arguments, block: int) -> tuple[int, int, int, int]:
    key = (a["seed"] % 2**32, a["seed"] // 2**32)
    return philox((block % 2**32, block // 2**32, a["stream"], a["step"]), key)


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


def noise_answer(a: Arguments) -> dict[str, Any]:
    """Element i of a group of 64: word i // 16 of the counter i % 16; words 0 and 1 are a pair, and 2 and 3."""
    normal = np.zeros(a["x"].size)
    for i in range(normal.size):
        group, place = divmod(a["offset"] + i, 64)
        four, which = words(a, group * 16 + place % 16), place // 16
        first, second = four[:2] if which < 2 else four[2:]
        turn = 2 * math.pi * (second // 256) / 2**24
        normal[i] = math.sqrt(-2 * math.log((first // 256 + 1) / 2**24)) * [math.cos, math.sin][which % 2](turn)
    return {"out": a["x"] + a["std"] * normal.reshape(a["x"].shape)}


def make(sizes: Sizes, rng: np.random.Generator, seed: int, offset: int, settings: dict[str, Any]) -> Arguments:
    """x is the gradient that comes back where the row is a gradient check: the map is its own adjoint."""
    place = {"seed": seed, "stream": 3, "step": 70_000, "offset": offset}
    return {"x": away_from_zero(rng, sizes), **settings, **place, "out": nan(*sizes), "#x": rng.standard_normal(sizes)}


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
    rows += [
        Operation("gaussian_noise", f"std {std}", FLAT,
                  lambda s, r, offset=offset, std=std: make(s, r, 9, offset, {"std": std}), noise_answer)
        for std, offset in ((0.0, 0), (1.0, 0), (0.1, 63), (10.0, 2**64 - 65))
    ]  # fmt: skip
    return rows
