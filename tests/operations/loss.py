"""Dropout, losses, data."""

from __future__ import annotations

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


def dropout_mask(size: int, rate: float, seed: int, stream: int, step: int) -> np.ndarray:
    """Element i of a group of 128: word i // 32, its low half for i % 32 < 16, of the counter i % 16."""
    threshold = int(rate * 65536 + 0.5)
    keep = np.zeros(size, bool)
    key = (seed % 2**32, seed // 2**32)
    for i in range(size):
        group, place = divmod(i, 128)
        block = group * 16 + place % 16
        word = philox((block % 2**32, block // 2**32, stream, step), key)[place // 32]
        keep[i] = (word >> (16 * (place // 16 % 2))) % 65536 >= threshold
    return keep


def dropout_make(sizes: Sizes, rng: np.random.Generator, rate: float, seed: int) -> Arguments:
    x = away_from_zero(rng, sizes)
    return {"x": x, "rate": rate, "seed": seed, "stream": 3, "step": 70_000, "out": nan(*sizes)}


def dropout_answer(a: Arguments) -> dict[str, Any]:
    keep = dropout_mask(a["x"].size, a["rate"], a["seed"], a["stream"], a["step"]).reshape(a["x"].shape)
    return {"out": a["x"] * keep * (65536 / (65536 - int(a["rate"] * 65536 + 0.5)))}


def labels(rng: np.random.Generator, n: int, c: int) -> np.ndarray:
    return rng.integers(0, c, n)


def cross_entropy_make(sizes: Sizes, rng: np.random.Generator) -> Arguments:
    n, c = sizes
    return {"logits": rng.standard_normal((n, c)) * 3, "labels": labels(rng, n, c), "dlogits": nan(n, c)}


def log_softmax(x: np.ndarray) -> np.ndarray:
    wide = x.astype(np.longdouble)  # a chain of logaddexp over 1,000 classes costs three digits
    return (wide - np.logaddexp.reduce(wide, axis=1, keepdims=True)).astype(np.float64)


def cross_entropy_answer(a: Arguments) -> dict[str, Any]:
    n, c = a["logits"].shape
    logp = log_softmax(a["logits"])
    onehot = np.eye(c)[a["labels"]]
    return {"return": -(logp * onehot).sum() / n, "dlogits": (np.exp(logp) - onehot) / n}


def cross_entropy_loss(a: Arguments, kernels: Any) -> float:
    return float(kernels.softmax_cross_entropy(a["logits"], a["labels"], np.empty_like(a["logits"])))


CLASSES: tuple[Sizes, ...] = ((1, 1), (1, 10), (3, 2), (7, 15), (32, 10), (64, 17), (5, 1000), (513, 33))


def gather_make(sizes: Sizes, rng: np.random.Generator, dtype: str) -> Arguments:
    n, d, b = sizes
    x = rng.integers(0, 256, (n, d)).astype(np.uint8) if dtype == "uint8" else rng.standard_normal((n, d))
    divisor = 255 if dtype == "uint8" else 1
    return {
        "x": x,
        "indices": rng.integers(0, n, b) if n else np.zeros(0, np.int64),
        "divisor": divisor,
        "out": nan(b, d),
    }


def rows() -> list[Operation]:
    rows = [
        Operation("dropout", f"rate {rate}", FLAT, lambda s, r, rate=rate, seed=seed: dropout_make(s, r, rate, seed),
                  dropout_answer, tolerance=1, bench=(256, 4096))
        for rate, seed in ((0.0, 0), (0.5, 1), (0.1, 2**63 + 5), (0.99, 2**32))
    ]  # fmt: skip
    rows += [
        Operation("softmax", "", ((0, 3), (3, 0), *CLASSES),
                  lambda s, r: {"x": r.standard_normal(s) * 5, "out": nan(*s)},
                  lambda a: {"out": np.exp(log_softmax(a["x"])) if a["x"].size else a["x"]}, tolerance=32,
                  bench=(4096, 1000)),
        Operation("softmax_cross_entropy", "", CLASSES, cross_entropy_make, cross_entropy_answer, floor=1e-3,
                  loss=cross_entropy_loss, gradients={"logits": "dlogits"}, bench=(4096, 1000)),
    ]  # fmt: skip
    gathers = ((1, 1, 1), (10, 7, 25), (100, 784, 32), (4, 3, 0), (5, 0, 3))
    rows += [
        Operation("gather", dtype, gathers, lambda s, r, t=dtype: gather_make(s, r, t),
                  lambda a: {"out": np.take(a["x"], a["indices"], axis=0) / a["divisor"]}, tolerance=1,
                  bench=(10_000, 784, 128))
        for dtype in ("uint8", "float")
    ]  # fmt: skip
    return rows
