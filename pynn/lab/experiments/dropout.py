"""Dropout narrows the gap between training and test accuracy.

300 MNIST samples, six layers of 100 ReLU units, He initialization, SGD with learning rate 0.01, batch 100, 301 epochs;
without dropout, with the book's dropout (rate 0.2 after each hidden layer; outputs are multiplied by 0.8 outside
training), and with inverted dropout of the same rate. Both accuracies are measured without dropout, on the 300 samples
and on all 10,000 test samples.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

import pynn

from ..experiment import Claim

DATA = "mnist"
BOOK = "Deep Learning from Scratch, 6.4.3"
CLAIMS = (
    Claim("gap", "with the book's dropout the gap is at least 3 points smaller", BOOK, at_least=0.03, unit="points"),
    Claim("train", "with it, training accuracy ends at 99% or less", BOOK, at_most=0.99, unit="%"),
    Claim(
        "gap_inverted",
        "with inverted dropout, too, the gap is at least 3 points smaller",
        "CS231n notes, Neural Networks 2",
        at_least=0.03,
        unit="points",
    ),
)
PICTURE = """Training and test accuracy over 301 epochs, in three panels. Without dropout the training curve reaches
100% and stays far above the test curve."""
HEIGHT = 5.6

FORMS = {"without": None, "book": "vanilla", "inverted": "inverted"}
BETWEEN = 7  # epochs between two measurements


def network(form: str | None, seed: int) -> pynn.Sequential:
    layers: list[pynn.Layer] = [pynn.Flatten()]
    for _ in range(6):
        layers += [pynn.Affine(100, initializer="he"), pynn.ReLU()]
        if form is not None:
            layers.append(pynn.Dropout(0.2, form=form))
    return pynn.Sequential(*layers, pynn.Affine(10), seed=seed)


def run(seed: int, quick: bool) -> dict[str, object]:
    data = pynn.datasets.mnist()
    images, labels = data.train
    chosen = np.random.default_rng(seed).choice(len(images), 300, replace=False)
    train = images[chosen], labels[chosen]
    test = (data.test[0][:2000], data.test[1][:2000]) if quick else data.test
    result: dict[str, Any] = {}
    for name, form in FORMS.items():
        model = network(form, seed)
        curves: dict[str, list[float]] = {"train": [], "test": []}
        for _ in range(10 if quick else 43):
            model.fit(
                *train, optimizer=model.optimizer or pynn.SGD(0.01), batch_size=100, epochs=BETWEEN, progress=False
            )
            curves["train"].append(model.evaluate(*train)["accuracy"])
            curves["test"].append(model.evaluate(*test)["accuracy"])
        result[name] = curves
    gaps = {name: result[name]["train"][-1] - result[name]["test"][-1] for name in FORMS}
    return {
        **result,
        "gap": gaps["without"] - gaps["book"],
        "train": result["book"]["train"][-1],
        "gap_inverted": gaps["without"] - gaps["inverted"],
    }


def draw(figure: Any, results: Sequence[Mapping[str, Any]]) -> None:
    panels = figure.subplots(3, 1, sharex=True, sharey=True)
    for panel, (name, title) in zip(
        panels,
        {"without": "without dropout", "book": "the book's dropout, 0.2", "inverted": "inverted dropout, 0.2"}.items(),
        strict=True,
    ):
        for part, line, colour in (("train", "-", "C0"), ("test", "--", "C1")):
            curves = 100 * np.array([result[name][part] for result in results])
            epochs = BETWEEN * np.arange(1, curves.shape[1] + 1)
            panel.plot(epochs, np.median(curves, axis=0), line, color=colour, label=part)
            panel.fill_between(epochs, curves.min(axis=0), curves.max(axis=0), color=colour, alpha=0.2, linewidth=0)
        panel.set(title=title, ylabel="accuracy (%)")
    panels[0].legend(ncols=2, loc="lower right")
    panels[-1].set_xlabel("epochs")
