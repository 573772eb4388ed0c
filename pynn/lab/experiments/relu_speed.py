"""Networks with ReLU reach the same loss in several times fewer steps than with tanh or sigmoid.

1,000 CIFAR-10 images, halved to 16x16 pixels, mean subtracted; three convolutions of 3x3 with 16, 16 and 32 channels,
max pooling after the first two, and an affine layer; SGD with momentum 0.9, batch 50. Weights start as suits the
activation: He for ReLU, Glorot for tanh, and also for sigmoid. Each activation has its best of five learning rates.
Counted are the steps until the mean loss of 20 steps is below 0.7, which is about Krizhevsky's 25% of errors. A run
ends after 6 times the steps of ReLU at the latest; the factor is then written as 6.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

import pynn

from ..experiment import Claim

DATA = "cifar10"
SEEDS = 3
CLAIMS = (
    Claim("tanh", "tanh needs at least 3 times as many steps as ReLU", "CS231n, lecture 6: 6x", at_least=3, unit="x"),
    Claim(
        "sigmoid", "sigmoid needs at least 3 times as many steps as ReLU", "CS231n, lecture 6: 6x", at_least=3, unit="x"
    ),
)
PICTURE = """Training loss over the steps at the best learning rate of each activation, for all seeds. ReLU falls first,
then tanh; sigmoid stays high. A dotted line marks the loss of 0.7."""

TARGET, WINDOW, PATIENCE = 0.7, 20, 6
RATES = (0.01, 0.03, 0.1, 0.3, 1.0)


def build(activation: str, seed: int) -> pynn.Sequential:
    make = {"relu": pynn.ReLU, "tanh": pynn.Tanh, "sigmoid": pynn.Sigmoid}[activation]
    return pynn.Sequential(
        pynn.Conv2d(16), make(), pynn.MaxPool2d(),
        pynn.Conv2d(16), make(), pynn.MaxPool2d(),
        pynn.Conv2d(32), make(), pynn.Flatten(), pynn.Affine(10),
        seed=seed,
    )  # fmt: skip


def losses(model: pynn.Sequential, data: tuple[Any, Any], rate: float, limit: int) -> list[float]:
    """The loss of each step until their running mean reaches the target."""
    optimizer = pynn.Momentum(rate)
    found: list[float] = []
    epoch = 0
    while len(found) < limit:
        for x, y in pynn.batches(*data, batch_size=50, seed=model.seed, epoch=epoch):
            found.append(model.train_step(x, y, "softmax_cross_entropy", optimizer))
            if len(found) >= limit or np.mean(found[-WINDOW:]) < TARGET:
                return found
        epoch += 1
    return found


def reached(curve: list[float]) -> tuple[int, float]:
    """Steps and the loss at the end, which decides if no rate reaches the target."""
    return len(curve), float(np.mean(curve[-WINDOW:]))


def run(seed: int, quick: bool) -> dict[str, object]:
    count = 50 if quick else 1000
    images, labels = pynn.datasets.cifar10().train
    chosen = np.random.default_rng(seed).choice(len(images), count, replace=False)
    pixels = images[chosen].astype("float32") / 255
    halved = pixels.reshape(count, 16, 2, 16, 2, 3).mean(axis=(2, 4))
    data = pynn.MeanSubtraction().fit_transform(halved), labels[chosen]

    limit = 3000
    curves: dict[str, list[float]] = {}
    for activation in ("relu", "tanh", "sigmoid"):
        best = limit
        for rate in RATES[1:2] if quick else RATES:
            try:
                curve = losses(build(activation, seed), data, rate, best)
            except FloatingPointError:  # the loss is NaN
                continue
            if activation not in curves or reached(curve) < reached(curves[activation]):
                curves[activation], best = curve, len(curve)
        if activation == "relu":
            limit = PATIENCE * best
    steps = {activation: len(curve) for activation, curve in curves.items()}
    smooth = {name: np.convolve(curve, np.full(WINDOW, 1 / WINDOW), "valid")[::5] for name, curve in curves.items()}
    return {
        "tanh": steps["tanh"] / steps["relu"],
        "sigmoid": steps["sigmoid"] / steps["relu"],
        "steps": steps,
        "curves": smooth,
    }


def draw(figure: Any, results: Sequence[Mapping[str, Any]]) -> None:
    axes = figure.subplots()
    for activation, colour, line in (("relu", "C0", "-"), ("tanh", "C1", "--"), ("sigmoid", "C2", "-.")):
        for result in results:
            curve = result["curves"][activation]
            label = {"relu": "ReLU"}.get(activation, activation) if result is results[0] else None
            axes.plot(np.arange(len(curve)) * 5 + WINDOW, curve, line, color=colour, linewidth=1.3, label=label)
    axes.axhline(TARGET, color="black", linestyle=":", linewidth=1)
    axes.set(xlabel="steps", ylabel="training loss, mean of 20 steps", xscale="log", ylim=(0, None))
    axes.legend()
