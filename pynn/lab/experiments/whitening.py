"""Whitening turns the covariance of the data into the identity.

5,000 of our 20,000 CIFAR-10 images, others for each seed, 3,072 numbers each (the short form: 1,500 images,
halved to 16x16). PCA whitening with the notes' epsilon of 1e-5 for pixels of 0..255. The pictures keep the first 144
components, as in the notes.
"""

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
PICTURE = """Four panels. Originals: 16 photographs. Components: the first 16 of 144, from smooth to finer patterns.
From 144 components: the photographs, a little blurred. Whitened: grey noise-like images in which edges remain."""
HEIGHT = 5.8

COMPONENTS, SHOWN = 144, 16


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
        "originals": images[:SHOWN] if seed == 0 else None,
        "components": as_pixels(kept[:SHOWN].reshape(-1, *images.shape[1:])) if seed == 0 else None,
        "reduced": as_pixels(reduced[:SHOWN] + mean, 0, 1) if seed == 0 else None,
        "whitened": as_pixels(rotated_back[:SHOWN]) if seed == 0 else None,
    }


def as_pixels(images: np.ndarray, low: float | None = None, high: float | None = None) -> np.ndarray:
    """Images as 0..255; without low and high each has its own range."""
    axes = (1, 2, 3)
    bottom = images.min(axes, keepdims=True) if low is None else low
    top = images.max(axes, keepdims=True) if high is None else high
    return np.asarray((255 * (images - bottom) / (top - bottom)).clip(0, 255).astype("uint8"))


def draw(figure: Any, results: Sequence[Mapping[str, Any]]) -> None:
    panels = figure.subplots(2, 2).ravel()
    titles = {
        "originals": "originals",
        "components": "first 16 components",
        "reduced": "from 144 components",
        "whitened": "whitened",
    }
    for panel, (key, title) in zip(panels, titles.items(), strict=True):
        images = np.array(results[0][key], dtype="uint8")
        rows = np.concatenate(images.reshape(4, 4, *images.shape[1:]), axis=1)  # four rows side by side
        panel.imshow(np.concatenate(rows, axis=1))
        panel.set_title(title)
        panel.axis("off")
