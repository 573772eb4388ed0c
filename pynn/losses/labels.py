"""LabelLoss: what losses share whose targets are labels, one class out of C."""

from __future__ import annotations

import numpy as np

from .base import Array, Loss, in_dtype

INT64 = np.dtype(np.int64)


class LabelLoss(Loss):
    """Base of the losses of scores (N, C) and labels y (N,) of 0..C-1. A prediction is the first largest score.

    Raises ValueError for a label outside 0..C-1.
    """

    _counts = True  # whether the hits of the kernel are those of `correct`: a subclass may see its outputs differently

    def _measure(self, outputs: Array, labels: Array, weights: Array | None, gradient: Array) -> tuple[float, float]:
        """Loss and hits; the gradient goes into the array."""
        raise NotImplementedError(f"{type(self).__name__} has no _measure(outputs, labels, weights, gradient)")

    def forward(self, outputs: Array, targets: Array, weights: Array | None = None) -> float:
        if type(targets) is not np.ndarray or targets.dtype is not INT64 or not targets.flags.c_contiguous:
            targets = self.targets(targets, outputs.shape[1:])
        if weights is not None:
            weights = in_dtype(weights, outputs.dtype)
        value, hits = self._measure(outputs, targets, weights, self._gradient_like(outputs))
        self.hits = hits if self._counts else None
        return value

    def __init_subclass__(cls) -> None:
        own = LabelLoss
        cls._counts = cls.forward is own.forward and cls.correct is own.correct and cls.predict is own.predict

    def targets(self, y: Array, output_shape: tuple[int, ...]) -> Array:
        if len(output_shape) != 1:
            raise ValueError(
                f"{type(self).__name__}: outputs have shape ({', '.join(['N', *map(str, output_shape)])}), "
                "expected (N, C)"
            )
        y, classes, name = np.asarray(y), output_shape[0], type(self).__name__
        if classes == 1:
            raise ValueError(
                f"the model has one output, but {name} has one for each class: for numbers give loss='l2', for two "
                "classes loss='binary_cross_entropy', for C classes make the last layer one of C units"
            )
        if y.ndim != 1:
            hint = "; a column (N, 1) becomes (N,) by y.ravel()" if y.ndim == 2 and y.shape[1] == 1 else ""
            hint = "; one-hot rows become labels by y.argmax(axis=1)" if y.ndim == 2 and y.shape[1] > 1 else hint
            raise ValueError(f"y has shape {y.shape}, expected class labels of shape (N,){hint}")
        if y.dtype.kind not in "iub":
            cure = "`classes, y = numpy.unique(y, return_inverse=True)` makes them"
            if y.dtype.kind == "f":
                if (missing := np.isnan(y)).any():
                    raise ValueError(f"y[{int(np.argmax(missing))}] is nan, expected a label; drop such samples first")
                cure = f"{name} learns classes; for numbers (regression) give loss='l2' and a last layer of one unit"
            raise TypeError(f"y has dtype {y.dtype}, expected integer class labels 0..{classes - 1}; {cure}")
        outside = (y < 0) | (y >= classes)
        if outside.any():
            where = int(np.argmax(outside))
            found = len(np.unique(y))
            raise ValueError(
                f"y[{where}] is {y[where]}, expected a label of 0..{classes - 1}: the model has {classes} outputs, "
                f"and y {found} classes" + (f"; make the last layer one of {found} units" if found > classes else "")
            )
        return np.ascontiguousarray(y, np.int64)

    def classes(self, output_shape: tuple[int, ...]) -> int:
        return output_shape[0]

    def predict(self, outputs: Array) -> Array:
        labels: Array = outputs.argmax(axis=1)
        return labels

    def correct(self, outputs: Array, targets: Array) -> Array | int | None:
        right: Array = self.predict(outputs) == targets
        return right
