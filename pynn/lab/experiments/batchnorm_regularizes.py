"""Batch normalization regularizes: with it a network generalizes better, and dropout adds nothing.

1,000 MNIST samples, four hidden layers of 100 ReLU units, Momentum, batch 50, 60 epochs: plain, with batch
normalization, with dropout 0.2, with both. Each has the best of four learning rates by 2,000 validation samples.
Tested on 10,000.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

import pynn

from ..experiment import Claim

DATA = "mnist"
SOURCE = "CS231n, lecture 6; Ioffe & Szegedy 2015"
CLAIMS = (
    Claim(
        "better", "with batch normalization test accuracy is at least 0.5 points higher", SOURCE, 0.005, unit="points"
    ),
    Claim(
        "gap", "the gap between training and test accuracy is at least 0.5 points smaller", SOURCE, 0.005, unit="points"
    ),
    Claim("superfluous", "dropout on top of it adds at most 0.3 points", SOURCE, at_most=0.003, unit="points"),
    Claim("helps", "dropout without it adds at least 0.5 points", "DLS C2W1", at_least=0.005, unit="points"),
)
PICTURE = """Test accuracy of the four networks, a point for each seed and a bar for the median: plain, dropout, batch
normalization, both."""
FORMS = {"plain": (False, 0.0), "dropout": (False, 0.2), "batch norm": (True, 0.0), "both": (True, 0.2)}


def build(normalized: bool, rate: float, seed: int) -> pynn.Sequential:
    layers: list[pynn.Layer] = [pynn.Flatten()]
    for _ in range(4):
        layers.append(pynn.Affine(100))
        if normalized:
            layers.append(pynn.BatchNorm())
        layers.append(pynn.ReLU())
        if rate:
            layers.append(pynn.Dropout(rate))
    return pynn.Sequential(*layers, pynn.Affine(10), seed=seed)


def run(seed: int, quick: bool) -> dict[str, object]:
    data = pynn.datasets.mnist()
    images, labels = data.train
    some = np.random.default_rng(seed).choice(len(labels), 3000, replace=False)
    train, validation = (images[some[:1000]], labels[some[:1000]]), (images[some[1000:]], labels[some[1000:]])
    tests, gaps, rates = {}, {}, {}
    for name, (normalized, dropout) in FORMS.items():
        tried = []
        for rate in (0.003, 0.01, 0.03, 0.1):
            model = build(normalized, dropout, seed)
            model.fit(
                *train,
                optimizer=pynn.Momentum(rate),
                epochs=8 if quick else 60,
                batch_size=50,
                seed=seed,
                progress=False,
            )
            tried.append((model.evaluate(*validation)["accuracy"], rate, model))
        _, rates[name], best = max(tried, key=lambda each: each[0])
        tests[name] = best.evaluate(*data.test)["accuracy"]
        gaps[name] = best.evaluate(*train)["accuracy"] - tests[name]
    return {
        "better": tests["batch norm"] - tests["plain"],
        "gap": gaps["plain"] - gaps["batch norm"],
        "superfluous": tests["both"] - tests["batch norm"],
        "helps": tests["dropout"] - tests["plain"],
        "tests": tests,
        "rates": rates,
    }


def draw(figure: Any, results: Sequence[Mapping[str, Any]]) -> None:
    axes = figure.subplots()
    for place, name in enumerate(FORMS):
        found = [100 * result["tests"][name] for result in results]
        axes.bar(place, np.median(found), 0.6, color="C0", alpha=0.35)
        axes.plot([place] * len(found), found, "o", color="C0", markersize=4)
    low = min(min(result["tests"].values()) for result in results)
    axes.set(ylabel="test accuracy, %", xticks=range(len(FORMS)), ylim=(100 * low - 1, None))
    axes.set_xticklabels(FORMS)
