"""The scale of the initial weights decides whether activations vanish, saturate or keep their spread.

1,000 Gaussian inputs through 10 layers of 500 units. tanh with weights of standard deviation 0.01, 1 and √(1/n); ReLU
with √(1/n) and √(2/n). And the book's five layers of 100 sigmoid units with 1, 0.01 and √(1/n).
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

import pynn

from ..experiment import Claim

COURSE, BOOK = "CS231n, lecture 6", "Deep Learning from Scratch, 6.2.2"
CLAIMS = (
    Claim(
        "small", "tanh, 0.01: the spread of the 10th layer is at most a thousandth of the inputs'", COURSE, None, 1e-3
    ),
    Claim(
        "large", "tanh, 1: at least 90 % of the activations of the 10th layer are beyond ±0.9", COURSE, 0.9, unit="%"
    ),
    Claim("xavier", "tanh, Xavier: the spread of the 10th layer lies between 0.1 and 0.7", COURSE, 0.1, 0.7),
    Claim("relu_xavier", "ReLU, Xavier: its spread is at most a tenth of the first layer's", COURSE, at_most=0.1),
    Claim("relu_he", "ReLU, He: its spread lies between 0.5 and 2 times the first layer's", COURSE, 0.5, 2, unit="x"),
)
PICTURE = """Histograms of the activations of layers 1, 4, 7 and 10, or of 1, 3 and 5 of the book's network, a row for
each activation and initial spread. tanh with 0.01: a spike at 0 from layer 4 on. tanh with 1: two spikes at -1 and 1.
tanh with Xavier: broad. ReLU with Xavier: towards 0. ReLU with He: the same in every layer. Sigmoid with 1: spikes at
0 and 1; with 0.01: a spike at 0.5; with Xavier: broad in layer 1, narrower and in separate spikes in
layer 5."""
HEIGHT = 8.6
CASES: dict[str, tuple[type[pynn.Layer], pynn.initializers.Initializer, int, int]] = {
    "tanh, 0.01": (pynn.Tanh, pynn.Normal(0.01), 10, 500),
    "tanh, 1": (pynn.Tanh, pynn.Normal(1.0), 10, 500),
    "tanh, Xavier": (pynn.Tanh, pynn.LeCun(), 10, 500),
    "ReLU, Xavier": (pynn.ReLU, pynn.LeCun(), 10, 500),
    "ReLU, He": (pynn.ReLU, pynn.He(), 10, 500),
    "sigmoid, 1": (pynn.Sigmoid, pynn.Normal(1.0), 5, 100),
    "sigmoid, 0.01": (pynn.Sigmoid, pynn.Normal(0.01), 5, 100),
    "sigmoid, Xavier": (pynn.Sigmoid, pynn.LeCun(), 5, 100),
}
RANGES = {"tanh": (-1, 1), "ReLU": (0, 3), "sigmoid": (0, 1)}


def activations(case: str, seed: int, samples: int) -> list[np.ndarray]:
    """The outputs of each layer for random inputs."""
    activation, initializer, depth, width = CASES[case]
    x = np.random.default_rng(seed).standard_normal((samples, width), dtype="float32")
    outputs = []
    for layer in range(depth):
        model = pynn.Sequential(pynn.Affine(width, initializer=initializer), activation(), seed=100 * seed + layer)
        x = model.forward(x).copy()
        outputs.append(x)
    return outputs


def run(seed: int, quick: bool) -> dict[str, object]:
    spreads, histograms, saturated = {}, {}, 0.0
    for case, (_, _, depth, _) in CASES.items():
        outputs = activations(case, seed, 200 if quick else 1000)
        spreads[case] = [layer.std() for layer in outputs]
        shown = (0, 3, 6, 9) if depth == 10 else (0, 2, 4)
        bounds = RANGES[case.partition(",")[0]]
        histograms[case] = [np.histogram(outputs[i], bins=30, range=bounds)[0] / outputs[i].size for i in shown]
        if case == "tanh, 1":
            saturated = np.mean(np.abs(outputs[-1]) > 0.9)
    return {
        "small": spreads["tanh, 0.01"][-1],
        "large": saturated,
        "xavier": spreads["tanh, Xavier"][-1],
        "relu_xavier": spreads["ReLU, Xavier"][-1] / spreads["ReLU, Xavier"][0],
        "relu_he": spreads["ReLU, He"][-1] / spreads["ReLU, He"][0],
        "spreads": spreads,
        "histograms": histograms,
    }


def draw(figure: Any, results: Sequence[Mapping[str, Any]]) -> None:
    for row, case in zip(figure.subplots(len(CASES), 4), CASES, strict=True):
        low, high = RANGES[case.partition(",")[0]]
        edges = np.linspace(low, high, 31)
        shown = (1, 4, 7, 10) if CASES[case][2] == 10 else (1, 3, 5)
        for axes, shares, layer in zip(row, results[0]["histograms"][case], shown, strict=False):
            axes.stairs(shares, edges, fill=True, color="C0")
            axes.set_title(f"{case}: layer {layer}" if layer == 1 else f"layer {layer}", fontsize=8.5)
            axes.set(xticks=(low, high), yticks=(), xlim=(low, high))
            axes.tick_params(labelsize=8)
            axes.grid(visible=False)
        if len(shown) == 3:
            row[3].remove()
