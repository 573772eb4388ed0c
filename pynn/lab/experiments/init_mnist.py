"""Weights that are too small at the start hardly learn; He's let a ReLU network learn fastest.

The book's network, four hidden layers of 100 ReLU units, on MNIST: SGD 0.01, batch 128, 2,000 steps. Initial weights
of standard deviation 0.01, √(1/n) (the book's Xavier) and √(2/n) (He).
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

import pynn

from ..experiment import Claim

DATA = "mnist"
BOOK = "Deep Learning from Scratch, 6.2.4"
CLAIMS = (
    Claim("small", "with 0.01 the loss of the last 100 steps is still at least 2.2", BOOK, at_least=2.2),
    Claim("he", "with He it is at most 0.95 times that with Xavier, over all steps", BOOK, at_most=0.95, unit="x"),
    Claim("learns", "with He the loss of the last 100 steps is at most 0.5", BOOK, at_most=0.5),
)
PICTURE = """Training loss over 2,000 steps. With 0.01 it stays at 2.3; with Xavier it falls, with He somewhat sooner
and lower."""
INITIALIZERS: dict[str, pynn.initializers.Initializer] = {
    "0.01": pynn.Normal(0.01),
    "Xavier": pynn.LeCun(),
    "He": pynn.He(),
}
MEAN = 25  # steps that make a point of the curve


def losses(initializer: pynn.initializers.Initializer, data: Any, seed: int, steps: int) -> np.ndarray:
    layers: list[pynn.Layer] = [pynn.Flatten()]
    for _ in range(4):
        layers += [pynn.Affine(100, initializer=initializer), pynn.ReLU()]
    model = pynn.Sequential(*layers, pynn.Affine(10, initializer=initializer), seed=seed)
    loss, optimizer, values = pynn.SoftmaxCrossEntropy(), pynn.SGD(0.01), list[float]()
    images, labels = data
    for epoch in range(steps * 128 // len(labels) + 1):
        for x, y in pynn.batches(images, labels, 128, seed=seed, epoch=epoch, drop_last=True):
            values.append(model.train_step(x, y, loss, optimizer))
            if len(values) == steps:
                break
    return np.asarray(np.reshape(values, (-1, MEAN)).mean(axis=1))


def run(seed: int, quick: bool) -> dict[str, object]:
    data, steps = pynn.datasets.mnist().train, 400 if quick else 2000
    curves = {name: losses(initializer, data, seed, steps) for name, initializer in INITIALIZERS.items()}
    return {
        "small": curves["0.01"][-4:].mean(),
        "he": curves["He"].mean() / curves["Xavier"].mean(),
        "learns": curves["He"][-4:].mean(),
        "curves": curves,
    }


def draw(figure: Any, results: Sequence[Mapping[str, Any]]) -> None:
    axes = figure.subplots()
    for number, name in enumerate(INITIALIZERS):
        for seed, result in enumerate(results):
            curve = result["curves"][name]
            steps = MEAN * (np.arange(len(curve)) + 0.5)
            line = ("-.", "--", "-")[number]
            axes.plot(steps, curve, line, color=f"C{number}", linewidth=1, label=None if seed else name)
    axes.set(xlabel="steps", ylabel="training loss", ylim=(0, 2.5))
    axes.legend()
