"""Activations of which each feature learns its share: x + mix · (f(x) - x)."""

from __future__ import annotations

import numpy as np

from ..checks import REQUIRED, Floats, checked
from .activation import SELU_ALPHA, SELU_SCALE
from .gated_activation import tanh_of_softplus

MIXED = ("selu", "mish")


def _bend(x: Floats, where: str, activation: str) -> tuple[Floats, Floats, Floats]:
    """f(x), f(x) - x and f'(x)."""
    if activation not in MIXED:
        raise ValueError(f"{where}: activation is '{activation}', expected one of {', '.join(MIXED)}")
    if activation == "mish":
        gate, slope = tanh_of_softplus(x)
        value = x * gate
        return value, value - x, gate + x * slope
    left, steepest = SELU_SCALE * SELU_ALPHA * np.expm1(np.minimum(x, 0)), SELU_SCALE * SELU_ALPHA
    value = np.where(x > 0, SELU_SCALE * x, left)
    return value, np.where(x > 0, (SELU_SCALE - 1) * x, left - x), np.where(x > 0, SELU_SCALE, left + steepest)


@checked(x="N C", mix="C", out="out N C")
def mixed_forward(x: Floats, mix: Floats, activation: str, out: Floats) -> None:
    """out (N, C) = x + mix · (f(x) - x), with one mix (C,) for each column: 0 gives x, 1 gives f(x).

    activation: f, "selu" or "mish". It is computed as (1 - mix) · x + mix · f(x), which is exact for a mix of 1.
    """
    out[...] = (1 - mix) * x + mix * _bend(x, "mixed_forward", activation)[0]


@checked(dy="N C", x="N C", mix="C", dx="optional out N C", dmix="out C")
def mixed_backward(
    dy: Floats, x: Floats, mix: Floats, activation: str, dx: Floats | None = None, dmix: Floats = REQUIRED
) -> None:
    """dx (N, C) = dy · (1 + mix · (f'(x) - 1)); dmix (C,) = Σ_n dy · (f(x) - x). dx may be None.

    activation: f, as in `mixed_forward`.
    """
    _, excess, slope = _bend(x, "mixed_backward", activation)
    dmix[...] = (dy * excess).sum(axis=0, dtype=np.float64)
    if dx is not None:
        dx[...] = dy * ((1 - mix) + mix * slope)
