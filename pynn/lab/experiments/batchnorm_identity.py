"""Batch normalization can undo itself: with γ = σ and β = μ it is the identity.

Batches of 64 samples with 20 features of means −5 to 5 and standard deviations 0.1 to 10. First γ and β are set to
each feature's own σ and μ. Then they are learned: a batch-normalization layer alone, squared error against its own
input, full batch, Adam 0.1 with a cosine decay, 2,000 steps.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

import pynn

from ..experiment import Claim

SOURCE = "CS231n, lecture 6; Ioffe & Szegedy 2015"
CLAIMS = (
    Claim("set", "set by hand, the outputs differ from the inputs by at most 0.001 σ", SOURCE, at_most=1e-3),
    Claim("learned", "learned, they differ by at most 0.01 σ in the root mean square", SOURCE, at_most=0.01),
    Claim("normalized", "at γ = 1 and β = 0 the outputs have mean 0 and σ = 1 within 0.01", SOURCE, at_most=0.01),
)
PICTURE = """Outputs against inputs of batch normalization for four features: with γ = 1, β = 0 lines of different
slopes through 0; with γ = σ, β = μ all on the diagonal. Below, γ over σ and β over μ after learning, on the diagonal
too."""
HEIGHT = 5.2


def run(seed: int, quick: bool) -> dict[str, object]:
    rng = np.random.default_rng(seed)
    means, stds = rng.uniform(-5, 5, 20), np.geomspace(0.1, 10, 20)
    x = (means + stds * rng.standard_normal((64, 20))).astype("float32")
    mean, std = x.mean(axis=0), x.std(axis=0)

    layer = pynn.BatchNorm(epsilon=1e-7)
    model = pynn.Sequential(layer, seed=seed)
    plain = model.forward(x, training=True).copy()
    layer.gamma[:], layer.beta[:] = std, mean
    undone = model.forward(x, training=True).copy()

    learner = pynn.BatchNorm(epsilon=1e-7)
    learned = pynn.Sequential(learner, seed=seed)
    loss, optimizer = pynn.SquaredError(), pynn.Adam(pynn.CosineDecay(0.1, epochs=2000))
    for step in range(2000):
        optimizer.set_epoch(step)
        learned.train_step(x, x, loss, optimizer)
    outputs = learned.forward(x, training=True)
    return {
        "set": np.abs((undone - x) / std).max(),
        "learned": np.sqrt(np.mean(((outputs - x) / std) ** 2)),
        "normalized": max(np.abs(plain.mean(axis=0)).max(), np.abs(plain.std(axis=0) - 1).max()),
        "inputs": x[:, ::6],
        "plain": plain[:, ::6],
        "undone": undone[:, ::6],
        "parameters": {"gamma": learner.gamma, "sigma": std, "beta": learner.beta, "mu": mean},
    }


def draw(figure: Any, results: Sequence[Mapping[str, Any]]) -> None:
    axes = figure.subplots(2, 2)
    first = results[0]
    for panel, kind, title in ((axes[0, 0], "plain", "γ = 1, β = 0"), (axes[0, 1], "undone", "γ = σ, β = μ")):
        for feature, (x, y) in enumerate(zip(np.array(first["inputs"]).T, np.array(first[kind]).T, strict=True)):
            panel.plot(x, y, ".", markersize=3, label=f"feature {6 * feature + 1}")
        panel.set(xlabel="input", ylabel="output", title=title)
    for panel, ours, theirs in ((axes[1, 0], "gamma", "sigma"), (axes[1, 1], "beta", "mu")):
        for result in results:
            parameters = result["parameters"]
            panel.plot(parameters[theirs], parameters[ours], "o", color="C0", markersize=3)
        ends = panel.get_xlim()
        panel.plot(ends, ends, color="0.5", linestyle="--", linewidth=1)
        panel.set(xlabel={"sigma": "σ", "mu": "μ"}[theirs], ylabel={"gamma": "γ", "beta": "β"}[ours] + " learned")
    axes[1, 0].set(xscale="log", yscale="log")
