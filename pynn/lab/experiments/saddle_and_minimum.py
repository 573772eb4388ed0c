"""Gradient descent stops at a saddle or in a shallow dip; momentum goes on.

Plain functions of a point, 300 steps. Saddle: f = x² − y² + y⁴/2, start at x = 2 and |y| below 1e-9, almost on the
ridge. Dip: f = (x² − 1)²/8 − 0.12 x on the way down from x about −2.2, with a shallow minimum near −0.85 and a deep
one near 1.1. Learning rates 0.03 and 0.05 for both, momentum 0.9. Seeds differ in the start.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

import pynn

from ..experiment import Claim

SOURCE = "CS231n, lecture 7"
CLAIMS = (
    Claim("sgd_stuck", "after 300 steps SGD is still within 0.1 of the saddle", SOURCE, at_most=0.1),
    Claim("momentum_leaves", "by then Momentum is at least 0.8 away from it", SOURCE, at_least=0.8),
    Claim("sgd_dip", "SGD ends in the shallow minimum, at x below 0", SOURCE, at_most=0.0),
    Claim("momentum_dip", "Momentum rolls on to the deep one, at x above 0.8", SOURCE, at_least=0.8),
)
PICTURE = """Left, distance from the saddle over the steps, on a logarithmic scale: both fall towards it, to a
hundredth and below; then that of Momentum grows to 1 within some 100 steps, that of SGD begins to grow after 200 and
is still small at the end. Right, a curve with a shallow dip on the left and a deep one on the right; the path of SGD
ends in the first, that of Momentum in the second."""
STEPS = 300


class Height(pynn.Loss):
    """A function of a point, by its slope."""

    def __init__(self, slope: Callable[[Any], Any]) -> None:
        self.slope = slope

    def forward(self, outputs: Any, targets: Any, weights: Any = None) -> float:
        self.gradient = self.slope(outputs)
        return 0.0

    def backward(self) -> Any:
        return self.gradient


def saddle_slope(point: Any) -> Any:
    x, y = point.T
    return np.stack([2 * x, -2 * y + 2 * y**3], axis=1)


def dip(x: Any) -> Any:
    return (x**2 - 1) ** 2 / 8 - 0.12 * x


def dip_slope(x: Any) -> Any:
    return x * (x**2 - 1) / 2 - 0.12


def path(optimizer: pynn.Optimizer, slope: Callable[[Any], Any], start: Sequence[float]) -> np.ndarray:
    point = pynn.Affine(len(start), use_bias=False)
    model = pynn.Sequential(point, dtype="float64")
    model.build((1,))
    point.weight[0] = start
    points, loss = [point.weight[0].copy()], Height(slope)
    for _ in range(STEPS):
        model.train_step(np.ones((1, 1)), np.zeros((1, len(start))), loss, optimizer)
        points.append(point.weight[0].copy())
    return np.array(points)


def run(seed: int, quick: bool) -> dict[str, object]:
    rng = np.random.default_rng(seed)
    near, left = [2.0, rng.uniform(1e-10, 1e-9)], [-2.2 + rng.uniform(-0.1, 0.1)]
    makes: dict[str, Callable[[float], pynn.Optimizer]] = {"SGD": pynn.SGD, "Momentum": pynn.Momentum}
    saddle = {name: np.linalg.norm(path(make(0.03), saddle_slope, near), axis=1) for name, make in makes.items()}
    valley = {name: path(make(0.05), dip_slope, left)[:, 0] for name, make in makes.items()}
    return {
        "sgd_stuck": saddle["SGD"][-1],
        "momentum_leaves": saddle["Momentum"][-1],
        "sgd_dip": valley["SGD"][-1],
        "momentum_dip": valley["Momentum"][-1],
        "saddle": {name: np.maximum(line, 1e-9) for name, line in saddle.items()},
        "valley": valley,
    }


def draw(figure: Any, results: Sequence[Mapping[str, Any]]) -> None:
    left, right = figure.subplots(1, 2)
    x = np.linspace(-2.4, 2, 200)
    right.plot(x, dip(x), color="0.6")
    for number, result in enumerate(results):
        for name, colour, line in (("SGD", "C1", "--"), ("Momentum", "C0", "-")):
            left.plot(result["saddle"][name], line, color=colour, linewidth=1, label=None if number else name)
        if not number:
            for name, colour, mark, up in (("SGD", "C1", "s", 0.3), ("Momentum", "C0", "o", 0.15)):
                places = np.array(result["valley"][name])
                right.plot(places, dip(places) + up, mark, color=colour, markersize=2.5)
                right.plot(places[-1], dip(places[-1]), mark, color=colour, markersize=9)
    left.set(yscale="log", xlabel="step", ylabel="distance", title="from the saddle")
    left.legend(loc="lower left")
    right.set(xlabel="x", ylabel="f", title="a shallow dip first")
