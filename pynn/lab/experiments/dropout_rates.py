"""Dropout belongs in the large layers, not in small ones or at the input.

1,000 MNIST samples; hidden layers of 300, 300, 20 and 20 ReLU units, batch 50, Adam, 40 epochs. No dropout; one rate
for the input and all hidden layers; or the same rate behind the two large layers only. Each of the two has the best of
the rates 0.1, 0.25 and 0.5 on 2,000 validation samples. Accuracy on 10,000 test samples.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

import pynn

from ..experiment import Claim

DATA = "mnist"
SOURCE = "DL Specialization, course 2, week 1"
CLAIMS = (
    Claim(
        "by_layer",
        "dropout in the large layers only is at least as accurate as the best single rate for all layers",
        SOURCE,
        at_least=0.0,
        unit="points",
    ),
    Claim("useful", "it is at least 0.3 points more accurate than no dropout", SOURCE, at_least=0.003, unit="points"),
    Claim(
        "half",
        "rate 0.5 in all layers is at least 2 points less accurate than 0.5 in the large layers only",
        SOURCE,
        at_least=0.02,
        unit="points",
    ),
)
PICTURE = """Test accuracy against the dropout rate, two lines for each seed, on the right the range from 88 % on: with
dropout in all layers it rises up to rate 0.25 and falls to about 50 % at 0.5; with dropout in the large layers only it
stays near 90 %."""

UNITS = (300, 300, 20, 20)
LARGE = 100  # units of a layer that has dropout if only large layers do
RATES = (0.1, 0.25, 0.5)


def network(rate: float, everywhere: bool, seed: int) -> pynn.Sequential:
    layers: list[pynn.Layer] = [pynn.Flatten()]
    if everywhere:
        layers.append(pynn.Dropout(rate))
    for units in UNITS:
        layers += [pynn.Affine(units), pynn.ReLU()]
        if everywhere or units >= LARGE:
            layers.append(pynn.Dropout(rate))
    return pynn.Sequential(*layers, pynn.Affine(10), seed=seed)


def run(seed: int, quick: bool) -> dict[str, object]:
    data = pynn.datasets.mnist()
    images, labels = data.train
    chosen = np.random.default_rng(seed).choice(len(images), 3_000, replace=False)
    train = images[chosen[:1_000]], labels[chosen[:1_000]]
    validation = images[chosen[1_000:]], labels[chosen[1_000:]]

    def accuracies(rate: float, everywhere: bool) -> tuple[float, float]:
        """On validation and test data."""
        model = network(rate, everywhere, seed)
        model.fit(*train, optimizer=pynn.Adam(), batch_size=50, epochs=4 if quick else 40, progress=False)
        return model.evaluate(*validation)["accuracy"], model.evaluate(*data.test)["accuracy"]

    _, without = accuracies(0.0, False)
    one = [accuracies(rate, True) for rate in RATES]
    large = [accuracies(rate, False) for rate in RATES]
    _, best_one = max(one)
    _, best_large = max(large)
    return {
        "without": without,
        "one": [test for _, test in one],
        "large": [test for _, test in large],
        "by_layer": best_large - best_one,
        "useful": best_large - without,
        "half": large[-1][1] - one[-1][1],
    }


def draw(figure: Any, results: Sequence[Mapping[str, Any]]) -> None:
    whole, near = panels = figure.subplots(1, 2)
    for key, label, line, colour in (("one", "all layers", "s--", "C1"), ("large", "large layers only", "o-", "C0")):
        for result in results:
            accuracies = 100 * np.array([result["without"], *result[key]])
            shown = label if result is results[0] else None
            for panel in panels:
                panel.plot((0, *RATES), accuracies, line, color=colour, linewidth=1, markersize=4, label=shown)
    for panel in panels:
        panel.set(xlabel="dropout rate", xticks=(0, *RATES))
    whole.set(ylabel="test accuracy (%)")
    whole.legend(loc="lower left")
    near.set(ylim=(88, 94), title="the same, from 88 % on")
