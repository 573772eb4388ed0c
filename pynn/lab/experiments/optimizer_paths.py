"""Plain gradient descent zig-zags down a long valley; other optimizers reach its bottom faster.

f = x²/20 + y², the book's valley, 30 steps with its learning rates: SGD 0.95, Momentum 0.1, AdaGrad 1.5, Adam 0.3; and
Nesterov 0.1, RMSProp 0.3. Seed 0 starts at (-7, 2) as the book does, the others up to 0.5 away from there. When a path
comes to rest, and how far it overshoots, is measured over 100 steps.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

import pynn

from ..experiment import Claim

BOOK = "Deep Learning from Scratch, 6.1"
CLAIMS = (
    Claim("zigzag", "the path of SGD crosses the valley's bottom at least 20 times in 30 steps", BOOK, 20),
    Claim(
        "shorter",
        "the paths of Momentum, AdaGrad and Adam are at most 0.7 times as long as that of SGD",
        BOOK,
        at_most=0.7,
        unit="x",
    ),
    Claim(
        "faster",
        "Momentum, AdaGrad and Adam each come to stay within 0.5 of the minimum in fewer steps than SGD",
        "CS231n, lecture 7",
        at_most=0.95,
        unit="x",
    ),
    Claim(
        "overshoot",
        "Nesterov shoots over the minimum at most 0.8 times as far as Momentum",
        "CS231n notes, Neural Networks 3",
        at_most=0.8,
        unit="x",
    ),
)
PICTURE = """Six panels with the contours of a long flat valley and the path of an optimizer from the left towards the
minimum in the middle. SGD jumps from side to side at each step; Momentum and Nesterov swing in wide curves; AdaGrad
and RMSProp go to the bottom of the valley and along it, Adam crosses it in a flat curve."""
HEIGHT = 6.2
STEPS, LONG = 30, 100
OPTIMIZERS: dict[str, Callable[[], pynn.Optimizer]] = {
    "SGD": lambda: pynn.SGD(0.95),
    "Momentum": lambda: pynn.Momentum(0.1),
    "Nesterov": lambda: pynn.Nesterov(0.1),
    "AdaGrad": lambda: pynn.AdaGrad(1.5),
    "RMSProp": lambda: pynn.RMSProp(0.3),
    "Adam": lambda: pynn.Adam(0.3),
}


class Valley(pynn.Loss):
    """f = x²/20 + y² of a model's two outputs."""

    def forward(self, outputs: Any, targets: Any, weights: Any = None) -> float:
        self.slopes = outputs * np.array([0.1, 2], outputs.dtype)
        return float((outputs * self.slopes).sum() / 2)

    def backward(self) -> Any:
        return self.slopes


def path(optimizer: pynn.Optimizer, start: np.ndarray) -> np.ndarray:
    """The points (x, y) of all steps: the weights of a layer whose only input is 1, so that they are its outputs."""
    point = pynn.Affine(2, use_bias=False)
    model = pynn.Sequential(point)
    model.build((1,))
    point.weight[0] = start
    points, loss, one = [point.weight[0].copy()], Valley(), np.ones((1, 1), "float32")
    for _ in range(LONG):
        model.train_step(one, np.zeros((1, 2)), loss, optimizer)
        points.append(point.weight[0].copy())
    return np.array(points)


def run(seed: int, quick: bool) -> dict[str, object]:
    off = np.random.default_rng(seed).uniform(-0.5, 0.5, 2) if seed else np.zeros(2)
    paths = {name: path(make(), np.array([-7.0, 2.0]) + off) for name, make in OPTIMIZERS.items()}
    shown = {name: points[: STEPS + 1] for name, points in paths.items()}
    lengths = {name: np.linalg.norm(np.diff(points, axis=0), axis=1).sum() for name, points in shown.items()}
    arrivals = {name: 1 + np.flatnonzero(np.linalg.norm(points, axis=1) > 0.5).max() for name, points in paths.items()}
    book = ("Momentum", "AdaGrad", "Adam")
    over = {name: points[:, 0].max() for name, points in paths.items()}
    return {
        "zigzag": np.sum(np.diff(np.sign(shown["SGD"][:, 1])) != 0),
        "shorter": max(lengths[name] for name in book) / lengths["SGD"],
        "faster": max(arrivals[name] for name in book) / arrivals["SGD"],
        "overshoot": over["Nesterov"] / over["Momentum"],
        "paths": shown,
        "arrivals": arrivals,
    }


def draw(figure: Any, results: Sequence[Mapping[str, Any]]) -> None:
    x, y = np.meshgrid(np.linspace(-8, 8, 200), np.linspace(-4, 4, 200))
    for axes, name in zip(figure.subplots(3, 2, sharex=True, sharey=True).ravel(), OPTIMIZERS, strict=True):
        axes.contour(x, y, x**2 / 20 + y**2, levels=np.linspace(0.2, 3, 6) ** 2, colors="0.8", linewidths=0.8)
        axes.plot(*np.array(results[0]["paths"][name]).T, "o-", color="C0", markersize=2.5, linewidth=1)
        axes.plot(0, 0, "+", color="C1", markersize=9, markeredgewidth=2)
        axes.set(title=name, xlim=(-8, 8), ylim=(-4, 4))
    figure.supxlabel("x", fontsize=9.5)
    figure.supylabel("y", fontsize=9.5)
