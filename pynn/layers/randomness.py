"""What layers that draw random numbers share: when they draw, and which numbers."""

from __future__ import annotations

import math
from collections.abc import Callable

from ..checks import RATE
from ..kernels.philox import words
from ..messages.terminal import called
from ..schedules import Schedule
from ..schedules.base import OrSchedule
from ..signatures import takes
from ..typing import Array, Shape
from .base import Layer

Draw = tuple[int, int, int, int]  # seed, stream, step and offset, as the kernels take them
DROPPED = OrSchedule(RATE.with_hint(" (the share that is dropped)"))
LAST = 2**32 - 1
SPREAD = 0x9E3779B1  # 2^32 / golden ratio, odd: keeps further passes of a step away from nearby steps


def draw(layer: Layer, training: bool, shape: Shape = (0,)) -> Draw | None:
    """Return the key of the layer's random numbers for this forward pass, None if it draws none.

    shape: of the numbers per sample. A sample's numbers depend on its index among all samples of the step.
    """
    context = layer.context
    if not (training or context.sampling):
        return None
    step = (context.step + context.passes * SPREAD) & LAST if context.passes else context.step
    return context.seed, layer.stream, step, context.first_sample * math.prod(shape)


def rate_now(layer: Layer, rate: float | Schedule) -> float:
    """Return the rate of this pass, which draws masks; RuntimeError for a schedule where no epoch is set."""
    if not isinstance(rate, Schedule):
        return rate
    epoch = layer.context.epoch
    if epoch is None:
        raise RuntimeError(
            f"{called(layer)} follows {rate!r}, which counts epochs: set the epoch first, in a custom training loop by "
            "optimizer.set_epoch(epoch + i / batches) before each train_step, or else model.context.epoch = ... (fit "
            "does it)"
        )
    return DROPPED.at(called(layer), "rate", rate, epoch)


class Masking(Layer):
    """A layer that sets numbers to 0 at random in training: what the kinds of dropout share."""

    passes_activation = True
    _takes = takes(rate=DROPPED)
    _masked: Callable[[Array, Array, Draw], Array]  # of x, into an array, by these random numbers

    def __init__(self, rate: float | Schedule) -> None:
        self.rate = rate
        self._draw: Draw | None = None  # of the last forward pass; None if it drew nothing
        self._rate = 0.0  # of that pass

    def _begin(self, training: bool, shape: Shape) -> Draw | None:
        """Keep what this forward pass draws, for the backward pass; shape: of the numbers per sample."""
        self._draw = key = draw(self, training, shape)
        if key is not None:
            self._rate = rate_now(self, self.rate)
        return key

    def backward(self, dy: Array) -> Array:
        if self._draw is None and self.context.inputs_only:
            return self._unmasked(dy, "dx")
        key = expect_drawn(self, self._draw)
        return self._masked(dy, self.gradient_buffer("dx", dy.shape, dy), key) if self._rate else dy

    def _unmasked(self, x: Array, name: str) -> Array:
        """What becomes of x, or of a gradient, outside training; name: of the buffer for it."""
        return x


def survives(layer: Layer, training: bool, share: float) -> tuple[bool, float]:
    """Whether the layers inside take part in this forward pass, and the factor of their output.

    share: the probability that they take part in a training step, and the factor outside training.
    """
    key = draw(layer, training)
    if key is None:
        return True, float(share)
    return share == 1 or words(*key[:3])[0] < share * 2**32, 1.0


def expect_drawn(layer: Layer, key: Draw | None) -> Draw:
    """Raise RuntimeError if the last forward pass drew nothing, so that there is no backward pass."""
    if key is None:
        raise RuntimeError(f"{called(layer)}: backward(dy) must follow forward(x, training=True)")
    return key
