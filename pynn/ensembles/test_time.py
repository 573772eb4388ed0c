"""Augmentation at test time: the probabilities of several views of an image, averaged."""

from __future__ import annotations

import operator
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike

from .. import checks
from ..data import arrays
from ..data.augment import Augmentations, Augmented, chain
from ..data.augmentation import image_shape
from ..losses import Loss
from ..messages.terminal import brief
from ..training import evaluate, inputs, targets
from ..typing import Array

if TYPE_CHECKING:
    from ..models.sequential import Sequential


def ten_crop(images: ArrayLike, size: int | tuple[int, int], padding: int = 0) -> Array:
    """The four corners and the centre of images (N, H, W, C), then their mirror images: (N, 10, h, w, C), a new array.

    Order: top left, top right, bottom left, bottom right, centre, and the same five mirrored. size: h = w, or (h, w).
    padding: pixels of zeros added on all sides before (default 0); 4 goes with PadCrop(4) in training. The dtype stays.
    Raises ValueError for other shapes and crops larger than the padded images. Source: Krizhevsky et al. 2012.
    """
    images = arrays.samples("images", images)
    image_shape(images, "images")
    checks.check_count("padding", padding, 0)
    images = np.pad(images, ((0, 0), (padding, padding), (padding, padding), (0, 0))) if padding else images
    height, width, channels = images.shape[1:]
    try:
        h, w = map(operator.index, size if isinstance(size, (tuple, list)) else (size, size))
    except (TypeError, ValueError):
        raise TypeError(f"size is {brief(size)}, expected an integer or a pair of them, (height, width)") from None
    if not (1 <= h <= height and 1 <= w <= width):
        raise ValueError(f"size is {h}×{w}, expected 1×1 to {height}×{width}, the images with padding")
    crops = np.empty((len(images), 10, h, w, channels), images.dtype)
    corners = [(top, left) for top in (0, height - h) for left in (0, width - w)]
    for place, (top, left) in enumerate([*corners, ((height - h) // 2, (width - w) // 2)]):
        crops[:, place] = images[:, top : top + h, left : left + w]
    crops[:, 5:] = crops[:, :5, :, ::-1]
    return crops


def predict_ten_crop(model: Sequential, x: ArrayLike, padding: int = 0, batch_size: int = 100) -> Array:
    """Class probabilities (N, C) of raw images x (N, H, W, C): the mean of `predict_proba` over the ten crops of each.

    The crops have the size of the images that the model takes. padding: as in `ten_crop` (default 0). batch_size:
    images at a time (default 100), which changes nothing but memory and rounding.
    Raises RuntimeError for a model that is not built, ValueError for images that `ten_crop` cannot cut to its size.
    """
    if not model.built:
        raise RuntimeError("predict_ten_crop was called on a model that is not built yet: fit it, load it or build it")
    checks.check_count("batch_size", batch_size, 1)
    images = arrays.samples("x", x)
    image_shape(images, "x")
    taken = model.input_shape if model.preprocessing is None else model.preprocessing.input_shape_
    if len(taken) != 3:
        raise ValueError(f"the model takes samples of shape {taken}, expected images (H, W, C)")
    parts = []
    for start in range(0, len(images), batch_size):
        crops = ten_crop(images[start : start + batch_size], taken[:2], padding)
        probabilities = model.predict_proba(crops.reshape(-1, *crops.shape[2:]))
        parts.append(probabilities.reshape(len(crops), 10, -1).mean(axis=1))
    return np.concatenate(parts)


def predict_augmented(
    model: Sequential,
    x: ArrayLike,
    augmentation: Augmentations,
    passes: int = 10,
    seed: int = 0,
    batch_size: int = 1024,
) -> Array:
    """Class probabilities (N, C) of raw images x (N, H, W, C): the mean of `predict_proba` over augmented versions.

    Of a model whose loss gives no probabilities, as for numbers, the mean of its outputs. augmentation: `pynn.Augment`,
    an augmentation or a list of them, mild ones such as in training. passes: versions of each image, at least 1
    (default 10), drawn by seed (default 0), pass and the image's index: the same ones whatever the batch_size (images
    at a time, default 1024), which changes nothing but memory and rounding. What learns from data, `ColourShift`,
    learns from x, unless it is fitted to training images before.
    Raises RuntimeError for a model that is not built, ValueError or TypeError for images it cannot take.
    Source: Krizhevsky et al. 2012, section 4.1; He et al. 2015 (random views).
    """
    if not model.built:
        raise RuntimeError("predict_augmented was called on a model that is not built yet: fit it, load it or build it")
    checks.check_count("passes", passes, 1)
    checks.check_count("batch_size", batch_size, 1)
    checks.check_seed(seed)
    images = inputs.raw(model, x)
    inputs.accept(model, images, "x")
    augment, places = chain(augmentation).prepared(images), np.arange(len(images))
    raw = model.preprocessing is not None and not np.can_cast(images.dtype, model.dtype)
    dtype = np.dtype(np.float64) if raw else model.dtype  # as in training: raw numbers may be large
    probable = type(model.loss).probabilities is not Loss.probabilities
    total: Any = 0.0
    for number in range(passes):
        views, parts = Augmented(augment, images, places, int(seed), number, dtype), []
        for start in range(0, len(images), batch_size):
            batch = views.batch(slice(start, min(start + batch_size, len(images))), None)
            outputs = evaluate.outputs(model, batch)
            parts.append(targets.probabilities(model.loss, outputs) if probable else outputs)
        total = total + np.concatenate(parts).astype(np.float64)
    mean = total / passes
    return np.asarray(mean if probable or model.targets is None else model.targets.units(mean), model.dtype)
