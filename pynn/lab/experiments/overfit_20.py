"""A network that is right can learn 20 images by heart: loss to 0, accuracy 1.

CS231n's two-layer network with 50 hidden units, 20 CIFAR-10 images, inputs minus their mean and scaled to about 1, no
regularization, SGD 0.1 with the whole batch, 300 steps. And the same with labels drawn at random.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

import pynn

from ..experiment import Claim

DATA = "cifar10"
SOURCE = "CS231n, lecture 6, and notes, Neural Networks 3"
CLAIMS = (
    Claim("loss", "the training loss falls to at most 0.01", SOURCE, at_most=0.01),
    Claim("accuracy", "the training accuracy becomes 1", SOURCE, at_least=1),
    Claim("random", "with random labels too", SOURCE, at_least=1),
)
PICTURE = """Training loss on a logarithmic scale and training accuracy over the steps; for each seed the loss falls to
nearly 0 and the accuracy rises to 1, with true labels and with random ones."""


def learn(x: Any, y: Any, seed: int, epochs: int) -> pynn.History:
    model = pynn.Sequential(pynn.Flatten(), pynn.Affine(50), pynn.ReLU(), pynn.Affine(10), seed=seed)
    return model.fit(x, y, optimizer=pynn.SGD(0.1), epochs=epochs, batch_size=20, progress=False)


def run(seed: int, quick: bool) -> dict[str, object]:
    images, labels = pynn.datasets.cifar10().train
    rng = np.random.default_rng(seed)
    some = rng.choice(len(labels), 20, replace=False)
    x = images[some].astype("float32")
    x = (x - x.mean(axis=0)) / 64
    true = learn(x, labels[some], seed, 300)
    drawn = learn(x, rng.integers(0, 10, 20), seed, 300)
    return {
        "loss": true["loss"][-1],
        "accuracy": true["accuracy"][-1],
        "random": drawn["accuracy"][-1],
        "true labels": {"loss": true["loss"], "accuracy": true["accuracy"]},
        "random labels": {"loss": drawn["loss"], "accuracy": drawn["accuracy"]},
    }


def draw(figure: Any, results: Sequence[Mapping[str, Any]]) -> None:
    left, right = figure.subplots(1, 2)
    for seed, result in enumerate(results):
        for name, colour, line in (("true labels", "C0", "-"), ("random labels", "C1", "--")):
            label = None if seed else name
            left.plot(result[name]["loss"], line, color=colour, linewidth=1, label=label)
            right.plot(result[name]["accuracy"], line, color=colour, linewidth=1, label=label)
    left.set(yscale="log", xlabel="steps", title="training loss")
    right.set(xlabel="steps", title="training accuracy", xlim=(0, 100), ylim=(0, 1.03))
    right.legend(loc="lower right")
