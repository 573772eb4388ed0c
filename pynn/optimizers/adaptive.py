"""Optimizers that scale the step of each parameter by its past gradients."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .. import kernels
from ..checks import POSITIVE, RATE
from ..signatures import takes
from ..typing import Array
from .base import Optimizer
from .rates import Rate

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from .base import Options


class AdaGrad(Optimizer):
    """AdaGrad: h ← h + g²; w ← w - η·g/(√h + ε).

    Parameters
    ----------
    learning_rate : float or Schedule, default 0.01
        η.
    epsilon : float, default 1e-7
        ε > 0.
    **options
        ``weight_decay``, ``decay_biases``, ``clip_norm``, ``clip_value``, see `Optimizer`.

    References
    ----------
    .. [1] Duchi et al., "Adaptive Subgradient Methods for Online Learning and Stochastic Optimization", 2011.
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
    """RMSProp: h ← decay·h + (1 - decay)·g²; w ← w - η·g/(√h + ε).

    Parameters
    ----------
    learning_rate : float or Schedule, default 0.001
        η.
    decay : float, default 0.9
        At least 0 and below 1.
    epsilon : float, default 1e-7
        ε > 0.
    **options
        ``weight_decay``, ``decay_biases``, ``clip_norm``, ``clip_value``, see `Optimizer`.

    References
    ----------
    .. [1] Tieleman & Hinton, Coursera lecture 6e, 2012.
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
