"""Losses that are a sum over the outputs: regression, counts and attributes."""

from __future__ import annotations

from typing import Any

import numpy as np

from .table import Arguments, Operation, Sizes, away_from_zero, nan, some_weights

LOSSES = ("l2", "l1", "huber", "binary_cross_entropy", "binary_hinge", "poisson", "gamma", "tweedie")
SIZES: tuple[Sizes, ...] = ((1, 1), (3, 2), (7, 15), (64, 17), (5, 1000), (4099, 1), (513, 33))
DELTA, POWER = 0.75, 1.3


def make(sizes: Sizes, rng: np.random.Generator, loss: str, weighted: bool) -> Arguments:
    """Outputs and targets away from the kinks."""
    n, m = sizes
    targets = rng.standard_normal((n, m))
    outputs = targets + 2 * away_from_zero(rng, (n, m))
    if loss == "binary_hinge":
        targets = np.where(targets > 0, 1.0, -1.0)
        outputs = targets * (1 + away_from_zero(rng, (n, m)))
    elif loss == "binary_cross_entropy":
        targets = np.round(rng.uniform(0, 1, (n, m)), 1)  # some are 0 or 1
        outputs = 4 * outputs
    elif loss in ("poisson", "gamma", "tweedie"):
        targets = np.round(rng.gamma(1, 2, (n, m)), 1) + 0.1 * (loss == "gamma")  # some are 0 where that is allowed
        outputs = rng.standard_normal((n, m))
    return {
        "outputs": outputs,
        "targets": targets,
        "weights": some_weights(rng, n, weighted),
        "loss": loss,
        "delta": DELTA if loss != "tweedie" else POWER,
        "doutputs": nan(n, m),
    }


def terms(loss: str, f: np.ndarray, y: np.ndarray) -> tuple[Any, Any]:
    """Value and slope of every element, each by another formula than the kernels'."""
    d = f - y
    if loss == "l2":
        return f * f - 2 * f * y + y * y, 2 * f - 2 * y
    if loss == "l1":
        return np.where(d > 0, d, -d), np.where(d > 0, 1, -1)
    if loss == "huber":
        inside = np.abs(d) <= DELTA
        return np.where(inside, d**2 / 2, DELTA * np.abs(d) - DELTA**2 / 2), np.where(inside, d, DELTA * np.sign(d))
    if loss == "binary_cross_entropy":
        return y * np.logaddexp(0, -f) + (1 - y) * np.logaddexp(0, f), (1 + np.tanh(f / 2)) / 2 - y
    mean = np.exp(f)
    if loss == "poisson":
        return mean - y * np.log(mean), mean * (1 - y / mean)
    if loss == "gamma":
        return np.log(mean) + y / mean, (mean - y) / mean
    if loss == "tweedie":
        constant = y / (1 - POWER) - 1 / (2 - POWER)  # the loss is 0 where f is 0
        value = mean ** (2 - POWER) / (2 - POWER) - y * mean ** (1 - POWER) / (1 - POWER) + constant
        return value, (mean - y) / mean ** (POWER - 1)
    return np.where(y * f < 1, 1 - y * f, 0), np.where(y * f < 1, -y, 0)


def answer(a: Arguments) -> dict[str, Any]:
    n = len(a["outputs"])
    share = (np.ones(n) if a["weights"] is None else a["weights"])[:, None] / n
    values, slopes = terms(a["loss"], a["outputs"], a["targets"])
    return {"return": (values * share).sum(), "doutputs": slopes * share}


def mean_loss(a: Arguments, kernels: Any) -> float:
    return float(kernels.elementwise_loss(*list(a.values())[:-1], np.empty_like(a["outputs"])))


def rows() -> list[Operation]:
    return [
        Operation("elementwise_loss", f"{loss}{' weighted' if weighted else ''}", SIZES,
                  lambda s, r, loss=loss, w=weighted: make(s, r, loss, w), answer, floor=1e-3, loss=mean_loss,
                  gradients={"outputs": "doutputs"})
        for loss in LOSSES for weighted in (False, True)
    ]  # fmt: skip
