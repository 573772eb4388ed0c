"""The gradient of softmax on its own."""

from __future__ import annotations

from ..checks import Floats, checked


@checked(dy="N C", y="N C", dx="out N C")
def softmax_backward(dy: Floats, y: Floats, dx: Floats) -> None:
    """dx (N, C) = y · (dy - Σ_c y·dy) by rows, from the output y of `softmax`."""
    dx[...] = y * (dy - (y * dy).sum(axis=1, keepdims=True))
