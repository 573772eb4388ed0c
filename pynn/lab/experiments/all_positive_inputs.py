"""A unit whose inputs are all positive learns along a zig-zag.

A linear unit with two weights and without bias, squared error, plain SGD with a sample a step. Targets are those of the
weights (1, -1); training starts at (-1, 1). Inputs are uniform in 0..1, as behind a sigmoid, or the same minus their
mean. Each kind has the learning rate, out of six, that comes within 0.1 of the goal in the fewest steps, the mean of
five runs on other samples. Signs of gradients are counted at the rate 0.02.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

import pynn

from ..experiment import Claim

SOURCE = "CS231n, lecture 6, slides on the sigmoid"
CLAIMS = (
    Claim(
        "positive_same",
        "with positive inputs both weights move in the same direction in at least 99.9% of the steps",
        SOURCE,
        at_least=0.999,
        unit="%",
    ),
    Claim(
        "centred_same",
        "with zero-mean inputs they do so in 30% to 70% of the steps",
        SOURCE,
        at_least=0.3,
        at_most=0.7,
        unit="%",
    ),
    Claim(
        "zigzag",
        "the path to the goal is at least 1.5 times as long with positive inputs as with zero-mean inputs",
        SOURCE,
        at_least=1.5,
        unit="x",
    ),
    Claim(
        "batch_same",
        "in batches of 32 positive samples, at most 70% of the gradients have a single sign",
        "CS231n notes, Neural Networks 1",
        at_most=0.7,
        unit="%",
    ),
)
PICTURE = """Paths of the two weights from the upper left to the lower right. With positive inputs the path is a zig-zag
of steps to the upper right and the lower left; with zero-mean inputs it is more direct. Below, the distance to the goal
over the steps, for all seeds: zero-mean inputs arrive first."""
HEIGHT = 5.3

START, GOAL = np.array([-1.0, 1.0]), np.array([1.0, -1.0])
RATES = (0.1, 0.2, 0.5, 1.0, 2.0, 4.0)
SLOW = 0.02  # many steps, whose signs can be counted


def samples(seed: int, centred: bool, count: int) -> np.ndarray:
    x = np.random.default_rng(seed).uniform(size=(count, 2))
    return (x - x.mean(axis=0) if centred else x).astype("float32")


def descend(x: np.ndarray, rate: float, batch_size: int = 1) -> tuple[np.ndarray, np.ndarray]:
    """The weights after each step until the goal is near, and the gradient of each step."""
    unit = pynn.Affine(1, use_bias=False)
    model = pynn.Sequential(unit)
    model.build((2,))
    unit.weight[:, 0] = START
    optimizer = pynn.SGD(rate)
    path, gradients = [START], []
    for batch, targets in pynn.batches(x, x @ GOAL.astype("float32"), batch_size):
        model.train_step(batch, targets, "l2", optimizer)
        path.append(unit.weight[:, 0].copy())
        gradients.append(model.gradients.copy())
        if not 0.1 < np.linalg.norm(path[-1] - GOAL) < 100:
            break
    return np.array(path), np.array(gradients)


def same_sign(gradients: np.ndarray) -> float:
    return float(np.mean(gradients[:, 0] * gradients[:, 1] > 0))


def mean_steps(rate: float, centred: bool, seed: int, count: int) -> float:
    """Steps to the goal, the mean of five other samplings; all steps if it is not reached."""
    paths = [descend(samples(1000 + 5 * seed + i, centred, count), rate)[0] for i in range(5)]
    return float(np.mean([len(path) if np.linalg.norm(path[-1] - GOAL) <= 0.1 else count for path in paths]))


def run(seed: int, quick: bool) -> dict[str, object]:
    count = 1000 if quick else 5000
    result: dict[str, object] = {}
    lengths = {}
    for kind in ("positive", "centred"):
        centred = kind == "centred"
        rate = min(RATES, key=lambda rate: mean_steps(rate, centred, seed, count))
        path, _ = descend(samples(seed, centred, count), rate)
        lengths[kind] = np.linalg.norm(np.diff(path, axis=0), axis=1).sum()
        result[kind] = {"rate": rate, "path": path[:300], "length": lengths[kind], "steps": len(path) - 1}
        _, gradients = descend(samples(seed, centred, count), SLOW)
        result[f"{kind}_same"] = same_sign(gradients)
    _, gradients = descend(samples(seed, False, count), SLOW, batch_size=32)
    return {**result, "zigzag": lengths["positive"] / lengths["centred"], "batch_same": same_sign(gradients)}


def draw(figure: Any, results: Sequence[Mapping[str, Any]]) -> None:
    upper, lower = figure.subfigures(2, 1, height_ratios=(3, 2))
    panels = upper.subplots(1, 2, sharex=True, sharey=True)
    distances = lower.subplots()
    for panel, kind, title, colour, line in (
        (panels[0], "positive", "inputs 0..1", "C1", "-"),
        (panels[1], "centred", "inputs minus mean", "C0", "--"),
    ):
        path = np.array(results[0][kind]["path"])
        panel.plot(*path.T, ".-", color=colour, linewidth=1, markersize=3)
        panel.plot(*START, "s", color="black")
        panel.plot(*GOAL, "*", color="black", markersize=11)
        panel.set(title=title, xlabel="weight 1", xlim=(-2.5, 2.5), ylim=(-2.5, 2.5), aspect="equal")
        for result in results:
            path = np.array(result[kind]["path"])
            label = title if result is results[0] else None
            distances.plot(np.linalg.norm(path - GOAL, axis=1), line, color=colour, linewidth=1, label=label)
    panels[0].set_ylabel("weight 2")
    distances.set(xlabel="steps", ylabel="distance to the goal", yscale="log")
    distances.legend()
