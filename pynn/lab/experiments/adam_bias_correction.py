"""Without bias correction Adam's first steps are several times too long.

20 steps of Adam with its default decay rates, 0.9 and 0.999, on a parameter whose gradient is always about 1: 1 plus
Gaussian noise of standard deviation 0.1. The length of a step is measured in learning rates.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

import pynn

from ..experiment import Claim

SOURCE = "CS231n, lecture 7; Kingma & Ba 2015, section 3"
CLAIMS = (
    Claim("first", "without correction the first step is at least 3 times as long as with it", SOURCE, 3, unit="x"),
    Claim("longest", "the longest of the first 20 steps is at least 5 times as long", SOURCE, 5, unit="x"),
    Claim("corrected", "with correction no step is longer than 1.3 learning rates", SOURCE, at_most=1.3),
)
PICTURE = """Length of the first 20 steps in learning rates. With bias correction it stays near 1; without, it begins
at about 3, rises to more than 6 within some ten steps, and falls slowly."""
STEPS = 20


class Slope(pynn.Loss):
    """The targets are the gradient."""

    def forward(self, outputs: Any, targets: Any, weights: Any = None) -> float:
        self.slope = targets
        return float((outputs * targets).sum())

    def backward(self) -> Any:
        return self.slope


def step_lengths(optimizer: pynn.Optimizer, gradients: Any) -> np.ndarray:
    unit = pynn.Affine(1, use_bias=False)
    model = pynn.Sequential(unit)
    model.build((1,))
    places, loss, one = [unit.weight[0, 0]], Slope(), np.ones((1, 1), "float32")
    for gradient in gradients:
        model.train_step(one, np.full((1, 1), gradient, "float32"), loss, optimizer)
        places.append(unit.weight[0, 0])
    return np.abs(np.diff(places)) / optimizer.learning_rate


def run(seed: int, quick: bool) -> dict[str, object]:
    gradients = np.random.default_rng(seed).normal(1, 0.1, STEPS)
    with_correction = step_lengths(pynn.Adam(0.01), gradients)
    without = step_lengths(pynn.Adam(0.01, bias_correction=False), gradients)
    return {
        "first": without[0] / with_correction[0],
        "longest": without.max() / with_correction.max(),
        "corrected": with_correction.max(),
        "with": with_correction,
        "without": without,
    }


def draw(figure: Any, results: Sequence[Mapping[str, Any]]) -> None:
    axes, steps = figure.subplots(), np.arange(1, STEPS + 1)
    for number, result in enumerate(results):
        names = {} if number else {"without": "without correction", "with": "with correction"}
        axes.plot(steps, result["without"], "s--", color="C1", markersize=3, linewidth=1, label=names.get("without"))
        axes.plot(steps, result["with"], "o-", color="C0", markersize=3, linewidth=1, label=names.get("with"))
    axes.set(xlabel="step", ylabel="length in learning rates", ylim=(0, None), xticks=(1, 5, 10, 15, 20))
    axes.legend()
