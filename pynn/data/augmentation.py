"""Augmentations: random moves and colour changes of training images. `augment.py` applies them to batches."""

from __future__ import annotations

import copy
import math
from typing import Any, TypeVar

import numpy as np
from numpy.typing import ArrayLike

from ..checks import NOT_NEGATIVE, SHARE, Count, Interval
from ..saving.config import constructor_text
from ..signatures import Constructed, takes
from ..typing import Array
from . import arrays

Colour = tuple[Array, Array, Array]  # contrast (n,), matrix (n, C, C), offset (n, C)
T = TypeVar("T", bound="Augmentation")

LUMA = (0.299, 0.587, 0.114)  # weights of red, green and blue in grey (ITU-R BT.601)


class Augmentation(Constructed):
    """Base of all augmentations: one random change of images (H, W, C).

    Notes
    -----
    Augmentations are given to ``fit(augmentation=[...])``, which applies them in that order, to training images only. A
    custom augmentation overrides `geometry` or `colour`, or both. Its only source of randomness is u (n, 4): four
    uniform random numbers between 0 and 1 for each of n images.

    Examples
    --------
    >>> class Squeeze(pynn.Augmentation):
    ...     def geometry(self, u, height, width):
    ...         maps = np.tile(np.eye(2, 3), (len(u), 1, 1))
    ...         maps[:, 1, 1] = 1 + u[:, 0]
    ...         return maps
    """

    def geometry(self, u: Array, height: int, width: int) -> Array | None:
        """Return the affine maps from positions in the result to positions in the image.

        Parameters
        ----------
        u : array (n, 4)
            Random numbers between 0 and 1.
        height, width : int
            Size of the images.

        Returns
        -------
        array (n, 2, 3) or None
            Maps of (row, column, 1), counted from the image's centre, to the (row, column) shown there; None for no
            move.
        """

    def colour(self, u: Array, channels: int) -> Colour | None:
        """Return colour changes: a pixel p becomes M·(m + c·(p - m)) + o, where m is the image's mean.

        Parameters
        ----------
        u : array (n, 4)
            Random numbers between 0 and 1.
        channels : int
            Number C of channels.

        Returns
        -------
        tuple or None
            Contrast c (n,), matrix M (n, C, C) and offset o (n, C), for pixels of uint8 images scaled to 0..1; None for
            no change.
        """

    def check(self, shape: tuple[int, ...]) -> None:
        """Check that it can be applied to images of this shape.

        Parameters
        ----------
        shape : tuple (H, W, C)
            Shape of an image.

        Raises
        ------
        ValueError
            If it cannot.
        """

    def fitted_to(self: T, x: Array) -> T:
        """Return what `fit` uses for these training images.

        Parameters
        ----------
        x : array (N, H, W, C)
            Training images.

        Returns
        -------
        Augmentation
            Itself, or a copy that has learned from x.
        """
        return self

    def _expect_order(self, low: float, high: float) -> None:
        if low > high:
            raise ValueError(f"{type(self).__name__}: low is {low} and high {high}, expected low <= high")

    def __repr__(self) -> str:
        return constructor_text(self)


class Flip(Augmentation):
    """Flip the image left to right with this probability.

    Parameters
    ----------
    probability : float, default 0.5
        Between 0 and 1.
    """

    _takes = takes(probability=SHARE)

    def __init__(self, probability: float = 0.5) -> None:
        self.probability = probability

    def geometry(self, u: Array, height: int, width: int) -> Array:
        return _maps(1, 0, 0, np.where(u[:, 0] < self.probability, -1.0, 1.0))


class PadCrop(Augmentation):
    """Pad all sides and crop the original size at a random position: a random shift by whole pixels.

    Parameters
    ----------
    padding : int, default 4
        Pixels on each side, less than the image has; 4 is usual for 32×32. The argument edge of `Augment` fills them.

    References
    ----------
    .. [1] Krizhevsky et al., "ImageNet Classification with Deep Convolutional Neural Networks", 2012.
    .. [2] He et al., "Deep Residual Learning for Image Recognition", 2016, in this form.
    """

    _takes = takes(padding=Count(0))

    def __init__(self, padding: int = 4) -> None:
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
    """Rotate about the centre by a uniform random angle.

    Parameters
    ----------
    degrees : float
        The angle is between -degrees and degrees, 0..180.
    """

    _takes = takes(degrees=Interval(0, 180, "[]"))

    def __init__(self, degrees: float) -> None:
        self.degrees = degrees

    def geometry(self, u: Array, height: int, width: int) -> Array:
        angle = np.radians(self.degrees) * _both_ways(u[:, 0])
        return _maps(np.cos(angle), np.sin(angle), -np.sin(angle), np.cos(angle))


class Zoom(Augmentation):
    """Enlarge about the centre by a uniform random factor; below 1 it shrinks.

    Parameters
    ----------
    low, high : float
        Range of the factor, at least 0.001.
    """

    _takes = takes(low=Interval(1e-3, math.inf, "[)"), high=Interval(1e-3, math.inf, "[)"))

    def __init__(self, low: float, high: float) -> None:
        self._expect_order(low, high)
        self.low, self.high = low, high

    def geometry(self, u: Array, height: int, width: int) -> Array:
        share = 1 / _between(self.low, self.high, u[:, 0])
        return _maps(share, 0, 0, share)


class Shear(Augmentation):
    """Shear sideways by a uniform random angle: rows shift by tan(angle) times their height.

    Parameters
    ----------
    degrees : float
        The angle is between -degrees and degrees, 0..80.
    """

    _takes = takes(degrees=Interval(0, 80, "[]"))

    def __init__(self, degrees: float) -> None:
        self.degrees = degrees

    def geometry(self, u: Array, height: int, width: int) -> Array:
        return _maps(1, 0, np.tan(np.radians(self.degrees) * _both_ways(u[:, 0])), np.ones(len(u)))


class Brightness(Augmentation):
    """Add a uniform random number to all pixels of an image, without clipping.

    Parameters
    ----------
    delta : float
        The number is between -delta and delta; uint8 pixels are scaled to 0..1.
    """

    _takes = takes(delta=NOT_NEGATIVE)

    def __init__(self, delta: float) -> None:
        self.delta = delta

    def colour(self, u: Array, channels: int) -> Colour:
        plain = _plain(len(u), channels)
        return plain[0], plain[1], plain[2] + self.delta * _both_ways(u[:, :1])


class Contrast(Augmentation):
    """Multiply distances from each channel's mean by a uniform random factor.

    Parameters
    ----------
    low, high : float
        Range of the factor, at least 0.
    """

    _takes = takes(low=NOT_NEGATIVE, high=NOT_NEGATIVE)

    def __init__(self, low: float, high: float) -> None:
        self._expect_order(low, high)
        self.low, self.high = low, high

    def colour(self, u: Array, channels: int) -> Colour:
        return _between(self.low, self.high, u[:, 0]), *_plain(len(u), channels)[1:]


class Saturation(Augmentation):
    """Multiply distances from grey by a uniform random factor; for RGB images.

    Parameters
    ----------
    low, high : float
        Range of the factor, at least 0; 0 gives a grey image.

    Notes
    -----
    Grey is 0.299·red + 0.587·green + 0.114·blue (ITU-R BT.601).
    """

    _takes = takes(low=NOT_NEGATIVE, high=NOT_NEGATIVE)

    def __init__(self, low: float, high: float) -> None:
        self._expect_order(low, high)
        self.low, self.high = low, high

    def check(self, shape: tuple[int, ...]) -> None:
        if shape[2] != 3:
            raise ValueError(f"Saturation: images have {shape[2]} channels, expected 3 (red, green, blue)")

    def colour(self, u: Array, channels: int) -> Colour:
        contrast, matrix, offset = _plain(len(u), channels)
        factor = _between(self.low, self.high, u[:, 0])[:, None, None]
        return contrast, factor * matrix + (1 - factor) * np.array(LUMA), offset


class ColourShift(Augmentation):
    """AlexNet's colour shift: add Σ_k a_k·λ_k·v_k to all pixels of an image, with normal a_k of standard deviation std.

    Parameters
    ----------
    std : float, default 0.1
        Standard deviation of the a_k.

    Attributes
    ----------
    values_ : array (C,)
        The eigenvalues λ_k.
    vectors_ : array (C, C)
        The eigenvectors v_k, one per column.

    Notes
    -----
    λ_k and v_k are the eigenvalues and eigenvectors of the covariance of the channels over all training pixels (uint8
    scaled to 0..1). `fit` learns them, and model.fit calls it; for very many images it takes an evenly spaced subset of
    about 16 million pixels. Images have 1..4 channels.

    References
    ----------
    .. [1] Krizhevsky et al., "ImageNet Classification with Deep Convolutional Neural Networks", 2012, section 4.1.
    """

    values_: Array
    vectors_: Array
    _takes = takes(std=NOT_NEGATIVE)

    def __init__(self, std: float = 0.1) -> None:
        self.std = std

    def fit(self, x: ArrayLike) -> ColourShift:
        """Learn the eigenvalues and eigenvectors from training images.

        Parameters
        ----------
        x : array (N, H, W, C)
            Training images.

        Returns
        -------
        ColourShift
            Itself.

        Raises
        ------
        ValueError
            If x are not finite images of 1..4 channels.
        """
        images = arrays.samples("x", x)
        shape = image_shape(images)
        if shape[2] > 4:
            raise ValueError(f"ColourShift: images have {shape[2]} channels, expected 1..4")
        images = images[:: -(-images[..., 0].size // (1 << 24))]
        with np.errstate(over="ignore", invalid="ignore"):  # checked below
            covariance = _covariance(images, shape[2])
        if not np.isfinite(covariance).all():
            raise ValueError("ColourShift: x holds NaN, infinity or numbers too large to square")
        values, vectors = np.linalg.eigh(covariance)
        largest = vectors[np.abs(vectors).argmax(axis=0), np.arange(shape[2])]
        self.values_, self.vectors_ = (
            np.maximum(values, 0),
            vectors * np.sign(largest),
        )  # the same sign on every machine
        return self

    def fitted_to(self, x: Array) -> ColourShift:
        return self if hasattr(self, "values_") else copy.copy(self).fit(x)

    def check(self, shape: tuple[int, ...]) -> None:
        if hasattr(self, "values_") and shape[2] != len(self.values_):
            raise ValueError(
                f"ColourShift: images have {shape[2]} channels, but it was fitted on {len(self.values_)}; fit it again"
            )

    def colour(self, u: Array, channels: int) -> Colour:
        if not hasattr(self, "values_"):
            raise RuntimeError("ColourShift is not fitted: call fit(x) with training images first")
        radius, angle = np.sqrt(-2 * np.log(u[:, 0::2])), 2 * np.pi * u[:, 1::2]
        normal = np.concatenate([radius * np.cos(angle), radius * np.sin(angle)], axis=1)[:, :channels]
        plain = _plain(len(u), channels)
        # Not a matrix product: BLAS could round differently with the number of rows.
        offset = (self.vectors_ * (self.std * self.values_ * normal)[:, None]).sum(axis=2)
        return plain[0], plain[1], offset


def image_shape(x: Array, name: str = "x") -> tuple[int, ...]:
    """Return (H, W, C) of images x (N, H, W, C); ValueError for anything else."""
    if x.ndim != 4 or x.size == 0:
        hint = f"; convert grey images (N, H, W) by {name}[..., None]" if x.ndim == 3 else ""
        raise ValueError(f"{name} has shape {x.shape}, expected images (N, H, W, C){hint}")
    return x.shape[1:]


def _both_ways(u: Array) -> Array:
    return 2 * u - 1


def _between(low: float, high: float, u: Array) -> Array:
    return low + (high - low) * u


def _maps(a: Any, b: Any, c: Any, d: Array) -> Array:
    """Return maps (n, 2, 3) of matrices ((a, b), (c, d)) without a shift."""
    maps = np.zeros((len(d), 2, 3))
    maps[:, 0, 0], maps[:, 0, 1], maps[:, 1, 0], maps[:, 1, 1] = a, b, c, d
    return maps


def _covariance(images: Array, channels: int) -> Array:
    """Return the covariance (C, C) of the pixels' channels, a few images at a time, around the first image's mean."""
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
