"""Fractional max pooling trains slower and generalizes at least as well as max pooling.

2,000 CIFAR-10 images to train and 3,000 others of the training files to test; four convolutions of 16, 16, 32 and 32
channels with ReLU, the first with stride 2, the mean over the image, Adam, batch 50, 40 epochs. Max pooling of 2 x 2
after the second and the fourth convolution; or fractional max pooling by 1.3 in random regions after each of the four.
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
        "with fractional pooling, at least 1.3 times as many epochs lead to the training loss that it ends with",
        SOURCE,
        at_least=1.3,
        unit="x",
    ),
    Claim("test", "its test accuracy is at least as high, less 0.5 points", SOURCE, at_least=-0.005, unit="points"),
    Claim(
        "average",
        "the mean over 12 random choices of regions is at least as accurate as a single pass",
        "Graham, 2014",
        at_least=0.0,
        unit="points",
    ),
)
PICTURE = """Above, training loss over the epochs: with fractional pooling it falls more slowly and ends higher. Below,
test accuracy: with it the curve lies lower at first and meets the other at the end. A band from the smallest to the
largest seed."""
HEIGHT = 5.2

EPOCHS = 40


def network(kind: str, seed: int) -> pynn.Sequential:
    layers: list[pynn.Layer] = []
    for number, channels in enumerate((16, 16, 32, 32)):
        layers += [pynn.Conv2d(channels, stride=2 if number == 0 else 1), pynn.ReLU()]
        if kind == "fractional":
            layers.append(pynn.FractionalMaxPool2d(1.3))
        elif number % 2:
            layers.append(pynn.MaxPool2d(2))
    return pynn.Sequential(*layers, pynn.GlobalAvgPool2d(), pynn.Affine(10), seed=seed)


def samples(seed: int, quick: bool) -> tuple[Any, Any]:
    """Images and labels to train, and to test."""
    images, labels = pynn.datasets.cifar10().train
    chosen, count = np.random.default_rng(seed).permutation(len(images)), 300 if quick else 2_000
    parts = chosen[:count], chosen[count : count + 3_000]
    train, test = ((images[part], labels[part]) for part in parts)
    return train, test


def measured(model: pynn.Sequential, train: Any, test: Any, quick: bool) -> dict[str, Any]:
    """Train the model; training loss and test accuracy after each epoch that is measured."""
    epochs, every = (3, 1) if quick else (EPOCHS, 2)
    optimizer = pynn.Adam()
    curves: dict[str, Any] = {"epochs": [], "loss": [], "test": []}
    for epoch in range(every, epochs + 1, every):
        model.fit(
            *train, optimizer=optimizer, batch_size=50, epochs=every, preprocessing=pynn.Standardization(),
            progress=False,
        )  # fmt: skip
        curves["epochs"].append(epoch)
        curves["loss"].append(model.evaluate(*train)["loss"])
        curves["test"].append(model.evaluate(*test)["accuracy"])
    return curves


def run(seed: int, quick: bool) -> dict[str, object]:
    train, test = samples(seed, quick)
    ordinary = measured(network("max", seed), train, test, quick)
    model = network("fractional", seed)
    fractional = measured(model, train, test, quick)
    probabilities, _ = pynn.monte_carlo(model, test[0], 12, probabilities=True)  # other regions in each pass
    averaged = float(np.mean(probabilities.argmax(axis=1) == test[1]))
    return {
        "max": ordinary,
        "fractional": fractional,
        "slower": slowdown(fractional["loss"], ordinary["loss"]),
        "test": fractional["test"][-1] - ordinary["test"][-1],
        "average": averaged - fractional["test"][-1],
    }


def slowdown(slow: list[float], fast: list[float]) -> float:
    """How many times as long the slow curve takes to its minimum as the fast curve to the same loss."""
    arrived = np.flatnonzero(np.array(fast) <= min(slow))
    return float((np.argmin(slow) + 1) / (arrived[0] + 1)) if len(arrived) else 0.0


def draw(figure: Any, results: Sequence[Mapping[str, Any]]) -> None:
    upper, lower = figure.subplots(2, 1, sharex=True)
    for kind, label, line, colour in (("max", "max pooling", "-", "C0"), ("fractional", "fractional", "--", "C1")):
        epochs = results[0][kind]["epochs"]
        for panel, key, scale in ((upper, "loss", 1), (lower, "test", 100)):
            curves = scale * np.array([result[kind][key] for result in results])
            panel.plot(epochs, np.median(curves, axis=0), line, color=colour, label=label)
            panel.fill_between(epochs, curves.min(axis=0), curves.max(axis=0), color=colour, alpha=0.2, linewidth=0)
    upper.set(ylabel="training loss", yscale="log")
    upper.legend()
    lower.set(xlabel="epochs", ylabel="test accuracy (%)")
