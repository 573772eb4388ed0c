"""Picture files as pixels in a model's shape. Needs Pillow (extra `images`)."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ..datasets.decoding import Pixels, decoded, naming, opaque


def read(path: str, shape: tuple[int, ...], invert: str) -> tuple[Pixels, bool]:
    """The picture as uint8 pixels of shape (H, W, 1 or 3), and whether it was inverted.

    invert: "yes", "no", or "auto": a grey picture with a light border. Raises ValueError if the file is not a picture.
    """
    image = decoded(path)
    height, width, channels = shape
    with naming(path):
        pixels = opaque(image, "L" if channels == 1 else "RGB")
    del image
    border = _border(pixels)
    inverted = invert == "yes" or (invert == "auto" and channels == 1 and border.mean() > 127.5)
    pixels = _fit(pixels, width, height, border).reshape(shape)
    return (255 - pixels if inverted else pixels), inverted


def _border(pixels: Pixels) -> NDArray[np.float64]:
    """The median colour of the outermost pixels, one number per channel."""
    edges = [pixels[0], pixels[-1], pixels[:, 0], pixels[:, -1]]
    median: NDArray[np.float64] = np.median(np.concatenate(edges), axis=0)
    return median


def _fit(pixels: Pixels, width: int, height: int, border: NDArray[np.float64]) -> Pixels:
    """Resize to fit into width x height, and pad with the border's colour."""
    from PIL import Image

    rows, columns = pixels.shape[:2]
    scale = min(width / columns, height / rows)
    wide, high = max(1, round(columns * scale)), max(1, round(rows * scale))
    resampling = (
        Image.Resampling.BOX if scale < 1 else Image.Resampling.BICUBIC
    )  # BOX: each pixel the mean of what it covers
    padded = np.empty((height, width, *pixels.shape[2:]), np.uint8)
    padded[...] = border.round()
    top, left = (height - high) // 2, (width - wide) // 2
    padded[top : top + high, left : left + wide] = Image.fromarray(pixels).resize((wide, high), resampling)
    return padded
