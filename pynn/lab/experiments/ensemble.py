"""Independent models, averaged, are better than each of them.

CIFAR-10, 4,000 training images (the course has 50,000) and 4,000 others to test, 6 networks of two convolutions that
differ in their first weights and the order of samples, Momentum 0.02, batch 100, 6 epochs. The ensemble averages their
probabilities; for each size the mean over all choices of members is shown.
"""

from collections.abc import Mapping, Sequence
from itertools import combinations
from typing import Any

import numpy as np

import pynn

from ..experiment import Claim

DATA = "cifar10"
MODELS = 6
NOTES = "CS231n notes, Neural Networks 3"
CLAIMS = (
    Claim(
        "gain",
        "the ensemble is at least 1.5 points better than its members on average",
        "CS231n, lecture 7: about 2 %",
        0.015,
        unit="points",
    ),
    Claim("best", "it is at least 0.5 points better than its best member", NOTES, 0.005, unit="points"),
    Claim(
        "smallest",
        "with every further model the accuracy rises, on average over the choices",
        NOTES,
        0.0,
        unit="points",
    ),
    Claim("diminishing", "the last model adds at most a third of what the second adds", NOTES, at_most=0.333, unit="x"),
)
PICTURE = """Test accuracy over the number of models averaged, 1 to 6, a thin line for each seed and a thick one for
their median: it rises steeply to two models and less with each further one. Dashes at 1 show the single models."""


def build(seed: int) -> pynn.Sequential:
    return pynn.Sequential(
        *(pynn.Conv2d(16, 3, padding=1), pynn.ReLU(), pynn.MaxPool2d(2)),
        *(pynn.Conv2d(32, 3, padding=1), pynn.ReLU(), pynn.MaxPool2d(2)),
        *(pynn.Flatten(), pynn.Affine(10)),
        seed=seed,
    )


def run(seed: int, quick: bool) -> dict[str, object]:
    x, y = pynn.datasets.cifar10().train
    order = np.random.default_rng(seed).permutation(len(y))
    train, test = (order[:500], order[-1_000:]) if quick else (order[:4_000], order[-4_000:])

    ensemble = pynn.Ensemble.fit(
        build,
        MODELS,
        x[train],
        y[train],
        seeds=range(MODELS * seed, MODELS * (seed + 1)),
        preprocessing=pynn.MeanSubtraction(),
        optimizer=pynn.Momentum(0.02),
        epochs=2 if quick else 6,
        batch_size=100,
        progress=False,
    )
    # Predicted once for each member, as the ensemble averages probabilities.
    proba = [model.predict_proba(x[test]) for model in ensemble]
    single = [np.mean(p.argmax(axis=1) == y[test]) for p in proba]
    sizes = [
        float(np.mean([np.mean(np.mean(some, axis=0).argmax(axis=1) == y[test]) for some in combinations(proba, size)]))
        for size in range(1, MODELS)
    ]
    sizes.append(ensemble.evaluate(x[test], y[test])["accuracy"])
    added = np.diff(sizes)
    return {
        "gain": sizes[-1] - sizes[0],
        "best": sizes[-1] - max(single),
        "smallest": added.min(),
        "diminishing": added[-1] / added[0],
        "single": single,
        "sizes": sizes,
    }


def draw(figure: Any, results: Sequence[Mapping[str, Any]]) -> None:
    axes = figure.subplots()
    sizes = np.arange(1, MODELS + 1)
    curves = 100 * np.array([result["sizes"] for result in results])
    axes.plot(sizes, curves.T, color="#0072B2", linewidth=0.7, alpha=0.6)
    axes.plot(sizes, np.median(curves, axis=0), "o-", color="#0072B2", label="mean over choices")
    for number, result in enumerate(results):
        label = "single models" if not number else None
        axes.plot(np.ones(MODELS), 100 * np.array(result["single"]), "_", color="#D55E00", markersize=10, label=label)
    axes.set(xlabel="models averaged", ylabel="test accuracy, %", xticks=sizes)
    axes.legend(loc="lower right")
