"""The average of the parameters over the last steps is better and steadier than the parameters themselves.

CIFAR-10, 10,000 training images (the course has 50,000) and 5,000 others to test, network with 100 hidden ReLU units,
Momentum at a high constant rate of 0.02, batch 100, 12 epochs. The average is exponential with decay 0.995, about the
last two epochs. Both are tested after every epoch.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

import pynn

from ..experiment import Claim

DATA = "cifar10"
CLAIMS = (
    Claim(
        "gain",
        "over the second half of the epochs the average is at least 1 point better",
        "CS231n notes, Neural Networks 3",
        0.01,
        unit="points",
    ),
    Claim(
        "steady",
        "over the same epochs its accuracy wavers at most half as much",
        "CS231n, lecture 7",
        at_most=0.5,
        unit="x",
    ),
)
PICTURE = """Test accuracy over the epochs, thin lines for each seed and a thick one for their median: the raw
parameters jump up and down from epoch to epoch; the average of the parameters lags behind at first, and from about the
fourth epoch on runs smoothly above them."""


def build(seed: int) -> pynn.Sequential:
    return pynn.Sequential(pynn.Flatten(), pynn.Affine(100), pynn.ReLU(), pynn.Affine(10), seed=seed)


def run(seed: int, quick: bool) -> dict[str, object]:
    x, y = pynn.datasets.cifar10().train
    order = np.random.default_rng(seed).permutation(len(y))
    train, test = order[: 1_500 if quick else 10_000], order[-1_000 if quick else -5_000 :]

    average = pynn.PolyakAverage(decay=0.98 if quick else 0.995)  # about the last 50 or 200 steps

    def validate(model: pynn.Sequential) -> dict[str, float]:
        raw = model.evaluate(x[test], y[test])["accuracy"]
        with average.applied(model):
            return {"raw": raw, "average": model.evaluate(x[test], y[test])["accuracy"]}

    model = build(seed)
    history = model.fit(
        x[train],
        y[train],
        validation=validate,
        preprocessing=pynn.MeanSubtraction(),
        optimizer=pynn.Momentum(0.02),
        epochs=12,
        batch_size=100,
        callbacks=[average],
        progress=False,
    )
    raw, averaged = np.array(history["val_raw"]), np.array(history["val_average"])
    half = slice(len(raw) // 2, None)
    return {
        "gain": np.mean(averaged[half] - raw[half]),
        "steady": wavering(averaged[half]) / wavering(raw[half]),
        "raw": raw,
        "average": averaged,
    }


def wavering(accuracy: np.ndarray) -> float:
    """The mean change from one epoch to the next."""
    return float(np.abs(np.diff(accuracy)).mean())


def draw(figure: Any, results: Sequence[Mapping[str, Any]]) -> None:
    axes = figure.subplots()
    for name, label, style in (("raw", "last parameters", "--"), ("average", "average of parameters", "-")):
        curves = 100 * np.array([result[name] for result in results])
        epochs = np.arange(1, curves.shape[1] + 1)
        (line,) = axes.plot(epochs, np.median(curves, axis=0), style, label=label)
        axes.plot(epochs, curves.T, style, color=line.get_color(), linewidth=0.7, alpha=0.5)
    axes.set(xlabel="epoch", ylabel="test accuracy, %")
    axes.legend(loc="lower right")
