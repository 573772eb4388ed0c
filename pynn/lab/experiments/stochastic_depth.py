"""Stochastic depth trains slower and generalizes at least as well.

2,000 CIFAR-10 images to train and 3,000 others of the training files to test; a convolution of 16 channels with stride
2, pooling, eight residual blocks of two convolutions with batch normalization (the last four have 32 channels), the
mean over the image, Adam, batch 50, 30 epochs. All blocks in each step; or block l of 8 with probability 1 - l/16.
Loss and accuracy are measured with all blocks.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

import pynn

from ..experiment import Claim

DATA = "cifar10"
SEEDS = 3
SOURCE = "CS231n, lecture 7"
CLAIMS = (
    Claim(
        "slower",
        "with stochastic depth, at least 1.3 times as many epochs lead to the training loss that it ends with",
        SOURCE,
        at_least=1.3,
        unit="x",
    ),
    Claim("test", "its test accuracy is at least as high, less 0.5 points", SOURCE, at_least=-0.005, unit="points"),
)
PICTURE = """Above, training loss over the epochs: with stochastic depth it falls more slowly and ends higher. Below,
test accuracy, which ends higher with it. A band from the smallest to the largest seed."""
HEIGHT = 5.2

BLOCKS = 8
EPOCHS = 30


def block(channels: int, stride: int, survival: float) -> pynn.Residual:
    return pynn.Residual(
        pynn.Conv2d(channels, stride=stride, use_bias=False),
        pynn.BatchNorm(),
        pynn.ReLU(),
        pynn.Conv2d(channels, use_bias=False),
        pynn.BatchNorm(),
        shortcut="auto",
        survival=survival,
    )


def network(last_survival: float, seed: int) -> pynn.Sequential:
    layers: list[pynn.Layer] = [pynn.Conv2d(16, stride=2), pynn.BatchNorm(), pynn.ReLU(), pynn.MaxPool2d(2)]
    for number in range(BLOCKS):
        later = number >= BLOCKS // 2
        survival = 1 - (number + 1) / BLOCKS * (1 - last_survival)
        layers += [block(32 if later else 16, 2 if number == BLOCKS // 2 else 1, survival), pynn.ReLU()]
    return pynn.Sequential(*layers, pynn.GlobalAvgPool2d(), pynn.Affine(10), seed=seed)


def measured(model: pynn.Sequential, seed: int, quick: bool) -> dict[str, Any]:
    """Train the model; training loss and test accuracy after each epoch that is measured."""
    images, labels = pynn.datasets.cifar10().train
    chosen = np.random.default_rng(seed).permutation(len(images))
    count, epochs, every = (300, 3, 1) if quick else (2_000, EPOCHS, 2)
    train = images[chosen[:count]], labels[chosen[:count]]
    test = images[chosen[count : count + 3_000]], labels[chosen[count : count + 3_000]]
    optimizer = pynn.Adam()
    curves: dict[str, Any] = {"epochs": [], "loss": [], "test": []}
    for epoch in range(every, epochs + 1, every):
        model.fit(
            *train,
            optimizer=optimizer,
            batch_size=50,
            epochs=every,
            preprocessing=pynn.Standardization(),
            progress=False,
        )
        curves["epochs"].append(epoch)
        curves["loss"].append(model.evaluate(*train)["loss"])
        curves["test"].append(model.evaluate(*test)["accuracy"])
    return curves


def run(seed: int, quick: bool) -> dict[str, object]:
    full = measured(network(1.0, seed), seed, quick)
    stochastic = measured(network(0.5, seed), seed, quick)
    return {
        "full": full,
        "stochastic": stochastic,
        "slower": slowdown(stochastic["loss"], full["loss"]),
        "test": stochastic["test"][-1] - full["test"][-1],
    }


def slowdown(slow: list[float], fast: list[float]) -> float:
    """How many times as long the slow curve takes to its minimum as the fast curve to the same loss."""
    arrived = np.flatnonzero(np.array(fast) <= min(slow))
    return float((np.argmin(slow) + 1) / (arrived[0] + 1)) if len(arrived) else 0.0


def draw(figure: Any, results: Sequence[Mapping[str, Any]]) -> None:
    upper, lower = figure.subplots(2, 1, sharex=True)
    for kind, label, line, colour in (
        ("full", "all blocks", "-", "C0"),
        ("stochastic", "stochastic depth", "--", "C1"),
    ):
        epochs = results[0][kind]["epochs"]
        for panel, key, scale in ((upper, "loss", 1), (lower, "test", 100)):
            curves = scale * np.array([result[kind][key] for result in results])
            panel.plot(epochs, np.median(curves, axis=0), line, color=colour, label=label)
            panel.fill_between(epochs, curves.min(axis=0), curves.max(axis=0), color=colour, alpha=0.2, linewidth=0)
    upper.set(ylabel="training loss", yscale="log")
    upper.legend()
    lower.set(xlabel="epochs", ylabel="test accuracy (%)")
