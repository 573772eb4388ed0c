"""The digits that come with the package."""

from __future__ import annotations

import operator
import os

import numpy as np

from ..data.split import stratified
from ..messages.terminal import brief
from .common import Dataset

CLASSES = tuple("0123456789")


def digits(test_share: float = 0.2, seed: int = 0) -> Dataset:
    """1,797 handwritten digits of 8x8 pixels, which come with the package. Nothing is read but its own file.

    Source: E. Alpaydin and C. Kaynak, Optical Recognition of Handwritten Digits, the test set; UCI Machine Learning
    Repository, 1998, doi 10.24432/C50P49; licence CC BY 4.0. Each pixel counts the inked points, 0..16, of a 4x4 block
    of the scanned digit. Changed here: counts are scaled to 0..255, count * 255 / 16 rounded to the nearest (8 to 128).

    test_share: the share of each class that goes to the test part, above 0 and below 1 (default 0.2), rounded to
        whole images, so that each class has at least one image in each part.
    seed: chooses the split and its order, 0 .. 2**128 - 1 (default 0); the same seed, the same split on any machine.
    Returns a Dataset with x uint8 (N, 8, 8, 1).
    Raises ValueError for a test_share or seed out of range, TypeError for a seed that is no whole number.
    """
    if not 0 < test_share < 1:
        raise ValueError(f"test_share: expected a number above 0 and below 1, got {brief(test_share)}")
    seed = operator.index(seed)
    if not 0 <= seed < 1 << 128:
        raise ValueError(f"seed: expected a whole number 0 .. 2**128 - 1, got {seed}")
    with np.load(os.path.join(os.path.dirname(__file__), "digits.npz"), allow_pickle=False) as file:
        counts, labels = file["images"], file["labels"].astype(np.int64)
    x = ((counts.astype(np.uint16) * 255 + 8) // 16).astype(np.uint8)[..., np.newaxis]
    train, test = stratified(labels, test_share, seed)
    return Dataset("digits", (x[train], labels[train]), (x[test], labels[test]), CLASSES)
