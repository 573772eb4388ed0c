"""Statistics of preprocessing come from the training data and are applied to the test data.

200 MNIST samples to train, 2,000 to test; one hidden layer of 100 ReLU units, Adam 0.001, batch 50, 40 epochs. Mean
subtraction and whitening (100 principal components) are fitted to the training data, or to training and test data
together. Then the test data come one class at a time and have their own mean subtracted instead of that of the training
data.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

import pynn

from ..experiment import Claim

DATA = "mnist"
NOTES = "our reading of CS231n notes, Neural Networks 2"
CLAIMS = (
    Claim(
        "leak_mean",
        "a mean taken from all data flatters the test accuracy by at least 0.5 points",
        NOTES,
        at_least=0.005,
        unit="points",
    ),
    Claim(
        "leak_whitening",
        "whitening fitted to all data flatters it by at least 0.5 points",
        NOTES,
        at_least=0.005,
        unit="points",
    ),
    Claim(
        "own_mean",
        "test data that have their own mean subtracted, class by class, lose at least 10 points",
        "DLS C2W1",
        at_least=0.1,
        unit="points",
    ),
)
PICTURE = """Test accuracy as dots, one for each seed, in five rows: mean of the training data, mean of all data,
own mean of each class, whitening by the training data, and whitening by all data."""
HEIGHT = 2.8
ROWS = {
    "mean": "mean of training data",
    "mean_all": "mean of all data",
    "own": "own mean of each class",
    "whitening": "whitening, training data",
    "whitening_all": "whitening, all data",
}


def trained(x: np.ndarray, y: np.ndarray, seed: int, epochs: int) -> pynn.Sequential:
    model = pynn.Sequential(pynn.Flatten(), pynn.Affine(100), pynn.ReLU(), pynn.Affine(10), seed=seed)
    model.fit(x, y, optimizer=pynn.Adam(1e-3), epochs=epochs, batch_size=50, progress=False)
    return model


def run(seed: int, quick: bool) -> dict[str, object]:
    count, tests, epochs = (200, 500, 10) if quick else (200, 2000, 40)
    digits = pynn.datasets.mnist()
    generator = np.random.default_rng(seed)
    chosen = generator.choice(len(digits.train[0]), count, replace=False)
    x, y = (part[chosen] for part in digits.train)
    chosen = generator.choice(len(digits.test[0]), tests, replace=False)
    test_x, test_y = (part[chosen] for part in digits.test)

    accuracy: dict[str, float] = {}
    for name, transformer in (
        ("mean", pynn.MeanSubtraction()),
        ("whitening", pynn.Pipeline(pynn.PCA(100), pynn.Whitening())),
    ):
        for kind, seen in (("_all", np.concatenate([x, test_x])), ("", x)):
            transformer.fit(seen)
            model = trained(transformer.transform(x), y, seed, epochs)
            accuracy[name + kind] = model.evaluate(transformer.transform(test_x), test_y)["accuracy"]
        if name == "mean":
            classes = [test_x[test_y == label] for label in range(10)]
            centred = np.concatenate([pynn.MeanSubtraction().fit_transform(images) for images in classes])
            accuracy["own"] = model.evaluate(centred, np.sort(test_y))["accuracy"]
    return {
        "leak_mean": accuracy["mean_all"] - accuracy["mean"],
        "leak_whitening": accuracy["whitening_all"] - accuracy["whitening"],
        "own_mean": accuracy["mean"] - accuracy["own"],
        "accuracy": accuracy,
    }


def draw(figure: Any, results: Sequence[Mapping[str, Any]]) -> None:
    axes = figure.subplots()
    for row, key in enumerate(ROWS):
        values = [100 * result["accuracy"][key] for result in results]
        axes.plot(values, [row] * len(values), "o", alpha=0.6, color="C0")
        axes.plot(np.median(values), row, "|", color="black", markersize=16)
    axes.set_yticks(range(len(ROWS)), ROWS.values())
    axes.margins(y=0.15)
    axes.invert_yaxis()
    axes.set(xlabel="test accuracy in %", xlim=(None, 100))
