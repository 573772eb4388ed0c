"""Gradient clipping over the trained blocks of the flat vector. Reference: Pascanu et al. 2013."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from numpy.typing import NDArray

from .. import kernels
from ..checks import POSITIVE, OrNone
from .segments import Segment

LIMIT = OrNone(POSITIVE.with_hint(", or None for no clipping"))


def clip(gradients: NDArray[Any], runs: Sequence[Segment], value: float | None, norm: float | None) -> None:
    """Clamp every gradient to -value..value, then scale all of them so that their norm is at most `norm`.

    Raise FloatingPointError if the norm is asked for and is NaN or infinite.
    """
    parts = [gradients[run.start : run.stop] for run in runs]
    if value is not None:
        for part in parts:
            kernels.clip(part, value)
    if norm is None:
        return
    total = math.hypot(*(kernels.norm(part) for part in parts))
    if not math.isfinite(total):
        raise FloatingPointError(
            f"the norm of the gradients is {total}; the parameters are those before this step. "
            "Lower the learning rate or scale the inputs"
        )
    while total > norm:
        factor = max(norm / total, 1e-150)  # smaller numbers lose digits in float64
        for part in parts:
            kernels.scale(part, factor)
        total = total * factor if factor > norm / total else norm
