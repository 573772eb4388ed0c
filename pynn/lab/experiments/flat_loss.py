"""At a tiny learning rate the loss hardly moves, and the accuracy jumps all the same.

CS231n's two-layer network with 50 hidden units on CIFAR-10, all images that are here (the course has 50,000), raw
pixels minus their mean, weights of standard deviation 0.0001, SGD with the course's rate 1e-6, batch 200, 2,500 steps,
as many as the course's ten epochs.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

import pynn

from ..experiment import Claim

DATA = "cifar10"
SEEDS = 3
SOURCE = "CS231n, lecture 6"
CLAIMS = (
    Claim("flat", "the training loss falls by at most 2 % in 2,500 steps", SOURCE, at_most=0.02, unit="%"),
    Claim("jump", "the training accuracy rises by at least 8 points", SOURCE, at_least=0.08, unit="points"),
)
PICTURE = """Left: training loss over 2,500 steps, with an axis from 0: a level line at 2.3. Right: training accuracy,
which rises from about 10 % to 15 to 18 %."""


def run(seed: int, quick: bool) -> dict[str, object]:
    images, labels = pynn.datasets.cifar10().train
    count = 5000 if quick else len(labels)
    x, y = images[:count].astype("float32"), labels[:count]
    x -= x.mean(axis=0)
    small = pynn.Normal(1e-4)
    model = pynn.Sequential(
        *(pynn.Flatten(), pynn.Affine(50, initializer=small), pynn.ReLU(), pynn.Affine(10, initializer=small)),
        seed=seed,
    )
    model.build(x.shape[1:])
    first = model.evaluate(x, y)
    epochs = (500 if quick else 2500) * 200 // count
    history = model.fit(x, y, optimizer=pynn.SGD(1e-6), epochs=epochs, batch_size=200, seed=seed, progress=False)
    last = model.evaluate(x, y)
    losses = [first["loss"], *history["loss"][:-1], last["loss"]]
    accuracies = [first["accuracy"], *history["accuracy"][:-1], last["accuracy"]]
    return {
        "flat": 1 - losses[-1] / losses[0],
        "jump": accuracies[-1] - accuracies[0],
        "steps": np.arange(epochs + 1) * (count // 200),
        "losses": losses,
        "accuracies": accuracies,
    }


def draw(figure: Any, results: Sequence[Mapping[str, Any]]) -> None:
    left, right = figure.subplots(1, 2)
    for result in results:
        left.plot(result["steps"], result["losses"], color="C0", linewidth=1)
        right.plot(result["steps"], 100 * np.array(result["accuracies"]), color="C1", linewidth=1)
    left.set(xlabel="steps", title="training loss", ylim=(0, 2.6))
    right.set(xlabel="steps", title="training accuracy, %", ylim=(0, None))
