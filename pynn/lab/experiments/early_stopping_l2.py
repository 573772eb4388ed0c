"""Stopping early acts like an L2 penalty: training time takes the place of 1/λ.

Linear regression of 20 correlated features on 100 samples, float64, full-batch gradient descent from 0 with a rate of
a hundredth of the largest stable one. The weights after τ steps are compared with those of the L2 penalty of strength
1/(ητ), for τ from 10 to 30,000.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

import pynn

from ..experiment import Claim

SOURCE = "Goodfellow et al., Deep Learning, 7.8; DLS C2W1"
CLAIMS = (
    Claim(
        "near", "the weights differ by at most 20 % of their norm, in the median over τ", SOURCE, at_most=0.2, unit="%"
    ),
    Claim("norm", "the norm of the weights grows with every τ", SOURCE, at_least=0.0),
    Claim(
        "test",
        "the lowest test errors of the two paths differ by at most 5 %",
        SOURCE,
        at_least=0.95,
        at_most=1.05,
        unit="x",
    ),
)
PICTURE = """Left: the norm of the weights over the steps τ, and over 1/(ηλ) for the penalty: two rising curves close
together. Right: test error over the same axis: both fall, then rise a little, with nearly the same lowest value."""
TIMES = np.unique(np.geomspace(10, 30000, 30).astype(int))


def run(seed: int, quick: bool) -> dict[str, object]:
    rng = np.random.default_rng(seed)
    mix = np.linalg.qr(rng.standard_normal((20, 20)))[0] * np.geomspace(1, 0.03, 20)
    x, x_test = (rng.standard_normal((count, 20)) @ mix.T for count in (100, 2000))
    true = rng.standard_normal((20, 1))
    y, y_test = x @ true + rng.standard_normal((100, 1)), x_test @ true
    hessian = 2 * x.T @ x / len(x)  # of the mean squared error
    rate = 0.02 / np.linalg.eigvalsh(hessian)[-1]

    layer = pynn.Affine(1, use_bias=False, initializer="zeros")
    model, loss, optimizer = pynn.Sequential(layer, dtype="float64"), pynn.SquaredError(), pynn.SGD(rate)
    times = TIMES[TIMES <= 3000] if quick else TIMES
    stopped = []
    for step in range(1, times[-1] + 1):
        model.train_step(x, y, loss, optimizer)
        if step in times:
            stopped.append(layer.weight.copy())
    penalized = [np.linalg.solve(hessian + np.eye(20) / (rate * time), 2 * x.T @ y / len(x)) for time in times]

    apart = [np.linalg.norm(a - b) / np.linalg.norm(b) for a, b in zip(stopped, penalized, strict=True)]
    norms = {name: [np.linalg.norm(each) for each in path] for name, path in (("stopped", stopped), ("L2", penalized))}
    errors = {
        name: [np.mean((x_test @ each - y_test) ** 2) for each in path]
        for name, path in (("stopped", stopped), ("L2", penalized))
    }
    return {
        "near": np.median(apart),
        "norm": np.diff(norms["stopped"]).min(),
        "test": min(errors["stopped"]) / min(errors["L2"]),
        "times": times,
        "norms": norms,
        "errors": errors,
    }


def draw(figure: Any, results: Sequence[Mapping[str, Any]]) -> None:
    left, right = figure.subplots(1, 2)
    for axes, kind, title in ((left, "norms", "norm of the weights"), (right, "errors", "test error")):
        for name, label, colour, line in (("stopped", "stopped at τ", "C0", "-"), ("L2", "L2, λ = 1/(ητ)", "C1", "--")):
            for seed, result in enumerate(results):
                kept = None if seed else label
                axes.plot(result["times"], result[kind][name], line, color=colour, linewidth=1, label=kept)
        axes.set(xscale="log", xlabel="τ, steps", title=title)
    left.legend()
