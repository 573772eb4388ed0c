"""How to use a trained network depends on how much data the new task has, and how similar they are.

A network of two convolutions (8 and 16 channels) and an affine layer of 64 learns MNIST's digits 0-4, 10,000 images.
The new task are the digits 5-9: similar as they are, different when turned by 90 degrees and with black and white
exchanged; 5 images a class (60 epochs) or 500 (6 epochs). Compared are the ways of `pynn.transfer.advise` (a new head
on earlier or on top features, fine-tuning) and a network from scratch; Adam, the rate 0.1, 0.01 or 0.001, whichever is
best on 1,000 validation images; 3,000 images for the test.
"""

import copy
from collections.abc import Mapping, Sequence
from operator import itemgetter
from typing import Any

import numpy as np

import pynn

from ..experiment import Claim

DATA = "mnist"
HEIGHT = 4.6
SOURCE = "CS231n notes, Transfer Learning"
CLAIMS = (
    Claim(
        "little",
        "with little similar data, a new head on frozen layers is at least 1 point better than fine-tuning",
        SOURCE,
        at_least=0.01,
        unit="points",
    ),
    Claim(
        "much",
        "with much similar data, fine-tuning is at least 1 point better than a new head on frozen layers",
        SOURCE,
        at_least=0.01,
        unit="points",
    ),
    Claim(
        "earlier",
        "with little different data, earlier features are at least 1 point better than those of the last layer",
        SOURCE,
        at_least=0.01,
        unit="points",
    ),
    Claim(
        "scratch",
        "with little similar data, a new head is at least 5 points better than a network from scratch",
        SOURCE,
        at_least=0.05,
        unit="points",
    ),
)
PICTURE = """Test accuracy of four ways to learn a new task, in four panels: little and much data, similar and
different. A small dot is a seed, a bar the median."""
# The cases (much data, similar data) whose advice it is; here each way is tried in every case.
WAYS = {"earlier features": (False, False), "top features": (False, True), "fine-tuned": (True, True)}
CASES = ("little, similar", "little, different", "much, similar", "much, different")
RATES = (0.1, 0.01, 0.001)


def network(seed: int) -> pynn.Sequential:
    return pynn.Sequential(
        *(pynn.Conv2d(8, 5, padding="valid"), pynn.ReLU(), pynn.MaxPool2d(2)),
        *(pynn.Conv2d(16, 5, padding="valid"), pynn.ReLU(), pynn.MaxPool2d(2)),
        *(pynn.Flatten(), pynn.Affine(64), pynn.ReLU(), pynn.Affine(5)),
        seed=seed,
    )


def accuracies(
    first: pynn.Sequential, similar: bool, rates: Sequence[float], train: Any, validation: Any, test: Any
) -> dict[str, float]:
    """Test accuracy of all ways."""
    result = {}
    for way in (*WAYS, "from scratch"):
        trials = []
        for rate in rates:
            if way == "from scratch":
                model = network(first.seed + 1)
            else:
                much, alike = WAYS[way]
                alike = similar if much else alike
                advice = pynn.transfer.advise(2500 if much else 25, alike, classes=5)
                model = advice.apply(copy.deepcopy(first).replace_head(pynn.Affine(5)))
            epochs = 60 if len(train[1]) < 100 else 6
            model.fit(*train, optimizer=pynn.Adam(rate), epochs=epochs, batch_size=50, progress=False)
            trials.append([model.evaluate(*part)["accuracy"] for part in (validation, test)])
        result[way] = max(trials, key=itemgetter(0))[1]  # the rate that is best in validation
    return result


def run(seed: int, quick: bool) -> dict[str, object]:
    generator = np.random.default_rng(seed)
    digits = pynn.datasets.mnist()
    (x, y), (x_test, y_test) = digits.train, digits.test
    low, high = (generator.permutation(np.flatnonzero(part)) for part in (y < 5, y >= 5))
    first = network(2 * seed)
    old = low[: 2000 if quick else 10000]
    first.fit(x[old], y[old], epochs=2 if quick else 4, batch_size=100, progress=False)
    tests = generator.permutation(np.flatnonzero(y_test >= 5))[: 300 if quick else 3000]
    much = high[1000 : 1200 if quick else 3500]
    little = np.concatenate([much[y[much] == digit][:5] for digit in range(5, 10)])
    results, rates = {}, RATES[1:2] if quick else RATES
    for case in CASES:
        similar = case.endswith("similar")
        train, validation = little if case.startswith("little") else much, high[: 200 if quick else 1000]
        parts = [(x[train], y[train]), (x[validation], y[validation]), (x_test[tests], y_test[tests])]
        if not similar:
            parts = [(255 - np.rot90(images, axes=(1, 2)), labels) for images, labels in parts]
        results[case] = accuracies(first, similar, rates, *((images, labels - 5) for images, labels in parts))
    few, different, many = (results[case] for case in CASES[:3])
    return {
        "little": few["top features"] - few["fine-tuned"],
        "much": many["fine-tuned"] - many["top features"],
        "earlier": different["earlier features"] - different["top features"],
        "scratch": few["top features"] - few["from scratch"],
        "results": results,
    }


def draw(figure: Any, results: Sequence[Mapping[str, Any]]) -> None:
    panels = figure.subplots(2, 2, sharey=True)
    ways = (*WAYS, "from scratch")
    for axes, case in zip(panels.flat, CASES, strict=True):
        for place, way in enumerate(ways):
            figures = 100 * np.array([result["results"][case][way] for result in results])
            axes.plot(figures, np.full(len(figures), place), "o", markersize=4, alpha=0.5, color=f"C{place}")
            axes.plot([np.median(figures)] * 2, [place - 0.3, place + 0.3], color=f"C{place}", linewidth=3)
        axes.set_title(case.capitalize())
    panels[0, 0].set_yticks(range(len(ways)), ways)
    panels[0, 0].invert_yaxis()
    for axes in panels[1]:
        axes.set_xlabel("Test accuracy (%)")
