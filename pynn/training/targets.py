"""The form of a model's targets: labels of any kind, columns, numbers in their own units. Knows no models.

`encode` converts a user's targets for the loss, `decode` converts predictions back.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Protocol

import numpy as np
from numpy.typing import ArrayLike

from ..checks import expect_instance
from ..data import tables
from ..data.arrays import expect_unmasked
from ..losses import Loss
from ..losses.attributes import AttributeLoss
from ..messages.terminal import brief
from ..preprocessing import Transformer
from ..typing import Array, Shape

FEW = 64  # rows that are brought into the user's units the quick way


@dataclass(frozen=True, eq=False)
class Targets:
    """The form of a model's targets.

    classes: the labels in the order of the outputs, unless they are 0..C-1 (or no and yes). column: whether labels came
    as (N, 1). flat: whether numbers or answers of one output came as (N,). truth: whether answers of yes and no came as
    booleans. family: the kind of loss that they are for: "labels", "answers" of yes and no, "numbers", or "amounts",
    numbers which preprocessing may not change. scaling: a fitted transformer of numbers, or None.
    """

    classes: Array | None = None
    column: bool = False
    flat: bool = False
    truth: bool = False
    scaling: Transformer | None = None
    family: str = "labels"

    # Between user and loss ------------------------------------------------------------------------

    def encode(self, loss: Loss, y: ArrayLike, output_shape: Shape, name: str = "y") -> Array:
        """y as the loss reads it; TypeError or ValueError if it does not fit."""
        array = read(y, name)
        if self.classes is not None:
            array = self._places(array.reshape(-1) if self._is_column(array, output_shape) else array, name)
            return loss.targets(array if not _binary(loss, output_shape) else self._answers(loss, array), output_shape)
        if loss.classes(output_shape) is not None:
            array = _whole(array.reshape(-1) if self._is_column(array, output_shape) else array)
        elif self.scaling is not None:
            return self._scaled(loss, array, output_shape, name)
        return loss.targets(array, output_shape)

    def decode(self, loss: Loss, predictions: Array) -> Array:
        """Predictions of the loss in the shape and kind of the user's targets."""
        decoded = predictions
        if self.scaling is not None:
            decoded = loss._rescaled(decoded, self)
        if self.classes is not None:
            places = (decoded > loss._middle).astype(np.int64) if isinstance(loss, AttributeLoss) else decoded
            decoded = self.classes[places]
        elif self.truth and isinstance(loss, AttributeLoss):
            decoded = decoded > loss._middle
        return self.shaped(decoded)

    def shaped(self, decoded: Array) -> Array:
        """Predictions (N, ...) in the shape of the user's targets."""
        if self.flat and decoded.ndim == 2 and decoded.shape[1] == 1:
            return decoded.reshape(-1)
        return decoded.reshape(-1, 1) if self.column and decoded.ndim == 1 else decoded

    def units(self, numbers: Array) -> Array:
        """Outputs or targets of the loss in the units of the user's numbers, float64: large ones may hardly differ."""
        if self.scaling is None:
            return numbers
        rows = numbers.astype(np.float64)
        if rows.ndim != 2:
            rows = rows.reshape(len(rows), -1)
        if len(rows) <= FEW:  # without the checks of inverse_transform, which find what is wrong
            quick = self.scaling._undo(rows)
            if math.isfinite(quick.item() if quick.size == 1 else quick.sum()):
                return quick if quick.shape == numbers.shape else quick.reshape(numbers.shape)
        return self.scaling.inverse_transform(rows).reshape(numbers.shape)

    def unlimited(self) -> Unlimited:
        """The same way back without limits such as the range of the training targets: for spreads."""
        return Unlimited(self)

    def measured(self, loss: Loss, outputs: Array) -> Array:
        """What the outputs say of the targets, in the units of the user's numbers."""
        numbers = loss._numbers(outputs)
        return numbers if self.scaling is None else loss._in_units(numbers, self)

    def spread(self, deviations: Array, around: Array) -> Array:
        """Standard deviations of outputs `around` these values, in the units of the user's numbers, without limits."""
        if self.scaling is None:
            return deviations
        units = self.unlimited().units
        around = around.astype(np.float64)
        difference: Array = np.abs(units(around + deviations) - units(around))
        return difference

    def _scaled(self, loss: Loss, y: Array, output_shape: Shape, name: str) -> Array:
        assert self.scaling is not None
        shaped = loss.targets(y, output_shape)
        rows = shaped.reshape(len(shaped), -1)
        scaled = self.scaling.apply(self.scaling.accepted(rows, name, "the model"), np.float64)
        return loss.targets(scaled.reshape(shaped.shape), output_shape)

    def _is_column(self, y: Array, output_shape: Shape) -> bool:
        return y.ndim == 2 and y.shape[1] == 1 and len(output_shape) == 1

    def _places(self, y: Array, name: str) -> Array:
        """The index of each label among the classes."""
        assert self.classes is not None
        known = {label: place for place, label in enumerate(self.classes.tolist())}
        labels, inverse = np.unique(comparable(y, name), return_inverse=True)
        for label in labels.tolist():
            if label not in known:
                where = int(np.argmax(y.reshape(-1) == label))
                raise ValueError(
                    f"{name}[{where}] is {brief(label)}, which is none of the model's classes, "
                    f"{tables.listed(self.classes.tolist(), 10)}; use replace_head() for a new task"
                )
        return np.array([known[label] for label in labels.tolist()], np.int64)[inverse].reshape(y.shape)

    def _answers(self, loss: Loss, places: Array) -> Array:
        """The second class as yes, the first as no, in the numbers that the loss uses."""
        assert isinstance(loss, AttributeLoss)
        return np.where(places == 1, 1, loss._no)

    # Between model and file -----------------------------------------------------------------------

    def to_data(self) -> dict[str, Any]:
        """The form as plain data, without the scaling; defaults are left out."""
        data: dict[str, Any] = {name: True for name in ("column", "flat", "truth") if getattr(self, name)}
        if self.classes is not None:
            data["classes"] = self.classes.tolist()
        return data

    @classmethod
    def from_data(cls, data: Any) -> Targets:
        """The form from the result of `to_data`; TypeError or ValueError for anything else."""
        if not isinstance(data, Mapping) or not set(data) <= {"column", "flat", "truth", "classes"}:
            raise TypeError(f"targets is {brief(data)}, expected what a model file says of its targets")
        flags = {name: data.get(name, False) for name in ("column", "flat", "truth")}
        if not all(isinstance(flag, bool) for flag in flags.values()):
            raise TypeError(f"targets is {brief(data)}, expected true or false for column, flat and truth")
        classes = data.get("classes")
        if classes is not None:
            kinds = {type(label) for label in classes} if isinstance(classes, list) else set()
            if kinds not in ({str}, {int}, {bool}, {float}) or len(set(classes)) < len(classes):
                raise TypeError(f"classes is {brief(classes)}, expected a list of labels that differ, all of one kind")
            if kinds == {str} and len(classes) * max(map(len, classes)) > 16 * sum(map(len, classes)) + 10**6:
                raise ValueError(f"classes has a label of {max(map(len, classes))} characters, too long to store")
            classes = np.array(classes)
            if classes.dtype.kind == "O" or len(np.unique(classes)) < len(classes):
                raise TypeError(f"classes is {brief(data['classes'])}, expected labels that differ as NumPy has them")
        return cls(classes=classes, **flags)


@dataclass(frozen=True, eq=False)
class Unlimited:
    """The way back from outputs to the user's numbers that no limit clips."""

    form: Targets

    def units(self, numbers: Array) -> Array:
        """As `Targets.units`."""
        scaling = self.form.scaling
        if scaling is None:
            return numbers
        rows = numbers.reshape(len(numbers), -1).astype(np.float64)
        undone: Array = scaling._undo_unlimited(rows).reshape(numbers.shape)
        return undone

    def spread(self, deviations: Array, around: Array) -> Array:
        """As `Targets.spread`."""
        return self.form.spread(deviations, around)


# Learning the form from the first data ------------------------------------------------------------


class Answering(Protocol):
    """What `learned` and `known` need of a built model."""

    loss: Loss
    targets: Targets | None

    @property
    def output_shape(self) -> Shape: ...

    @property
    def dtype(self) -> np.dtype[Any]: ...


def learned(
    model: Answering,
    loss: Loss,
    y: ArrayLike,
    scaling: Transformer | None = None,
    labels: bool = True,
    every: ArrayLike | None = None,
) -> Targets:
    """The form of these targets; what the loss cannot read is left for the loss to refuse.

    Classes and scaling of the model stay if its loss was of the same family. scaling: a transformer to fit to the
    numbers, as a copy. labels: False if y may lack some labels. every: the targets with the held-out ones, by default
    y.
    """
    array, shape = read(y), model.output_shape
    family = _family(loss, shape)
    before = known(model, loss) or Targets(family=family)
    if scaling is not None:
        _expect_scaling(scaling, loss, family)
    if family in ("numbers", "amounts"):
        form = replace(before, flat=array.ndim == 1 and (loss._has_points or math.prod(shape) == 1))
        if scaling is None:
            return form
        return replace(form, scaling=_fitted(scaling, loss.targets(array, shape), model.dtype))
    if family == "answers":
        form = replace(before, flat=array.ndim == 1 and math.prod(shape) == 1, truth=array.dtype.kind == "b")
    else:
        form = replace(before, column=before._is_column(array, shape))
    if before.classes is not None or model.targets is before or not labels:
        return form
    whole = array if every is None else read(every)
    if family == "labels":
        return replace(form, classes=_classes(whole, loss.classes(shape) or 0))
    if _binary(loss, shape) and not _answers_as_they_are(loss, whole):
        return replace(form, classes=_two_classes(whole))
    return form


def _expect_scaling(scaling: Transformer, loss: Loss, family: str) -> None:
    """TypeError for a transformer that cannot be applied to the targets of this loss."""
    if family == "amounts":
        raise TypeError(
            f"target_preprocessing changes the targets, but {type(loss).__name__} is for y itself, whose mean is "
            "e^output: leave it out, and divide large targets by a constant"
        )
    if family != "numbers":
        raise TypeError(f"target_preprocessing needs a loss of numbers, which {type(loss).__name__} is not")
    expect_instance(scaling, Transformer, "target_preprocessing")
    if scaling.bounded:
        raise TypeError(
            f"target_preprocessing is {scaling!r}, which has no way back for predictions beyond its limit; leave "
            "SmoothClip out, or use ClipToRange"
        )


def _fitted(scaling: Transformer, numbers: Array, dtype: np.dtype[Any]) -> Transformer:
    """A copy that is fitted to these targets; ValueError if predictions in this dtype could not tell them apart."""
    spread = float(np.ptp(numbers)) if numbers.size else 0.0
    if 0 < spread < np.finfo(dtype).tiny:
        raise ValueError(
            f"y spreads by {spread:.3g}, which predictions in {dtype} cannot hold: scale y up first, or build the "
            "model with dtype='float64'"
        )
    return scaling.unfitted().fit(numbers.reshape(len(numbers), -1))


def known(model: Answering, loss: Loss) -> Targets | None:
    """The form of the model's targets, if its loss was of the same family."""
    before = model.targets
    return before if before is not None and before.family == _family(loss, model.output_shape) else None


def probabilities(loss: Loss, outputs: Array) -> Array:
    """Probabilities (N, C), one column per class, also if a single output answers yes or no."""
    expect_scores(loss, outputs)
    columns = loss.probabilities(outputs)
    if _binary(loss, outputs.shape[1:]):
        yes = columns.reshape(-1, 1)
        return np.concatenate([1 - yes, yes], axis=1)
    return columns


def expect_scores(loss: Loss, outputs: Array) -> None:
    """ValueError for a single output and a loss that takes one for each class: every sample would be of class 0."""
    if loss.classes(outputs.shape[1:]) == 1:
        raise ValueError(
            f"the model has one output, but its loss, {type(loss).__name__}, needs one for each class: assign the loss "
            "that it was trained with, as fit does: model.loss = pynn.SquaredError(), for example"
        )


def _family(loss: Loss, output_shape: Shape) -> str:
    if loss.classes(output_shape) is not None:
        return "labels"
    if isinstance(loss, AttributeLoss):
        return "answers"
    return "amounts" if loss._keeps_targets else "numbers"


def loaded(form: Targets, loss: Loss, output_shape: Shape) -> Targets:
    """The form from a file, for this loss; ValueError if the number of classes does not match the outputs."""
    count = 2 if _binary(loss, output_shape) else loss.classes(output_shape)
    if form.classes is not None and len(form.classes) != count:
        raise ValueError(f"there are {len(form.classes)} classes for outputs of shape {output_shape}")
    return replace(form, family=_family(loss, output_shape))


def of_classes(loss: Loss, classes: ArrayLike, output_shape: Shape) -> Targets:
    """The form of labels that are known in advance: ``partial_fit(classes=...)``."""
    labels = read(classes, "classes")
    count = loss.classes(output_shape)
    if count is None and not _binary(loss, output_shape):
        raise TypeError(f"classes needs a loss of class labels, which {type(loss).__name__} is not")
    if count is None:
        answers = _answers_as_they_are(loss, labels)
        return Targets(flat=True, classes=None if answers else _two_classes(labels, "classes"), family="answers")
    form = Targets(classes=_classes(labels, count, "classes"))
    form.encode(loss, labels, output_shape[-1:], "classes")  # refuses labels that these outputs cannot have
    return form


def read(y: Any, name: str = "y") -> Array:
    """Targets as an array, from a list, series or frame; checks only that no label is missing."""
    if type(y) is np.ndarray and y.dtype.kind in "fiub":
        return y
    expect_unmasked(name, y)
    names = tables.columns(y)
    if names is None:
        plain = tables.series(y)
    else:
        plain = tables.series(y[names[0]]).reshape(-1, 1) if len(names) == 1 else tables.plain(y, name)
    if plain.dtype.kind == "S":
        plain = plain.astype(str)
    if plain.dtype.kind == "O":
        flat = plain.reshape(-1)
        for place, label in enumerate(flat.tolist()):
            if tables.absent(label):
                raise ValueError(f"{name}[{place}] is missing ({label}); drop such samples first")
    return np.asarray(plain)


def _binary(loss: Loss, output_shape: Shape) -> bool:
    """Whether a single output answers yes or no."""
    return isinstance(loss, AttributeLoss) and math.prod(output_shape) == 1


def _whole(y: Array) -> Array:
    """Integer labels that came as floats, as integers; others unchanged."""
    if y.dtype.kind == "f" and y.size and np.isfinite(y).all() and (y == np.floor(y)).all() and np.abs(y).max() < 2**53:
        return y.astype(np.int64)
    return y


def _classes(y: Array, count: int, name: str = "y") -> Array | None:
    """The labels that occur, sorted, unless they are 0..count-1 or no labels; then None."""
    y = _whole(y)
    if y.dtype.kind == "b":
        return np.array([False, True]) if count == 2 else None
    if y.dtype.kind in "iu":
        if not y.size or (y.min() >= 0 and y.max() < count):
            return None
        labels = np.unique(y)
        return labels if len(labels) == count else None
    if y.dtype.kind not in "OSU":
        return None
    labels = np.unique(comparable(y, name))
    if len(labels) != count:
        raise ValueError(
            f"{name} has {len(labels)} classes, {tables.listed(labels.tolist())}, but the model has {count} outputs: "
            f"make the last layer one of {len(labels)} units"
            + ("" if len(labels) > count else ", or name all classes with partial_fit(..., classes=[...])")
        )
    return labels


def _two_classes(y: Array, name: str = "y") -> Array | None:
    """The two labels that occur, sorted; None if there are not two."""
    if y.dtype.kind == "b":
        return np.array([False, True])
    if y.dtype.kind == "f" or y.ndim > 2 or (y.ndim == 2 and y.shape[1] != 1):
        whole = _whole(y)
        if whole is y:
            return None
        y = whole
    labels = np.unique(comparable(y, name))
    if len(labels) == 2:
        return labels
    if y.dtype.kind in "OSU":
        if len(labels) == 1:
            raise ValueError(
                f"{name} has one class, {labels.tolist()[0]!r}, but one output distinguishes two: name both with "
                "partial_fit(..., classes=[...])"
            )
        raise ValueError(
            f"{name} has {len(labels)} classes, {tables.listed(labels.tolist())}, but the model has one output, which "
            f"answers yes or no: make the last layer one of {len(labels)} units, with loss='softmax_cross_entropy'"
        )
    return None


def _answers_as_they_are(loss: AttributeLoss | Loss, y: Array) -> bool:
    """Whether a loss of yes and no reads these targets unchanged."""
    if y.dtype.kind not in "fiu":
        return False
    try:
        loss.targets(y if y.ndim != 1 else y.reshape(-1, 1), (1,))
    except ValueError:
        return False
    return True


def comparable(y: Array, name: str) -> Array:
    """Labels that can be sorted; TypeError for an array of objects of several kinds."""
    if y.dtype.kind != "O":
        return y
    kinds = sorted({type(label).__name__ for label in y.reshape(-1).tolist()})
    raise TypeError(f"{name} holds {' and '.join(kinds)}, expected labels of one kind, numbers or text")
