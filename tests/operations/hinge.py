"""Multiclass hinge losses."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from .table import CLASSES, Arguments, Operation, Sizes, nan, number_of_hits, shares, some_weights


def make(sizes: Sizes, rng: np.random.Generator, weighted: bool, squared: bool, margin: float) -> Arguments:
    """Differences are multiples of 0.7: no margin of 1 or 0.3 is met exactly, and there are ties."""
    n, c = sizes
    return {
        "scores": 0.7 * rng.integers(-4, 5, (n, c)),
        "labels": rng.integers(0, c, n),
        "weights": some_weights(rng, n, weighted),
        "margin": margin,
        "squared": squared,
        "dscores": nan(n, c),
    }


def answer(a: Arguments) -> dict[str, Any]:
    f, y, power = a["scores"], a["labels"], 2 if a["squared"] else 1
    gradient, values = np.zeros_like(f), []
    for i, share in enumerate(shares(a)):
        over = {j: f[i, j] - f[i, y[i]] + a["margin"] for j in range(f.shape[1]) if j != y[i]}
        pulls = {j: power * m ** (power - 1) for j, m in over.items() if m > 0}
        values.append(share * math.fsum(over[j] ** power for j in pulls))
        gradient[i, list(pulls)] = [share * pull for pull in pulls.values()]
        gradient[i, y[i]] = -share * math.fsum(pulls.values())
    return {"return": (math.fsum(values), number_of_hits(f, y, a["weights"])), "dscores": gradient}


def mean_loss(a: Arguments, kernels: Any) -> float:
    return float(kernels.hinge(*list(a.values())[:-1], np.empty_like(a["scores"]))[0])


def rows() -> list[Operation]:
    return [
        Operation("hinge", options, CLASSES, lambda s, r, w=weighted, q=squared, m=margin: make(s, r, w, q, m),
                  answer, floor=1e-3, loss=mean_loss, gradients={"scores": "dscores"})
        for options, weighted, squared, margin in (
            ("", False, False, 1.0), ("squared", False, True, 1.0), ("weighted", True, False, 0.3),
            ("weighted squared", True, True, 0.3),
        )
    ]  # fmt: skip
