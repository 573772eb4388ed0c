"""Flips and shifts of the training images raise the test accuracy and narrow the gap to the training accuracy.

1,500 CIFAR-10 images to train on, 1,000 for validation, 3,000 for the test, all drawn from 20,000 (the course has
50,000). Two convolutions of 16 and 32 channels with max pooling, an affine layer of 64, ReLU, Adam at 0.001, batch 50,
60 epochs; with and without random flips and crops of the image padded by 4 pixels. Test accuracies are those of the
epoch that is best on the validation images; the gap is that of the last epoch.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

import pynn

from ..experiment import Claim

DATA = "cifar10"
CLAIMS = (
    Claim(
        "rise",
        "with flips and crops the test accuracy is at least 2 points higher",
        "CS231n, lecture 7",
        at_least=0.02,
        unit="points",
    ),
    Claim(
        "gap",
        "with flips and crops the gap between training and test accuracy is at least 10 points smaller",
        "CS231n, lecture 7",
        at_least=0.10,
        unit="points",
    ),
)
PICTURE = """Accuracy on training and test images over 60 epochs. Left: without augmentation, the training accuracy
climbs away from the test accuracy, which soon stops rising. Right: with flips and crops, the two stay closer."""
AUGMENTATIONS = {"without": None, "with": [pynn.Flip(), pynn.PadCrop(4)]}
EVERY = 5  # epochs between two measurements


def network(seed: int) -> pynn.Sequential:
    return pynn.Sequential(
        *(pynn.Conv2d(16, 5, stride=2), pynn.ReLU(), pynn.MaxPool2d(2)),
        *(pynn.Conv2d(32), pynn.ReLU(), pynn.MaxPool2d(2)),
        *(pynn.Flatten(), pynn.Affine(64), pynn.ReLU(), pynn.Affine(10)),
        seed=seed,
    )


def run(seed: int, quick: bool) -> dict[str, object]:
    x, y = pynn.datasets.cifar10().train
    order = np.random.default_rng(seed).permutation(len(x))
    train, validation, test = np.split(order[: 900 if quick else 5500], [300, 500] if quick else [1500, 2500])
    parts = {"train": (x[train], y[train]), "validation": (x[validation], y[validation]), "test": (x[test], y[test])}
    curves: dict[str, dict[str, list[float]]] = {}
    for name, augmentation in AUGMENTATIONS.items():
        model = network(seed)
        curves[name] = {part: [] for part in parts}
        for _ in range(3 if quick else 12):
            model.fit(*parts["train"], epochs=EVERY, batch_size=50, augmentation=augmentation, progress=False)
            for part, samples in parts.items():  # the training images too are measured as they are
                curves[name][part].append(model.evaluate(*samples)["accuracy"])
    best = {name: curve["test"][int(np.argmax(curve["validation"]))] for name, curve in curves.items()}
    gaps = {name: curve["train"][-1] - curve["test"][-1] for name, curve in curves.items()}
    return {
        "rise": best["with"] - best["without"],
        "gap": gaps["without"] - gaps["with"],
        "curves": curves,
        "best": best,
    }


def draw(figure: Any, results: Sequence[Mapping[str, Any]]) -> None:
    panels = figure.subplots(1, 2, sharey=True)
    for axes, name, title in zip(panels, AUGMENTATIONS, ("Without augmentation", "Flips and crops"), strict=True):
        for part, style, colour in (("train", "-", "C0"), ("test", "--", "C1")):
            curves = 100 * np.array([result["curves"][name][part] for result in results])
            epochs = EVERY * np.arange(1, curves.shape[1] + 1)
            axes.fill_between(epochs, curves.min(axis=0), curves.max(axis=0), alpha=0.2, color=colour)
            axes.plot(epochs, np.median(curves, axis=0), style, color=colour, label=part)
        axes.set(title=title, xlabel="Epoch")
    panels[0].set_ylabel("Accuracy (%)")
    panels[0].legend()
