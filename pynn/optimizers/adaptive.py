"""Optimizers with a step size of its own for every parameter."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .. import kernels
from ..checks import POSITIVE, RATE
from ..signatures import takes
from ..typing import Array
from .base import Optimizer, Rate

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from .base import Options


class AdaGrad(Optimizer):
    """h ← h + g²; w ← w - η·g/(√h + ε). learning_rate η: default 0.01; epsilon ε: 1e-7. Source: Duchi et al. 2011.

    options: weight_decay, decay_biases, clip_norm, clip_value, as of every `Optimizer`.
    """

    slots = ("squares",)
    squares: Array
    _takes = takes(epsilon=POSITIVE)

    def __init__(
        self,
        learning_rate: Rate = 0.01,
        *,
        epsilon: float = 1e-7,
        **options: Unpack[Options],
    ) -> None:
        super().__init__(learning_rate, **options)
        self.epsilon = epsilon

    def update(self, parameters: Array, gradients: Array) -> None:
        kernels.adagrad_step(
            parameters, gradients, self.squares,
            self.effective_learning_rate, self.epsilon, self.effective_weight_decay,
        )  # fmt: skip


class RMSProp(Optimizer):
    """h ← decay·h + (1 - decay)·g²; w ← w - η·g/(√h + ε).

    learning_rate η: default 0.001; decay: default 0.9; epsilon ε: 1e-7. Source: Hinton, Coursera lecture 6e, 2012.
    options: weight_decay, decay_biases, clip_norm, clip_value, as of every `Optimizer`.
    """

    slots = ("squares",)
    squares: Array
    _takes = takes(decay=RATE, epsilon=POSITIVE)

    def __init__(
        self,
        learning_rate: Rate = 0.001,
        decay: float = 0.9,
        *,
        epsilon: float = 1e-7,
        **options: Unpack[Options],
    ) -> None:
        super().__init__(learning_rate, **options)
        self.decay = decay
        self.epsilon = epsilon

    def update(self, parameters: Array, gradients: Array) -> None:
        kernels.rmsprop_step(
            parameters, gradients, self.squares,
            self.effective_learning_rate, self.decay, self.epsilon, self.effective_weight_decay,
        )  # fmt: skip
