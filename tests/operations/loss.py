"""Losses, data."""

from __future__ import annotations

from typing import Any

import numpy as np

from .table import Arguments, Operation, Sizes, nan


def labels(rng: np.random.Generator, n: int, c: int) -> np.ndarray:
    return rng.integers(0, c, n)


def some_weights(rng: np.random.Generator, n: int, weighted: bool) -> np.ndarray | None:
    """Weights of 0..2, every third of them 0."""
    return rng.uniform(0, 2, n) * (np.arange(n) % 3 > 0) if weighted else None


def number_of_hits(scores: np.ndarray, labels: np.ndarray, weights: np.ndarray | None) -> float:
    """What those rows weigh whose label is the first of the largest scores."""
    total = 0.0
    for i, row in enumerate(scores.tolist()):
        total += (row.index(max(row)) == labels[i]) * (1.0 if weights is None else float(weights[i]))
    return total


def cross_entropy_make(sizes: Sizes, rng: np.random.Generator, weighted: bool, smoothing: float) -> Arguments:
    n, c = sizes
    logits = rng.standard_normal((n, c)) * 3
    logits[::2] = np.round(logits[::2])  # ties
    return {"logits": logits, "labels": labels(rng, n, c), "weights": some_weights(rng, n, weighted),
            "smoothing": smoothing, "dlogits": nan(n, c)}  # fmt: skip


def log_softmax(x: np.ndarray) -> np.ndarray:
    wide = x.astype(np.longdouble)  # a chain of logaddexp over 1,000 classes costs three digits
    return (wide - np.logaddexp.reduce(wide, axis=1, keepdims=True)).astype(np.float64)


def cross_entropy_answer(a: Arguments) -> dict[str, Any]:
    n, c = a["logits"].shape
    logp = log_softmax(a["logits"])
    target = (1 - a["smoothing"]) * np.eye(c)[a["labels"]] + a["smoothing"] / c
    share = (np.ones(n) if a["weights"] is None else a["weights"])[:, None] / n
    hits = number_of_hits(a["logits"], a["labels"], a["weights"])
    return {"return": (-(logp * target * share).sum(), hits), "dlogits": (np.exp(logp) - target) * share}


def cross_entropy_loss(a: Arguments, kernels: Any) -> float:
    return float(kernels.softmax_cross_entropy(*list(a.values())[:-1], np.empty_like(a["logits"]))[0])


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
        Operation("softmax", "", ((0, 3), (3, 0), *CLASSES),
                  lambda s, r: {"x": r.standard_normal(s) * 5, "out": nan(*s)},
                  lambda a: {"out": np.exp(log_softmax(a["x"])) if a["x"].size else a["x"]}, tolerance=32,
                  bench=(4096, 1000)),
    ]  # fmt: skip
    rows += [
        Operation("softmax_cross_entropy", options, CLASSES,
                  lambda s, r, w=weighted, o=smoothing: cross_entropy_make(s, r, w, o), cross_entropy_answer,
                  floor=1e-3, loss=cross_entropy_loss, gradients={"logits": "dlogits"}, bench=bench)
        for options, weighted, smoothing, bench in (
            ("", False, 0.0, (4096, 1000)), ("weighted", True, 0.0, None), ("smoothing", False, 0.1, None),
            ("weighted smoothing", True, 0.3, None),
        )
    ]  # fmt: skip
    gathers = ((1, 1, 1), (10, 7, 25), (100, 784, 32), (4, 3, 0), (5, 0, 3))
    rows += [
        Operation("gather", dtype, gathers, lambda s, r, t=dtype: gather_make(s, r, t),
                  lambda a: {"out": np.take(a["x"], a["indices"], axis=0) / a["divisor"]}, tolerance=1,
                  bench=(10_000, 784, 128))
        for dtype in ("uint8", "float")
    ]  # fmt: skip
    return rows
