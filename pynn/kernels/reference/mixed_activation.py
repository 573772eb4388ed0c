"""Activations of which each feature learns its share: x + mix · (f(x) - x)."""

from __future__ import annotations

import numpy as np

from ..checks import REQUIRED, Floats, checked
from .activation import SELU_ALPHA, SELU_SCALE
from .gated_activation import tanh_of_softplus

MIXED = ("selu", "mish")


def _bend(x: Floats, where: str, activation: str) -> tuple[Floats, Floats]:
    """Where x > 0: f(x) - x and f'(x) - 1, which may be far below both; elsewhere f(x) and f'(x), which may too."""
    if activation not in MIXED:
        raise ValueError(f"{where}: activation is '{activation}', expected one of {', '.join(MIXED)}")
    if activation == "mish":
        gate, rest, slope = tanh_of_softplus(x)
        gate = np.where(x > 0, -rest, gate)
        return x * gate, gate + x * slope
    left, more = SELU_SCALE * SELU_ALPHA * np.expm1(np.minimum(x, 0)), SELU_SCALE - 1
    return np.where(x > 0, more * x, left), np.where(x > 0, more, left + SELU_SCALE * SELU_ALPHA)


@checked(x="N C", mix="C", out="out N C")
def mixed_forward(x: Floats, mix: Floats, activation: str, out: Floats) -> None:
    """out (N, C) = x + mix · (f(x) - x), with one mix (C,) for each column: 0 gives x, 1 gives f(x).

    activation: f, "selu" or "mish".
    """
    value, _ = _bend(x, "mixed_forward", activation)
    out[...] = np.where(x > 0, x, (1 - mix) * x) + mix * value


@checked(dy="N C", x="N C", mix="C", dx="optional out N C", dmix="out C")
def mixed_backward(
    dy: Floats, x: Floats, mix: Floats, activation: str, dx: Floats | None = None, dmix: Floats = REQUIRED
) -> None:
    """dx (N, C) = dy · (1 + mix · (f'(x) - 1)); dmix (C,) = Σ_n dy · (f(x) - x). dx may be None.

    activation: f, as in `mixed_forward`.
    """
    value, slope = _bend(x, "mixed_backward", activation)
    dmix[...] = (dy * np.where(x > 0, value, value - x)).sum(axis=0, dtype=np.float64)
    if dx is not None:
        dx[...] = dy * (np.where(x > 0, 1, 1 - mix) + mix * slope)
