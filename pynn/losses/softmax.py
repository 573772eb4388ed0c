"""Softmax with cross-entropy: one class out of C."""

from __future__ import annotations

import numpy as np

from .. import kernels
from .base import Array, Loss


class SoftmaxCrossEntropy(Loss):
    """Mean of -log(e^{f_y}/Σ_j e^{f_j}) for logits f (N, C) and labels y (N,) of 0..C-1; gradient (softmax - onehot)/N.

    Stable for any finite logits. At the start, with small weights, it is near ln C.
    Raises ValueError for a label outside 0..C-1.
    """

    def forward(self, outputs: Array, targets: Array) -> float:
        if type(targets) is not np.ndarray or targets.dtype != np.int64 or not targets.flags.c_contiguous:
            targets = self.targets(targets, outputs.shape[1:])
        return kernels.softmax_cross_entropy(outputs, targets, self._gradient_like(outputs))

    def targets(self, y: Array, output_shape: tuple[int, ...]) -> Array:
        if len(output_shape) != 1:
            raise ValueError(
                f"softmax_cross_entropy: outputs have shape (N, {', '.join(map(str, output_shape))}), expected (N, C)"
            )
        y = np.asarray(y)
        if y.ndim != 1:
            hint = "; a column (N, 1) becomes (N,) by y.ravel()" if y.ndim == 2 and y.shape[1] == 1 else ""
            hint = "; one-hot rows become labels by y.argmax(axis=1)" if y.ndim == 2 and y.shape[1] > 1 else hint
            raise ValueError(f"y has shape {y.shape}, expected class labels of shape (N,){hint}")
        if y.dtype.kind not in "iub":
            way = "classes, y = numpy.unique(y, return_inverse=True)" if y.dtype.kind in "OSU" else "y = y.astype(int)"
            raise TypeError(
                f"y has dtype {y.dtype}, expected integer class labels 0..{output_shape[0] - 1}; `{way}` makes them"
            )
        classes = output_shape[0]
        outside = (y < 0) | (y >= classes)
        if outside.any():
            where = int(np.argmax(outside))
            raise ValueError(
                f"y[{where}] is {y[where]}, expected a label of 0..{classes - 1}: the model has {classes} outputs"
            )
        return np.ascontiguousarray(y, np.int64)

    def predict(self, outputs: Array) -> Array:
        labels: Array = outputs.argmax(axis=1)
        return labels

    def correct(self, outputs: Array, targets: Array) -> int:
        return int(np.count_nonzero(self.predict(outputs) == targets))

    def probabilities(self, outputs: Array) -> Array:
        out = np.empty_like(outputs)
        kernels.softmax(outputs, out)
        return out
