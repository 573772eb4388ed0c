"""A good rate learns; a far too large one explodes, and is stopped.

CS231n's two-layer network with 50 hidden units on 5,000 CIFAR-10 images, raw pixels 0 to 255 minus their mean, weights
of standard deviation 0.0001, plain SGD, batch 200, 5 epochs, at the course's rates 1e-6 and 1e6, at 3e-3, and at rates
between; L2 penalty 1e-6 as in the course.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

import pynn

from ..experiment import Claim

DATA = "cifar10"
SOURCE = "CS231n, lecture 6"
CLAIMS = (
    Claim("good", "at the best rate the validation accuracy reaches at least 30 %", SOURCE, 0.3, unit="%"),
    Claim(
        "huge",
        "at 1e6 the loss becomes NaN or infinite within 10 steps, and fit stops",
        SOURCE,
        at_most=10,
        unit="steps",
    ),
    Claim("large", "at 3e-3 too, within the first epoch, 25 steps", SOURCE, at_most=25, unit="steps"),
)
PICTURE = """Training loss over the steps for five learning rates. At the smallest rates it stays at 2.3, at 0.003 it
falls; at 1e6 it leaves the picture after a few steps, where fit stops with an error."""
RATES = (1e-6, 1e-5, 1e-4, 3e-3, 1e6)


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
    count, epochs = 5000, 3 if quick else 5  # an epoch of 25 steps in both forms, as the claims count steps
    some = np.random.default_rng(seed).choice(len(labels), count + 1000, replace=False)
    x = images[some].astype("float32")
    x -= x[:count].mean(axis=0)
    train, validation = (x[:count], labels[some[:count]]), (x[count:], labels[some[count:]])
    curves, accuracies, stops = {}, [], {}
    for rate in RATES:
        model, losses = build(seed), Losses()
        try:
            history = model.fit(
                *train, validation=validation, optimizer=pynn.SGD(rate), epochs=epochs, batch_size=200, seed=seed,
                penalty=pynn.L2(1e-6), callbacks=[losses], progress=False,
            )  # fmt: skip
            accuracies.append(max(history["val_accuracy"]))
        except FloatingPointError:  # the loss is not finite any more
            stops[f"{rate:g}"] = len(losses.values) + 1
        curves[f"{rate:g}"] = losses.values
    all_steps = len(curves["1e-06"])  # where it never stopped
    return {
        "good": max(accuracies),
        "huge": stops.get("1e+06", all_steps),
        "large": stops.get("0.003", all_steps),
        "curves": curves,
    }


def draw(figure: Any, results: Sequence[Mapping[str, Any]]) -> None:
    axes = figure.subplots()
    for number, rate in enumerate(results[0]["curves"]):
        for seed, result in enumerate(results):
            curve = np.clip(np.array(result["curves"][rate], dtype=float), 0, 10)
            line = ("-", "--", "-.", "-", "s:")[number]
            label = None if seed else rate.replace("e+06", "e6")
            axes.plot(
                np.arange(1, len(curve) + 1), curve, line, color=f"C{number}", linewidth=1, markersize=4, label=label
            )
    axes.set(xlabel="step", ylabel="training loss", ylim=(0, 4))
    axes.legend(title="learning rate")
