"""Softmax, and the losses of its logarithm."""

from __future__ import annotations

from typing import Any

import numpy as np

from .table import CLASSES, Arguments, Operation, Sizes, nan, number_of_hits, shares, some_weights


def cross_entropy_make(sizes: Sizes, rng: np.random.Generator, weighted: bool, smoothing: float) -> Arguments:
    n, c = sizes
    logits = rng.standard_normal((n, c)) * 3
    logits[::2] = np.round(logits[::2])  # ties
    return {"logits": logits, "labels": rng.integers(0, c, n), "weights": some_weights(rng, n, weighted),
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


def focal_make(sizes: Sizes, rng: np.random.Generator, weighted: bool, gamma: float) -> Arguments:
    a = cross_entropy_make(sizes, rng, weighted, 0.0)
    return {**{name: a[name] for name in ("logits", "labels", "weights")}, "gamma": gamma, "dlogits": a["dlogits"]}


def focal_answer(a: Arguments) -> dict[str, Any]:
    """By the chain rule over p, the probability of the label."""
    onehot = np.eye(a["logits"].shape[1])[a["labels"]]
    logp, gamma = log_softmax(a["logits"]), a["gamma"]
    log_own = (logp * onehot).sum(axis=1)
    own, rest = np.exp(log_own), -np.expm1(log_own)
    by_p = (gamma * rest ** (gamma - 1) * log_own if gamma else 0) - rest**gamma / own
    value = (-(rest**gamma) * log_own * shares(a)).sum()
    return {
        "return": (value, number_of_hits(a["logits"], a["labels"], a["weights"])),
        "dlogits": (by_p * own * shares(a))[:, None] * (onehot - np.exp(logp)),
    }


def focal_loss(a: Arguments, kernels: Any) -> float:
    return float(kernels.focal(*list(a.values())[:-1], np.empty_like(a["logits"]))[0])


def backward_make(sizes: Sizes, rng: np.random.Generator) -> Arguments:
    x = rng.standard_normal(sizes) * 2
    y = np.exp(log_softmax(x)) if x.size else x
    return {"dy": rng.standard_normal(sizes), "y": y, "dx": nan(*sizes), "#x": x}


def backward_answer(a: Arguments) -> dict[str, Any]:
    """By the Jacobian diag(y) - y yᵀ of each row."""
    dx = np.empty_like(a["y"])
    for i, y in enumerate(a["y"]):
        dx[i] = (np.diag(y) - np.outer(y, y)) @ a["dy"][i]
    return {"dx": dx}


def backward_loss(a: Arguments, kernels: Any) -> float:
    out = np.empty_like(a["#x"])
    kernels.softmax(a["#x"], out)
    return float((out * a["dy"]).sum())


def rows() -> list[Operation]:
    rows = [
        Operation("softmax", "", ((0, 3), (3, 0), *CLASSES),
                  lambda s, r: {"x": r.standard_normal(s) * 5, "out": nan(*s)},
                  lambda a: {"out": np.exp(log_softmax(a["x"])) if a["x"].size else a["x"]}, tolerance=32,
                  bench=(4096, 1000)),
        Operation("softmax_backward", "", ((0, 3), (3, 0), *CLASSES), backward_make, backward_answer, tolerance=16,
                  loss=backward_loss, gradients={"#x": "dx"}, bench=(4096, 1000)),
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
    rows += [
        Operation("focal", options, CLASSES, lambda s, r, w=weighted, g=gamma: focal_make(s, r, w, g), focal_answer,
                  tolerance=16, floor=1e-3, loss=focal_loss, gradients={"logits": "dlogits"})
        for options, weighted, gamma in (("", False, 2.0), ("weighted", True, 2.0), ("gamma 0", True, 0.0))
    ]  # fmt: skip
    return rows
