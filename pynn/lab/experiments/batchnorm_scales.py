"""With batch normalization a network learns at every scale of its initial weights, and faster.

The book's experiment: 1,000 MNIST samples, five hidden layers of 100 ReLU units, SGD 0.01, batch 100, 20 epochs, at 16
standard deviations of the initial weights from 1 to 0.0001, with and without batch normalization.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

import pynn

from ..experiment import Claim

DATA = "mnist"
SEEDS = 3
BOOK = "Deep Learning from Scratch, 6.3.2"
CLAIMS = (
    Claim("every", "with it, training accuracy passes 90 % at all 16 scales", BOOK, 16, unit="scales"),
    Claim("few", "without it, at most 8 scales do", BOOK, at_most=8, unit="scales"),
    Claim("faster", "with it, the mean accuracy of the epochs is higher at 15 scales or more", BOOK, 15, unit="scales"),
)
PICTURE = """16 small panels, one for each scale of the initial weights from 1 down to 0.0001, with the training
accuracy over 20 epochs. With batch normalization it rises to nearly 100 % at scales from 0.046 to 0.0022, to about 35
to 100 % at the others, and hardly at 0.0001; without, it rises at 0.29 and 0.16 only."""
HEIGHT = 6.4
SCALES = np.logspace(0, -4, 16)


def accuracies(scale: float, normalized: bool, x: Any, y: Any, seed: int, epochs: int) -> list[float]:
    layers: list[pynn.Layer] = [pynn.Flatten()]
    for _ in range(5):
        layers.append(pynn.Affine(100, initializer=pynn.Normal(scale)))
        if normalized:
            layers.append(pynn.BatchNorm())
        layers.append(pynn.ReLU())
    model = pynn.Sequential(*layers, pynn.Affine(10, initializer=pynn.Normal(scale)), seed=seed)
    curve: list[float] = []
    optimizer = pynn.SGD(0.01)
    try:
        for _ in range(epochs):
            model.fit(x, y, optimizer=optimizer, epochs=1, batch_size=100, seed=seed, progress=False)
            curve.append(model.evaluate(x, y)["accuracy"])
    except FloatingPointError:  # the loss became NaN: it stays at what chance gives
        curve += [0.1] * (epochs - len(curve))
    return curve


def run(seed: int, quick: bool) -> dict[str, object]:
    images, labels = pynn.datasets.mnist().train
    some = np.random.default_rng(seed).choice(len(labels), 1000, replace=False)
    x, y, epochs = images[some], labels[some], 8 if quick else 20
    with_it = np.array([accuracies(scale, True, x, y, seed, epochs) for scale in SCALES])
    without = np.array([accuracies(scale, False, x, y, seed, epochs) for scale in SCALES])
    return {
        "every": np.sum(with_it.max(axis=1) > 0.9),
        "few": np.sum(without.max(axis=1) > 0.9),
        "faster": np.sum(with_it.mean(axis=1) > without.mean(axis=1)),
        "with": with_it,
        "without": without,
    }


def draw(figure: Any, results: Sequence[Mapping[str, Any]]) -> None:
    for index, axes in enumerate(figure.subplots(4, 4, sharex=True, sharey=True).ravel()):
        for name, line, colour in (("without", "--", "C1"), ("with", "-", "C0")):
            for seed, result in enumerate(results):
                curve = 100 * np.array(result[name][index])
                label = f"{name} BN" if not seed and not index else None
                axes.plot(np.arange(1, len(curve) + 1), curve, line, color=colour, linewidth=1, label=label)
        axes.set_title(f"w = {SCALES[index]:.2g}", fontsize=8.5)
        axes.set(ylim=(0, 105), yticks=(0, 50, 100))
        axes.tick_params(labelsize=8)
    figure.legend(loc="outside upper center", ncols=2)
    figure.supxlabel("epoch", fontsize=9.5)
    figure.supylabel("training accuracy, %", fontsize=9.5)
