"""Gradient descent, plain and with momentum."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .. import kernels
from ..checks import RATE
from ..messages.foreign import add_foreign
from ..signatures import takes
from ..typing import Array
from .base import Optimizer
from .rates import Rate

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from .base import Options


class SGD(Optimizer):
    """Stochastic gradient descent: w ← w - η·g.

    Parameters
    ----------
    learning_rate : float or Schedule, default 0.01
        η.
    **options
        ``weight_decay``, ``decay_biases``, ``clip_norm``, ``clip_value``, see `Optimizer`.

    References
    ----------
    .. [1] Robbins & Monro, "A Stochastic Approximation Method", 1951.
    .. [2] CS231n, "Neural Networks Part 3".
    """

    def __init__(self, learning_rate: Rate = 0.01, **options: Unpack[Options]) -> None:
        super().__init__(learning_rate, **options)

    def update(self, parameters: Array, gradients: Array) -> None:
        kernels.sgd_step(parameters, gradients, self.effective_learning_rate, self.effective_weight_decay)


add_foreign(SGD, "momentum nesterov")


class Momentum(Optimizer):
    """Gradient descent with momentum: v ← ρ·v - η·g; w ← w + v.

    Parameters
    ----------
    learning_rate : float or Schedule, default 0.01
        η.
    momentum : float, default 0.9
        ρ, at least 0 and below 1.
    **options
        ``weight_decay``, ``decay_biases``, ``clip_norm``, ``clip_value``, see `Optimizer`.

    References
    ----------
    .. [1] B. Polyak, "Some methods of speeding up the convergence of iteration methods", 1964.
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
    """Nesterov momentum: v' = ρ·v - η·g; w ← w - ρ·v + (1 + ρ)·v'.

    Parameters
    ----------
    learning_rate : float or Schedule, default 0.01
        η.
    momentum : float, default 0.9
        ρ, at least 0 and below 1.
    **options
        ``weight_decay``, ``decay_biases``, ``clip_norm``, ``clip_value``, see `Optimizer`.

    Notes
    -----
    w is the point ahead, at which the gradient is taken, in the form of [2]_ and [3]_.

    References
    ----------
    .. [1] Y. Nesterov, "A method of solving a convex programming problem with convergence rate O(1/k²)", 1983.
    .. [2] Bengio et al., "Advances in Optimizing Recurrent Networks", 2012.
    .. [3] CS231n, "Neural Networks Part 3".
    """

    def update(self, parameters: Array, gradients: Array) -> None:
        kernels.nesterov_step(
            parameters, gradients, self.velocity,
            self.effective_learning_rate, self.momentum, self.effective_weight_decay,
        )  # fmt: skip
