"""Weight decay narrows the gap between training and test accuracy.

The book's overfitting network: 300 MNIST samples, six hidden layers of 100 ReLU units, He initialization, SGD 0.01,
batch 100, 201 epochs; without a penalty and with an L2 penalty of strength 0.1.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

import pynn

from ..experiment import Claim

DATA = "mnist"
BOOK = "Deep Learning from Scratch, 6.4.2"
CLAIMS = (
    Claim("gap", "with weight decay the gap is at least 3 points smaller", BOOK, at_least=0.03, unit="points"),
    Claim("train", "with it the training accuracy does not reach 100 %", BOOK, at_most=0.9999, unit="%"),
    Claim("overfit", "without it the training accuracy reaches 100 %", BOOK, at_least=1, unit="%"),
)
PICTURE = """Training and test accuracy over 201 epochs, left without weight decay, right with it. Left, training
reaches 100 percent and test stays near 80; right, both are lower and closer together."""
EVERY = 3  # epochs between two measurements


def build(seed: int) -> pynn.Sequential:
    hidden = [layer for _ in range(6) for layer in (pynn.Affine(100), pynn.ReLU())]
    return pynn.Sequential(pynn.Flatten(), *hidden, pynn.Affine(10), seed=seed)


def curves(penalty: pynn.L2 | None, train: Any, test: Any, seed: int, epochs: int) -> dict[str, list[float]]:
    model, optimizer = build(seed), pynn.SGD(0.01)
    found: dict[str, list[float]] = {"train": [], "test": []}
    for _ in range(epochs // EVERY):
        model.fit(*train, optimizer=optimizer, penalty=penalty, epochs=EVERY, batch_size=100, seed=seed, progress=False)
        found["train"].append(model.evaluate(*train)["accuracy"])
        found["test"].append(model.evaluate(*test)["accuracy"])
    return found


def run(seed: int, quick: bool) -> dict[str, object]:
    data = pynn.datasets.mnist()
    images, labels = data.train
    some = np.random.default_rng(seed).choice(len(labels), 300, replace=False)
    train, test = (images[some], labels[some]), data.test
    if quick:
        test = (test[0][:2000], test[1][:2000])
    epochs = 120 if quick else 201
    without, decayed = (curves(penalty, train, test, seed, epochs) for penalty in (None, pynn.L2(0.1)))
    gaps = [found["train"][-1] - found["test"][-1] for found in (without, decayed)]
    return {
        "gap": gaps[0] - gaps[1],
        "train": decayed["train"][-1],
        "overfit": without["train"][-1],
        "without": without,
        "with": decayed,
    }


def draw(figure: Any, results: Sequence[Mapping[str, Any]]) -> None:
    for axes, kind, title in zip(
        figure.subplots(1, 2, sharey=True), ("without", "with"), ("no weight decay", "λ = 0.1"), strict=True
    ):
        for part, line, colour in (("train", "-", "C0"), ("test", "--", "C1")):
            found = 100 * np.array([result[kind][part] for result in results])
            epochs = EVERY * np.arange(1, found.shape[1] + 1)
            axes.plot(epochs, np.median(found, axis=0), line, color=colour, label=part)
            axes.fill_between(epochs, found.min(axis=0), found.max(axis=0), color=colour, alpha=0.2, linewidth=0)
        axes.set(xlabel="epoch", title=title)
    figure.axes[0].set_ylabel("accuracy, %")
    figure.axes[1].legend(loc="lower right")
