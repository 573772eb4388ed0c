"""Optimizers with a step size of its own for every parameter."""

from __future__ import annotations

from .. import kernels
from .base import Array, Optimizer, Rate, expect_positive, expect_share


class AdaGrad(Optimizer):
    """h ← h + g²; w ← w - η·g/(√h + ε). learning_rate η: default 0.01; epsilon ε: 1e-7. Source: Duchi et al. 2011."""

    slots = ("squares",)
    squares: Array

    def __init__(self, learning_rate: Rate = 0.01, epsilon: float = 1e-7) -> None:
        super().__init__(learning_rate)
        expect_positive("AdaGrad", epsilon=epsilon)
        self.epsilon = epsilon

    def update(self, parameters: Array, gradients: Array) -> None:
        kernels.adagrad_step(parameters, gradients, self.squares, self.effective_learning_rate, self.epsilon)


class RMSProp(Optimizer):
    """h ← decay·h + (1 - decay)·g²; w ← w - η·g/(√h + ε).

    learning_rate η: default 0.001; decay: default 0.9; epsilon ε: 1e-7. Source: Hinton, Coursera lecture 6e, 2012.
    """

    slots = ("squares",)
    squares: Array

    def __init__(self, learning_rate: Rate = 0.001, decay: float = 0.9, epsilon: float = 1e-7) -> None:
        super().__init__(learning_rate)
        expect_share("RMSProp", decay=decay)
        expect_positive("RMSProp", epsilon=epsilon)
        self.decay = decay
        self.epsilon = epsilon

    def update(self, parameters: Array, gradients: Array) -> None:
        kernels.rmsprop_step(
            parameters, gradients, self.squares, self.effective_learning_rate, self.decay, self.epsilon
        )


class Adam(Optimizer):
    """m ← β1·m + (1-β1)·g; v ← β2·v + (1-β2)·g²; w ← w - η·m̂/(√v̂ + ε), with bias-corrected m̂, v̂.

    learning_rate η: default 0.001; beta1: 0.9; beta2: 0.999; epsilon ε: 1e-8. Source: Kingma & Ba 2015.
    """

    slots = ("first", "second")
    first: Array
    second: Array

    def __init__(
        self, learning_rate: Rate = 0.001, beta1: float = 0.9, beta2: float = 0.999, epsilon: float = 1e-8
    ) -> None:
        super().__init__(learning_rate)
        expect_share("Adam", beta1=beta1, beta2=beta2)
        expect_positive("Adam", epsilon=epsilon)
        self.beta1 = beta1
        self.beta2 = beta2
        self.epsilon = epsilon

    def update(self, parameters: Array, gradients: Array) -> None:
        kernels.adam_step(
            parameters, gradients, self.first, self.second,
            self.effective_learning_rate, self.beta1, self.beta2, self.epsilon, self.steps,
        )  # fmt: skip
