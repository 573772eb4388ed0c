"""The handwritten digits that are part of the package."""

from __future__ import annotations

import operator
import os

import numpy as np

from ..data.split import stratified
from ..messages.terminal import brief
from .common import Dataset

CLASSES = tuple("0123456789")


def digits(test_share: float = 0.2, seed: int = 0) -> Dataset:
    """Load 1,797 handwritten digits of 8x8 pixels, which are part of the package.

    Parameters
    ----------
    test_share : float, default 0.2
        Share of each class that goes to the test part, between 0 and 1, rounded to whole images; each class has at
        least one image in each part.
    seed : int, default 0
        Chooses the split and its order, 0..2**128 - 1; the same seed gives the same split on every machine.

    Returns
    -------
    Dataset
        With x uint8 (N, 8, 8, 1).

    Raises
    ------
    ValueError
        If test_share or seed is out of range.
    TypeError
        If seed is not an integer.

    Notes
    -----
    Each pixel of the original counts the inked points, 0..16, in a 4x4 block of the scanned digit. Changed here: counts
    are scaled to 0..255, count * 255 / 16 rounded to the nearest integer (8 to 128).

    References
    ----------
    .. [1] E. Alpaydin and C. Kaynak, "Optical Recognition of Handwritten Digits", the test set; UCI Machine Learning
       Repository, 1998, doi 10.24432/C50P49; licence CC BY 4.0.
    """
    if not 0 < test_share < 1:
        raise ValueError(f"test_share: expected a number above 0 and below 1, got {brief(test_share)}")
    seed = operator.index(seed)
    if not 0 <= seed < 1 << 128:
        raise ValueError(f"seed: expected a whole number 0 .. 2**128 - 1, got {seed}")
    with np.load(os.path.join(os.path.dirname(__file__), "digits.npz"), allow_pickle=False) as file:
        # The file has pixel after pixel, which compresses better than image after image.
        counts, labels = np.ascontiguousarray(file["images"]), file["labels"].astype(np.int64)
    x = ((counts.astype(np.uint16) * 255 + 8) // 16).astype(np.uint8)[..., np.newaxis]
    train, test = stratified(labels, test_share, seed)
    return Dataset("digits", (x[train], labels[train]), (x[test], labels[test]), CLASSES)
