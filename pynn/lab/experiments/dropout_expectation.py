"""Scaling keeps the mean over dropout masks equal to the output at test time.

An affine map of 50 inputs to 10 outputs behind dropout at rate 0.5, the mean over 40,000 masks (4,000 in the short
form). Then a network of two layers of 200 ReLU units with dropout 0.5, trained on 20,000 MNIST samples for 5 epochs:
the average over 50 masks against the single pass without masks, on 5,000 test samples.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

import pynn

from ..experiment import Claim

DATA = "mnist"
CS231N = "CS231n, lecture 6"
CLAIMS = (
    Claim(
        "vanilla",
        "without scaling, the mean output of an affine map in training is 0.48 to 0.52 times that with all inputs",
        CS231N,
        at_least=0.48,
        at_most=0.52,
        unit="x",
    ),
    Claim(
        "inverted",
        "with inverted dropout, it is 0.98 to 1.02 times the output at test time, which is not scaled",
        "CS231n notes, Neural Networks 2",
        at_least=0.98,
        at_most=1.02,
        unit="x",
    ),
    Claim(
        "same_labels",
        "in a network with ReLU, the average over 50 masks names the same digit as the single pass for at least 98%",
        CS231N,
        at_least=0.98,
        unit="%",
    ),
)
PICTURE = """Above, mean outputs of the affine map over random masks against its output with all inputs: without
scaling they lie on a line of slope one half, with inverted dropout on the diagonal. Below, how often the mean over
masks names the same digit as one pass without: from 94 % with one mask to 99 % with 50."""
HEIGHT = 5.6

RATE = 0.5
PASSES = (1, 2, 5, 10, 20, 50)


def training_mean(form: str, x: np.ndarray, seed: int, masks: int) -> tuple[np.ndarray, np.ndarray]:
    """Mean output in training and the output with all inputs and no scaling."""
    affine = pynn.Affine(10, use_bias=False)
    model = pynn.Sequential(pynn.Dropout(RATE, form=form), affine, seed=seed)
    model.build(x.shape)
    copies = np.tile(x, (masks, 1))  # each sample of a batch has its own mask
    return model.forward(copies, training=True).mean(axis=0), x @ affine.weight


def slope(x: np.ndarray, y: np.ndarray) -> float:
    return float(x @ y / (x @ x))


def classifier(seed: int) -> pynn.Sequential:
    return pynn.Sequential(
        pynn.Flatten(),
        pynn.Affine(200),
        pynn.ReLU(),
        pynn.Dropout(RATE),
        pynn.Affine(200),
        pynn.ReLU(),
        pynn.Dropout(RATE),
        pynn.Affine(10),
        seed=seed,
    )


def run(seed: int, quick: bool) -> dict[str, object]:
    x = np.random.default_rng(seed).normal(1, 1, 50).astype("float32")
    result: dict[str, object] = {}
    for form in ("vanilla", "inverted"):
        mean, full = training_mean(form, x, seed, 4_000 if quick else 40_000)
        result[form] = slope(full, mean)
        result[f"{form}_points"] = {"full": full, "mean": mean}

    data = pynn.datasets.mnist()
    images, labels = data.train
    chosen = np.random.default_rng(seed).permutation(len(images))[: 5_000 if quick else 20_000]
    model = classifier(seed)
    model.fit(images[chosen], labels[chosen], epochs=2 if quick else 5, progress=False)
    test = data.test[0][:1_000] if quick else data.test[0][:5_000]
    single = model.predict(test)
    same = [
        float(np.mean(pynn.monte_carlo(model, test, passes, probabilities=True)[0].argmax(axis=1) == single))
        for passes in PASSES
    ]
    return {**result, "agreement": same, "same_labels": same[-1]}


def draw(figure: Any, results: Sequence[Mapping[str, Any]]) -> None:
    upper, lower = figure.subplots(2, 1)
    for form, marker, label in (("inverted", "o", "inverted"), ("vanilla", "^", "without scaling")):
        points = [result[f"{form}_points"] for result in results]
        full, mean = (np.concatenate([point[key] for point in points]) for key in ("full", "mean"))
        upper.plot(full, mean, marker, markersize=4, label=label)
    ends = np.array([full.min(), full.max()])
    upper.plot(ends, ends, "-", ends, RATE * ends, "--", color="grey", linewidth=1)
    upper.set(title="Affine map, rate 0.5", xlabel="output with all inputs", ylabel="mean over masks")
    upper.legend()
    for result in results:
        lower.plot(PASSES, 100 * np.array(result["agreement"]), ".-", color="C0", linewidth=1)
    lower.set(title="Network with ReLU", xlabel="masks averaged", ylabel="same digit as\none pass without masks (%)")
    lower.set(xscale="log", xticks=PASSES, xticklabels=PASSES)
    lower.minorticks_off()
