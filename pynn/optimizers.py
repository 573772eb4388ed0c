"""Optimizers: one kernel call over the flat vector a step. Knows parameters and gradients; must not know layers.

References: CS231n notes, "Neural Networks Part 3"; Deep Learning from Scratch, chapter 6.
"""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from . import kernels
from .describe import constructor_text, is_number, resolve

Array = NDArray[Any]


class Trained(Protocol):
    """What an optimizer needs of a model."""

    @property
    def parameters(self) -> Array: ...

    @property
    def gradients(self) -> Array: ...

    def advance(self) -> None:
        """Called after each step."""


class Optimizer:
    """Base of all optimizers: `step(model)` moves the model's parameters against its gradients.

    A subclass names its state vectors in `slots` and overrides `update`. `learning_rate` may be changed at any time.
    One optimizer drives one model: its state belongs to that model's parameters.
    """

    slots: tuple[str, ...] = ()
    steps: int = 0
    _parameters: Array | None = None

    def __init__(self, learning_rate: float) -> None:
        self.learning_rate = learning_rate

    @property
    def learning_rate(self) -> float:
        """Step size η, a finite number of at least 0; may be set at any time."""
        return self._learning_rate

    @learning_rate.setter
    def learning_rate(self, value: float) -> None:
        if not (is_number(value) and value >= 0):
            kind = type(self).__name__
            raise ValueError(f"{kind}: learning_rate is {value!r}, expected a finite number of at least 0")
        self._learning_rate = float(value)

    def step(self, model: Trained) -> None:
        """One update, from the gradients that the last backward pass left in the model."""
        parameters = model.parameters
        self.claim(parameters)
        self.steps += 1
        self.update(parameters, model.gradients)
        model.advance()

    def update(self, parameters: Array, gradients: Array) -> None:
        """Change the parameters (P,) in place."""
        raise NotImplementedError(f"{type(self).__name__} has no update(parameters, gradients)")

    def claim(self, parameters: Array) -> None:
        """Make the state for these parameters; ValueError if it belongs to others already."""
        if self._parameters is parameters:
            return
        if self._parameters is not None:
            kind = type(self).__name__
            raise ValueError(f"this {kind} already drives another model; make one {kind} for each (they keep state)")
        self._parameters = parameters
        for slot in self.slots:
            setattr(self, slot, np.zeros_like(parameters))

    def follow(self, old: Array, new: Array) -> None:
        """The model's vector has moved, as in a copy of both: the state stays good."""
        if self._parameters is old:
            self._parameters = new

    def __repr__(self) -> str:
        return constructor_text(self)


def _expect_share(kind: str, **shares: float) -> None:
    for name, value in shares.items():
        if not 0 <= value < 1:
            raise ValueError(f"{kind}: {name} is {value}, expected 0 <= {name} < 1")


def _expect_positive(kind: str, **numbers: float) -> None:
    for name, value in numbers.items():
        if not value > 0:
            raise ValueError(f"{kind}: {name} is {value}, expected a positive number")


class SGD(Optimizer):
    """w ← w - η·g. learning_rate η: default 0.01."""

    def __init__(self, learning_rate: float = 0.01) -> None:
        super().__init__(learning_rate)

    def update(self, parameters: Array, gradients: Array) -> None:
        kernels.sgd_step(parameters, gradients, self.learning_rate)


class Momentum(Optimizer):
    """v ← ρ·v - η·g; w ← w + v. learning_rate η: default 0.01; momentum ρ: default 0.9. Source: Polyak 1964."""

    slots = ("velocity",)
    velocity: Array

    def __init__(self, learning_rate: float = 0.01, momentum: float = 0.9) -> None:
        super().__init__(learning_rate)
        _expect_share(type(self).__name__, momentum=momentum)
        self.momentum = momentum

    def update(self, parameters: Array, gradients: Array) -> None:
        kernels.momentum_step(parameters, gradients, self.velocity, self.learning_rate, self.momentum)


class Nesterov(Momentum):
    """v' = ρ·v - η·g; w ← w - ρ·v + (1 + ρ)·v': momentum whose gradient looks ahead. Source: Nesterov 1983."""

    def update(self, parameters: Array, gradients: Array) -> None:
        kernels.nesterov_step(parameters, gradients, self.velocity, self.learning_rate, self.momentum)


class AdaGrad(Optimizer):
    """h ← h + g²; w ← w - η·g/(√h + ε). learning_rate η: default 0.01; epsilon ε: 1e-7. Source: Duchi et al. 2011."""

    slots = ("squares",)
    squares: Array

    def __init__(self, learning_rate: float = 0.01, epsilon: float = 1e-7) -> None:
        super().__init__(learning_rate)
        _expect_positive("AdaGrad", epsilon=epsilon)
        self.epsilon = epsilon

    def update(self, parameters: Array, gradients: Array) -> None:
        kernels.adagrad_step(parameters, gradients, self.squares, self.learning_rate, self.epsilon)


class RMSProp(Optimizer):
    """h ← decay·h + (1 - decay)·g²; w ← w - η·g/(√h + ε).

    learning_rate η: default 0.001; decay: default 0.9; epsilon ε: 1e-7. Source: Hinton, Coursera lecture 6e, 2012.
    """

    slots = ("squares",)
    squares: Array

    def __init__(self, learning_rate: float = 0.001, decay: float = 0.9, epsilon: float = 1e-7) -> None:
        super().__init__(learning_rate)
        _expect_share("RMSProp", decay=decay)
        _expect_positive("RMSProp", epsilon=epsilon)
        self.decay = decay
        self.epsilon = epsilon

    def update(self, parameters: Array, gradients: Array) -> None:
        kernels.rmsprop_step(parameters, gradients, self.squares, self.learning_rate, self.decay, self.epsilon)


class Adam(Optimizer):
    """m ← β1·m + (1-β1)·g; v ← β2·v + (1-β2)·g²; w ← w - η·m̂/(√v̂ + ε), with bias-corrected m̂, v̂.

    learning_rate η: default 0.001; beta1: 0.9; beta2: 0.999; epsilon ε: 1e-8. Source: Kingma & Ba 2015.
    """

    slots = ("first", "second")
    first: Array
    second: Array

    def __init__(
        self, learning_rate: float = 0.001, beta1: float = 0.9, beta2: float = 0.999, epsilon: float = 1e-8
    ) -> None:
        super().__init__(learning_rate)
        _expect_share("Adam", beta1=beta1, beta2=beta2)
        _expect_positive("Adam", epsilon=epsilon)
        self.beta1 = beta1
        self.beta2 = beta2
        self.epsilon = epsilon

    def update(self, parameters: Array, gradients: Array) -> None:
        kernels.adam_step(
            parameters, gradients, self.first, self.second,
            self.learning_rate, self.beta1, self.beta2, self.epsilon, self.steps,
        )  # fmt: skip


OPTIMIZERS: dict[str, type[Optimizer]] = {
    "sgd": SGD,
    "momentum": Momentum,
    "nesterov": Nesterov,
    "adagrad": AdaGrad,
    "rmsprop": RMSProp,
    "adam": Adam,
}  # fmt: skip


def optimizer(choice: str | Optimizer) -> Optimizer:
    """An optimizer from its name (with defaults) or itself; ValueError lists the names."""
    return resolve(choice, OPTIMIZERS, Optimizer, "optimizer")
