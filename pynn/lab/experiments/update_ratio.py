"""A step should change the weights by about a thousandth.

Two hidden layers of 100 ReLU units, He initialization, 5,000 MNIST samples, plain SGD, batch 100, 10 epochs, at nine
rates. The ratio is the norm of a step over that of the weights, the median over the layers and the snapshots of the
first epoch. The best rate has the highest accuracy on 2,000 validation samples.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

import pynn

from ..experiment import Claim

DATA = "mnist"
SOURCE = "CS231n notes, Neural Networks 3"
CLAIMS = (
    Claim("best", "at the best rate the ratio lies between 0.0003 and 0.003", SOURCE, at_least=3e-4, at_most=3e-3),
    Claim(
        "small", "where it is below 0.0001 the accuracy is at least 1 point below the best", SOURCE, 0.01, unit="points"
    ),
    Claim(
        "large", "where it is above 0.01 the accuracy is at least 1 point below the best", SOURCE, 0.01, unit="points"
    ),
)
PICTURE = """Validation accuracy over the ratio of step to weights, on a logarithmic axis, a line for each seed; it is
low at the left end, rises through the band of 0.0003 to 0.003 and beyond it, and falls at the right end."""
RATES = np.geomspace(1e-4, 1, 9)


def ratio(history: pynn.History) -> float:
    """The median over layers and snapshots; the monitor measures it."""
    found = [
        layer.ratio
        for snapshot in history.record.snapshots
        for layer in snapshot.layers.values()
        if layer.ratio is not None
    ]
    return float(np.median(found)) if found else float("nan")


def run(seed: int, quick: bool) -> dict[str, object]:
    images, labels = pynn.datasets.mnist().train
    count = 1000 if quick else 5000
    some = np.random.default_rng(seed).choice(len(labels), count + 2000, replace=False)
    train, validation = (images[some[:count]], labels[some[:count]]), (images[some[count:]], labels[some[count:]])
    ratios, accuracies = [], []
    for rate in RATES:
        hidden = [layer for _ in range(2) for layer in (pynn.Affine(100), pynn.ReLU())]
        model = pynn.Sequential(pynn.Flatten(), *hidden, pynn.Affine(10), seed=seed)
        options: dict[str, Any] = {"batch_size": 100, "seed": seed, "progress": False, "optimizer": pynn.SGD(rate)}
        try:
            first = model.fit(*train, epochs=1, callbacks=[pynn.Monitor(interval=10, stop=False)], **options)
            model.fit(*train, epochs=2 if quick else 9, **options)
            ratios.append(ratio(first))
            accuracies.append(model.evaluate(*validation)["accuracy"])
        except FloatingPointError:  # the loss is not finite, at this rate and at larger ones
            break
    known, best = np.array(ratios), max(accuracies)
    small = [accuracy for each, accuracy in zip(known, accuracies, strict=True) if each < 1e-4]
    large = [accuracy for each, accuracy in zip(known, accuracies, strict=True) if each > 1e-2]
    return {
        "best": known[int(np.argmax(accuracies))],
        "small": best - max(small, default=float("nan")),
        "large": best - max(large, default=float("nan")),
        "ratios": ratios,
        "accuracies": accuracies,
    }


def draw(figure: Any, results: Sequence[Mapping[str, Any]]) -> None:
    axes = figure.subplots()
    axes.axvspan(3e-4, 3e-3, color="C2", alpha=0.15, linewidth=0)
    for result in results:
        axes.plot(result["ratios"], 100 * np.array(result["accuracies"]), "o-", color="C0", linewidth=1, markersize=3)
    axes.set(xscale="log", xlabel="step / weights", ylabel="validation accuracy, %")
