"""Test-time augmentation: averaged probabilities of several views of an image."""

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
    """Cut ten crops from each image: four corners, the centre, and the mirror images of these five.

    Parameters
    ----------
    images : array (N, H, W, C)
        The images.
    size : int or tuple of int
        Size of a crop, h = w or (h, w).
    padding : int, default 0
        Pixels of zeros added on all sides first; 4 goes with ``PadCrop(4)`` in training.

    Returns
    -------
    array (N, 10, h, w, C)
        Top left, top right, bottom left, bottom right, centre, then the same five mirrored; a new array of the same
        dtype.

    Raises
    ------
    ValueError
        For other shapes, and crops larger than the padded images.

    References
    ----------
    .. [1] Krizhevsky et al., "ImageNet Classification with Deep Convolutional Neural Networks", 2012.
    """
    images = arrays.samples("images", images)
    image_shape(images, "images")
    checks.expect_count("", 0, padding=padding)
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
    """Class probabilities of images, averaged over the ten crops of each (`ten_crop`).

    Parameters
    ----------
    model : Sequential
        A built model; crops have the size of its images.
    x : array (N, H, W, C)
        Raw images.
    padding : int, default 0
        As for `ten_crop`.
    batch_size : int, default 100
        Images processed at once; it affects memory and rounding only.

    Returns
    -------
    array (N, C)
        The mean of `predict_proba` over the crops.

    Raises
    ------
    RuntimeError
        If the model is not built.
    ValueError
        If the images are too small for its size.
    """
    if not model.built:
        raise RuntimeError("predict_ten_crop was called on a model that is not built yet: fit it, load it or build it")
    checks.expect_count("", 1, batch_size=batch_size)
    images = arrays.samples("x", x)
    image_shape(images, "x")
    sample_shape = model.input_shape if model.preprocessing is None else model.preprocessing.input_shape_
    if len(sample_shape) != 3:
        raise ValueError(f"the model takes samples of shape {sample_shape}, expected images (H, W, C)")
    parts = []
    for start in range(0, len(images), batch_size):
        crops = ten_crop(images[start : start + batch_size], sample_shape[:2], padding)
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
    """Class probabilities of images, averaged over augmented versions of each.

    Parameters
    ----------
    model : Sequential
        A built model.
    x : array (N, H, W, C)
        Raw images.
    augmentation : Augment, Augmentation or list
        Mild changes, such as in training. `ColourShift` is fitted to x, unless it was fitted to training images before.
    passes : int, default 10
        Versions of each image, at least 1.
    seed : int, default 0
        Versions are a function of seed, pass and the image's index.
    batch_size : int, default 1024
        Images processed at once; it affects memory and rounding only.

    Returns
    -------
    array (N, C)
        The mean of `predict_proba`; if the loss defines no probabilities, of the outputs, as `Ensemble.outputs`
        averages them.

    Raises
    ------
    RuntimeError
        If the model is not built.
    ValueError
        If the images do not fit.

    References
    ----------
    .. [1] Krizhevsky et al., "ImageNet Classification with Deep Convolutional Neural Networks", 2012, section 4.1.
    .. [2] He et al., "Deep Residual Learning for Image Recognition", 2015.
    """
    if not model.built:
        raise RuntimeError("predict_augmented was called on a model that is not built yet: fit it, load it or build it")
    checks.expect_count("", 1, passes=passes)
    checks.expect_count("", 1, batch_size=batch_size)
    checks.check_seed(seed)
    images = inputs.raw(model, x)
    inputs.accept(model, images, "x")
    augment, places = chain(augmentation).prepared(images), np.arange(len(images))
    raw = model.preprocessing is not None and not np.can_cast(images.dtype, model.dtype)
    dtype = np.dtype(np.float64) if raw else model.dtype  # as in training: raw numbers may be large
    probable = type(model.loss).probabilities is not Loss.probabilities
    mean: Any = None
    for number in range(passes):
        views, parts = Augmented(augment, images, places, int(seed), number, dtype), []
        for start in range(0, len(images), batch_size):
            batch = views.batch(slice(start, min(start + batch_size, len(images))), None)
            outputs = evaluate.predict_outputs(model, batch)
            parts.append(targets.probabilities(model.loss, outputs) if probable else model.loss._numbers(outputs))
        values = np.concatenate(parts).astype(np.float64)
        mean = values if mean is None else model.loss._mixed(mean, values, 1 / (number + 1))
    form = None if probable else model.targets
    if form is not None and form.scaling is not None:
        return model.loss._in_units(mean, form)  # float64: large numbers may hardly differ
    return np.asarray(mean, model.dtype)
