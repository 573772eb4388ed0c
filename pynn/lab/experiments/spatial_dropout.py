"""Dropout of whole channels regularizes convolutions where that of single pixels hardly does.

2,000 CIFAR-10 images to train and 3,000 others of the training files to test; three convolutions of 16, 32 and 64
channels with ReLU (the first with stride 2, pooling after the others), flattened, Adam, batch 50,
40 epochs. Without dropout, with `Dropout` or with `SpatialDropout` after each convolution, both at rate 0.2.
Accuracies are measured without dropout.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

import pynn

from ..experiment import Claim

DATA = "cifar10"
SEEDS = 3
SOURCE = "Tompson et al., 2015"
CLAIMS = (
    Claim(
        "gap",
        "with spatial dropout the gap between training and test accuracy is at least 5 points smaller",
        SOURCE,
        at_least=0.05,
        unit="points",
    ),
    Claim(
        "pixel_share", "dropout of single pixels narrows the gap by at most half as much", SOURCE, at_most=0.5, unit="x"
    ),
)
PICTURE = """Training and test accuracy over the epochs, without dropout, with pixel dropout and with spatial dropout,
one above the other. Without it training accuracy is 100 % after half of the epochs; with either form it rises more
slowly and ends just below. Test accuracy ends between 45 and 50 % in all three."""
HEIGHT = 5.6

LAYERS = {"none": None, "pixels": pynn.Dropout, "channels": pynn.SpatialDropout}
RATE = 0.2


def network(kind: str, seed: int) -> pynn.Sequential:
    layers: list[pynn.Layer] = []
    for channels, stride in ((16, 2), (32, 1), (64, 1)):
        layers += [pynn.Conv2d(channels, stride=stride), pynn.ReLU()]
        dropout = LAYERS[kind]
        if dropout is not None:
            layers.append(dropout(RATE))
        if stride == 1:
            layers.append(pynn.MaxPool2d(2))
    return pynn.Sequential(*layers, pynn.Flatten(), pynn.Affine(10), seed=seed)


def run(seed: int, quick: bool) -> dict[str, object]:
    images, labels = pynn.datasets.cifar10().train
    chosen = np.random.default_rng(seed).permutation(len(images))
    count, epochs, every = (500, 4, 1) if quick else (2_000, 40, 4)
    train = images[chosen[:count]], labels[chosen[:count]]
    test = images[chosen[count : count + 3_000]], labels[chosen[count : count + 3_000]]
    result: dict[str, Any] = {}
    for kind in LAYERS:
        model, optimizer = network(kind, seed), pynn.Adam()
        curves: dict[str, list[float]] = {"epochs": [], "train": [], "test": []}
        for epoch in range(every, epochs + 1, every):
            model.fit(
                *train,
                optimizer=optimizer,
                batch_size=50,
                epochs=every,
                preprocessing=pynn.Standardization(),
                progress=False,
            )
            curves["epochs"].append(epoch)
            curves["train"].append(model.evaluate(*train)["accuracy"])
            curves["test"].append(model.evaluate(*test)["accuracy"])
        result[kind] = curves
    gaps = {kind: result[kind]["train"][-1] - result[kind]["test"][-1] for kind in LAYERS}
    gap = gaps["none"] - gaps["channels"]
    return {**result, "gap": gap, "pixel_share": (gaps["none"] - gaps["pixels"]) / gap}


def draw(figure: Any, results: Sequence[Mapping[str, Any]]) -> None:
    panels = figure.subplots(3, 1, sharex=True, sharey=True)
    titles = {"none": "without dropout", "pixels": "single pixels, 0.2", "channels": "whole channels, 0.2"}
    for panel, (kind, title) in zip(panels, titles.items(), strict=True):
        for part, line, colour in (("train", "-", "C0"), ("test", "--", "C1")):
            curves = 100 * np.array([result[kind][part] for result in results])
            epochs = results[0][kind]["epochs"]
            panel.plot(epochs, np.median(curves, axis=0), line, color=colour, label=part)
            panel.fill_between(epochs, curves.min(axis=0), curves.max(axis=0), color=colour, alpha=0.2, linewidth=0)
        panel.set(title=title, ylabel="accuracy (%)")
    panels[0].legend(loc="upper left")
    panels[-1].set_xlabel("epochs")
