"""Newton's method reaches the bottom of a quadratic in one step; second-order methods beat descent per pass.

A linear model with squared error on 200 samples of 20 correlated features (condition number about 1e4), float64:
Newton, L-BFGS and gradient descent with its best rate out of 30. And a network of 10 tanh units on the same inputs,
with the targets' sine: the loss over the passes through the data, to 200 passes.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

import pynn

from ..experiment import Claim

EXTRA = "scipy"
SOURCE = "CS231n, lecture 7, and notes, Neural Networks 3"
CLAIMS = (
    Claim(
        "newton", "one step of Newton leaves at most 1e-6 of the excess loss of the linear model", SOURCE, at_most=1e-6
    ),
    Claim("descent", "100 steps of gradient descent leave at least 0.001 of it", SOURCE, at_least=1e-3),
    Claim(
        "lbfgs",
        "on the network, L-BFGS comes to at most half the loss of gradient descent",
        SOURCE,
        at_most=0.5,
        unit="x",
    ),
)
PICTURE = """Left: the linear model's excess loss over the steps: Newton falls to nearly 0 in a single step, L-BFGS to
some ten-thousandths in 30, gradient descent slowly. Right: the network's loss over passes through the data: L-BFGS
falls below descent."""
PASSES = 200


def linear(seed: int) -> pynn.Sequential:
    return pynn.Sequential(pynn.Affine(1), seed=seed, dtype="float64")


def network(seed: int) -> pynn.Sequential:
    return pynn.Sequential(pynn.Affine(10), pynn.Tanh(), pynn.Affine(1), seed=seed, dtype="float64")


def descend(build: Any, seed: int, x: Any, y: Any, steps: int) -> np.ndarray:
    """The losses of full-batch gradient descent with the rate, out of 30, that ends lowest."""
    best = np.full(steps, np.inf)
    for rate in np.geomspace(1e-4, 10, 30):
        model, loss, optimizer = build(seed), pynn.SquaredError(), pynn.SGD(rate)
        try:
            losses = np.array([model.train_step(x, y, loss, optimizer) for _ in range(steps)])
        except FloatingPointError:  # this rate, and every larger one, is too large
            break
        if losses[-1] < best[-1]:
            best = losses
    return best


def run(seed: int, quick: bool) -> dict[str, object]:
    rng = np.random.default_rng(seed)
    x = rng.standard_normal((200, 20)) * np.geomspace(1, 0.01, 20) @ np.linalg.qr(rng.standard_normal((20, 20)))[0]
    y = x @ rng.standard_normal((20, 1)) * 3 + 0.1 * rng.standard_normal((200, 1))
    least = np.mean((y - np.c_[x, np.ones(200)] @ np.linalg.lstsq(np.c_[x, np.ones(200)], y, rcond=None)[0]) ** 2)
    model, loss = linear(seed), pynn.SquaredError()
    model.build((20,))
    first = loss.forward(model.forward(x), y)
    excess = {"SGD": (descend(linear, seed, x, y, 101) - least) / (first - least)}
    for method in ("Newton", "L-BFGS-B"):
        history = pynn.minimize(linear(seed), x, y, loss="l2", method=method, steps=30, tolerance=1e-9, progress=False)
        excess[method] = (np.array([first, *history["loss"]]) - least) / (first - least)
    wave = np.sin(y)
    history = pynn.minimize(network(seed), x, wave, loss="l2", steps=PASSES, tolerance=1e-12, progress=False)
    passes, losses = np.array(history["passes"]), np.array(history["loss"])
    descent = descend(network, seed, x, wave, 50 if quick else PASSES)
    return {
        "newton": excess["Newton"][1],
        "descent": excess["SGD"][100],
        "lbfgs": losses[passes <= len(descent)].min() / descent[-1],
        "excess": {name: np.maximum(curve, 1e-16) for name, curve in excess.items()},
        "network": {"passes": passes[passes <= PASSES], "loss": losses[passes <= PASSES], "SGD": descent},
    }


def draw(figure: Any, results: Sequence[Mapping[str, Any]]) -> None:
    left, right = figure.subplots(1, 2)
    for seed, result in enumerate(results):
        for name, colour, line in (("SGD", "C1", "--"), ("L-BFGS-B", "C2", "-."), ("Newton", "C0", "o-")):
            curve = result["excess"][name]
            left.plot(curve, line, color=colour, linewidth=1, markersize=3, label=None if seed else name)
        right.plot(result["network"]["SGD"], "--", color="C1", linewidth=1)
        right.plot(result["network"]["passes"], result["network"]["loss"], "-.", color="C2", linewidth=1)
    left.set(yscale="log", xlabel="step", title="linear model: excess loss", xlim=(-2, 60))
    left.legend(loc="lower right")
    right.set(yscale="log", xlabel="passes through the data", title="network: loss")
