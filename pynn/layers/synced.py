"""Batch normalization over a batch that several processes share: statistics and gradients of all of its parts.

Each process sums up its part with the kernels of one process; the sums are merged in float64.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from .. import kernels
from .base import Array

if TYPE_CHECKING:
    from ..distributed import Ranks
    from .batchnorm import BatchNorm


@np.errstate(invalid="ignore", over="ignore")  # of a loss that goes to NaN
def forward(layer: BatchNorm, ranks: Ranks, rows: Array, mean: Array, rstd: Array, out: Array) -> None:
    """out (N, C) from this process's rows (N, C), N = 0 or at least 2, with the mean and rstd (C,) of all processes'.

    Running statistics move as those of one process with the whole batch do.
    """
    f, channels = layer._activation, rows.shape[1]
    own_mean, own_var = layer.buffer("own_mean", (channels,)), layer.buffer("own_var", (channels,))
    sums = np.zeros((3, channels))  # rows, Σ(x - origin) and Σ(x - origin)²
    origin = layer.running_mean.astype(np.float64)  # the same in all, and near the mean: little cancels
    if len(rows):
        own_mean.fill(0)
        own_var.fill(-1)
        kernels.batchnorm_forward(
            rows, layer.gamma, layer.beta, layer.epsilon, 0.0, own_mean, own_var, f.function, f.alpha, mean, rstd, out
        )  # with momentum 0: the mean and unbiased variance of this part
        own_var[own_var < 0] = np.inf  # the kernel leaves alone what would not be finite
        apart = mean - origin
        sums[0], sums[1] = len(rows), len(rows) * apart
        sums[2] = (len(rows) - 1) * own_var.astype(np.float64) + len(rows) * apart**2
    ranks.add_up(sums)
    count, shift = sums[0], sums[1] / sums[0]
    var = np.maximum(sums[2] / count - shift**2, 0)  # NaN stays NaN
    mean[...], own_var[...] = origin + shift, var
    own_var[np.isinf(own_var)] = np.nan  # a variance too large for the dtype shall show: x/√∞ would be 0
    rstd[...] = np.where(np.isnan(own_var), np.nan, 1 / np.sqrt(var + layer.epsilon))
    keep = layer.momentum
    moved = [keep * origin + (1 - keep) * (origin + shift)]
    moved.append(keep * layer.running_var.astype(np.float64) + (1 - keep) * var * count / (count - 1))
    finite = np.isfinite(moved[0]) & np.isfinite(moved[1])
    layer.running_mean[finite], layer.running_var[finite] = moved[0][finite], moved[1][finite]
    kernels.batchnorm_inference(rows, layer.gamma, layer.beta, mean, own_var, layer.epsilon, f.function, f.alpha, out)
    layer._count = float(count[0])


def backward(
    layer: BatchNorm, ranks: Ranks, dy: Array, rows: Array, mean: Array, rstd: Array, dx: Array | None
) -> None:
    """Gradients of `forward`: dgamma and dbeta of this process's rows alone, dx (N, C) of the loss of all processes."""
    f, channels = layer._activation, rows.shape[1]
    kernels.batchnorm_backward(
        dy, rows, layer.gamma, layer.beta, mean, rstd, f.function, f.alpha, None, layer.dgamma, layer.dbeta
    )
    sums = np.stack([layer.dbeta, layer.dgamma]).astype(np.float64)  # Σ dz and Σ dz·x̂
    ranks.add_up(sums)  # in all processes, whether they want dx or not: they are alike
    if dx is None:
        return
    var = layer.buffer("own_var", (channels,))  # as `forward` left it
    kernels.batchnorm_inference_backward(
        dy, rows, layer.gamma, layer.beta, mean, var, layer.epsilon, f.function, f.alpha, dx
    )  # γ·rstd·dz
    scale = layer.gamma * rstd
    spread = layer.buffer("spread", rows.shape)  # γ·rstd·(Σdz + x̂·Σ dz·x̂)/N
    np.subtract(rows, mean, out=spread)
    spread *= (scale * rstd * (sums[1] / layer._count)).astype(rows.dtype)
    spread += (scale * (sums[0] / layer._count)).astype(rows.dtype)
    dx -= spread
