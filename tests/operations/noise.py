"""Additive noise."""

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


def rows() -> list[Operation]:
    return [
        Operation("gaussian_noise", f"std {std}", FLAT,
                  lambda s, r, offset=offset, std=std: make(s, r, 9, offset, {"std": std}), noise_answer)
        for std, offset in ((0.0, 0), (1.0, 0), (0.1, 63), (10.0, 2**64 - 65))
    ]  # fmt: skip
