"""The average over ten crops of an image is better than its centre alone.

CIFAR-10, 6,000 training images (the course has 50,000) and 4,000 others to test. A network of two convolutions takes
images of 28×28 pixels, and learns from random crops of the 32×32 and their mirror images; Momentum with cosine decay
from 0.03, batch 100, 10 epochs. At test time: the crop at the centre, or the mean probability of ten crops.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

import pynn

from ..experiment import Claim

DATA = "cifar10"
HEIGHT = 4.6
SIZE = 28
CLAIMS = (
    Claim(
        "gain",
        "ten crops are at least 0.5 points more accurate than the centre alone",
        "CS231n, lecture 7",
        0.005,
        unit="points",
    ),
)
PICTURE = """Above: the ten crops of a test image, five of the image and, below them, five of its mirror image. Below:
test accuracy for each seed, a ring for the crop at the centre and a dot for ten crops, joined by a line."""


class RandomCrops:
    """Batches of random crops, half of them mirrored, other ones in every epoch."""

    def __init__(self, x: np.ndarray, y: np.ndarray, seed: int) -> None:
        self.crops = np.lib.stride_tricks.sliding_window_view(x, (SIZE, SIZE), axis=(1, 2))  # (N, 5, 5, C, 28, 28)
        self.y, self.rng = y, np.random.default_rng(seed)

    def __len__(self) -> int:
        return len(self.y) // 100

    def __iter__(self) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        for some in self.rng.permutation(len(self.y)).reshape(-1, 100):
            top, left = self.rng.integers(5, size=(2, 100))
            images = np.moveaxis(self.crops[some, top, left], 1, 3)
            mirrored = self.rng.random(100) < 0.5
            images[mirrored] = images[mirrored, :, ::-1]
            yield images, self.y[some]


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
    train, test = (order[:1_000], order[-500:]) if quick else (order[:6_000], order[-4_000:])
    epochs = 4 if quick else 10

    model = build(seed)
    optimizer = pynn.Momentum(pynn.CosineDecay(0.03, epochs))
    model.fit(RandomCrops(x[train], y[train], seed), optimizer=optimizer, epochs=epochs, progress=False)

    crops = pynn.predict_ten_crop(model, x[test]).argmax(axis=1)
    centre = model.predict(x[test, 2:30, 2:30])
    single, ten = np.mean(centre == y[test]), np.mean(crops == y[test])
    return {"gain": ten - single, "single": single, "ten": ten, "image": x[test[0]]}


def draw(figure: Any, results: Sequence[Mapping[str, Any]]) -> None:
    above, below = figure.subplots(2, 1, height_ratios=(3, 2))
    image = np.array(results[0]["image"], dtype=np.uint8)
    crops = np.pad(pynn.ten_crop(image[None], SIZE)[0], ((0, 0), (1, 1), (1, 1), (0, 0)), constant_values=255)
    above.imshow(np.vstack([np.hstack(list(crops[:5])), np.hstack(list(crops[5:]))]))
    above.set_axis_off()
    above.set_title("ten crops of an image")
    rows = np.arange(len(results))
    single, ten = (100 * np.array([result[name] for result in results]) for name in ("single", "ten"))
    below.hlines(rows, single, ten, color="0.6")
    below.plot(single, rows, "o", color="#0072B2", markerfacecolor="white", label="centre")
    below.plot(ten, rows, "o", color="#D55E00", label="ten crops")
    below.set(xlabel="test accuracy, %", ylabel="seed", yticks=rows, ylim=(len(rows) - 0.5, -1.6))
    below.legend(loc="upper left", ncols=2)
