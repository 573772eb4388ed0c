"""LabelLoss: losses whose targets are labels, one class out of C."""

from __future__ import annotations

import math

import numpy as np

from ..data.arrays import as_array
from ..typing import Array
from .base import Loss, in_dtype

INT64 = np.dtype(np.int64)


class LabelLoss(Loss):
    """Base of the losses of scores (N, C) and labels (N,) of 0..C-1; a prediction is the first largest score.

    Raises
    ------
    ValueError
        For a label outside 0..C-1.

    Notes
    -----
    Sequences of scores (N, T, C) take labels (N, T), images (N, H, W, C) take labels (N, H, W): the loss is the mean
    over samples and positions, accuracy the share of positions that are right. A sample's weight holds for all its
    positions."""

    _counts = True  # whether the kernel's hits are those of `correct`, which a subclass may override

    def _measure(self, outputs: Array, labels: Array, weights: Array | None, gradient: Array) -> tuple[float, float]:
        """Return loss and hits; write the gradient into the array."""
        raise NotImplementedError(f"{type(self).__name__} has no _measure(outputs, labels, weights, gradient)")

    def forward(self, outputs: Array, targets: Array, weights: Array | None = None) -> float:
        if type(targets) is not np.ndarray or targets.dtype is not INT64 or not targets.flags.c_contiguous:
            targets = self.targets(targets, outputs.shape[1:])
        if weights is not None:
            weights = in_dtype(weights, outputs.dtype)
        mine = self._memories.mine
        if outputs.ndim == 2:
            gradient = mine.gradient  # a model passes the same array each time
            if gradient is None or mine.outputs is not outputs:
                gradient = self._gradient_like(outputs)
            value, hits = self._measure(outputs, targets, weights, gradient)
        else:
            value, hits = self._measure_places(np.ascontiguousarray(outputs), targets, weights)
        mine.hits = hits if self._counts and value == value else None  # with NaN, `correct` decides
        return value

    def _measure_places(self, outputs: Array, labels: Array, weights: Array | None) -> tuple[float, float]:
        """Treat each position (n, t) as a sample; a sample's hits are the share of its positions that are right."""
        if labels.shape != outputs.shape[:-1]:
            labels = self.targets(labels, outputs.shape[1:])  # raises
        rows, places = (-1, outputs.shape[-1]), math.prod(outputs.shape[1:-1])
        weights = None if weights is None else np.repeat(weights, places)
        gradient = self._gradient_like(outputs).reshape(rows)
        try:
            value, hits = self._measure(outputs.reshape(rows), labels.reshape(-1), weights, gradient)
        except ValueError:
            self.targets(labels, outputs.shape[1:])  # names the position of the label
            raise
        return value, hits / places

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        base = LabelLoss
        cls._counts = cls.forward is base.forward and cls.correct is base.correct and cls.predict is base.predict

    def targets(self, y: Array, output_shape: tuple[int, ...]) -> Array:
        if not output_shape:
            raise ValueError(f"{type(self).__name__}: outputs have shape (N,), expected (N, C)")
        y, classes, name = as_array("y", y), output_shape[-1], type(self).__name__
        if classes == 1:
            raise ValueError(
                f"the model has one output, but {name} needs one for each class: for regression use loss='l2', for two "
                "classes loss='binary_cross_entropy', for C classes a last layer of C units"
            )
        if len(output_shape) > 1:
            _expect_places(y, output_shape)
        elif y.ndim != 1:
            hint = "; a column (N, 1) becomes (N,) by y.ravel()" if y.ndim == 2 and y.shape[1] == 1 else ""
            hint = "; one-hot rows become labels by y.argmax(axis=1)" if y.ndim == 2 and y.shape[1] > 1 else hint
            raise ValueError(f"y has shape {y.shape}, expected class labels of shape (N,){hint}")
        if y.dtype.kind not in "iub":
            cure = "make them with `classes, y = numpy.unique(y, return_inverse=True)`"
            if y.dtype.kind == "f":
                if (missing := np.isnan(y)).any():
                    raise ValueError(f"y[{_first(missing)}] is nan, expected a label; drop such samples first")
                cure = f"{name} learns classes; for regression use loss='l2' and a last layer of one unit"
            raise TypeError(f"y has dtype {y.dtype}, expected integer class labels 0..{classes - 1}; {cure}")
        outside = (y < 0) | (y >= classes)
        if outside.any():
            count, first = len(np.unique(y)), y[outside][0]
            raise ValueError(
                f"y[{_first(outside)}] is {first}, expected a label of 0..{classes - 1}: the model has {classes} "
                f"outputs, and y {count} classes" + (f"; use a last layer of {count} units" if count > classes else "")
            )
        return np.ascontiguousarray(y, np.int64)

    def classes(self, output_shape: tuple[int, ...]) -> int:
        return output_shape[-1]

    def predict(self, outputs: Array) -> Array:
        labels: Array = outputs.argmax(axis=-1)
        return labels

    def correct(self, outputs: Array, targets: Array) -> Array | int | None:
        right, lost = np.asarray(self.predict(outputs) == targets), np.isnan(outputs)
        return right & ~lost.any(axis=-1) if lost.any() else right


def _first(bad: Array) -> str:
    """The index of the first True as text: "3", "3, 0"."""
    return ", ".join(map(str, np.argwhere(bad)[0]))


def _expect_places(y: Array, output_shape: tuple[int, ...]) -> None:
    """Raise ValueError unless y has a label for each position of the outputs."""
    if y.shape[1:] == output_shape[:-1]:
        return
    outputs, expected = (", ".join(["N", *map(str, shape)]) for shape in (output_shape, output_shape[:-1]))
    hint = "; if each sample has one label, put Flatten() or a global average before the last Affine"
    if y.shape[1:] == output_shape:
        hint = "; one-hot rows become labels by y.argmax(axis=-1)"
    elif y.shape[1:] == (*output_shape[:-1], 1):
        hint = "; labels (..., 1) become (...) by y[..., 0]"
    raise ValueError(
        f"y has shape {y.shape}, expected ({expected}), a label for each position of the outputs ({outputs}){hint}"
    )
