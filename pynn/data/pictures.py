"""Pictures as arrays: images brought to one form, weights of a first layer as pictures, many of them in one grid."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike

from ..typing import Array, Shape

FLAT = {64: (8, 8, 1), 784: (28, 28, 1), 3072: (32, 32, 3)}  # digits, MNIST, CIFAR


def pictures(images: ArrayLike) -> Array:
    """Images in the form (N, H, W) or (N, H, W, 3)."""
    array = np.asarray(images)
    if array.ndim == 4 and array.shape[3] == 1:
        array = array[..., 0]
    if not (array.ndim == 3 or (array.ndim == 4 and array.shape[3] == 3)):
        raise ValueError(f"images has shape {array.shape}, expected (N, H, W), (N, H, W, 1) or (N, H, W, 3)")
    return array


def mosaic(tiles: Array, columns: int | None = None, line: float = 1.0) -> Array:
    """Pictures in a grid, square by default, separated by lines, which are white for pictures of 0..1."""
    side = math.ceil(math.sqrt(len(tiles))) if columns is None else columns
    rows = side if columns is None else math.ceil(len(tiles) / side)
    height, width = tiles.shape[1] + 1, tiles.shape[2] + 1
    grid: Array = np.full((rows * height - 1, side * width - 1, *tiles.shape[3:]), line)
    for place, tile in enumerate(tiles):
        top, left = place // side * height, place % side * width
        grid[top : top + height - 1, left : left + width - 1] = tile
    return grid


def enlarged(tiles: Array, least: int = 24) -> Array:
    """Pictures with every pixel repeated, so that they have at least that many and lines between them look thin."""
    times = max(1, -(-least // max(tiles.shape[1:3])))
    return tiles.repeat(times, axis=1).repeat(times, axis=2)


def is_picture(shape: Shape) -> bool:
    """Whether an input of this shape can be shown as it is: grey or in colours."""
    return len(shape) == 3 and shape[2] in (1, 3) and min(shape[:2]) > 1


def picture_shape(shape: Shape) -> tuple[int, int, int] | None:
    """Height, width and channels of inputs that can be shown, also of flat ones of the usual sizes; else None."""
    if is_picture(shape):
        return shape[0], shape[1], shape[2]
    return FLAT.get(shape[0]) if len(shape) == 1 else None


def of_weights(weight: Array, input_shape: Shape) -> Array | None:
    """The weights of each unit as a picture (N, H, W) or (N, H, W, 3) of -1..1, each divided by its largest.

    None if they are none: weights of an affine layer whose inputs are not an image, or those of another kind of layer.
    """
    if weight.ndim == 4:  # convolution: rows, columns, in, out
        tiles = np.moveaxis(weight, 3, 0)
        if tiles.shape[3] != 3:  # of other channels each has a picture of its own
            tiles = np.moveaxis(tiles, 3, 1).reshape(-1, *weight.shape[:2])
    elif weight.ndim == 2 and is_picture(input_shape) and weight.shape[0] == math.prod(input_shape):
        tiles = pictures(weight.T.reshape(-1, *input_shape))
    else:
        return None
    tiles = np.asarray(tiles, np.float64)
    largest = np.abs(tiles).reshape(len(tiles), -1).max(axis=1, initial=0.0)
    largest[largest == 0] = 1
    return np.asarray(tiles / largest.reshape(-1, *[1] * (tiles.ndim - 1)))
