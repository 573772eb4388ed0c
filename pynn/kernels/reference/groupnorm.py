"""Group normalization; layer normalization is the case of one position and one group."""

from __future__ import annotations

import numpy as np

from ..checks import REQUIRED, Floats, checked, expect_not_negative, not_vanished
from .spread import spread


def _expect_groups(where: str, x: Floats, mean: Floats) -> None:
    _, places, channels = x.shape
    groups = mean.shape[1]
    if places < 1 or channels < 1:
        raise ValueError(f"{where}: x has {places} places and {channels} channels, expected at least 1 of each")
    if groups < 1 or channels % groups:
        raise ValueError(f"{where}: x has {channels} channels, expected a multiple of the {groups} groups")


def _cut(x: Floats, groups: int) -> Floats:
    """x (N, P, C) as (N, P, G, C/G)."""
    n, places, channels = x.shape
    return x.reshape(n, places, groups, channels // groups)


def _each(statistic: Floats) -> Floats:
    """(N, G), with axes to broadcast over the groups of `_cut`."""
    return statistic[:, None, :, None]


@checked(x="N P C", gamma="C", beta="C", mean="out N G", rstd="out N G", out="out N P C")
def groupnorm_forward(
    x: Floats,
    gamma: Floats,
    beta: Floats,
    epsilon: float = 1e-05,
    mean: Floats = REQUIRED,
    rstd: Floats = REQUIRED,
    out: Floats = REQUIRED,
) -> None:
    """out (N, P, C) = gamma · (x - mean) · rstd + beta, with the statistics of each sample and group of channels.

    P positions (H·W of an image, 1 of a vector); each of the G groups is C/G neighbouring channels. mean and
    rstd = 1/√(var + epsilon), (N, G), are taken over the positions and the group's channels, and kept for
    `groupnorm_backward`. P and C must be at least 1, C a multiple of G.

    References
    ----------
    .. [1] Wu & He, "Group Normalization", 2018.
    """
    _expect_groups("groupnorm_forward", x, mean)
    expect_not_negative("groupnorm_forward", "epsilon", epsilon)
    groups = mean.shape[1]
    cut = _cut(x, groups)
    mean[...], _, rstd[...] = spread(cut, (1, 3), cut[:, :1, :, :1], not_vanished(epsilon, x))
    out[...] = ((cut - _each(mean)) * _each(rstd)).reshape(x.shape) * gamma + beta


@checked(
    dy="N P C",
    x="N P C",
    gamma="C",
    mean="N G",
    rstd="N G",
    dx="optional out N P C",
    dgamma="out C",
    dbeta="out C",
)
def groupnorm_backward(
    dy: Floats,
    x: Floats,
    gamma: Floats,
    mean: Floats,
    rstd: Floats,
    dx: Floats | None = None,
    dgamma: Floats = REQUIRED,
    dbeta: Floats = REQUIRED,
) -> None:
    """dbeta = Σ dy; dgamma = Σ dy·x̂; dx = rstd · (d - mean(d) - x̂ · mean(d·x̂)).

    These are the exact gradients of `groupnorm_forward`, with x̂ = (x - mean) · rstd and d = dy · gamma; sums over
    samples and positions, means over a sample's group. dx may be None.
    """
    _expect_groups("groupnorm_backward", x, mean)
    groups = mean.shape[1]
    normalized = (_cut(x, groups) - _each(mean)) * _each(rstd)
    dbeta[...] = dy.sum(axis=(0, 1), dtype=np.float64)
    dgamma[...] = (dy * normalized.reshape(x.shape)).sum(axis=(0, 1), dtype=np.float64)
    if dx is not None:
        d = _cut(dy * gamma, groups)
        mean_dxhat = d.mean(axis=(1, 3), dtype=np.float64, keepdims=True)
        mean_dxhat_xhat = (d * normalized).mean(axis=(1, 3), dtype=np.float64, keepdims=True)
        dx[...] = (_each(rstd) * (d - mean_dxhat - normalized * mean_dxhat_xhat)).reshape(x.shape)
