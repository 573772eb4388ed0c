"""The samples of a search and their parts: the same for every trial, put in order once. Knows no models.

With k folds the samples stand twice, one fold after the other: what a fold trains on then is a piece of that array, and
so is what it is validated on. Nothing is gathered or copied for a trial.
"""

from __future__ import annotations

from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from ..checks import Count, chosen_seed, is_number
from ..data import arrays, equal_rows, tables
from ..data.split import Split, numbered
from ..messages.terminal import brief
from ..typing import Array
from .contents import fingerprint

GROUPS, EQUAL = ", groups kept together", ", equal samples kept together"


class Part(NamedTuple):
    """What a fold trains on, and what `fit` takes as validation."""

    x: Any
    y: Array
    weights: Array | None
    validation: tuple[Any, ...]


class Data:
    """Samples in the order of their folds.

    Parameters
    ----------
    x, y, weights : array
        The samples; with folds, each of them twice.
    stops : list of int
        Where each fold ends; one number is the end of the training part, which the validation part follows.
    validation : tuple, optional
        Samples of the user's own to validate on.
    described : str
        How the parts were made, to compare two searches.
    """

    def __init__(
        self, x: Any, y: Array, weights: Array | None, stops: list[int], validation: Any, described: str
    ) -> None:
        self.x, self.y, self.weights = x, y, weights
        self.stops, self.validation, self.described = stops, validation, described

    @property
    def folds(self) -> int:
        """How often a trial trains."""
        return len(self.stops)

    @property
    def samples(self) -> int:
        """Number of samples."""
        return len(self.y) if self.folds == 1 else len(self.y) // 2

    @cached_property
    def contents(self) -> str:
        """The fingerprint of all samples."""
        return fingerprint(self.x, self.y, self.weights, *(self.validation or ()))

    def part(self, fold: int) -> Part:
        """The samples of a fold: pieces of the arrays, no copies."""
        if self.validation is not None:
            return Part(self.x, self.y, self.weights, self.validation)
        stop = self.stops[fold]
        if self.folds == 1:
            train, held = slice(0, stop), slice(stop, len(self.y))
        else:
            held = slice(self.stops[fold - 1] if fold else 0, stop)
            train = slice(stop, self.samples + held.start)
        weights = None if self.weights is None else self.weights[train]
        pair = (_rows(self.x, held), self.y[held])
        validation = pair if self.weights is None else (*pair, self.weights[held])
        return Part(_rows(self.x, train), self.y[train], weights, validation)


def read(
    x: Any, y: ArrayLike | None, weights: ArrayLike | None, validation: Any, folds: int | None, groups: Any, seed: int
) -> Data:
    """The samples, checked and put in order; TypeError or ValueError if they cannot be parted so."""
    if y is None:
        raise TypeError("Search: y is missing; a search parts the samples itself, so it needs arrays x and y")
    table = tables.columns(x) is not None
    rows: Any = x if table else arrays.samples("x", x)
    targets = arrays.as_array("y", y)
    arrays.check_pairs("x", rows, "y", targets)
    weights = None if weights is None else arrays.sample_weights("sample_weight", weights, len(targets))
    labels = None if groups is None else _groups(groups, len(targets))
    if folds is not None:
        return _in_folds(rows, targets, weights, folds, labels, seed)
    if isinstance(validation, (tuple, list)):
        return _with_own(rows, targets, weights, validation, groups)
    return _in_two(rows, targets, weights, validation, labels, seed)


def _with_own(x: Any, y: Array, weights: Array | None, validation: Any, groups: Any) -> Data:
    if groups is not None:
        raise ValueError("Search: groups need folds, or a share for validation; validation has samples of its own")
    if len(validation) not in (2, 3):
        raise ValueError(f"Search: validation has {len(validation)} arrays, expected (x, y), or with sample_weight")
    held = tuple(validation)
    return Data(x, y, weights, [len(y)], held, f"{len(arrays.as_array('validation', held[1]))} samples of their own")


def _in_two(x: Any, y: Array, weights: Array | None, validation: Any, groups: Array | None, seed: int) -> Data:
    """A training part and a validation part."""
    stratify = _are_labels(y)
    if is_number(validation):
        split = Split(validation, stratify=stratify)
    elif isinstance(validation, Split):
        split = validation
    else:
        raise TypeError(f"Search: validation is {brief(validation)}, expected a share, a pynn.Split, or (x, y)")
    together = ""
    if groups is not None:
        parts = _dealt(_indices(y), groups, y if stratify else None, max(2, round(1 / split.share)), seed)
        held, train, together = parts[0], np.sort(np.concatenate(parts[1:])), GROUPS
    elif (equal := equal_rows.groups(x, y)) is not None:
        train, held = _split_equal(split, equal, y, seed)
        together = EQUAL
    else:
        train, held = split.places(_indices(y), y, seed)
    order = np.concatenate([train, held])
    described = f"{split!r}{together}"
    return Data(_rows(x, order), y[order], _of(weights, order), [len(train)], None, described)


def _split_equal(split: Split, equal: Array, y: Array, seed: int) -> tuple[Array, Array]:
    """The places of both parts, equal samples together; those that are more than the share are trained on."""
    first, sizes = np.unique(equal, return_index=True)[1], np.bincount(equal)
    small = np.flatnonzero(sizes <= max(split.share * len(y), np.median(sizes)))
    labels = y[first[small]]
    if split.stratify and y.ndim == 1 and len(set(labels.tolist())) == len(labels):  # none has two different samples
        split = Split(split.share, stratify=False, seed=split.seed)
    held = np.zeros(len(first), bool)
    held[small[split.places(small, labels, seed)[1]]] = True
    return np.flatnonzero(~held[equal]), np.flatnonzero(held[equal])


def _in_folds(x: Any, y: Array, weights: Array | None, folds: int, groups: Array | None, seed: int) -> Data:
    Count(2)("Search", "folds", folds)
    what, together = ("samples", "") if groups is None else ("groups", GROUPS)
    equal = equal_rows.groups(x, y) if groups is None else None
    if equal is not None:
        what, together = "different samples", EQUAL
    own = groups if equal is None else equal
    units = len(y) if own is None else int(own.max()) + 1
    if folds > units:
        raise ValueError(f"Search: folds is {folds}, but there are {units} {what}; take {units} folds or fewer")
    labels = y if _are_labels(y) else None
    parts = _dealt(_indices(y), groups, labels, folds, seed, equal)
    order = np.concatenate([*parts, *parts])
    stops = np.cumsum([len(part) for part in parts]).tolist()
    described = f"{folds} folds{together}"
    return Data(_rows(x, order), y[order], _of(weights, order), stops, None, described)


def _indices(y: Array) -> Array:
    return np.arange(len(y))


def _rows(x: Any, chosen: Any) -> Any:
    """Rows of an array or of a data frame, which stays one."""
    return getattr(x, "iloc", x)[chosen]


def _of(weights: Array | None, order: Array) -> Array | None:
    return None if weights is None else weights[order]


def _are_labels(y: Array) -> bool:
    """Whether y has classes that occur often enough to be in every part."""
    if y.ndim != 1 or y.dtype.kind not in "iubUSO":
        return False
    try:
        count = len(np.unique(y))
    except TypeError:  # labels of kinds that cannot be compared
        return False
    return count <= len(y) / 4


def _groups(groups: Any, count: int) -> Array:
    """The group of each sample as a number."""
    array = np.asarray(tables.series(groups))
    if array.shape != (count,):
        raise ValueError(f"Search: groups has shape {array.shape}, expected ({count},), the group of each sample")
    numbers = numbered(array)
    if numbers.max() < 1:
        raise ValueError("Search: groups has one group, expected at least 2: a group is never in both parts")
    return numbers


def _dealt(
    places: Array, groups: Array | None, labels: Array | None, folds: int, seed: int, equal: Array | None = None
) -> list[Array]:
    """The places of each fold, in the order of the data, with the same shares of each label as far as possible."""
    random = np.random.default_rng([chosen_seed(seed), 0x666F6C64])
    classes = np.zeros(len(places), np.int64) if labels is None else numbered(labels)
    if groups is not None:
        fold = _by_group(groups, classes, folds, random)
    elif equal is not None:
        first, sizes = np.unique(equal, return_index=True)[1], np.bincount(equal)
        fold = _by_sample(classes[first], folds, random, sizes)[equal]
    else:
        fold = _by_sample(classes, folds, random)
    return [places[fold == number] for number in range(folds)]


def _by_sample(classes: Array, folds: int, random: np.random.Generator, sizes: Array | None = None) -> Array:
    """Deal out the samples of one class after the other, so that folds differ by one sample at most.

    sizes: how often each stands there; the most frequent of a class come first.
    """
    order = random.permutation(len(classes))
    if sizes is not None:
        order = order[np.argsort(-sizes[order], kind="stable")]
    order = order[np.argsort(classes[order], kind="stable")]
    fold = np.empty(len(classes), np.int64)
    fold[order] = np.arange(len(classes)) % folds
    return fold


def _by_group(groups: Array, classes: Array, folds: int, random: np.random.Generator) -> Array:
    """Give each group, large ones first, to the fold that lacks most of its classes."""
    counts = np.zeros((int(groups.max()) + 1, int(classes.max()) + 1))
    np.add.at(counts, (groups, classes), 1)
    shares = counts / counts.sum(axis=0)
    taken, fold = np.zeros((folds, counts.shape[1])), np.empty(len(counts), np.int64)
    order = random.permutation(len(counts))
    for group in order[np.argsort(-counts[order].max(axis=1), kind="stable")]:
        chosen = int(np.lexsort((taken.sum(axis=1), taken @ shares[group]))[0])
        fold[group] = chosen
        taken[chosen] += shares[group]
    return np.asarray(fold[groups])
