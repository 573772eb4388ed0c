"""What layers that draw random numbers share: when they draw, and which numbers."""

from __future__ import annotations

from collections.abc import Callable

from ..checks import RATE
from ..kernels.philox import words
from ..messages.terminal import called
from ..signatures import takes
from ..typing import Array
from .base import Layer

Draw = tuple[int, int, int, int]  # seed, stream, step and offset, as the kernels take them
DROPPED = RATE.with_hint(" (the share that is dropped)")
LAST = 2**32 - 1
SPREAD = 0x9E3779B1  # 2^32 / golden ratio, odd: keeps further passes of a step away from nearby steps


def draw(layer: Layer, training: bool, size: int) -> Draw | None:
    """Return the key of the layer's random numbers for this forward pass, None if it draws none.

    size: numbers per sample. A sample's numbers depend on its index among all samples of the step.
    """
    context = layer.context
    if not (training or context.sampling):
        return None
    step = (context.step + context.passes * SPREAD) & LAST if context.passes else context.step
    return context.seed, layer.stream, step, context.first_sample * size


class Masking(Layer):
    """A layer that sets numbers to 0 at random in training: what the kinds of dropout share."""

    passes_activation = True
    _takes = takes(rate=DROPPED)
    _masked: Callable[[Array, Array, Draw], Array]  # of x, into an array, by these random numbers

    def __init__(self, rate: float) -> None:
        self.rate = rate
        self._draw: Draw | None = None  # of the last forward pass; None if it drew nothing

    def backward(self, dy: Array) -> Array:
        if self._draw is None and self.context.inputs_only:
            return self._unmasked(dy, "dx")
        key = expect_drawn(self, self._draw)
        return self._masked(dy, self.gradient_buffer("dx", dy.shape, dy), key) if self.rate else dy

    def _unmasked(self, x: Array, name: str) -> Array:
        """What becomes of x, or of a gradient, outside training; name: of the buffer for it."""
        return x


def survives(layer: Layer, training: bool, share: float) -> tuple[bool, float]:
    """Whether the layers inside take part in this forward pass, and the factor of their output.

    share: the probability that they take part in a training step, and the factor outside training.
    """
    key = draw(layer, training, 0)
    if key is None:
        return True, float(share)
    return share == 1 or words(*key[:3])[0] < share * 2**32, 1.0


def expect_drawn(layer: Layer, key: Draw | None) -> Draw:
    """Raise RuntimeError if the last forward pass drew nothing, so that there is no backward pass."""
    if key is None:
        raise RuntimeError(f"{called(layer)}: backward(dy) must follow forward(x, training=True)")
    return key
