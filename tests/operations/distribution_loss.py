"""Losses of outputs that describe the distribution of a target."""

from __future__ import annotations

from typing import Any

import numpy as np

from .table import Arguments, Operation, Sizes, away_from_zero, nan, some_weights

# Rows and targets.
SIZES: tuple[Sizes, ...] = ((1, 1), (3, 2), (7, 15), (64, 3), (5, 400), (4099, 1), (513, 5))


def make_quantiles(sizes: Sizes, rng: np.random.Generator, weighted: bool) -> Arguments:
    """Outputs away from their targets, where the loss has its kinks."""
    n, d = sizes
    levels = 1 + (3 * n + d) % 4
    targets = rng.standard_normal((n, d))
    return {
        "outputs": np.repeat(targets, levels, axis=1) + away_from_zero(rng, (n, d * levels)),
        "targets": targets,
        "levels": np.arange(1, levels + 1) / (levels + 1),
        "weights": some_weights(rng, n, weighted),
        "doutputs": nan(n, d * levels),
    }


def quantiles(a: Arguments) -> dict[str, Any]:
    n, d = a["targets"].shape
    share = (np.ones(n) if a["weights"] is None else a["weights"])[:, None, None] / n
    f, y = a["outputs"].reshape(n, d, -1), a["targets"][:, :, None]
    below = f < y
    losses = np.maximum(a["levels"] * (y - f), (a["levels"] - 1) * (y - f))
    slopes = share * (np.where(below, 0, 1) - a["levels"])
    return {"return": (losses * share).sum(), "doutputs": slopes.reshape(n, -1)}


def make_normal(sizes: Sizes, rng: np.random.Generator, weighted: bool) -> Arguments:
    n, d = sizes
    return {
        "outputs": rng.standard_normal((n, 2 * d)),
        "targets": rng.standard_normal((n, d)),
        "weights": some_weights(rng, n, weighted),
        "doutputs": nan(n, 2 * d),
    }


def normal(a: Arguments) -> dict[str, Any]:
    n, d = a["targets"].shape
    share = (np.ones(n) if a["weights"] is None else a["weights"])[:, None] / n
    mean, deviation = a["outputs"][:, :d], np.exp(a["outputs"][:, d:] / 2)
    z = (a["targets"] - mean) / deviation
    losses, slopes = np.log(deviation) + z**2 / 2, np.concatenate([-z / deviation, (1 - z**2) / 2], axis=1)
    return {"return": (losses * share).sum(), "doutputs": slopes * share}


def mean_loss(a: Arguments, kernels: Any, kernel: str) -> float:
    return float(getattr(kernels, kernel)(*list(a.values())[:-1], np.empty_like(a["outputs"])))


def rows() -> list[Operation]:
    kinds = (("pinball", make_quantiles, quantiles), ("gaussian_nll", make_normal, normal))
    return [
        Operation(kernel, "weighted" if weighted else "", SIZES,
                  lambda s, r, make=make, w=weighted: make(s, r, w), answer, floor=1e-3,
                  loss=lambda a, k, kernel=kernel: mean_loss(a, k, kernel), gradients={"outputs": "doutputs"})
        for kernel, make, answer in kinds for weighted in (False, True)
    ]  # fmt: skip
