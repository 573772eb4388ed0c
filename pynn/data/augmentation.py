"""Augmentations: random moves and changes of colour of training images. `augmented.py` applies them to batches."""

from __future__ import annotations

import copy
import math
from typing import Any, TypeVar

import numpy as np
from numpy.typing import ArrayLike

from ..checks import NOT_NEGATIVE, SHARE, Constructed, Interval, expect_count, expect_numbers
from ..saving.config import constructor_text
from ..typing import Array
from . import arrays

Colour = tuple[Array, Array, Array]  # contrast (n,), matrix (n, C, C), offset (n, C)
T = TypeVar("T", bound="Augmentation")

LUMA = (0.299, 0.587, 0.114)  # shares of red, green and blue in grey (ITU-R BT.601)


class Augmentation(Constructed):
    """Base of all augmentations: one random change of images (H, W, C).

    An own one overrides `geometry` or `colour`, or both; u (n, 4) are four random numbers between 0 and 1 for each of
    n images, all that it may draw:

    >>> class Squeeze(pynn.Augmentation):
    ...     def geometry(self, u, height, width):
    ...         maps = np.tile(np.eye(2, 3), (len(u), 1, 1))
    ...         maps[:, 1, 1] = 1 + u[:, 0]
    ...         return maps

    Augmentations are given to `fit(augmentation=[...])`, which applies them in that order to training images alone.
    """

    def geometry(self, u: Array, height: int, width: int) -> Array | None:
        """The maps (n, 2, 3) from (row, column, 1) of a pixel, counted from the image's centre, to what it shows."""

    def colour(self, u: Array, channels: int) -> Colour | None:
        """Contrast c (n,), matrix M (n, C, C) and offset o (n, C): a pixel p becomes M·(m + c·(p - m)) + o.

        m is the image's mean, C = channels. Pixels of uint8 images count 0..1.
        """

    def check(self, shape: tuple[int, ...]) -> None:
        """ValueError where it cannot be applied to images of this shape (H, W, C)."""

    def fitted_to(self: T, x: Array) -> T:
        """What `fit` uses for training images x: itself, or a copy that has learned from them."""
        return self

    def _range(self, low: Any, high: Any, least: float) -> None:
        expect_numbers(type(self).__name__, Interval(least, math.inf, "[)"), low=low, high=high)
        if low > high:
            raise ValueError(f"{type(self).__name__}: low is {low} and high {high}, expected low <= high")

    def __repr__(self) -> str:
        return constructor_text(self)


class Flip(Augmentation):
    """The image's mirror image, left for right, with this probability (default 0.5)."""

    def __init__(self, probability: float = 0.5) -> None:
        expect_numbers("Flip", SHARE, probability=probability)
        self.probability = probability

    def geometry(self, u: Array, height: int, width: int) -> Array:
        return _maps(1, 0, 0, np.where(u[:, 0] < self.probability, -1.0, 1.0))


class PadCrop(Augmentation):
    """A random crop of the image's own size after `padding` pixels are added on all sides: a shift of whole pixels.

    padding: whole pixels, less than the image has (default 4, for 32×32). What it is filled with says `Augment(edge=)`.
    Source: Krizhevsky et al. 2012; in this form He et al. 2016.
    """

    def __init__(self, padding: int = 4) -> None:
        expect_count("PadCrop", 0, padding=padding)
        self.padding = padding

    def check(self, shape: tuple[int, ...]) -> None:
        if self.padding >= min(shape[:2]):
            raise ValueError(
                f"PadCrop: padding is {self.padding}, expected less than the pixels of an image, {shape[0]}×{shape[1]}"
            )

    def geometry(self, u: Array, height: int, width: int) -> Array:
        maps = _maps(1, 0, 0, np.ones(len(u)))
        maps[:, :, 2] = np.floor(u[:, :2] * (2 * self.padding + 1)) - self.padding
        return maps


class Rotation(Augmentation):
    """A turn about the centre by a uniform angle of -degrees..degrees (0..180)."""

    def __init__(self, degrees: float) -> None:
        expect_numbers("Rotation", Interval(0, 180, "[]"), degrees=degrees)
        self.degrees = degrees

    def geometry(self, u: Array, height: int, width: int) -> Array:
        angle = np.radians(self.degrees) * _both_ways(u[:, 0])
        return _maps(np.cos(angle), np.sin(angle), -np.sin(angle), np.cos(angle))


class Zoom(Augmentation):
    """Enlarged about the centre by a uniform factor from `low` to `high`, at least 0.001; below 1 it shrinks."""

    def __init__(self, low: float, high: float) -> None:
        self._range(low, high, 1e-3)
        self.low, self.high = low, high

    def geometry(self, u: Array, height: int, width: int) -> Array:
        share = 1 / _between(self.low, self.high, u[:, 0])
        return _maps(share, 0, 0, share)


class Shear(Augmentation):
    """Sheared sideways by a uniform angle of -degrees..degrees (0..80): rows shift by tan(angle) times their height."""

    def __init__(self, degrees: float) -> None:
        expect_numbers("Shear", Interval(0, 80, "[]"), degrees=degrees)
        self.degrees = degrees

    def geometry(self, u: Array, height: int, width: int) -> Array:
        return _maps(1, 0, np.tan(np.radians(self.degrees) * _both_ways(u[:, 0])), np.ones(len(u)))


class Brightness(Augmentation):
    """A uniform number of -delta..delta is added to all of an image; uint8 pixels count 0..1. Nothing is cut off."""

    def __init__(self, delta: float) -> None:
        expect_numbers("Brightness", NOT_NEGATIVE, delta=delta)
        self.delta = delta

    def colour(self, u: Array, channels: int) -> Colour:
        plain = _plain(len(u), channels)
        return plain[0], plain[1], plain[2] + self.delta * _both_ways(u[:, :1])


class Contrast(Augmentation):
    """Distances from each channel's mean are multiplied by a uniform factor from `low` to `high`, at least 0."""

    def __init__(self, low: float, high: float) -> None:
        self._range(low, high, 0)
        self.low, self.high = low, high

    def colour(self, u: Array, channels: int) -> Colour:
        return _between(self.low, self.high, u[:, 0]), *_plain(len(u), channels)[1:]


class Saturation(Augmentation):
    """Distances from grey are multiplied by a uniform factor from `low` to `high`, at least 0; 0 is a grey image.

    For RGB images. Grey is 0.299·red + 0.587·green + 0.114·blue (ITU-R BT.601).
    """

    def __init__(self, low: float, high: float) -> None:
        self._range(low, high, 0)
        self.low, self.high = low, high

    def check(self, shape: tuple[int, ...]) -> None:
        if shape[2] != 3:
            raise ValueError(f"Saturation: images have {shape[2]} channels, expected 3 (red, green, blue)")

    def colour(self, u: Array, channels: int) -> Colour:
        contrast, matrix, offset = _plain(len(u), channels)
        factor = _between(self.low, self.high, u[:, 0])[:, None, None]
        return contrast, factor * matrix + (1 - factor) * np.array(LUMA), offset


class ColourShift(Augmentation):
    """AlexNet's colour offset: Σ_k a_k·λ_k·v_k is added to all pixels of an image, a_k normal with deviation std.

    λ_k, v_k: eigenvalues and vectors of the covariance of all training pixels' channels (uint8 counts 0..1). `fit`
    learns them (model.fit does, from its x); of very many images, evenly spread ones with some 16 million pixels count.
    std: default 0.1. Images have 1..4 channels.
    Fitted attributes: values_ (C,), vectors_ (C, C), a column each.
    Source: Krizhevsky et al. 2012, section 4.1.
    """

    values_: Array
    vectors_: Array

    def __init__(self, std: float = 0.1) -> None:
        expect_numbers("ColourShift", NOT_NEGATIVE, std=std)
        self.std = std

    def fit(self, x: ArrayLike) -> ColourShift:
        """Learn from training images x (N, H, W, C); returns itself. Raises ValueError for other shapes."""
        images = arrays.samples("x", x)
        shape = image_shape(images)
        if shape[2] > 4:
            raise ValueError(f"ColourShift: images have {shape[2]} channels, expected 1..4")
        images = images[:: -(-images[..., 0].size // (1 << 24))]
        with np.errstate(over="ignore", invalid="ignore"):  # found below
            covariance = _covariance(images, shape[2])
        if not np.isfinite(covariance).all():
            raise ValueError("ColourShift: x holds NaN, infinity or numbers too large to square")
        values, vectors = np.linalg.eigh(covariance)
        largest = vectors[np.abs(vectors).argmax(axis=0), np.arange(shape[2])]
        self.values_, self.vectors_ = np.maximum(values, 0), vectors * np.sign(largest)  # one sign on every machine
        return self

    def fitted_to(self, x: Array) -> ColourShift:
        return self if hasattr(self, "values_") else copy.copy(self).fit(x)

    def check(self, shape: tuple[int, ...]) -> None:
        if hasattr(self, "values_") and shape[2] != len(self.values_):
            raise ValueError(
                f"ColourShift: images have {shape[2]} channels, but it was fitted on {len(self.values_)}; fit it anew"
            )

    def colour(self, u: Array, channels: int) -> Colour:
        if not hasattr(self, "values_"):
            raise RuntimeError("ColourShift is not fitted: call fit(x) with training images first")
        radius, angle = np.sqrt(-2 * np.log(u[:, 0::2])), 2 * np.pi * u[:, 1::2]
        normal = np.concatenate([radius * np.cos(angle), radius * np.sin(angle)], axis=1)[:, :channels]
        plain = _plain(len(u), channels)
        offset = (self.vectors_ * (self.std * self.values_ * normal)[:, None]).sum(axis=2)  # row by row: BLAS may not
        return plain[0], plain[1], offset


def image_shape(x: Array, name: str = "x") -> tuple[int, ...]:
    """(H, W, C) of images x (N, H, W, C); ValueError where they are none."""
    if x.ndim != 4 or x.size == 0:
        hint = f"; grey images (N, H, W) become that by {name}[..., None]" if x.ndim == 3 else ""
        raise ValueError(f"{name} has shape {x.shape}, expected images (N, H, W, C){hint}")
    return x.shape[1:]


def _both_ways(u: Array) -> Array:
    return 2 * u - 1


def _between(low: float, high: float, u: Array) -> Array:
    return low + (high - low) * u


def _maps(a: Any, b: Any, c: Any, d: Array) -> Array:
    """Maps (n, 2, 3) of matrices ((a, b), (c, d)) without a shift."""
    maps = np.zeros((len(d), 2, 3))
    maps[:, 0, 0], maps[:, 0, 1], maps[:, 1, 0], maps[:, 1, 1] = a, b, c, d
    return maps


def _covariance(images: Array, channels: int) -> Array:
    """Of the pixels' channels (C, C), some images at a time, around the mean of the first one."""
    size, wide = max(1, (1 << 20) // images[0].size), np.dtype(np.float64)
    middle = arrays.to_model(images[:1], wide).reshape(-1, channels).mean(axis=0)
    count, total, products = 0, np.zeros(channels), np.zeros((channels, channels))
    for start in range(0, len(images), size):
        pixels = arrays.to_model(images[start : start + size], wide).reshape(-1, channels) - middle
        count, total, products = count + len(pixels), total + pixels.sum(axis=0), products + pixels.T @ pixels
    covariance: Array = products / count - np.outer(total, total) / count**2
    return covariance


def _plain(count: int, channels: int) -> Colour:
    return np.ones(count), np.tile(np.eye(channels), (count, 1, 1)), np.zeros((count, channels))
