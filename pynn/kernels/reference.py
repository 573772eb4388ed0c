"""The kernels in readable NumPy: the definition that the native ones are tested against, and the fallback.

Knows arrays only; must not know layers, models or the native extension.
Shapes: N samples, D inputs, M outputs, C channels or classes, P parameters. Images come as (N·H·W, C).
The native kernels count subnormal numbers (below 1e-38 in float32, 2e-308 in float64) as 0, these do not.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .checks import checked, expect
from .philox import draws16

Floats = NDArray[Any]

ACTIVATIONS = ("identity", "sigmoid", "tanh", "relu", "leaky_relu", "elu")

__all__ = [
    "activation_backward",
    "activation_forward",
    "adagrad_step",
    "adam_step",
    "affine_backward",
    "affine_forward",
    "batchnorm_backward",
    "batchnorm_forward",
    "batchnorm_inference",
    "dropout",
    "gather",
    "momentum_step",
    "nesterov_step",
    "penalty",
    "polyak_step",
    "rmsprop_step",
    "sgd_step",
    "softmax",
    "softmax_cross_entropy",
]


def _expect_activation(where: str, activation: str, alpha: float) -> None:
    if activation not in ACTIVATIONS:
        raise ValueError(f"{where}: activation is '{activation}', expected one of {', '.join(ACTIVATIONS)}")
    # the slope follows from the sign of the output
    expect(activation not in ("leaky_relu", "elu") or alpha >= 0, where, "alpha", alpha, "at least 0")


def _activate(x: Floats, activation: str, alpha: float) -> Floats:
    if activation == "sigmoid":
        e = np.exp(-np.abs(x))  # at most 1: never overflows
        y: Floats = np.where(x >= 0, 1, e) / (1 + e)
    elif activation == "tanh":
        y = np.tanh(x)
    elif activation == "relu":
        y = np.maximum(x, 0)
    elif activation == "leaky_relu":
        y = np.where(x > 0, x, alpha * x)
    elif activation == "elu":
        y = np.where(x > 0, x, alpha * np.expm1(np.minimum(x, 0)))
    else:
        y = x
    return y


def _through_activation(dy: Floats, y: Floats, activation: str, alpha: float) -> Floats:
    """Gradient before the activation, from the gradient after it and its output y."""
    if activation == "sigmoid":
        dz: Floats = dy * y * (1 - y)
    elif activation == "tanh":
        dz = dy * (1 - y * y)
    elif activation == "relu":
        dz = np.where(y > 0, dy, 0)
    elif activation == "leaky_relu":
        dz = np.where(y > 0, dy, alpha * dy)
    elif activation == "elu":
        dz = np.where(y > 0, dy, dy * (y + alpha))
    else:
        dz = dy
    return dz


@checked(x="...", out="out ...")
def activation_forward(x: Floats, activation: str, alpha: float, out: Floats) -> None:
    """out = f(x), elementwise, any shape.

    activation: one of "identity", "sigmoid" 1/(1+e^-x), "tanh", "relu" max(0, x), "leaky_relu" (x > 0: x, else
    alpha·x), "elu" (x > 0: x, else alpha(e^x - 1)). alpha, at least 0, is read by the last two only.
    """
    _expect_activation("activation_forward", activation, alpha)
    out[...] = _activate(x, activation, alpha)


@checked(dy="...", y="...", dx="out ...")
def activation_backward(dy: Floats, y: Floats, activation: str, alpha: float, dx: Floats) -> None:
    """dx = dy · f'(x), elementwise, with f' taken from the output y = f(x); f'(0) is the one of the left side."""
    _expect_activation("activation_backward", activation, alpha)
    dx[...] = _through_activation(dy, y, activation, alpha)


@checked(x="N D", weight="D M", bias="optional M", out="out N M")
def affine_forward(x: Floats, weight: Floats, bias: Floats | None, activation: str, alpha: float, out: Floats) -> None:
    """out (N, M) = f(x (N, D) · weight (D, M) + bias (M,)); bias may be None. f: see `activation_forward`."""
    _expect_activation("affine_forward", activation, alpha)
    np.matmul(x, weight, out=out)
    if bias is not None:
        out += bias
    if activation != "identity":
        out[...] = _activate(out, activation, alpha)


@checked(
    dy="N M",
    x="N D",
    weight="D M",
    y="N M",
    dz="optional out N M",
    dx="optional out N D",
    dweight="out D M",
    dbias="optional out M",
)
def affine_backward(
    dy: Floats,
    x: Floats,
    weight: Floats,
    y: Floats,
    activation: str,
    alpha: float,
    dz: Floats | None,
    dx: Floats | None,
    dweight: Floats,
    dbias: Floats | None,
) -> None:
    """Gradients of `affine_forward`, from the gradient dy (N, M) of its output y (N, M).

    dz (N, M) = dy · f'; dx (N, D) = dz · weightᵀ (None: not wanted); dweight (D, M) = xᵀ · dz; dbias (M,) = Σ_n dz.
    dz may be None where f is the identity: it would be dy again.
    """
    _expect_activation("affine_backward", activation, alpha)
    if dz is None:
        if activation != "identity":
            raise ValueError("affine_backward: dz is None, expected an array (N, M) for any activation but identity")
        dz = dy
    else:
        dz[...] = _through_activation(dy, y, activation, alpha)
    np.matmul(x.T, dz, out=dweight)
    if dbias is not None:
        np.sum(dz, axis=0, out=dbias)
    if dx is not None:
        np.matmul(dz, weight.T, out=dx)


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
    epsilon: float,
    momentum: float,
    running_mean: Floats,
    running_var: Floats,
    activation: str,
    alpha: float,
    mean: Floats,
    rstd: Floats,
    out: Floats,
) -> None:
    """out (N, C) = f(gamma · (x - mean) · rstd + beta), with the mean and rstd = 1/√(var + epsilon) of this batch.

    mean and rstd (C,) are kept for `batchnorm_backward`. The running statistics move towards the batch's:
    running ← momentum · running + (1 - momentum) · batch, where running_var takes the unbiased variance (N - 1);
    a channel whose batch is not finite leaves them as they are. N must be at least 2.
    """
    _expect_activation("batchnorm_forward", activation, alpha)
    rows = x.shape[0]
    if rows < 2:
        raise ValueError(f"batchnorm_forward: x has {rows} rows, expected at least 2 (no variance from fewer)")
    mean64 = x[0] + (x - x[0]).mean(axis=0, dtype=np.float64)  # exact for a constant column
    var64 = np.square(x - mean64).mean(axis=0)
    mean[...] = mean64
    rstd[...] = 1 / np.sqrt(var64 + epsilon)
    moved_mean = momentum * running_mean + (1 - momentum) * mean64
    moved_var = momentum * running_var + (1 - momentum) * var64 * rows / (rows - 1)
    moved_mean, moved_var = moved_mean.astype(x.dtype), moved_var.astype(x.dtype)
    finite = np.isfinite(moved_mean) & np.isfinite(moved_var)
    running_mean[finite], running_var[finite] = moved_mean[finite], moved_var[finite]
    out[...] = _activate(_normalize(x, gamma, beta, mean, rstd), activation, alpha)


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
    activation: str,
    alpha: float,
    dx: Floats | None,
    dgamma: Floats,
    dbeta: Floats,
) -> None:
    """Exact gradients of `batchnorm_forward` from the gradient dy of its output y.

    With dz = dy · f' and x̂ = (x - mean) · rstd: dbeta = Σ dz, dgamma = Σ dz·x̂,
    dx = gamma · rstd · (dz - dbeta/N - x̂ · dgamma/N). dx may be None. y is computed anew: cheaper than reading it.
    """
    _expect_activation("batchnorm_backward", activation, alpha)
    y = _activate(_normalize(x, gamma, beta, mean, rstd), activation, alpha)
    dz = _through_activation(dy, y, activation, alpha)
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
    epsilon: float,
    activation: str,
    alpha: float,
    out: Floats,
) -> None:
    """out (N, C) = f(gamma · (x - mean)/√(var + epsilon) + beta), with given (running) statistics."""
    _expect_activation("batchnorm_inference", activation, alpha)
    out[...] = _activate(_normalize(x, gamma, beta, mean, 1 / np.sqrt(var + epsilon)), activation, alpha)


@checked(x="...", out="out ...")
def dropout(x: Floats, rate: float, seed: int, stream: int, step: int, out: Floats) -> None:
    """out = x · mask / (1 - rate): each element is dropped (set to 0) with probability rate, 0 <= rate < 1.

    The mask is a function of (seed, stream, step) and the element's index alone, so the backward pass is the same call
    on the gradient. rate is rounded to a multiple of 2^-16, and the scale is that of the rounded rate.
    """
    expect(0 <= rate < 1, "dropout", "rate", rate, "0 <= rate < 1")
    threshold = min(math.floor(rate * 65536 + 0.5), 65535)
    keep = draws16(seed, stream, step, x.size).reshape(x.shape) >= threshold
    out[...] = np.where(keep, x * x.dtype.type(65536 / (65536 - threshold)), 0)


@checked(x="N C", out="out N C")
def softmax(x: Floats, out: Floats) -> None:
    """out (N, C) = e^x / Σ_c e^x by rows, stable for any finite x."""
    if x.size:
        np.exp(x - x.max(axis=1, keepdims=True), out=out)
        out /= out.sum(axis=1, keepdims=True)


@checked(logits="N C", labels="int64 N", dlogits="out N C")
def softmax_cross_entropy(logits: Floats, labels: NDArray[np.int64], dlogits: Floats) -> float:
    """Mean over N of -log softmax(logits)[label]; its gradient (softmax - onehot)/N goes to dlogits (N, C).

    labels (N,): int64 in 0..C-1. N and C must be at least 1.
    """
    rows, classes = logits.shape
    if rows < 1 or classes < 1:
        raise ValueError(
            f"softmax_cross_entropy: logits has shape {logits.shape}, expected at least one row and column"
        )
    outside = (labels < 0) | (labels >= classes)
    if outside.any():
        where = int(np.argmax(outside))
        raise ValueError(
            f"softmax_cross_entropy: labels[{where}] is {labels[where]}, expected 0..{classes - 1} ({classes} classes)"
        )
    each = np.arange(rows)
    shifted = logits - logits.max(axis=1, keepdims=True)
    np.exp(shifted, out=dlogits)
    total = dlogits.sum(axis=1, keepdims=True)
    losses = np.log(total[:, 0]) - shifted[each, labels]
    dlogits /= total
    dlogits[each, labels] -= 1
    dlogits /= rows
    return float(losses.mean(dtype=np.float64))


@checked(weight="...", dweight="out ...")
def penalty(weight: Floats, l1: float, l2: float, dweight: Floats) -> float:
    """Return l1·Σ|w| + ½·l2·Σw² and add its gradient l1·sign(w) + l2·w to dweight."""
    dweight += l2 * weight + l1 * np.sign(weight)
    wide = weight.astype(np.float64)
    return float(l1 * np.abs(wide).sum() + 0.5 * l2 * np.square(wide).sum())


@checked(parameters="out P", gradients="P")
def sgd_step(parameters: Floats, gradients: Floats, learning_rate: float) -> None:
    """w ← w - η·g, over flat vectors (P,)."""
    parameters -= learning_rate * gradients


@checked(parameters="out P", gradients="P", velocity="out P")
def momentum_step(
    parameters: Floats, gradients: Floats, velocity: Floats, learning_rate: float, momentum: float
) -> None:
    """v ← ρ·v - η·g; w ← w + v."""
    velocity *= momentum
    velocity -= learning_rate * gradients
    parameters += velocity


@checked(parameters="out P", gradients="P", velocity="out P")
def nesterov_step(
    parameters: Floats, gradients: Floats, velocity: Floats, learning_rate: float, momentum: float
) -> None:
    """v' = ρ·v - η·g; w ← w - ρ·v + (1 + ρ)·v'; v ← v'."""
    parameters -= momentum * velocity
    velocity *= momentum
    velocity -= learning_rate * gradients
    parameters += (1 + momentum) * velocity


@checked(parameters="out P", gradients="P", squares="out P")
def adagrad_step(parameters: Floats, gradients: Floats, squares: Floats, learning_rate: float, epsilon: float) -> None:
    """h ← h + g²; w ← w - η·g/(√h + ε)."""
    squares += gradients * gradients
    parameters -= learning_rate * gradients / (np.sqrt(squares) + epsilon)


@checked(parameters="out P", gradients="P", squares="out P")
def rmsprop_step(
    parameters: Floats, gradients: Floats, squares: Floats, learning_rate: float, decay: float, epsilon: float
) -> None:
    """h ← decay·h + (1 - decay)·g²; w ← w - η·g/(√h + ε)."""
    squares *= decay
    squares += (1 - decay) * (gradients * gradients)
    parameters -= learning_rate * gradients / (np.sqrt(squares) + epsilon)


@checked(parameters="out P", gradients="P", first="out P", second="out P")
def adam_step(
    parameters: Floats,
    gradients: Floats,
    first: Floats,
    second: Floats,
    learning_rate: float,
    beta1: float,
    beta2: float,
    epsilon: float,
    step: int,
) -> None:
    """m ← β1·m + (1-β1)·g; v ← β2·v + (1-β2)·g²; w ← w - η·m̂/(√v̂ + ε), m̂ = m/(1-β1^t), v̂ = v/(1-β2^t).

    t = step counts from 1.
    """
    expect(step >= 1, "adam_step", "step", step, "at least 1")
    first *= beta1
    first += (1 - beta1) * gradients
    second *= beta2
    second += (1 - beta2) * (gradients * gradients)
    rate = learning_rate / (1 - beta1**step)
    parameters -= rate * first / (np.sqrt(second / (1 - beta2**step)) + epsilon)


@checked(average="out P", parameters="P")
def polyak_step(average: Floats, parameters: Floats, decay: float) -> None:
    """a ← a + (1 - decay)·(w - a): an exponential average of the weights.

    Source: after Polyak & Juditsky 1992, whose average is uniform.
    """
    average += (1 - decay) * (parameters - average)


@checked(x="pixels N D", indices="int64 B", out="out B D")
def gather(x: NDArray[Any], indices: NDArray[np.int64], divisor: float, out: Floats) -> None:
    """out (B, D) = x[indices] / divisor: the rows of one batch. x (N, D): uint8 or a float; indices (B,): 0..N-1."""
    rows = x.shape[0]
    outside = (indices < 0) | (indices >= rows)
    if outside.any():
        where = int(np.argmax(outside))
        raise ValueError(f"gather: indices[{where}] is {indices[where]}, expected 0..{rows - 1} ({rows} rows)")
    out[...] = x[indices]
    out /= out.dtype.type(divisor)
