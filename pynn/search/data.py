"""The samples of a search and their parts: the same for every trial, put in order once. Knows no models.

With k folds the samples stand twice, one fold after the other, and between them once what all folds train on: what a
fold trains on then is a piece of that array, and so is what it is validated on. Nothing is gathered or copied for a
trial.
"""

from __future__ import annotations

from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from ..checks import Count, chosen_seed, is_number
from ..data import arrays, equal_rows, tables
from ..data.split import Split, labels_of, numbered
from ..messages.terminal import brief
from ..typing import Array
from . import dealing, parts
from .contents import fingerprint

SHARE = 0.2  # for validation, if there are no folds and nothing else is said


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
        The samples; with folds, each of them twice, but for those that are in none.
    stops : list of int
        Where each fold ends; one number is the end of the training part, which the validation part follows.
    validation : tuple, optional
        Samples of the user's own to validate on.
    parts : dict
        How they were made, of `parts`, to compare two searches.
    """

    def __init__(
        self, x: Any, y: Array, weights: Array | None, stops: list[int], validation: Any, parts: dict[str, Any]
    ) -> None:
        self.x, self.y, self.weights = x, y, weights
        self.stops, self.validation, self.parts = stops, validation, parts

    @property
    def folds(self) -> int:
        """How often a trial trains."""
        return len(self.stops)

    @property
    def samples(self) -> int:
        """Number of samples."""
        return len(self.y) if self.folds == 1 else len(self.y) - self.stops[-1]

    @cached_property
    def contents(self) -> str:
        """The fingerprint of all samples."""
        return fingerprint(self.x, self.y, self.weights, *(self.validation or ()))

    def part(self, fold: int) -> Part:
        """The samples of a fold: pieces of the arrays, no copies, not to be written to: other folds have them too."""
        if self.validation is not None:
            held_out = tuple(_fixed(one) for one in self.validation)
            return Part(_fixed(self.x), _fixed(self.y), _fixed(self.weights), held_out)
        stop = self.stops[fold]
        if self.folds == 1:
            train, held = slice(0, stop), slice(stop, len(self.y))
        else:
            held = slice(self.stops[fold - 1] if fold else 0, stop)
            train = slice(stop, self.samples + held.start)
        arrays = [self.x, self.y] if self.weights is None else [self.x, self.y, self.weights]
        x, y, *weights = (_fixed(_rows(one, train)) for one in arrays)
        return Part(x, y, weights[0] if weights else None, tuple(_fixed(_rows(one, held)) for one in arrays))


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
        if validation is not None:
            raise ValueError(
                f"Search: validation and folds={brief(folds)} are two ways to score a trial; leave one out"
            )
        return _in_folds(rows, targets, weights, folds, labels, seed)
    if isinstance(validation, (tuple, list)):
        return _with_own(rows, targets, weights, validation, groups)
    return _in_two(rows, targets, weights, SHARE if validation is None else validation, labels, seed)


def _with_own(x: Any, y: Array, weights: Array | None, validation: Any, groups: Any) -> Data:
    if groups is not None:
        raise ValueError("Search: groups need folds, or a share for validation; validation has samples of its own")
    if len(validation) not in (2, 3):
        raise ValueError(f"Search: validation has {len(validation)} arrays, expected (x, y), or with sample_weight")
    held = tuple(validation)
    return Data(x, y, weights, [len(y)], held, parts.own(len(arrays.as_array("validation", held[1]))))


def _in_two(x: Any, y: Array, weights: Array | None, validation: Any, groups: Array | None, seed: int) -> Data:
    """A training part and a validation part."""
    if is_number(validation):
        split = Split(validation, stratify=_are_labels(y))
    elif isinstance(validation, Split):
        split = validation
    else:
        raise TypeError(f"Search: validation is {brief(validation)}, expected a share, a pynn.Split, or (x, y)")
    together = ""
    if groups is not None:
        held, together = _held_groups(split, groups, y, seed), parts.GROUPS
    elif (equal := equal_rows.groups(x, y)) is not None:
        held, together = _held_equal(split, equal, y, seed), parts.EQUAL
    else:
        held = np.zeros(len(y), bool)
        held[split.places(_indices(y), y, seed)[1]] = True
    order = np.argsort(held, kind="stable")
    made = parts.share(split, together)
    return Data(_rows(x, order), y[order], _of(weights, order), [int(np.sum(~held))], None, made)


def _held_groups(split: Split, groups: Array, y: Array, seed: int) -> Array:
    """Whether each sample is held out: whole groups, up to the share."""
    classes = labels_of(y) if split.stratify else np.zeros(len(y), np.int64)
    part = dealing.dealt(groups, classes, (1 - split.share, split.share), _random(split, seed))
    dealing.fill_empty(part, np.bincount(groups))
    return np.asarray(part[groups] == 1)


def _held_equal(split: Split, equal: Array, y: Array, seed: int) -> Array:
    """Whether each sample is held out, equal ones together; those that are more than the share are trained on."""
    own, units, sizes = _not_too_large(equal, split.share * len(y))
    classes, first = np.zeros(len(own), np.int64), np.unique(units, return_index=True)[1]
    if split.stratify:
        labels = labels_of(y)[own]
        if y.ndim != 1 or len(np.unique(labels[first])) < len(first):  # else none has two different samples
            classes = numbered(labels)
    part = dealing.dealt(units, classes, (1 - split.share, split.share), _random(split, seed))
    for same in dealing.by_value(classes[first]):  # a class of two different samples has one in each part
        chosen = part[same]
        dealing.fill_empty(chosen, sizes[same])
        part[same] = chosen
    held = np.zeros(len(y), bool)
    held[own] = part[units] == 1
    return held


def _not_too_large(equal: Array, most: float) -> tuple[Array, Array, Array]:
    """The places of samples that do not occur too often, with the numbers of those that are equal, and their sizes."""
    sizes = np.bincount(equal)
    own = np.flatnonzero((sizes <= max(most, float(np.median(sizes))))[equal])
    units = numbered(equal[own])
    return own, units, np.bincount(units)


def _random(split: Split | None, seed: int) -> np.random.Generator:
    own = None if split is None else split.seed
    return np.random.default_rng([chosen_seed(seed if own is None else own), 0x666F6C64])


def _in_folds(x: Any, y: Array, weights: Array | None, folds: int, groups: Array | None, seed: int) -> Data:
    """Parts of which each is validated on once; a sample that fills more than one of them is always trained on."""
    Count(2)("Search", "folds", folds)
    own, units, what, together = _indices(y), _indices(y), "samples", ""
    if groups is not None:
        units, what, together = groups, "groups", parts.GROUPS
    elif (equal := equal_rows.groups(x, y)) is not None:
        own, units, _ = _not_too_large(equal, len(y) / folds)
        what, together = "different samples", parts.EQUAL
    if folds > (count := int(units.max()) + 1):
        raise ValueError(f"Search: folds is {folds}, but there are {count} {what}; take {count} folds or fewer")
    stratified = _are_labels(y)
    labels = numbered(y[own]) if stratified else np.zeros(len(own), np.int64)
    fold = dealing.dealt(units, labels, [1 / folds] * folds, _random(None, seed))[units]
    held = [own[fold == number] for number in range(folds)]
    always = np.setdiff1d(_indices(y), own)
    order = np.concatenate([*held, always, *held])
    stops = np.cumsum([len(part) for part in held]).tolist()
    made = parts.folds(folds, stratified, together)
    return Data(_rows(x, order), y[order], _of(weights, order), stops, None, made)


def _indices(y: Array) -> Array:
    return np.arange(len(y))


def _fixed(array: Any) -> Any:
    """A view of an array that cannot be written to; anything else as it is."""
    if not isinstance(array, np.ndarray):
        return array
    view = array.view()
    view.flags.writeable = False
    return view


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
