"""Gradient descent, plain and with momentum."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .. import kernels
from ..checks import RATE
from ..messages.foreign import add_foreign
from ..signatures import takes
from ..typing import Array
from .base import Optimizer, Rate

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from .base import Options


class SGD(Optimizer):
    """w ← w - η·g. learning_rate η: default 0.01. Source: Robbins & Monro 1951; CS231n, "Neural Networks Part 3".

    options: weight_decay, decay_biases, clip_norm, clip_value, as of every `Optimizer`.
    """

    def __init__(self, learning_rate: Rate = 0.01, **options: Unpack[Options]) -> None:
        super().__init__(learning_rate, **options)

    def update(self, parameters: Array, gradients: Array) -> None:
        kernels.sgd_step(parameters, gradients, self.effective_learning_rate, self.effective_weight_decay)


add_foreign(SGD, "momentum nesterov")


class Momentum(Optimizer):
    """v ← ρ·v - η·g; w ← w + v. learning_rate η: default 0.01; momentum ρ: default 0.9. Source: Polyak 1964.

    options: weight_decay, decay_biases, clip_norm, clip_value, as of every `Optimizer`.
    """

    slots = ("velocity",)
    velocity: Array
    _takes = takes(momentum=RATE)

    def __init__(
        self,
        learning_rate: Rate = 0.01,
        momentum: float = 0.9,
        **options: Unpack[Options],
    ) -> None:
        super().__init__(learning_rate, **options)
        self.momentum = momentum

    def update(self, parameters: Array, gradients: Array) -> None:
        kernels.momentum_step(
            parameters, gradients, self.velocity,
            self.effective_learning_rate, self.momentum, self.effective_weight_decay,
        )  # fmt: skip


class Nesterov(Momentum):
    """v' = ρ·v - η·g; w ← w - ρ·v + (1 + ρ)·v': momentum whose gradient looks ahead.

    w is the point ahead itself, where the gradient is taken. learning_rate, momentum, options: as for `Momentum`.
    Source: Nesterov 1983; in this form: Bengio et al. 2012, CS231n, "Neural Networks Part 3".
    """

    def update(self, parameters: Array, gradients: Array) -> None:
        kernels.nesterov_step(
            parameters, gradients, self.velocity,
            self.effective_learning_rate, self.momentum, self.effective_weight_decay,
        )  # fmt: skip
