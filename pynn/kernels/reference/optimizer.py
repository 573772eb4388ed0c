"""Penalties and optimizer steps over flat vectors."""

from __future__ import annotations

import numpy as np

from ..checks import Floats, checked, expect, expect_not_negative


@checked(weight="...", dweight="out ...")
def penalty(weight: Floats, l1: float, l2: float, dweight: Floats) -> float:
    """Return l1·Σ|w| + ½·l2·Σw² and add its gradient l1·sign(w) + l2·w to dweight; l1, l2 >= 0."""
    expect_not_negative("penalty", "l1", l1)
    expect_not_negative("penalty", "l2", l2)
    dweight += l2 * weight + l1 * np.sign(weight)
    wide = weight.astype(np.float64)
    return float(l1 * np.abs(wide).sum() + 0.5 * l2 * np.square(wide).sum())


@checked(parameters="out P", gradients="P")
def sgd_step(parameters: Floats, gradients: Floats, learning_rate: float) -> None:
    """w ← w - η·g, over flat vectors (P,), with w = parameters, g = gradients, η = learning_rate."""
    parameters -= learning_rate * gradients


@checked(parameters="out P", gradients="P", velocity="out P")
def momentum_step(
    parameters: Floats, gradients: Floats, velocity: Floats, learning_rate: float, momentum: float
) -> None:
    """v ← ρ·v - η·g; w ← w + v, with v = velocity, ρ = momentum, η = learning_rate, w and g as in `sgd_step`.

    velocity starts at 0. Source: Polyak 1964.
    """
    velocity *= momentum
    velocity -= learning_rate * gradients
    parameters += velocity


@checked(parameters="out P", gradients="P", velocity="out P")
def nesterov_step(
    parameters: Floats, gradients: Floats, velocity: Floats, learning_rate: float, momentum: float
) -> None:
    """v' = ρ·v - η·g; w ← w - ρ·v + (1 + ρ)·v'; v ← v'.

    v = velocity, ρ = momentum, η = learning_rate, g = gradients; w = parameters is the point ahead, where g is taken.
    Source: Nesterov 1983, in the form of CS231n's notes.
    """
    parameters -= momentum * velocity
    velocity *= momentum
    velocity -= learning_rate * gradients
    parameters += (1 + momentum) * velocity


@checked(parameters="out P", gradients="P", squares="out P")
def adagrad_step(parameters: Floats, gradients: Floats, squares: Floats, learning_rate: float, epsilon: float) -> None:
    """h ← h + g²; w ← w - η·g/(√h + ε), with h = squares, η = learning_rate, ε = epsilon, w and g as in `sgd_step`.

    squares starts at 0. Source: Duchi et al. 2011.
    """
    squares += gradients * gradients
    parameters -= learning_rate * gradients / (np.sqrt(squares) + epsilon)


@checked(parameters="out P", gradients="P", squares="out P")
def rmsprop_step(
    parameters: Floats, gradients: Floats, squares: Floats, learning_rate: float, decay: float, epsilon: float
) -> None:
    """h ← decay·h + (1 - decay)·g²; w ← w - η·g/(√h + ε).

    h = squares, η = learning_rate, ε = epsilon, w and g as in `sgd_step`. squares starts at 0.
    Source: Tieleman & Hinton 2012.
    """
    squares *= decay
    squares += (1 - decay) * (gradients * gradients)
    parameters -= learning_rate * gradients / (np.sqrt(squares) + epsilon)


@checked(parameters="out P", gradients="P", first="out P", second="out P")
def adam_step(
    parameters: Floats,
    gradients: Floats,
    first: Floats,
    second: Floats,
    learning_rate: float,
    beta1: float,
    beta2: float,
    epsilon: float,
    step: int,
) -> None:
    """m ← β1·m + (1-β1)·g; v ← β2·v + (1-β2)·g²; w ← w - η·m̂/(√v̂ + ε), m̂ = m/(1-β1^t), v̂ = v/(1-β2^t).

    t = step counts from 1.
    m = first and v = second start at 0; β1 = beta1, β2 = beta2, ε = epsilon, η = learning_rate, w and g as in
    `sgd_step`. Source: Kingma & Ba 2015.
    """
    expect(step >= 1, "adam_step", "step", step, "at least 1")
    first *= beta1
    first += (1 - beta1) * gradients
    second *= beta2
    second += (1 - beta2) * (gradients * gradients)
    rate = learning_rate / (1 - beta1**step)
    parameters -= rate * first / (np.sqrt(second / (1 - beta2**step)) + epsilon)


@checked(average="out P", parameters="P")
def polyak_step(average: Floats, parameters: Floats, decay: float) -> None:
    """a ← a + (1 - decay)·(w - a): an exponential average of the weights, a = average, w = parameters.

    Source: after Polyak & Juditsky 1992, whose average is uniform.
    """
    average += (1 - decay) * (parameters - average)
