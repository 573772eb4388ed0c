"""Activations: elementwise, any shape."""

from __future__ import annotations

import numpy as np

from ..checks import REQUIRED, Floats, checked, expect

ACTIVATIONS = ("identity", "sigmoid", "tanh", "relu", "leaky_relu", "elu", "selu", "softplus")
SELU_ALPHA, SELU_SCALE = 1.6732632423543772, 1.0507009873554805  # mean 0 and variance 1 are a fixed point


DEFAULT_ALPHA = {"leaky_relu": 0.01, "elu": 1.0}  # as the layers have it


def expect_activation(where: str, activation: str, alpha: float | None) -> float:
    """The alpha to use; ValueError for an unknown activation or an alpha out of range."""
    if activation not in ACTIVATIONS:
        raise ValueError(f"{where}: activation is '{activation}', expected one of {', '.join(ACTIVATIONS)}")
    # backward takes the slope from the sign of y, which is that of x only for alpha >= 0
    found = DEFAULT_ALPHA.get(activation, 0.0) if alpha is None else alpha
    expect(activation not in DEFAULT_ALPHA or found >= 0, where, "alpha", found, "at least 0")
    return found


def activate(x: Floats, activation: str, alpha: float) -> Floats:
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
    elif activation == "selu":
        y = SELU_SCALE * np.where(x > 0, x, SELU_ALPHA * np.expm1(np.minimum(x, 0)))
    elif activation == "softplus":
        y = np.maximum(x, 0) + np.log1p(np.exp(-np.abs(x)))
    else:
        y = x
    return y


def activation_gradient(dy: Floats, y: Floats, activation: str, alpha: float) -> Floats:
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
    elif activation == "selu":
        dz = dy * np.where(y > 0, SELU_SCALE, y + SELU_SCALE * SELU_ALPHA)
    elif activation == "softplus":
        dz = dy * -np.expm1(-y)  # 1 - e^-y, also where y is small
    else:
        dz = dy
    return dz


@checked(x="...", out="out ...")
def activation_forward(x: Floats, activation: str, alpha: float | None = None, out: Floats = REQUIRED) -> None:
    """out = f(x), elementwise, any shape.

    activation: "identity", "sigmoid" 1/(1+e^-x), "tanh", "relu" max(0, x), "leaky_relu" (x > 0: x, else alpha·x), "elu"
    (x > 0: x, else alpha(e^x - 1)), "selu" (1.0507 times elu with alpha 1.6733), or "softplus" ln(1+e^x).
    alpha, at least 0: only for leaky_relu (0.01 if it is None) and elu (1).
    """
    alpha = expect_activation("activation_forward", activation, alpha)
    out[...] = activate(x, activation, alpha)


@checked(dy="...", y="...", dx="out ...")
def activation_backward(
    dy: Floats, y: Floats, activation: str, alpha: float | None = None, dx: Floats = REQUIRED
) -> None:
    """dx = dy · f'(x), elementwise, with f' computed from the output y = f(x); f'(0) is the left derivative.

    f: activation and alpha, as in the `activation_forward` that computed y.
    """
    alpha = expect_activation("activation_backward", activation, alpha)
    dx[...] = activation_gradient(dy, y, activation, alpha)
