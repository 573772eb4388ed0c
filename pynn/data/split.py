"""Splits samples into a training and a test part."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .. import checks
from ..checks import Interval, expect_flag, expect_numbers
from ..saving.config import constructor_text
from ..signatures import Constructed, answering
from ..typing import Array
from . import arrays, tables
from .arrays import as_array

Part = tuple[Array, Array]
PART = Interval(0, 1, "()")


@answering
def split(
    x: ArrayLike, y: ArrayLike, share: float = 0.2, *, seed: int | None = 0, stratify: bool = True
) -> tuple[Part, Part]:
    """Split samples at random: ``(x_train, y_train), (x_test, y_test) = pynn.split(x, y)``.

    Parameters
    ----------
    x : array (N, ...) or data frame
        Samples; the parts of a data frame are data frames.
    y : array (N, ...)
        A label or target for each sample.
    share : float, default 0.2
        Share of the samples in the test part, between 0 and 1, rounded to whole samples.
    seed : int or None, default 0
        0..2**64 - 1; the same seed gives the same split on every machine. None gives a different split at each call.
    stratify : bool, default True
        Whether to take the share of every class of y (N,), integers or text, so that both parts have the same
        proportions. A class of two or more samples has at least one in each part; a single sample is in the training
        part. Use False for numbers to predict.

    Returns
    -------
    tuple
        Two pairs (x, y), training and test, new arrays in random order.

    Raises
    ------
    ValueError
        If a part would be empty, x and y have different lengths, share or seed is out of range, or y cannot be
        stratified.
    TypeError
        If x is neither an array of numbers nor a data frame.

    Notes
    -----
    For arrays larger than memory, split the indices instead:
    ``(train, _), (test, _) = pynn.split(numpy.arange(len(y)), y)``.
    """
    rows: Any = x if tables.columns(x) is not None else arrays.samples("x", x)
    y = as_array("y", y)
    train, test = _places(rows, y, share, checks.chosen_seed(seed), stratify)
    rows = getattr(rows, "iloc", rows)  # a table stays one: the model remembers its columns
    return (rows[train], y[train]), (rows[test], y[test])


class Split(Constructed):
    """A share of the training data held out for validation: ``fit(validation=pynn.Split(0.1))``.

    Parameters
    ----------
    share : float
        Between 0 and 1, rounded to whole samples.
    stratify : bool, default True
        As for `split`.
    seed : int, optional
        Seed of the split. By default that of the order of samples, so that several calls of fit hold out the same
        samples.
    """

    def __init__(self, share: float, *, stratify: bool = True, seed: int | None = None) -> None:
        expect_numbers("validation", PART, share=share)
        expect_flag("validation", stratify=stratify)
        if seed is not None:
            checks.check_seed(seed)
        self.share, self.stratify, self.seed = share, stratify, seed

    def places(self, x: Array, y: Array, seed: int = 0) -> Part:
        """Return the indices of the samples to train on and of those held out, each in the order of the data.

        Parameters
        ----------
        x, y : array (N, ...)
            The data.
        seed : int, default 0
            Used if the split has no seed.

        Returns
        -------
        tuple of array
            The indices of both parts.

        Raises
        ------
        ValueError
            As for `split`.
        """
        train, held_out = _places(x, y, self.share, seed if self.seed is None else self.seed, self.stratify)
        return np.sort(train), np.sort(held_out)

    def __repr__(self) -> str:
        return constructor_text(self)


def _places(x: Array, y: Array, share: float, seed: int, stratify: bool) -> Part:
    """Return the indices of both parts, in random order."""
    arrays.check_pairs("x", x, "y", y)
    checks.check_seed(seed)
    expect_numbers("", PART, share=share)
    expect_flag("", stratify=stratify)
    if len(x) < 2:
        raise ValueError("x has 1 sample, expected at least 2, one for each part")
    train, test = stratified(labels_of(y), share, int(seed)) if stratify else drawn(len(x), share, int(seed))
    if len(test) == 0:
        raise ValueError("no label of y occurs twice, so no class can be in both parts; pass stratify=False")
    return train, test


def labels_of(y: Array) -> Array:
    """Return labels as numbers 0..C-1; ValueError for targets that are none."""
    if y.ndim != 1:
        raise ValueError(f"y has shape {y.shape}, expected labels (N,) to stratify by; pass stratify=False for targets")
    if y.dtype.kind not in "iubUSO":
        raise ValueError(f"y has dtype {y.dtype}, expected labels to stratify by; pass stratify=False for numbers")
    return numbered(y)


def numbered(labels: Array) -> Array:
    """Labels of any kind as numbers 0..C-1."""
    return np.unique(labels.astype(str) if labels.dtype.kind == "O" else labels, return_inverse=True)[1]


def stratified(labels: NDArray[Any], share: float, seed: int) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Return training and test indices, each in random order, with the same share of every class.

    Each class of two or more has at least one sample in each part; a single sample is in the training part.
    """
    order = _permutation(len(labels), seed)
    in_test = np.zeros(len(labels), bool)
    by_class = np.argsort(labels[order], kind="stable")  # positions of each class, in the drawn order
    for places in np.split(by_class, np.flatnonzero(np.diff(labels[order][by_class])) + 1):
        in_test[places[: _count(len(places), share)]] = True
    return order[~in_test], order[in_test]


def drawn(count: int, share: float, seed: int) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Return training and test indices, each in random order."""
    order = _permutation(count, seed)
    in_test = _count(count, share)
    return order[in_test:], order[:in_test]


def _count(count: int, share: float) -> int:
    return min(max(round(count * share), 1), count - 1)


def _permutation(count: int, seed: int) -> NDArray[np.intp]:
    return np.random.Generator(np.random.Philox(key=seed)).permutation(count)
