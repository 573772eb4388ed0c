"""Batch normalization."""

from __future__ import annotations

import numpy as np

from ..checks import REQUIRED, Floats, checked, expect_not_negative, not_vanished
from .activation import activate, activation_gradient, expect_activation
from .spread import spread


def _normalize(x: Floats, gamma: Floats, beta: Floats, mean: Floats, rstd: Floats) -> Floats:
    out: Floats = (x - mean) * (gamma * rstd) + beta
    return out


@checked(
    x="N C",
    gamma="C",
    beta="C",
    running_mean="out C",
    running_var="out C",
    mean="out C",
    rstd="out C",
    out="out N C",
)
def batchnorm_forward(
    x: Floats,
    gamma: Floats,
    beta: Floats,
    epsilon: float = 1e-05,
    momentum: float = 0.9,
    running_mean: Floats = REQUIRED,
    running_var: Floats = REQUIRED,
    activation: str = "identity",
    alpha: float | None = None,
    mean: Floats = REQUIRED,
    rstd: Floats = REQUIRED,
    out: Floats = REQUIRED,
) -> None:
    """out (N, C) = f(gamma · (x - mean) · rstd + beta), with the mean and rstd = 1/√(var + epsilon) of this batch.

    mean and rstd (C,) are kept for `batchnorm_backward`. The running statistics move towards the batch's: running ←
    momentum · running + (1 - momentum) · batch, where running_var takes the unbiased variance (N - 1). A channel whose
    batch is not finite, or whose running variance would overflow, keeps both (it is normalized all the same). N must be
    at least 2. f: activation and alpha, see `activation_forward`.

    References
    ----------
    .. [1] Ioffe & Szegedy, "Batch Normalization", 2015.
    """
    expect_not_negative("batchnorm_forward", "epsilon", epsilon)
    alpha = expect_activation("batchnorm_forward", activation, alpha)
    rows = x.shape[0]
    if rows < 2:
        raise ValueError(f"batchnorm_forward: x has {rows} rows, expected at least 2 (no variance from fewer)")
    mean64, var64, rstd64 = spread(x, 0, x[:1], not_vanished(epsilon, x))
    mean[...], rstd[...] = mean64, rstd64
    moved_mean = (momentum * running_mean + (1 - momentum) * mean64).astype(x.dtype)
    moved_var = (momentum * running_var + (1 - momentum) * var64 * rows / (rows - 1)).astype(x.dtype)
    held = np.isfinite(moved_var) | np.isfinite(var64.astype(x.dtype))
    usable = np.isfinite(mean64.astype(x.dtype)) & held
    for running, moved in (running_mean, moved_mean), (running_var, moved_var):
        np.copyto(running, moved, where=usable & np.isfinite(moved))
    out[...] = activate(_normalize(x, gamma, beta, mean, rstd), activation, alpha)


@checked(
    dy="N C",
    x="N C",
    gamma="C",
    beta="C",
    mean="C",
    rstd="C",
    dx="optional out N C",
    dgamma="out C",
    dbeta="out C",
)
def batchnorm_backward(
    dy: Floats,
    x: Floats,
    gamma: Floats,
    beta: Floats,
    mean: Floats,
    rstd: Floats,
    activation: str = "identity",
    alpha: float | None = None,
    dx: Floats | None = None,
    dgamma: Floats = REQUIRED,
    dbeta: Floats = REQUIRED,
) -> None:
    """dbeta = Σ dz; dgamma = Σ dz·x̂; dx = gamma · rstd · (dz - dbeta/N - x̂ · dgamma/N).

    These are the exact gradients of `batchnorm_forward`, with dz = dy · f' and x̂ = (x - mean) · rstd. dx may be None.
    y is recomputed, which is cheaper than reading it. mean and rstd are those of `batchnorm_forward`; f: its activation
    and alpha.
    """
    alpha = expect_activation("batchnorm_backward", activation, alpha)
    y = activate(_normalize(x, gamma, beta, mean, rstd), activation, alpha)
    dz = activation_gradient(dy, y, activation, alpha)
    normalized = (x - mean) * rstd
    sum_dz = dz.sum(axis=0, dtype=np.float64)
    sum_dz_normalized = (dz * normalized).sum(axis=0, dtype=np.float64)
    dbeta[...] = sum_dz
    dgamma[...] = sum_dz_normalized
    if dx is not None and x.shape[0] > 0:
        dx[...] = gamma * rstd * (dz - sum_dz / x.shape[0] - normalized * (sum_dz_normalized / x.shape[0]))


@checked(x="N C", gamma="C", beta="C", mean="C", var="C", out="out N C")
def batchnorm_inference(
    x: Floats,
    gamma: Floats,
    beta: Floats,
    mean: Floats,
    var: Floats,
    epsilon: float = 1e-05,
    activation: str = "identity",
    alpha: float | None = None,
    out: Floats = REQUIRED,
) -> None:
    """out (N, C) = f(gamma · (x - mean)/√(var + epsilon) + beta), with fixed (running) statistics.

    f: activation and alpha, see `activation_forward`.
    """
    expect_not_negative("batchnorm_inference", "epsilon", epsilon)
    alpha = expect_activation("batchnorm_inference", activation, alpha)
    out[...] = activate(
        _normalize(x, gamma, beta, mean, 1 / np.sqrt(var + not_vanished(epsilon, x))), activation, alpha
    )


@checked(dy="N C", x="N C", gamma="C", beta="C", mean="C", var="C", dx="out N C")
def batchnorm_inference_backward(
    dy: Floats,
    x: Floats,
    gamma: Floats,
    beta: Floats,
    mean: Floats,
    var: Floats,
    epsilon: float = 1e-05,
    activation: str = "identity",
    alpha: float | None = None,
    dx: Floats = REQUIRED,
) -> None:
    """dx (N, C) = dy · f' · gamma/√(var + epsilon): the input gradient of `batchnorm_inference`, with its arguments.

    f: activation and alpha, see `activation_forward`.
    """
    expect_not_negative("batchnorm_inference_backward", "epsilon", epsilon)
    alpha = expect_activation("batchnorm_inference_backward", activation, alpha)
    rstd = 1 / np.sqrt(var + not_vanished(epsilon, x))
    y = activate(_normalize(x, gamma, beta, mean, rstd), activation, alpha)
    dx[...] = activation_gradient(dy, y, activation, alpha) * (gamma * rstd)
