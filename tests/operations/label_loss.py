"""Focal loss and multiclass hinge losses."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from .loss import CLASSES, cross_entropy_make, labels, log_softmax, number_of_hits, some_weights
from .table import Arguments, Operation, Sizes, nan


def shares(a: Arguments) -> np.ndarray:
    n = len(a["labels"])
    return np.asarray((np.ones(n) if a["weights"] is None else a["weights"]) / n)


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


def hinge_make(sizes: Sizes, rng: np.random.Generator, weighted: bool, squared: bool, margin: float) -> Arguments:
    """Differences are multiples of 0.7: no margin of 1 or 0.3 is met exactly, and there are ties."""
    n, c = sizes
    return {
        "scores": 0.7 * rng.integers(-4, 5, (n, c)),
        "labels": labels(rng, n, c),
        "weights": some_weights(rng, n, weighted),
        "margin": margin,
        "squared": squared,
        "dscores": nan(n, c),
    }


def hinge_answer(a: Arguments) -> dict[str, Any]:
    f, y, power = a["scores"], a["labels"], 2 if a["squared"] else 1
    gradient, values = np.zeros_like(f), []
    for i, share in enumerate(shares(a)):
        over = {j: f[i, j] - f[i, y[i]] + a["margin"] for j in range(f.shape[1]) if j != y[i]}
        pulls = {j: power * m ** (power - 1) for j, m in over.items() if m > 0}
        values.append(share * math.fsum(over[j] ** power for j in pulls))
        gradient[i, list(pulls)] = [share * pull for pull in pulls.values()]
        gradient[i, y[i]] = -share * math.fsum(pulls.values())
    return {"return": (math.fsum(values), number_of_hits(f, y, a["weights"])), "dscores": gradient}


def loss_of(kernel: str, scores: str) -> Any:
    return lambda a, kernels: float(getattr(kernels, kernel)(*list(a.values())[:-1], np.empty_like(a[scores]))[0])


def rows() -> list[Operation]:
    rows = [
        Operation("focal", options, CLASSES, lambda s, r, w=weighted, g=gamma: focal_make(s, r, w, g), focal_answer,
                  tolerance=16, floor=1e-3, loss=loss_of("focal", "logits"), gradients={"logits": "dlogits"})
        for options, weighted, gamma in (("", False, 2.0), ("weighted", True, 2.0), ("gamma 0", True, 0.0))
    ]  # fmt: skip
    rows += [
        Operation("hinge", options, CLASSES, lambda s, r, w=weighted, q=squared, m=margin: hinge_make(s, r, w, q, m),
                  hinge_answer, floor=1e-3, loss=loss_of("hinge", "scores"), gradients={"scores": "dscores"})
        for options, weighted, squared, margin in (
            ("", False, False, 1.0), ("squared", False, True, 1.0), ("weighted", True, False, 0.3),
            ("weighted squared", True, True, 0.3),
        )
    ]  # fmt: skip
    return rows
