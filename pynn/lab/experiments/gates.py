"""A single layer learns AND, OR and NAND, but not XOR; two layers learn XOR.

The four inputs 00, 01, 10 and 11; a sigmoid unit with binary cross-entropy, and for XOR also a network with 4 tanh
units before it; Adam 0.1, full batch, 1,000 steps.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

import pynn

from ..experiment import Claim

SOURCE = "Deep Learning from Scratch, chapter 2; CS231n, lecture 1"
CLAIMS = (
    Claim("single", "one layer answers all four inputs of AND, OR and NAND rightly", SOURCE, at_least=12, unit="of 12"),
    Claim("xor", "one layer answers at most three of four inputs of XOR", SOURCE, at_most=3, unit="of 4"),
    Claim("two", "two layers answer all four", SOURCE, at_least=4, unit="of 4"),
)
PICTURE = """Five panels with the four inputs as points and the network's answer as shade. For AND, OR and NAND a
straight line parts the two kinds. For XOR with one layer the shade is pale everywhere; with two layers a band parts
them."""
HEIGHT = 4.6
X = np.array([[0, 0], [0, 1], [1, 0], [1, 1]], "float32")
GATES = {"AND": [0, 0, 0, 1], "OR": [0, 1, 1, 1], "NAND": [1, 1, 1, 0], "XOR": [0, 1, 1, 0]}
GRID = np.stack(np.meshgrid(*2 * [np.linspace(-0.4, 1.4, 25)]), axis=-1).reshape(-1, 2).astype("float32")


def learn(gate: str, seed: int, steps: int, hidden: int = 0) -> tuple[int, Any]:
    """How many of the four answers are right, and the answers on a grid."""
    layers = [pynn.Affine(hidden), pynn.Tanh()] if hidden else []
    model = pynn.Sequential(*layers, pynn.Affine(1), seed=seed)
    y = np.array(GATES[gate], "float32")[:, None]
    model.fit(X, y, loss="binary_cross_entropy", optimizer=pynn.Adam(0.1), epochs=steps, batch_size=4, progress=False)
    right = (model.forward(X) > 0) == (y > 0.5)
    return int(right.sum()), 1 / (1 + np.exp(-model.forward(GRID)[:, 0]))


def run(seed: int, quick: bool) -> dict[str, object]:
    steps = 300 if quick else 1000
    single = {gate: learn(gate, seed, steps) for gate in GATES}
    two, shade = learn("XOR", seed, steps, hidden=4)
    shades = {gate: answers for gate, (_, answers) in single.items()}
    return {
        "single": sum(single[gate][0] for gate in ("AND", "OR", "NAND")),
        "xor": single["XOR"][0],
        "two": two,
        "shades": {name: np.round(each, 3) for name, each in {**shades, "XOR, two layers": shade}.items()},
    }


def draw(figure: Any, results: Sequence[Mapping[str, Any]]) -> None:
    panels = figure.subplots(2, 3, sharex=True, sharey=True).ravel()
    for axes, (name, shade) in zip(panels, results[0]["shades"].items(), strict=False):
        shades = np.reshape(shade, (25, 25))
        axes.imshow(shades, origin="lower", extent=(-0.4, 1.4, -0.4, 1.4), vmin=0, vmax=1, cmap="RdBu", alpha=0.6)
        for point, answer in zip(X, GATES[name.partition(",")[0]], strict=True):
            axes.plot(*point, "o" if answer else "x", color="black", markersize=8, markeredgewidth=2)
        axes.set(title=name, xticks=(0, 1), yticks=(0, 1))
        axes.grid(visible=False)
    panels[5].axis("off")
    panels[5].plot([], [], "o", color="black", label="answer 1")
    panels[5].plot([], [], "x", color="black", markeredgewidth=2, label="answer 0")
    panels[5].legend(loc="center")
