"""Whitening turns the covariance of the data into the identity.

5,000 of our 20,000 CIFAR-10 images, others for each seed, 3,072 numbers each (the short form: 1,500 images,
halved to 16x16). PCA whitening with the notes' epsilon of 1e-5 for pixels of 0..255. The pictures keep the first 144
components, as in the notes.
"""

import base64
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

import pynn

from ..experiment import Claim

DATA = "cifar10"
SEEDS = 3
NOTES = "CS231n notes, Neural Networks 2"
CLAIMS = (
    Claim(
        "deviation",
        "no number of the covariance of the whitened data differs from the identity by more than 0.01",
        NOTES,
        at_most=0.01,
    ),
    Claim("kept", "the first 144 components keep at least 90% of the variance", NOTES, at_least=0.9, unit="%"),
    Claim(
        "fine",
        "fine structure is exaggerated: neighbouring pixels of the whitened images differ at least 3 times as much as "
        "in the originals, in proportion to the variance",
        NOTES,
        at_least=3,
        unit="x",
    ),
)
PICTURE = """Four panels of four images. Originals: photographs. Components 1, 2, 13 and 144: from smooth to fine
patterns. From 144 components: the photographs, blurred. Whitened: fine speckle in which large areas vanish."""
HEIGHT = 5.8

COMPONENTS, SHOWN = 144, 4


def roughness(images: np.ndarray) -> float:
    """Mean square of the difference of neighbours over the variance."""
    return float(np.square(np.diff(images, axis=2)).mean() / images.var(axis=0).mean())


def run(seed: int, quick: bool) -> dict[str, object]:
    images, _ = pynn.datasets.cifar10().train
    count = 1500 if quick else 5000
    images = images[np.random.default_rng(seed).permutation(len(images))[:count]]
    if quick:
        images = images.reshape(count, 16, 2, 16, 2, 3).mean(axis=(2, 4)).astype("uint8")

    whitening = pynn.Whitening(epsilon=1e-5 / 255**2)  # pixels of uint8 are read as 0..1
    whitened = whitening.fit_transform(images)
    covariance = np.cov(whitened.astype("float64"), rowvar=False)

    variances = whitening.explained_variance_
    kept = whitening.components_[:COMPONENTS]
    x = images.reshape(count, -1) / 255 - whitening.mean_.ravel()
    mean = whitening.mean_.reshape(images.shape[1:])
    reduced = (x @ kept.T @ kept).reshape(images.shape)
    rotated_back = (whitened[:, :COMPONENTS] @ kept).reshape(images.shape)
    return {
        "deviation": np.abs(covariance - np.eye(len(covariance))).max(),
        "kept": variances[:COMPONENTS].sum() / variances.sum(),
        "fine": roughness(rotated_back) / roughness(x.reshape(images.shape)),
        "size": images.shape[1],
        "originals": as_text(images[:SHOWN] / 255, 0, 1),
        "components": as_text(kept[[0, 1, 12, 143]].reshape(-1, *images.shape[1:])),
        "reduced": as_text(reduced[:SHOWN] + mean, 0, 1),
        "whitened": as_text(rotated_back[:SHOWN]),
    }


def as_text(images: np.ndarray, low: float | None = None, high: float | None = None) -> str:
    """Four images as a square of pixels 0..255 in base64; without low and high each image has its own range."""
    bottom = images.min((1, 2, 3), keepdims=True) if low is None else low
    top = images.max((1, 2, 3), keepdims=True) if high is None else high
    a, b, c, d = (255 * (images - bottom) / (top - bottom)).clip(0, 255).astype("uint8")
    return base64.b64encode(np.vstack([np.hstack([a, b]), np.hstack([c, d])]).tobytes()).decode()


def draw(figure: Any, results: Sequence[Mapping[str, Any]]) -> None:
    titles = {
        "originals": "originals",
        "components": "components 1, 2, 13, 144",
        "reduced": "from 144 components",
        "whitened": "whitened",
    }
    side = 2 * results[0]["size"]
    for panel, (key, title) in zip(figure.subplots(2, 2).ravel(), titles.items(), strict=True):
        pixels = np.frombuffer(base64.b64decode(results[0][key]), "uint8")
        panel.imshow(pixels.reshape(side, side, 3))
        panel.set_title(title)
        panel.axis("off")
