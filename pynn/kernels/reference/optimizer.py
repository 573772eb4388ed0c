"""Penalties and optimizer steps over flat vectors."""

from __future__ import annotations

import numpy as np

from ..checks import REQUIRED, Floats, checked, expect, expect_not_negative, not_vanished


@checked(weight="...", dweight="optional out ...")
def penalty(weight: Floats, l1: float = 0.0, l2: float = 0.0, dweight: Floats | None = None) -> float:
    """Return l1·Σ|w| + ½·l2·Σw² and add its gradient l1·sign(w) + l2·w to dweight, unless that is None.

    l1, l2: at least 0.

    Returns
    -------
    float
        The penalty.
    """
    expect_not_negative("penalty", "l1", l1)
    expect_not_negative("penalty", "l2", l2)
    if dweight is not None:
        dweight += l2 * weight + l1 * np.sign(weight)
    wide = weight.astype(np.float64)
    return float(l1 * np.abs(wide).sum() + 0.5 * l2 * np.square(wide).sum())


def _decayed(parameters: Floats, change: Floats, decay: float) -> Floats:
    """A change, or a gradient, plus decay·w; without decay an infinite w does not make it NaN."""
    return change + decay * parameters if decay else change


def _left(beta: float, step: int) -> float:
    """1 - beta^step, infinite beyond the range of float64."""
    return float(1 - np.power(np.float64(beta), step, dtype=np.float64)) if abs(beta) > 1 else 1 - beta**step


@checked(parameters="out P", gradients="P")
def sgd_step(parameters: Floats, gradients: Floats, learning_rate: float, weight_decay: float = 0.0) -> None:
    """w ← w - η·g, over flat vectors (P,), with w = parameters, g = gradients, η = learning_rate.

    Here and below weight_decay λ replaces g by g + λ·w, unless stated otherwise.
    """
    parameters -= learning_rate * _decayed(parameters, gradients, weight_decay)


@checked(parameters="out P", gradients="P", velocity="out P")
def momentum_step(
    parameters: Floats,
    gradients: Floats,
    velocity: Floats,
    learning_rate: float,
    momentum: float = 0.9,
    weight_decay: float = 0.0,
) -> None:
    """v ← ρ·v - η·g; w ← w + v, with v = velocity, ρ = momentum, η = learning_rate.

    w, g and weight_decay as in `sgd_step`. velocity starts at 0.

    References
    ----------
    .. [1] B. Polyak, "Some methods of speeding up the convergence of iteration methods", 1964.
    """
    velocity *= momentum
    velocity -= learning_rate * _decayed(parameters, gradients, weight_decay)
    parameters += velocity


@checked(parameters="out P", gradients="P", velocity="out P")
def nesterov_step(
    parameters: Floats,
    gradients: Floats,
    velocity: Floats,
    learning_rate: float,
    momentum: float = 0.9,
    weight_decay: float = 0.0,
) -> None:
    """v' = ρ·v - η·g; w ← w - ρ·v + (1 + ρ)·v'; v ← v'.

    v = velocity, ρ = momentum, η = learning_rate, w, g and weight_decay as in `sgd_step`; w = parameters is the point
    ahead, at which g is taken.

    References
    ----------
    .. [1] Y. Nesterov, "A method of solving a convex programming problem with convergence rate O(1/k²)", 1983.
    .. [2] CS231n, "Neural Networks Part 3".
    """
    gradients = _decayed(parameters, gradients, weight_decay)
    parameters -= momentum * velocity
    velocity *= momentum
    velocity -= learning_rate * gradients
    parameters += (1 + momentum) * velocity


@checked(parameters="out P", gradients="P", squares="out P")
def adagrad_step(
    parameters: Floats,
    gradients: Floats,
    squares: Floats,
    learning_rate: float,
    epsilon: float = 1e-07,
    weight_decay: float = 0.0,
) -> None:
    """h ← h + g²; w ← w - η·g/(√h + ε), with h = squares, η = learning_rate, ε = epsilon.

    w, g and weight_decay as in `sgd_step`. squares starts at 0. A g whose square overflows (in float32 1.8e19 and more)
    makes h infinite, and w never moves again.

    References
    ----------
    .. [1] Duchi et al., "Adaptive Subgradient Methods", 2011.
    """
    gradients = _decayed(parameters, gradients, weight_decay)
    squares += gradients * gradients
    parameters -= learning_rate * gradients / (np.sqrt(squares) + not_vanished(epsilon, squares))


@checked(parameters="out P", gradients="P", squares="out P")
def rmsprop_step(
    parameters: Floats,
    gradients: Floats,
    squares: Floats,
    learning_rate: float,
    decay: float = 0.9,
    epsilon: float = 1e-07,
    weight_decay: float = 0.0,
) -> None:
    """h ← decay·h + (1 - decay)·g²; w ← w - η·g/(√h + ε).

    h = squares, η = learning_rate, ε = epsilon, w, g and weight_decay as in `sgd_step`. squares starts at 0. Large g as
    in `adagrad_step`.

    References
    ----------
    .. [1] Tieleman & Hinton, Coursera lecture 6e, 2012.
    """
    gradients = _decayed(parameters, gradients, weight_decay)
    squares *= decay
    squares += (1 - decay) * (gradients * gradients)
    parameters -= learning_rate * gradients / (np.sqrt(squares) + not_vanished(epsilon, squares))


def _move_moments(first: Floats, second: Floats, gradients: Floats, beta1: float, beta2: float) -> None:
    """m ← β1·m + (1-β1)·g; v ← β2·v + (1-β2)·g²."""
    first *= beta1
    first += (1 - beta1) * gradients
    second *= beta2
    second += (1 - beta2) * (gradients * gradients)


@checked(parameters="out P", gradients="P", first="out P", second="out P")
def adam_step(
    parameters: Floats,
    gradients: Floats,
    first: Floats,
    second: Floats,
    learning_rate: float,
    beta1: float = 0.9,
    beta2: float = 0.999,
    epsilon: float = 1e-08,
    step: int = REQUIRED,
    weight_decay: float = 0.0,
    decoupled: bool = False,
    bias_correction: bool = True,
) -> None:
    """m ← β1·m + (1-β1)·g; v ← β2·v + (1-β2)·g²; w ← w - η·m̂/(√v̂ + ε), m̂ = m/(1-β1^t), v̂ = v/(1-β2^t).

    t = step counts from 1. m = first and v = second start at 0; β1 = beta1, β2 = beta2, ε = epsilon, η = learning_rate,
    w, g and λ = weight_decay as in `sgd_step`. Without bias_correction m̂ is m and v̂ is v. decoupled: g stays as it
    is, and η·λ·w is subtracted from w. Large g as in `adagrad_step`.

    References
    ----------
    .. [1] Kingma & Ba, "Adam", 2015.
    .. [2] Loshchilov & Hutter, "Decoupled Weight Decay Regularization", 2019.
    """
    expect(step >= 1, "adam_step", "step", step, "at least 1")
    gradients = gradients if decoupled else _decayed(parameters, gradients, weight_decay)
    _move_moments(first, second, gradients, beta1, beta2)
    bias1, bias2 = (_left(beta1, step), _left(beta2, step)) if bias_correction else (1.0, 1.0)
    move = float(np.divide(learning_rate, bias1)) * first / (np.sqrt(second / bias2) + not_vanished(epsilon, second))
    parameters -= _decayed(parameters, move, learning_rate * weight_decay if decoupled else 0)


@checked(parameters="out P", gradients="P", first="out P", second="out P")
def nadam_step(
    parameters: Floats,
    gradients: Floats,
    first: Floats,
    second: Floats,
    gradient_rate: float,
    momentum_rate: float,
    beta1: float = 0.9,
    beta2: float = 0.999,
    epsilon: float = 1e-08,
    step: int = REQUIRED,
    weight_decay: float = 0.0,
) -> None:
    """m, v as in `adam_step`; w ← w - (a·g + b·m)/(√v̂ + ε), a = gradient_rate, b = momentum_rate.

    first, second, beta1, beta2, epsilon and step as in `adam_step`, weight_decay as in `sgd_step`; the optimizer
    computes the two rates.

    References
    ----------
    .. [1] T. Dozat, "Incorporating Nesterov Momentum into Adam", 2016.
    """
    expect(step >= 1, "nadam_step", "step", step, "at least 1")
    gradients = _decayed(parameters, gradients, weight_decay)
    _move_moments(first, second, gradients, beta1, beta2)
    root = np.sqrt(second / _left(beta2, step)) + not_vanished(epsilon, second)
    parameters -= (gradient_rate * gradients + momentum_rate * first) / root


@checked(parameters="out P", gradients="P", first="out P")
def lion_step(
    parameters: Floats,
    gradients: Floats,
    first: Floats,
    learning_rate: float,
    beta1: float = 0.9,
    beta2: float = 0.99,
    weight_decay: float = 0.0,
) -> None:
    """c = β1·m + (1-β1)·g; w ← w - η·sign(c) - η·λ·w; m ← β2·m + (1-β2)·g.

    m = first starts at 0; β1 = beta1, β2 = beta2, η = learning_rate, λ = weight_decay, w and g as in `sgd_step`.

    References
    ----------
    .. [1] Chen et al., "Symbolic Discovery of Optimization Algorithms", 2023.
    """
    sign = np.sign(beta1 * first + (1 - beta1) * gradients)
    first *= beta2
    first += (1 - beta2) * gradients
    parameters -= _decayed(parameters, learning_rate * sign, learning_rate * weight_decay)


@checked(average="out P", parameters="P")
def polyak_step(average: Floats, parameters: Floats, decay: float) -> None:
    """a ← a + (1 - decay)·(w - a): an exponential average of the weights, a = average, w = parameters.

    References
    ----------
    .. [1] Polyak & Juditsky, "Acceleration of Stochastic Approximation by Averaging", 1992, whose average is uniform.
    """
    average += (1 - decay) * (parameters - average)
