"""Flipped copies are worth something, but less than as many new images.

1,000 CIFAR-10 images; the same with random flips, which is the data set and its mirror image; with flips and crops of
the image padded by 4 pixels; and 2,000 images without augmentation. The course gives no data set. Two convolutions of
16 and 32 channels with max pooling, an affine layer of 64, ReLU, Adam at 0.001, 1,000 steps of 50 images for each; the
test accuracy on 3,000 images is that of the time that is best on 1,000 validation images. Every figure is the mean of
two networks.
"""

from collections.abc import Mapping, Sequence
from operator import itemgetter
from typing import Any

import numpy as np

import pynn

from ..experiment import Claim

DATA = "cifar10"
CLAIMS = (
    Claim(
        "flips",
        "with random flips of the same images the test accuracy is at least 1 point higher",
        "DLS C2W1, Other regularization methods",
        at_least=0.01,
        unit="points",
    ),
    Claim(
        "new",
        "with as many new images instead of flipped ones it is at least 1 point higher still",
        "DLS C2W1, Other regularization methods",
        at_least=0.01,
        unit="points",
    ),
)
PICTURE = """Test accuracy of four training sets: 1,000 images, the same with flips, the same with flips and crops, and
2,000 images. A small dot is a seed, a bar the median."""
CASES = ("n images", "n, flips", "n, flips and crops", "2n images")
AUGMENTATIONS = (None, [pynn.Flip()], [pynn.Flip(), pynn.PadCrop(4)], None)
BATCH = 50


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
    n, held, tested, steps, networks = (200, 300, 500, 80, 1) if quick else (1000, 1000, 3000, 1000, 2)
    validation, test, rest = np.split(order, [held, held + tested])
    accuracies = []
    for case, augmentation in zip(CASES, AUGMENTATIONS, strict=True):
        train = rest[: 2 * n if case == "2n images" else n]
        epochs = steps * BATCH // len(train)  # the same number of steps for all
        every = max(1, epochs // 10)
        means = []
        for start in range(networks):
            model, measured = network(networks * seed + start), []
            for _ in range(epochs // every):
                model.fit(x[train], y[train], epochs=every, batch_size=BATCH, augmentation=augmentation, progress=False)
                measured.append([model.evaluate(x[part], y[part])["accuracy"] for part in (validation, test)])
            means.append(max(measured, key=itemgetter(0))[1])  # when it is best in validation
        accuracies.append(float(np.mean(means)))
    plain, flipped, _, doubled = accuracies
    return {"flips": flipped - plain, "new": doubled - flipped, "accuracies": accuracies}


def draw(figure: Any, results: Sequence[Mapping[str, Any]]) -> None:
    axes = figure.subplots()
    accuracies = 100 * np.array([result["accuracies"] for result in results])
    for place, column in enumerate(accuracies.T):
        axes.plot(column, np.full(len(column), place), "o", markersize=5, alpha=0.6, color=f"C{place}")
        axes.plot([np.median(column)] * 2, [place - 0.3, place + 0.3], color=f"C{place}", linewidth=3)
        axes.annotate(f"{np.median(column):.1f} %", (np.median(column), place - 0.34), ha="center", va="bottom")
    axes.set(xlabel="Test accuracy (%)", ylim=(len(CASES) - 0.5, -0.75))
    axes.set_yticks(range(len(CASES)), CASES)
