"""A random colour offset makes a network less sensitive to the colour of the light.

2,000 CIFAR-10 images; the network of two convolutions with 16 and 32 channels, max pooling and an affine layer of 64,
ReLU, Adam at 0.001, batch 50, 20 epochs; without and with AlexNet's offset along the principal components of the
colours, of standard deviation 0.1 (AlexNet's number), 1 and 3. Tested on 3,000 images as they are and under two lights,
warm (red x 1.3, blue x 0.7) and cold (the reverse); not judged: greenish and purplish light. The strength that is
judged is the best of the three on 1,000 validation images under warm and cold light.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

import pynn

from ..experiment import Claim

DATA = "cifar10"
CLAIMS = (
    Claim(
        "drop",
        "with the offset, warm and cold light cost at most 0.8 times as much accuracy",
        "CS231n, lecture 7",
        at_most=0.8,
        unit="x",
    ),
    Claim(
        "plain",
        "on images as they are the accuracy with the offset is at most 1 point lower",
        "CS231n, lecture 7",
        at_least=-0.01,
        unit="points",
    ),
    Claim(
        "usual",
        "AlexNet's standard deviation of 0.1 is enough: with it they cost at most 0.8 times as much",
        "our question, with AlexNet's number",
        at_most=0.8,
        unit="x",
    ),
)
PICTURE = """Test accuracy without a colour offset and with offsets of standard deviation 0.1, 1 and 3: on images as
they are, under warm and cold light, and under greenish and purplish light. Lines are medians, bands the range of the
seeds."""
STRENGTHS = (0, 0.1, 1, 3)
WARM_COLD = ((1.3, 1, 0.7), (0.7, 1, 1.3))  # as daylight varies: along the second component
GREEN_PURPLE = ((0.8, 1.2, 0.8), (1.2, 0.8, 1.2))  # along the third, in which colours vary least


def network(seed: int) -> pynn.Sequential:
    return pynn.Sequential(
        *(pynn.Conv2d(16, 5, stride=2), pynn.ReLU(), pynn.MaxPool2d(2)),
        *(pynn.Conv2d(32), pynn.ReLU(), pynn.MaxPool2d(2)),
        *(pynn.Flatten(), pynn.Affine(64), pynn.ReLU(), pynn.Affine(10)),
        seed=seed,
    )


def under(lights: Sequence[Sequence[float]], x: Any) -> Any:
    """The images x once under each light: each channel times the strength of its colour."""
    return np.concatenate([np.minimum(x / 255 * np.array(light), 1) for light in lights]).astype(np.float32)


def run(seed: int, quick: bool) -> dict[str, object]:
    seed += 100  # the light of validation was chosen on the first seeds: judge others
    x, y = pynn.datasets.cifar10().train
    order = np.random.default_rng(seed).permutation(len(x))
    train, validation, test = np.split(order[: 1200 if quick else 6000], [400, 700] if quick else [2000, 3000])
    tested = {
        "plain": (x[test], y[test]),
        "warm, cold": (under(WARM_COLD, x[test]), np.tile(y[test], 2)),
        "green, purple": (under(GREEN_PURPLE, x[test]), np.tile(y[test], 2)),
        "validation": (under(WARM_COLD, x[validation]), np.tile(y[validation], 2)),
    }
    accuracies: dict[str, list[float]] = {name: [] for name in tested}
    for strength in STRENGTHS:
        model = network(seed)
        augmentation = pynn.ColourShift(strength) if strength else None
        model.fit(
            x[train], y[train], epochs=8 if quick else 20, batch_size=50, augmentation=augmentation, progress=False
        )
        for name, samples in tested.items():
            accuracies[name].append(model.evaluate(*samples)["accuracy"])
    drops = np.subtract(accuracies["plain"], accuracies["warm, cold"])
    chosen = 1 + int(np.argmax(accuracies["validation"][1:]))
    return {
        "drop": drops[chosen] / drops[0],
        "plain": accuracies["plain"][chosen] - accuracies["plain"][0],
        "usual": drops[1] / drops[0],
        "accuracies": accuracies,
        "chosen": STRENGTHS[chosen],
    }


def draw(figure: Any, results: Sequence[Mapping[str, Any]]) -> None:
    axes = figure.subplots()
    places = range(len(STRENGTHS))
    for name, style in (("plain", "o-"), ("warm, cold", "s--"), ("green, purple", "^:")):
        curves = 100 * np.array([result["accuracies"][name] for result in results])
        (line,) = axes.plot(places, np.median(curves, axis=0), style, label=name)
        axes.fill_between(places, curves.min(axis=0), curves.max(axis=0), alpha=0.2, color=line.get_color())
    axes.set_xticks(places, ["none", *map(str, STRENGTHS[1:])])
    axes.set(xlabel="Standard deviation of the colour offset", ylabel="Test accuracy (%)")
    axes.legend(ncols=3, loc="lower left", bbox_to_anchor=(0, 1))
