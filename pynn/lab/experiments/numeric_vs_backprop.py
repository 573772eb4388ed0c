"""Backpropagation gives the same gradient as differences of the loss, at a cost that does not grow with each weight.

Networks of 64 inputs, one hidden layer of 5, 20 or 80 tanh units and 10 outputs, on 20 of the built-in digits, in
float64. Every weight is moved by ±1e-5 for the central difference. The cost is the processor time of all differences
over that of a backward pass with its forward pass.
"""

import time
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

import pynn

from ..experiment import Claim

SOURCE = "Deep Learning from Scratch, chapters 4 and 5; CS231n notes, Neural Networks 3"
SEEDS = 3
CLAIMS = (
    Claim("error", "the relative error of the whole gradient is at most 1e-7", SOURCE, at_most=1e-7),
    Claim("cost", "with 80 hidden units the differences take at least 100 times as long", SOURCE, 100, unit="x"),
    Claim("growth", "from 5 to 80 hidden units the ratio grows at least 4 times", SOURCE, at_least=4, unit="x"),
)
PICTURE = """Left: the differences against backpropagation, a point for each weight, on the diagonal. Right: time of
the differences in backward passes, rising with the number of weights."""
UNITS = (5, 20, 80)
STEP = 1e-5


def build(units: int, seed: int) -> pynn.Sequential:
    return pynn.Sequential(
        *(pynn.Flatten(), pynn.Affine(units), pynn.Tanh(), pynn.Affine(10)), seed=seed, dtype="float64"
    )


def backprop(model: pynn.Sequential, loss: pynn.Loss, x: Any, y: Any) -> np.ndarray:
    loss.forward(model.forward(x, training=True), y)
    model.backward(loss.backward())
    return np.array(model.gradients)


def differences(model: pynn.Sequential, loss: pynn.Loss, x: Any, y: Any) -> np.ndarray:
    slopes = np.zeros_like(model.parameters)
    for i, weight in enumerate(model.parameters.copy()):
        model.parameters[i] = weight + STEP
        above = loss.forward(model.forward(x), y)
        model.parameters[i] = weight - STEP
        below = loss.forward(model.forward(x), y)
        model.parameters[i] = weight
        slopes[i] = (above - below) / (2 * STEP)
    return slopes


def run(seed: int, quick: bool) -> dict[str, object]:
    images, labels = pynn.datasets.digits().train
    some = np.random.default_rng(seed).choice(len(labels), 20, replace=False)
    x, y, loss = images[some].astype("float64") / images.max(), labels[some], pynn.SoftmaxCrossEntropy()
    errors, ratios, counts, example = [], [], [], {}
    for units in UNITS:
        model = build(units, seed)
        model.build(x.shape[1:])
        exact = backprop(model, loss, x, y)
        started = time.process_time()
        for _ in range(50):
            backprop(model, loss, x, y)
        once, started = (time.process_time() - started) / 50, time.process_time()
        numeric = differences(model, loss, x, y)
        ratios.append((time.process_time() - started) / once)
        errors.append(np.linalg.norm(exact - numeric) / (np.linalg.norm(exact) + np.linalg.norm(numeric)))
        counts.append(model.parameter_count)
        if units == UNITS[0]:
            example = {"exact": exact, "numeric": numeric}
    return {
        "error": max(errors),
        "cost": ratios[-1],
        "growth": ratios[-1] / ratios[0],
        "ratios": ratios,
        "counts": counts,
        "example": example,
    }


def draw(figure: Any, results: Sequence[Mapping[str, Any]]) -> None:
    left, right = figure.subplots(1, 2)
    example = results[0]["example"]
    left.plot(example["exact"], example["numeric"], ".", markersize=3)
    left.axline((0, 0), slope=1, color="0.5", linewidth=1, linestyle="--")
    left.set(xlabel="backpropagation", ylabel="differences", title="slopes of a network")
    for result in results:
        right.plot(result["counts"], result["ratios"], "o-", color="C0", linewidth=1)
    right.set(xscale="log", yscale="log", xlabel="parameters", title="time, in backward passes")
    right.set_xticks(results[0]["counts"], [f"{count:,}" for count in results[0]["counts"]])
    right.minorticks_off()
