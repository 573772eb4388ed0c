"""A good rate learns; a far too large one explodes, and is stopped.

CS231n's two-layer network with 50 hidden units on 5,000 CIFAR-10 images, raw pixels 0 to 255 minus their mean, weights
of standard deviation 0.0001, plain SGD, batch 200, 125 steps, at rates from 1e-6 to 1e6 as in the course; at 3e-3,
which exploded there in the fifth epoch of 50,000 images, as many steps as five such epochs have: 1,250. L2 penalty
1e-6 as in the course.
"""

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np

import pynn

from ..experiment import Claim

DATA = "cifar10"
SOURCE = "CS231n, lecture 6"
CLAIMS = (
    Claim("good", "at the best rate the validation accuracy reaches at least 30 %", SOURCE, 0.3, unit="%"),
    Claim("huge", "at 1e6 the loss becomes NaN or infinite within 10 steps", SOURCE, at_most=10, unit="steps"),
    Claim("large", "at 3e-3 too, within 1,250 steps", SOURCE, at_most=1250, unit="steps"),
)
PICTURE = """Training loss over the steps, on a logarithmic axis, for six learning rates, from the first seed. At the
three smallest it stays at 2.3 for all 125 steps, at 0.001 and 0.003 it falls; at 0.003 it swings more and more from
step 200 on and leaves the picture after several hundred; at 1e6 it does so at once."""
RATES = (1e-6, 1e-5, 1e-4, 1e-3, 3e-3, 1e6)
LARGE = 3e-3


def build(seed: int) -> pynn.Sequential:
    small = pynn.Normal(1e-4)
    return pynn.Sequential(
        *(pynn.Flatten(), pynn.Affine(50, initializer=small), pynn.ReLU(), pynn.Affine(10, initializer=small)),
        seed=seed,
    )


class Losses(pynn.Callback):
    """The loss of every step."""

    def __init__(self) -> None:
        self.values: list[float] = []

    def on_step_end(self, trainer: Any) -> None:
        self.values.append(trainer.batch_loss)


def run(seed: int, quick: bool) -> dict[str, object]:
    images, labels = pynn.datasets.cifar10().train
    count = 5000  # 25 steps an epoch in both forms, as the claims count steps
    some = np.random.default_rng(seed).choice(len(labels), count + 1000, replace=False)
    x = images[some].astype("float32")
    x -= x[:count].mean(axis=0)
    train, validation = (x[:count], labels[some[:count]]), (x[count:], labels[some[count:]])
    curves, accuracies, stops = {}, {}, {}
    epochs = 3 if quick else 5
    for rate in RATES:
        losses = Losses()
        fit = partial(
            build(seed).fit, *train, validation=validation, optimizer=pynn.SGD(rate), batch_size=200, seed=seed,
            penalty=pynn.L2(1e-6), callbacks=[losses], progress=False,
        )  # fmt: skip
        try:
            accuracies[f"{rate:g}"] = max(fit(epochs=epochs)["val_accuracy"])
            if rate == LARGE:
                fit(epochs=50 - epochs)
        except FloatingPointError:  # the loss is not finite any more
            stops[f"{rate:g}"] = len(losses.values) + 1
        curves[f"{rate:g}"] = losses.values
    return {
        "good": max(accuracies.values()),
        **{key: stops.get(rate, len(curves[rate]) + 1) for key, rate in (("huge", "1e+06"), ("large", "0.003"))},
        "accuracies": accuracies,
        "curves": curves,
    }


def draw(figure: Any, results: Sequence[Mapping[str, Any]]) -> None:
    axes = figure.subplots()
    lines = ("-", "--", "-.", ":", "-", "s:")
    for line, (rate, losses) in zip(lines, results[0]["curves"].items(), strict=True):
        curve = np.clip(np.array(losses, dtype=float), 0, 10)
        label = rate.replace("e+06", "e6")
        axes.plot(np.arange(1, len(curve) + 1), curve, line, linewidth=1, markersize=4, label=label)
    axes.set(xlabel="step", ylabel="training loss", xscale="log", ylim=(0, 4))
    axes.legend(title="learning rate")
