"""ElementwiseLoss: losses that sum over the outputs, each of which has its own target."""

from __future__ import annotations

import math
from typing import Any, NoReturn

import numpy as np

from .. import kernels
from ..data import arrays
from ..data.arrays import as_array
from ..typing import Array
from .base import Loss, in_dtype


class ElementwiseLoss(Loss):
    """Base of the losses that compare each output f with its target y: summed over K, averaged over N.

    Notes
    -----
    Outputs (N, K), targets (N, K), or (N,) if K is 1; predictions have the shape of the outputs. Outputs with more
    axes, (N, H, W, C), are summed over all of them.
    """

    _kind: str  # the kernel's name for it
    _delta = 1.0

    def forward(self, outputs: Array, targets: Array, weights: Array | None = None) -> float:
        if type(targets) is not np.ndarray or targets.shape != outputs.shape or targets.dtype.kind != "f":
            targets = self.targets(targets, outputs.shape[1:])
        else:
            self._check_range(targets)
        outputs = np.ascontiguousarray(outputs)
        rows, gradient = (len(outputs), math.prod(outputs.shape[1:])), self._gradient_like(outputs)
        converted, weights = np.ascontiguousarray(targets, outputs.dtype), in_dtype(weights, outputs.dtype)
        value = kernels.elementwise_loss(
            outputs.reshape(rows), converted.reshape(rows), weights, self._kind, self._delta, gradient.reshape(rows)
        )
        if not math.isfinite(value):
            self._expect_representable(targets, outputs.dtype)
        return value

    def _expect_representable(self, y: Array, dtype: np.dtype[Any]) -> None:
        arrays.check_finite("y", y, dtype)

    def targets(self, y: Array, output_shape: tuple[int, ...]) -> Array:
        y = numbers_of(y)
        if y.ndim == 1 and math.prod(output_shape) == 1:
            y = y.reshape(-1, *output_shape)
        y = super().targets(y, output_shape)
        arrays.check_finite("y", y)
        self._check_range(y)
        return y if y.dtype.kind == "f" else y.astype(np.float64)

    def _check_range(self, y: Array) -> None:
        """Raise ValueError for targets that are outside the range of this loss. Every step calls it: be quick."""


def numbers_of(y: Array) -> Array:
    """Targets as an array of numbers; TypeError for anything else."""
    y = as_array("y", y)
    if y.dtype.kind not in "fiub":
        raise TypeError(f"y has dtype {y.dtype}, expected numbers")
    return y


def refuse(wrong: Array, y: Array, expected: str) -> NoReturn:
    """Raise ValueError that names the first wrong target."""
    where = np.argwhere(wrong)[0]
    raise ValueError(f"y[{', '.join(map(str, where))}] is {y[tuple(where)]}, expected {expected}")
