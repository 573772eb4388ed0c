"""With all weights zero, the units of a layer stay copies of each other.

The built-in digits, one hidden layer of 32 units, Adam 0.01, batch 64, 10 epochs. All weights 0; all weights 0.1; and
small random ones of standard deviation 0.01. Units are compared by their incoming weights after training.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

import pynn

from ..experiment import Claim

NOTES = "CS231n notes, Neural Networks 2"
CLAIMS = (
    Claim("zero", "all weights 0: the units differ by exactly 0 after training", NOTES, at_most=0.0),
    Claim("constant", "all weights 0.1: they differ by exactly 0", NOTES, at_most=0.0),
    Claim("random", "small random weights: the most alike two units differ", NOTES, at_least=0.01),
    Claim("accuracy", "test accuracy is at least 20 points below that of random weights", NOTES, 0.2, unit="points"),
)
PICTURE = """Test accuracy over ten epochs for three initializations, and the weights of 8 units as pictures below: all
the same for equal initial weights, all different for random ones. With all weights 0 the network stays near chance."""
HEIGHT = 4.4
INITIALIZERS: dict[str, pynn.initializers.Initializer] = {
    "all 0": pynn.Zeros(),
    "all 0.1": pynn.Constant(0.1),
    "random, 0.01": pynn.Normal(0.01),
}


def run(seed: int, quick: bool) -> dict[str, object]:
    digits = pynn.datasets.digits()
    accuracies, differences, pictures = {}, {}, {}
    for name, initializer in INITIALIZERS.items():
        hidden = pynn.Affine(32, initializer=initializer)
        output = pynn.Affine(10, initializer=initializer)
        model = pynn.Sequential(pynn.Flatten(), hidden, pynn.Tanh(), output, seed=seed)
        history = model.fit(
            *digits.train, validation=digits.test, optimizer=pynn.Adam(0.01), epochs=3 if quick else 10, batch_size=64,
            seed=seed, progress=False,
        )  # fmt: skip
        units = hidden.weight.T
        pairs = np.abs(units[:, None] - units[None]).max(axis=2)
        differences[name] = pairs[np.triu_indices(len(units), 1)]
        accuracies[name], pictures[name] = history["val_accuracy"], units[:8].round(3)
    return {
        "zero": differences["all 0"].max(),
        "constant": differences["all 0.1"].max(),
        "random": differences["random, 0.01"].min(),
        "accuracy": accuracies["random, 0.01"][-1] - max(accuracies["all 0"][-1], accuracies["all 0.1"][-1]),
        "accuracies": accuracies,
        "pictures": pictures,
    }


def draw(figure: Any, results: Sequence[Mapping[str, Any]]) -> None:
    upper, lower = figure.subfigures(2, 1, height_ratios=(3, 2))
    axes = upper.subplots()
    for number, name in enumerate(INITIALIZERS):
        for seed, result in enumerate(results):
            curve = 100 * np.array(result["accuracies"][name])
            line = ("-", "--", "-.")[number]
            axes.plot(np.arange(1, len(curve) + 1), curve, line, color=f"C{number}", label=None if seed else name)
    axes.set(xlabel="epoch", ylabel="test accuracy, %", ylim=(0, 100))
    axes.legend(loc="center right")
    for row, name in zip(lower.subplots(3, 8), INITIALIZERS, strict=True):
        units = np.array(results[0]["pictures"][name])
        for cell, unit in zip(row, units, strict=True):
            cell.imshow(unit.reshape(8, 8), vmin=units.min() - 1e-3, vmax=units.max() + 1e-3)
            cell.set(xticks=(), yticks=())
        row[0].set_title(name, fontsize=8.5)
