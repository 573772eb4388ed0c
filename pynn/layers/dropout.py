"""Dropout."""

from __future__ import annotations

from .. import kernels
from .base import Array, Layer


class Dropout(Layer):
    """Inverted dropout: in training each number is 0 with probability `rate`, else divided by 1 - rate; any shape.

    rate: share that is dropped, 0 <= rate < 1. Outside training it does nothing.
    The mask is a function of the model's seed, the layer's place and the step: the same with any backend, any number
    of threads, and after a resume. Raises ValueError for another rate. Source: Srivastava et al. 2014.
    """

    passes_activation = True

    def __init__(self, rate: float) -> None:
        if not 0 <= rate < 1:
            raise ValueError(f"Dropout: rate is {rate}, expected 0 <= rate < 1 (the share that is dropped)")
        self.rate = rate
        self._step: int | None = None  # of the mask of the last forward pass in training

    def forward(self, x: Array, training: bool) -> Array:
        self._step = self.context.step if training else None
        return self._masked(x, "y", self._step) if self._step is not None else x

    def backward(self, dy: Array) -> Array:
        if self._step is None:
            raise RuntimeError(f"{self.name or 'Dropout'}: backward(dy) must follow forward(x, training=True)")
        return self._masked(dy, "dx", self._step)

    def _masked(self, x: Array, name: str, step: int) -> Array:
        if self.rate == 0:
            return x
        out = self.buffer(name, x.shape)
        kernels.dropout(x, self.rate, self.context.seed, self.stream, step, out)
        return out
