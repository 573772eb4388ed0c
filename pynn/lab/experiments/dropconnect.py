"""DropConnect trains slower and generalizes at least as well.

1,000 MNIST samples, two hidden layers of 200 ReLU units, batch 50, Adam, 60 epochs; plain affine layers, or DropConnect
at rate 0.5 in both. Each has the best of three learning rates on 2,000 validation samples. Loss and accuracy are
measured without dropped weights, the latter on 10,000 test samples.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

import pynn

from ..experiment import Claim

DATA = "mnist"
SOURCE = "CS231n, lecture 7"
CLAIMS = (
    Claim(
        "slower",
        "with DropConnect, at least 1.3 times as many epochs lead to the training loss that it ends with",
        SOURCE,
        at_least=1.3,
        unit="x",
    ),
    Claim("test", "its test accuracy is at least as high, less 0.2 points", SOURCE, at_least=-0.002, unit="points"),
)
PICTURE = """Above, training loss over the epochs: with DropConnect it falls more slowly and ends higher. Below, test
accuracy, which ends slightly lower with it. A band from the smallest to the largest seed."""
HEIGHT = 5.2

RATES = (0.0003, 0.001, 0.003)


def network(kind: str, seed: int) -> pynn.Sequential:
    hidden = [pynn.DropConnect(200, 0.5) if kind == "dropconnect" else pynn.Affine(200) for _ in range(2)]
    return pynn.Sequential(pynn.Flatten(), hidden[0], pynn.ReLU(), hidden[1], pynn.ReLU(), pynn.Affine(10), seed=seed)


def run(seed: int, quick: bool) -> dict[str, object]:
    data = pynn.datasets.mnist()
    images, labels = data.train
    chosen = np.random.default_rng(seed).choice(len(images), 3_000, replace=False)
    train = images[chosen[:1_000]], labels[chosen[:1_000]]
    validation = images[chosen[1_000:]], labels[chosen[1_000:]]
    epochs = 6 if quick else 60
    every = 1 if quick else 2

    def trained(kind: str, rate: float) -> dict[str, Any]:
        model = network(kind, seed)
        curves: dict[str, Any] = {"epochs": [], "loss": [], "test": []}
        optimizer = pynn.Adam(rate)
        for epoch in range(every, epochs + 1, every):
            model.fit(*train, optimizer=optimizer, batch_size=50, epochs=every, progress=False)
            curves["epochs"].append(epoch)
            curves["loss"].append(model.evaluate(*train)["loss"])
            curves["test"].append(model.evaluate(*data.test)["accuracy"])
        return {**curves, "rate": rate, "validation": model.evaluate(*validation)["accuracy"]}

    plain, dropped = (
        max((trained(kind, rate) for rate in RATES), key=lambda curves: curves["validation"])
        for kind in ("affine", "dropconnect")
    )
    return {
        "affine": plain,
        "dropconnect": dropped,
        "slower": slowdown(dropped["loss"], plain["loss"]),
        "test": dropped["test"][-1] - plain["test"][-1],
    }


def slowdown(slow: list[float], fast: list[float]) -> float:
    """How many times as long the slow curve takes to its minimum as the fast curve to the same loss."""
    arrived = np.flatnonzero(np.array(fast) <= min(slow))
    return float((np.argmin(slow) + 1) / (arrived[0] + 1)) if len(arrived) else 0.0


def draw(figure: Any, results: Sequence[Mapping[str, Any]]) -> None:
    upper, lower = figure.subplots(2, 1, sharex=True)
    for kind, label, line, colour in (("affine", "plain", "-", "C0"), ("dropconnect", "DropConnect", "--", "C1")):
        epochs = results[0][kind]["epochs"]
        for panel, key, scale in ((upper, "loss", 1), (lower, "test", 100)):
            curves = scale * np.array([result[kind][key] for result in results])
            panel.plot(epochs, np.median(curves, axis=0), line, color=colour, label=label)
            panel.fill_between(epochs, curves.min(axis=0), curves.max(axis=0), color=colour, alpha=0.2, linewidth=0)
    upper.set(ylabel="training loss", yscale="log")
    upper.legend()
    lower.set(xlabel="epochs", ylabel="test accuracy (%)")
