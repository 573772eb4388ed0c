"""The first loss of a classifier is that of guessing, ln 10, and regularization raises it.

CS231n's two-layer network with 50 hidden units on CIFAR-10, inputs minus their mean, small initial weights of standard
deviation 0.0001; the loss of 1,000 images before any step, without a penalty and with an L2 penalty of strength 1000.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

import pynn

from ..experiment import Claim

DATA = "cifar10"
SOURCE = "CS231n, lecture 6, and notes, Neural Networks 3"
CLAIMS = (
    Claim("plain", "without regularization it is 2.303 within 0.01", SOURCE, at_least=2.293, at_most=2.313),
    Claim("raised", "with regularization it is at least 0.5 higher", SOURCE, at_least=0.5),
    Claim("checked", "pynn.diagnostics.sanity_check agrees: it finds the first loss as expected", SOURCE, at_least=1),
)
PICTURE = """Bars of the first loss for each seed, without a penalty and with three strengths of it, and the line ln 10
= 2.303. The bars without reach the line exactly, the stronger the penalty the higher are the others."""
STRENGTHS = (0.0, 1e1, 1e2, 1e3)


def build(seed: int) -> pynn.Sequential:
    small = pynn.Normal(1e-4)
    return pynn.Sequential(
        *(pynn.Flatten(), pynn.Affine(50, initializer=small), pynn.ReLU(), pynn.Affine(10, initializer=small)),
        seed=seed,
    )


def run(seed: int, quick: bool) -> dict[str, object]:
    images, labels = pynn.datasets.cifar10().train
    some = np.random.default_rng(seed).choice(len(labels), 200 if quick else 1000, replace=False)
    x, y = images[some].astype("float32"), labels[some]
    x -= x.mean(axis=0)
    loss = pynn.SoftmaxCrossEntropy()
    losses = [  # train_step returns the loss before its update, with the penalty
        build(seed).train_step(x, y, loss, pynn.SGD(1e-6), penalty=pynn.L2(strength)) for strength in STRENGTHS
    ]
    check = pynn.diagnostics.sanity_check(build(seed), x, y, loss=loss, steps=1, progress=False)
    return {
        "plain": losses[0],
        "raised": losses[-1] - losses[0],
        "checked": all(finding.passed for finding in check.findings if finding.check == "first loss"),
        "losses": losses,
    }


def draw(figure: Any, results: Sequence[Mapping[str, Any]]) -> None:
    axes = figure.subplots()
    for number, result in enumerate(results):
        axes.bar(np.arange(len(STRENGTHS)) + 0.15 * (number - 2), result["losses"], 0.13, color=f"C{number}")
    axes.axhline(np.log(10), color="black", linestyle="--", linewidth=1)
    axes.text(-0.45, np.log(10) + 0.03, "ln 10", va="bottom")
    axes.set(xticks=range(len(STRENGTHS)), xlabel="strength of the L2 penalty", ylabel="first loss, a bar a seed")
    axes.set_xticklabels([f"{strength:g}" for strength in STRENGTHS])
