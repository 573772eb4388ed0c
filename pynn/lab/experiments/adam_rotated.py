"""On a tilted ellipse optimizers that work by coordinates lose the advantage that they have on an upright one.

A quadratic bowl, curvatures 1 and 100, upright or turned by 45°. Plain gradient descent, Momentum, AdaGrad and Adam
start at a random point 2 from the minimum, each with its best learning rate out of 25, 0.001 to 10; counted are the
steps after which f stays below a thousandth of its first value, at most 600.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

import pynn

from ..experiment import Claim

SOURCE = "CS231n, lecture 7 (2019 and later): per-dimension steps on rotated ellipses"
CLAIMS = (
    Claim("upright", "upright, gradient descent needs at least twice as many steps as Adam", SOURCE, 2, unit="x"),
    Claim("tilted", "turned by 45°, Adam needs at least 1.5 times as many steps as upright", SOURCE, 1.5, unit="x"),
    Claim("adagrad", "turned by 45°, AdaGrad needs at least 3 times as many steps as upright", SOURCE, 3, unit="x"),
    Claim(
        "indifferent",
        "gradient descent needs the same number of steps, within 5 %, in both",
        SOURCE,
        at_least=0.95,
        at_most=1.05,
        unit="x",
    ),
)
PICTURE = """Paths of AdaGrad and of gradient descent on the contours of a long ellipse, upright on the left, turned by
45° on the right, and bars with the steps that each optimizer needs. Upright, AdaGrad goes along both axes at the same
speed; tilted, its path is long."""
HEIGHT = 5.6
MOST = 600
MAKES: dict[str, Callable[[float], pynn.Optimizer]] = {
    "SGD": pynn.SGD,
    "Momentum": pynn.Momentum,
    "AdaGrad": pynn.AdaGrad,
    "Adam": pynn.Adam,
}


class Bowl(pynn.Loss):
    """½ pᵀ H p."""

    def __init__(self, hessian: Any) -> None:
        self.hessian = hessian

    def forward(self, outputs: Any, targets: Any, weights: Any = None) -> float:
        self.slope = outputs @ self.hessian
        return float((outputs * self.slope).sum() / 2)

    def backward(self) -> Any:
        return self.slope


def path(optimizer: pynn.Optimizer, hessian: Any, start: Any) -> np.ndarray:
    """The points until f stays below a thousandth of its first value; `MOST` of them if it does not."""
    point = pynn.Affine(2, use_bias=False)
    model = pynn.Sequential(point, dtype="float64")
    model.build((1,))
    point.weight[0] = start
    points, loss = [point.weight[0].copy()], Bowl(hessian)
    for _ in range(MOST):
        model.train_step(np.ones((1, 1)), np.zeros((1, 2)), loss, optimizer)
        points.append(point.weight[0].copy())
        if np.abs(points[-1]).max() > 1e6:  # it runs away
            return np.zeros((MOST, 2))
    path = np.array(points)
    heights = ((path @ hessian) * path).sum(axis=1)
    return path[: np.flatnonzero(heights > heights[0] / 1000).max() + 2]


def run(seed: int, quick: bool) -> dict[str, object]:
    angle, direction = np.pi / 4, np.random.default_rng(100 + seed).uniform(0.3, 1.2)
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    start = 2 * np.array([-np.cos(direction), np.sin(direction)])
    steps: dict[str, dict[str, int]] = {}
    paths: dict[str, dict[str, Any]] = {}
    for place, rotation in (("upright", np.eye(2)), ("tilted", turn)):
        hessian = rotation @ np.diag([1.0, 100.0]) @ rotation.T
        steps[place], paths[place] = {}, {}
        for name, make in MAKES.items():
            rates = np.geomspace(1e-3, 10, 9 if quick else 25)
            best = min((path(make(rate), hessian, rotation @ start) for rate in rates), key=len)
            steps[place][name], paths[place][name] = len(best) - 1, best[:200]
    return {
        "upright": steps["upright"]["SGD"] / steps["upright"]["Adam"],
        "tilted": steps["tilted"]["Adam"] / steps["upright"]["Adam"],
        "adagrad": steps["tilted"]["AdaGrad"] / steps["upright"]["AdaGrad"],
        "indifferent": steps["tilted"]["SGD"] / steps["upright"]["SGD"],
        "steps": steps,
        "paths": paths,
    }


def draw(figure: Any, results: Sequence[Mapping[str, Any]]) -> None:
    axes = figure.subplot_mosaic([["upright", "tilted"], ["steps", "steps"]])
    grid = np.linspace(-2.2, 2.2, 100)
    x, y = np.meshgrid(grid, grid)
    for place in ("upright", "tilted"):
        along, across = (x, y) if place == "upright" else ((x + y) / np.sqrt(2), (y - x) / np.sqrt(2))
        axes[place].contour(
            x, y, along**2 / 2 + 50 * across**2, np.geomspace(0.3, 100, 6), colors="0.8", linewidths=0.8
        )
        for name, colour in (("SGD", "C1"), ("AdaGrad", "C3")):
            points = np.array(results[0]["paths"][place][name])
            axes[place].plot(*points.T, ".-", color=colour, linewidth=1, markersize=3, label=name)
        axes[place].set(title=place, xlim=(-2.2, 2.2), ylim=(-2.2, 2.2), aspect="equal")
    axes["upright"].legend(loc="lower right")
    for number, (name, colour) in enumerate((("SGD", "C1"), ("Momentum", "C2"), ("AdaGrad", "C3"), ("Adam", "C0"))):
        for side, place in ((-0.2, "upright"), (0.2, "tilted")):
            steps = [result["steps"][place][name] for result in results]
            axes["steps"].bar(number + side, np.median(steps), 0.38, color=colour, alpha=1 if side < 0 else 0.5)
            axes["steps"].plot([number + side] * len(steps), steps, "_", color="black", markersize=8)
    axes["steps"].set(ylabel="steps", title="steps needed: dark upright, pale tilted", xticks=range(4), yscale="log")
    axes["steps"].set_xticklabels(tuple(MAKES))
