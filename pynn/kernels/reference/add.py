"""The sum at the end of a residual block: elementwise, any shape."""

from __future__ import annotations

from ..checks import REQUIRED, Floats, checked
from .activation import activate, expect_activation


@checked(x="...", y="...", out="out ...")
def add(
    x: Floats,
    factor: float,
    y: Floats,
    activation: str = "identity",
    alpha: float | None = None,
    out: Floats = REQUIRED,
) -> None:
    """out = f(factor · x + y), elementwise, any shape; x and y may be the same array.

    f: activation and alpha, as in `activation_forward`; `activation_backward` computes its gradient.
    """
    alpha = expect_activation("add", activation, alpha)
    out[...] = activate(factor * x + y, activation, alpha)
