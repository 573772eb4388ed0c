"""Sparse initial weights break the symmetry, and their sums do not grow with the number of inputs.

Each unit gets weights from 10 of its inputs at first, all others are 0. First, the spread of the sums for Gaussian
inputs of 100 to 10,000 features, with normal weights of standard deviation 1 for comparison. Then the built-in digits:
one hidden layer of 64 tanh units, Adam 0.01, batch 64, 10 epochs; sparse weights, and all weights 0.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

import pynn

from ..experiment import Claim

NOTES = "CS231n notes, Neural Networks 2"
CLAIMS = (
    Claim("different", "no two units are the same after training", NOTES, at_least=0.01),
    Claim(
        "spread",
        "the spread of the sums at 10,000 inputs is 0.7 to 1.4 times that at 100",
        NOTES,
        at_least=0.7,
        at_most=1.4,
        unit="x",
    ),
    Claim("accuracy", "test accuracy is at least 20 points above that of zero weights", NOTES, 0.2, unit="points"),
)
PICTURE = """Left: the spread of a unit's sum over the number of inputs: level for sparse weights, rising for normal
ones. Right: test accuracy over the epochs: sparse weights learn, zero weights stay near chance."""
SIZES = (100, 300, 1000, 3000, 10000)
INITIALIZERS: dict[str, pynn.initializers.Initializer] = {
    "sparse": pynn.Sparse(10, std=1.0),
    "normal": pynn.Normal(1.0),
}


def spread(initializer: pynn.initializers.Initializer, inputs: int, seed: int) -> float:
    model = pynn.Sequential(pynn.Affine(200, initializer=initializer), seed=seed)
    x = np.random.default_rng(seed).standard_normal((100, inputs), dtype="float32")
    return float(model.forward(x).std())


def learn(initializer: pynn.initializers.Initializer, seed: int, epochs: int) -> tuple[Any, list[float]]:
    digits, hidden = pynn.datasets.digits(), pynn.Affine(64, initializer=initializer)
    model = pynn.Sequential(pynn.Flatten(), hidden, pynn.Tanh(), pynn.Affine(10, initializer=initializer), seed=seed)
    history = model.fit(
        *digits.train, validation=digits.test, optimizer=pynn.Adam(0.01), epochs=epochs, batch_size=64, seed=seed,
        progress=False,
    )  # fmt: skip
    return hidden.weight.T.copy(), history["val_accuracy"]


def run(seed: int, quick: bool) -> dict[str, object]:
    spreads = {name: [spread(each, size, seed) for size in SIZES] for name, each in INITIALIZERS.items()}
    units, sparse = learn(pynn.Sparse(10), seed, 3 if quick else 10)
    _, zero = learn(pynn.Zeros(), seed, 3 if quick else 10)
    pairs = np.abs(units[:, None] - units[None]).max(axis=2)
    return {
        "different": pairs[np.triu_indices(len(units), 1)].min(),
        "spread": spreads["sparse"][-1] / spreads["sparse"][0],
        "accuracy": sparse[-1] - zero[-1],
        "spreads": spreads,
        "accuracies": {"sparse": sparse, "zero": zero},
    }


def draw(figure: Any, results: Sequence[Mapping[str, Any]]) -> None:
    left, right = figure.subplots(1, 2)
    for seed, result in enumerate(results):
        for name, colour, line in (("sparse", "C0", "o-"), ("normal", "C1", "s--")):
            label = None if seed else name
            left.plot(SIZES, result["spreads"][name], line, color=colour, markersize=3, linewidth=1, label=label)
        for name, colour, line in (("sparse", "C0", "-"), ("zero", "C2", "--")):
            curve = 100 * np.array(result["accuracies"][name])
            right.plot(np.arange(1, len(curve) + 1), curve, line, color=colour, label=None if seed else name)
    left.set(xscale="log", yscale="log", xlabel="inputs", ylabel="standard deviation", title="spread of the sums")
    left.legend()
    right.set(xlabel="epoch", title="test accuracy, %", ylim=(0, 100))
    right.legend(loc="center right")
