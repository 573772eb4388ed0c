"""Momentum and the adaptive methods learn MNIST faster than plain gradient descent.

A network of four hidden layers of 100 ReLU units, He initialization, MNIST, batch 128, 2,000 steps with the book's
learning rates: SGD 0.01, Momentum 0.01, AdaGrad 0.01, Adam 0.001. Then each with its best rate out of five around
these, by the mean training loss of the last 200 steps. The test accuracy is that of the run with the book's rate.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

import pynn

from ..experiment import Claim

DATA = "mnist"
SEEDS = 3
BOOK = "Deep Learning from Scratch, 6.1.8"
CLAIMS = (
    Claim(
        "loss",
        "with the book's rates the loss of SGD ends at least twice as high as those of the three others",
        BOOK,
        at_least=2,
        unit="x",
    ),
    Claim("accuracy", "SGD has at least 1 point less test accuracy than each of them", BOOK, 0.01, unit="points"),
    Claim(
        "tuned",
        "with each one's best rate the loss of SGD is still at least 1.5 times that of the best other",
        "CS231n, lecture 7",
        at_least=1.5,
        unit="x",
    ),
)
PICTURE = """Training loss over 2,000 steps on a logarithmic scale, with the book's learning rates above and each one's
best below. Above, SGD stays far higher than Momentum, AdaGrad and Adam; below, the four are closer."""
HEIGHT = 5.4
MAKES: dict[str, tuple[Callable[[float], pynn.Optimizer], float]] = {
    "SGD": (pynn.SGD, 0.01),
    "Momentum": (pynn.Momentum, 0.01),
    "AdaGrad": (pynn.AdaGrad, 0.01),
    "Adam": (pynn.Adam, 0.001),
}
FACTORS = (0.3, 1, 3, 10, 30)
MEAN = 50  # steps that make a point of a curve


def train(make: Callable[[float], pynn.Optimizer], rate: float, data: Any, seed: int, steps: int) -> Any:
    """The losses, averaged, and the model; infinite losses if the rate was too large."""
    hidden = [layer for _ in range(4) for layer in (pynn.Affine(100), pynn.ReLU())]
    model = pynn.Sequential(pynn.Flatten(), *hidden, pynn.Affine(10), seed=seed)
    loss, optimizer, losses = pynn.SoftmaxCrossEntropy(), make(rate), list[float]()
    images, labels = data
    for epoch in range(steps * 128 // len(labels) + 1):
        for x, y in pynn.batches(images, labels, 128, seed=seed, epoch=epoch, drop_last=True):
            try:
                losses.append(model.train_step(x, y, loss, optimizer))
            except FloatingPointError:  # the rate is too large
                return np.full(steps // MEAN, np.inf), model
            if len(losses) == steps:
                return np.mean(np.reshape(losses, (-1, MEAN)), axis=1), model
    raise AssertionError("too few epochs")


def run(seed: int, quick: bool) -> dict[str, object]:
    data, steps = pynn.datasets.mnist(), 300 if quick else 2000
    last = 2 if quick else 4
    book, best, accuracies, rates = {}, {}, {}, {}
    for name, (make, rate) in MAKES.items():
        curves = {
            factor: train(make, factor * rate, data.train, seed, steps) for factor in FACTORS[: 3 if quick else 5]
        }
        book[name], model = curves[1]
        accuracies[name] = model.evaluate(*data.test)["accuracy"]
        factor = min(curves, key=lambda factor: curves[factor][0][-last:].mean())
        best[name], rates[name] = curves[factor][0], factor * rate
    others = ("Momentum", "AdaGrad", "Adam")
    end = {name: curve[-last:].mean() for name, curve in book.items()}
    tuned = {name: curve[-last:].mean() for name, curve in best.items()}
    return {
        "loss": end["SGD"] / max(end[name] for name in others),
        "accuracy": min(accuracies[name] for name in others) - accuracies["SGD"],
        "tuned": tuned["SGD"] / min(tuned[name] for name in others),
        "book": book,
        "best": best,
        "rates": rates,
    }


def draw(figure: Any, results: Sequence[Mapping[str, Any]]) -> None:
    for axes, kind, title in zip(
        figure.subplots(2, 1, sharex=True), ("book", "best"), ("the book's rates", "each one's best rate"), strict=True
    ):
        for number, name in enumerate(MAKES):
            for seed, result in enumerate(results):
                curve = result[kind][name]
                steps = MEAN * (np.arange(len(curve)) + 0.5)
                line = ("--", "-", "-.", "-")[number]
                axes.plot(steps, curve, line, color=f"C{number}", linewidth=1, label=None if seed else name)
        axes.set(yscale="log", ylabel="training loss", title=title)
    figure.axes[0].legend(ncols=2)
    figure.axes[1].set_xlabel("steps")
