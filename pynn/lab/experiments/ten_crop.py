"""The average over ten crops of an image is better than a single look at it.

CIFAR-10, 8,000 training images (the course has 50,000) and 5,000 others to test, a network of two convolutions,
trained with random shifts of up to 4 pixels and flips, Momentum with cosine decay from 0.03, batch 100, 12 epochs. At
test time: the image alone, or the mean probability of ten crops of the image with 4 pixels of padding.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

import pynn

from ..experiment import Claim

DATA = "cifar10"
CLAIMS = (
    Claim(
        "gain",
        "ten crops are at least 0.5 points more accurate than the image alone",
        "CS231n, lecture 7",
        0.005,
        unit="points",
    ),
)
PICTURE = """Left: an image and its ten crops, five of the image and five of its mirror image. Right: for each
seed, test accuracy from the image alone and from ten crops, joined by a line."""


def build(seed: int) -> pynn.Sequential:
    return pynn.Sequential(
        *(pynn.Conv2d(16, 3, padding=1), pynn.ReLU(), pynn.MaxPool2d(2)),
        *(pynn.Conv2d(32, 3, padding=1), pynn.ReLU(), pynn.MaxPool2d(2)),
        *(pynn.Flatten(), pynn.Affine(10)),
        seed=seed,
    )


def run(seed: int, quick: bool) -> dict[str, object]:
    x, y = pynn.datasets.cifar10().train
    order = np.random.default_rng(seed).permutation(len(y))
    train, test = (order[:1_000], order[-500:]) if quick else (order[:8_000], order[-5_000:])
    epochs = 3 if quick else 12

    model = build(seed)
    model.fit(
        x[train],
        y[train],
        augmentation=[pynn.PadCrop(4), pynn.Flip()],
        optimizer=pynn.Momentum(pynn.CosineDecay(0.03, epochs)),
        epochs=epochs,
        batch_size=100,
        progress=False,
    )
    single = np.mean(model.predict(x[test]) == y[test])
    crops = np.mean(pynn.predict_ten_crop(model, x[test], padding=4).argmax(axis=1) == y[test])
    return {"gain": crops - single, "single": single, "crops": crops}


def draw(figure: Any, results: Sequence[Mapping[str, Any]]) -> None:
    axes = figure.subplots()
    for result in results:
        axes.plot([0, 1], [100 * result["single"], 100 * result["crops"]], "o-")
    axes.set(xticks=[0, 1], xticklabels=["image alone", "ten crops"], ylabel="test accuracy, %", xlim=(-0.3, 1.3))
