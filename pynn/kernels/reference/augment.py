"""Augmentation: images of a data set, moved and coloured as they are copied into a batch."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..checks import REQUIRED, Floats, checked, expect

FAR = 2.0**30  # pixels


@checked(x="pixels N H W C", indices="int64 B", transforms="B D", out="out B H W C")
def warp(
    x: NDArray[Any],
    indices: NDArray[np.int64],
    divisor: float = 1.0,
    transforms: Floats = REQUIRED,
    reflect: bool = False,
    out: Floats = REQUIRED,
) -> None:
    """out (B, H, W, C) = x[indices] / divisor, each image sampled at its own positions by bilinear interpolation.

    transforms (B, 6): pixel (i, j) of image b shows the source at row t0·i + t1·j + t2, column t3·i + t4·j + t5. Shifts
    by whole pixels and reflections copy numbers exactly, like `gather`. Positions are computed in float64. reflect:
    beyond its edges an image continues as its mirror image (edge pixels occur once), else as 0. Positions 2^30 or more
    pixels away, or NaN, give 0. Both backends agree up to rounding.
    """
    if transforms.shape[1] != 6:
        raise ValueError(f"warp: transforms has {transforms.shape[1]} columns, expected 6")
    images, height, width = x.shape[:3]
    outside = (indices < 0) | (indices >= images)
    if outside.any():
        where = int(np.argmax(outside))
        raise ValueError(f"warp: indices[{where}] is {indices[where]}, expected 0..{images - 1} ({images} images)")
    expect(divisor != 0, "warp", "divisor", divisor, "another number than 0")
    if out.size == 0:
        return
    i, j = np.arange(height)[:, None], np.arange(width)
    for target, index, t in zip(out, indices, transforms.astype(np.float64), strict=True):
        image = x[index].astype(out.dtype)
        y, x_ = t[0] * i + t[1] * j + t[2], t[3] * i + t[4] * j + t[5]
        near = (np.abs(y) < FAR) & (np.abs(x_) < FAR)
        y, x_ = np.where(near, y, 0), np.where(near, x_, 0)
        top, left = np.floor(y).astype(np.int64), np.floor(x_).astype(np.int64)
        down, right = ((place - np.floor(place)).astype(out.dtype)[..., None] for place in (y, x_))
        corner = _pixels(image, top, left, reflect)
        if _is_shift(t):
            target[...] = np.where(near[..., None], corner, 0)
            continue
        upper = _between(corner, _pixels(image, top, left + 1, reflect), right)
        lower = _between(_pixels(image, top + 1, left, reflect), _pixels(image, top + 1, left + 1, reflect), right)
        target[...] = np.where(near[..., None], _between(upper, lower, down), 0)
    out /= out.dtype.type(divisor)


def _is_shift(t: Floats) -> bool:
    """Whether a map shifts by whole pixels, perhaps mirrored: a NaN neighbour must not reach a pixel then."""
    whole = all(abs(place) < FAR and place == np.floor(place) for place in (t[2], t[5]))
    return bool(whole and t[1] == 0 and t[3] == 0 and abs(t[0]) == 1 and abs(t[4]) == 1)


def _between(start: Floats, end: Floats, share: Floats) -> Floats:
    mixed: Floats = start + share * (end - start)
    return mixed


def _pixels(image: Floats, rows: NDArray[np.int64], columns: NDArray[np.int64], reflect: bool) -> Floats:
    """The pixels at rows and columns; those outside are reflected back inside, or 0."""
    inside = (rows >= 0) & (rows < len(image)) & (columns >= 0) & (columns < image.shape[1])
    found: Floats = image[_folded(rows, len(image)), _folded(columns, image.shape[1])]
    return found if reflect else np.where(inside[..., None], found, image.dtype.type(0))


def _folded(places: NDArray[np.int64], size: int) -> NDArray[np.int64]:
    period = max(1, 2 * (size - 1))
    rest = places % period
    return np.where(rest < size, rest, period - rest)


@checked(images="out B P C", contrast="B", matrix="B C C", offset="B C")
def recolour(images: Floats, contrast: Floats, matrix: Floats, offset: Floats) -> None:
    """images ← matrix·(mean + contrast·(images - mean)) + offset, in place, with separate numbers for each image.

    images (B, P, C): P pixels of C channels; mean is the average of an image's pixels, by channel. matrix (B, C, C),
    contrast (B,), offset (B, C). Both backends agree up to rounding.
    """
    if images.size == 0:
        return
    scaled = contrast[:, None, None] * matrix
    mean = images.mean(axis=1, dtype=np.float64).astype(images.dtype)
    rest = np.where(contrast[:, None] == 1, images.dtype.type(0), (1 - contrast[:, None]) * mean)
    shift = offset + (matrix @ rest[..., None])[..., 0]
    images[...] = images @ scaled.swapaxes(1, 2) + shift[:, None]
