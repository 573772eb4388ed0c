"""When the learning rate is cut to a tenth, the loss drops at once.

A small residual network, three stages of one block with 8, 16 and 32 channels, on 4,000 CIFAR-10 images (the course
shows ResNet on ImageNet), Momentum 0.1, batch 64, 36 epochs; the rate falls to a tenth after 18 and after 27 epochs.
The same without a fall for comparison.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

import pynn

from ..experiment import Claim

DATA = "cifar10"
SEEDS = 3
SOURCE = "CS231n, lecture 7, on ResNet's step decay"
CLAIMS = (
    Claim(
        "first",
        "the epoch after the first fall has at most 0.8 times the loss of the one before",
        SOURCE,
        at_most=0.8,
        unit="x",
    ),
    Claim("second", "the epoch after the second at most 0.95 times", SOURCE, at_most=0.95, unit="x"),
    Claim("better", "validation accuracy ends at least 1 point above a constant rate", SOURCE, 0.01, unit="points"),
)
PICTURE = """Training loss over the epochs: with step decay it falls an epoch after the first of two marked places,
then ever more slowly; with a constant rate it goes on falling. Below, the validation accuracy, which jumps up at the
first mark."""
HEIGHT = 4.8


def build(seed: int) -> pynn.Sequential:
    layers: list[pynn.Layer] = [pynn.Conv2d(8, 3, padding=1), pynn.BatchNorm(), pynn.ReLU()]
    for channels, stride in ((8, 1), (16, 2), (32, 2)):
        layers += [
            pynn.Residual(
                *(pynn.Conv2d(channels, 3, stride=stride, padding=1), pynn.BatchNorm(), pynn.ReLU()),
                *(pynn.Conv2d(channels, 3, padding=1), pynn.BatchNorm()),
                shortcut=pynn.Conv2d(channels, 1, stride=stride) if stride > 1 else None,
            ),
            pynn.ReLU(),
        ]
    return pynn.Sequential(*layers, pynn.GlobalAvgPool2d(), pynn.Affine(10), seed=seed)


def run(seed: int, quick: bool) -> dict[str, object]:
    images, labels = pynn.datasets.cifar10().train
    count, third = (400, 2) if quick else (4000, 9)
    some = np.random.default_rng(seed).choice(len(labels), count + 1000, replace=False)
    train, validation = (images[some[:count]], labels[some[:count]]), (images[some[count:]], labels[some[count:]])
    epochs, first, second = 4 * third, 2 * third, 3 * third
    curves = {}
    for name in ("decay", "constant"):
        optimizer = pynn.Momentum(0.1)
        model = build(seed)
        losses, accuracies = list[float](), list[float]()
        for start, length, rate in ((0, first, 0.1), (first, third, 0.01), (second, epochs - second, 0.001)):
            optimizer.learning_rate = rate if name == "decay" else 0.1
            history = model.fit(
                *train, validation=validation, optimizer=optimizer, epochs=length, batch_size=64, seed=seed,
                preprocessing=None if start else pynn.Standardization(), progress=False,
            )  # fmt: skip
            losses += history["loss"][-length:]
            accuracies += history["val_accuracy"][-length:]
        curves[name] = {"loss": losses, "accuracy": accuracies}
    loss = curves["decay"]["loss"]
    return {
        "first": loss[first] / loss[first - 1],
        "second": loss[second] / loss[second - 1],
        "better": curves["decay"]["accuracy"][-1] - np.mean(curves["constant"]["accuracy"][-3:]),
        "falls": [first, second],
        "curves": curves,
    }


def draw(figure: Any, results: Sequence[Mapping[str, Any]]) -> None:
    for axes, kind, label in zip(
        figure.subplots(2, 1, sharex=True), ("loss", "accuracy"), ("training loss", "validation accuracy"), strict=True
    ):
        for name, colour, line in (("constant", "C1", "--"), ("decay", "C0", "-")):
            for seed, result in enumerate(results):
                curve = result["curves"][name][kind]
                kept = None if seed else name
                axes.plot(np.arange(1, len(curve) + 1), curve, line, color=colour, linewidth=1, label=kept)
        for fall in results[0]["falls"]:
            axes.axvline(fall + 0.5, color="0.6", linewidth=1, linestyle=":")
        axes.set_ylabel(label)
    figure.axes[0].legend()
    figure.axes[0].set_yscale("log")
    figure.axes[1].set_xlabel("epoch")
