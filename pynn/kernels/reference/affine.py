"""Affine maps."""

from __future__ import annotations

import numpy as np

from ..checks import REQUIRED, Floats, checked
from .activation import activate, activation_gradient, expect_activation


@checked(x="N D", weight="D M", bias="optional M", out="out N M")
def affine_forward(
    x: Floats,
    weight: Floats,
    bias: Floats | None = None,
    activation: str = "identity",
    alpha: float | None = None,
    out: Floats = REQUIRED,
    scale: float = 1.0,
) -> None:
    """out (N, M) = f(scale · x (N, D) · weight (D, M) + bias (M,)); bias may be None.

    f: activation and alpha, see `activation_forward`. D may be 0: out is then f(bias).
    """
    alpha = expect_activation("affine_forward", activation, alpha)
    np.matmul(x, weight, out=out)
    if scale != 1:
        out *= scale
    if bias is not None:
        out += bias
    if activation != "identity":
        out[...] = activate(out, activation, alpha)


@checked(
    dy="N M",
    x="N D",
    weight="D M",
    y="N M",
    dz="optional out N M",
    dx="optional out N D",
    dweight="optional out D M",
    dbias="optional out M",
)
def affine_backward(
    dy: Floats,
    x: Floats,
    weight: Floats,
    y: Floats,
    activation: str = "identity",
    alpha: float | None = None,
    dz: Floats | None = None,
    dx: Floats | None = None,
    dweight: Floats | None = None,
    dbias: Floats | None = None,
    scale: float = 1.0,
) -> None:
    """dz (N, M) = dy · f'; dx (N, D) = scale · dz · weightᵀ; dweight (D, M) = scale · xᵀ · dz; dbias (M,) = Σ_n dz.

    These are the gradients of `affine_forward`, from the gradient dy (N, M) of its output y (N, M). dx, dweight and
    dbias may be None, and are not computed then. dz may be None if f is the identity: it would equal dy. f: activation
    and alpha, as in the `affine_forward` that computed y; so is scale.
    """
    alpha = expect_activation("affine_backward", activation, alpha)
    if dz is None:
        if activation != "identity":
            raise ValueError("affine_backward: dz is None, expected an array (N, M) for any activation but identity")
        dz = dy
    else:
        dz[...] = activation_gradient(dy, y, activation, alpha)
    if dweight is not None:
        np.matmul(x.T, dz, out=dweight)
        if scale != 1:
            dweight *= scale
    if dbias is not None:
        np.sum(dz, axis=0, out=dbias)
    if dx is not None:
        np.matmul(dz, weight.T, out=dx)
        if scale != 1:
            dx *= scale
