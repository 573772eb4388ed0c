"""Losses: a number to minimize and its gradient, the mean over the batch. Must not know models.

`forward(outputs, targets)` returns the loss and keeps the gradient, which `backward()` returns.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from . import kernels
from .describe import constructor_text, resolve

Array = NDArray[Any]


class Loss:
    """Base of all losses. An own loss overrides `forward` and `backward`:

    >>> class SquaredError(pynn.Loss):
    ...     def forward(self, outputs, targets):
    ...         self.difference = outputs - targets
    ...         return (self.difference**2).sum() / len(outputs)
    ...     def backward(self):
    ...         return 2 * self.difference / len(self.difference)

    Targets then look like the outputs, (N, ...), predictions are the outputs, and no accuracy is reported; `targets`,
    `predict` and `correct` say otherwise. Give it to `model.fit(..., loss=SquaredError())`.
    """

    _gradient: Array | None = None

    def __repr__(self) -> str:
        return constructor_text(self)

    def forward(self, outputs: Array, targets: Array) -> float:
        """The mean loss of a batch of outputs (N, ...) against its targets."""
        raise NotImplementedError(f"{type(self).__name__} has no forward(outputs, targets)")

    def backward(self) -> Array:
        """Gradient of the last `forward` with respect to its outputs; overwritten by the next one."""
        if self._gradient is None:
            raise RuntimeError(f"{type(self).__name__}.backward() was called before forward(outputs, targets)")
        return self._gradient

    def targets(self, y: Array, output_shape: tuple[int, ...]) -> Array:
        """y checked and in the dtype that `forward` reads, for outputs of this shape (without the batch axis)."""
        y = np.asarray(y)
        if y.shape[1:] != output_shape:
            wanted = ", ".join(["N", *map(str, output_shape)])
            raise ValueError(f"y has shape {y.shape}, expected ({wanted}) like the outputs")
        return y

    def predict(self, outputs: Array) -> Array:
        """What the outputs say, in the terms of the targets."""
        return outputs

    def probabilities(self, outputs: Array) -> Array:
        """Class probabilities of the outputs, where the loss has such a thing."""
        raise TypeError(f"{type(self).__name__} gives no probabilities")

    def correct(self, outputs: Array, targets: Array) -> int | None:
        """How many of the outputs hit their target; None (no accuracy is reported) where that means nothing."""
        return None

    def _gradient_like(self, outputs: Array) -> Array:
        if self._gradient is None or self._gradient.shape != outputs.shape or self._gradient.dtype != outputs.dtype:
            self._gradient = np.empty_like(outputs)
        return self._gradient


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


LOSSES: dict[str, type[Loss]] = {"softmax_cross_entropy": SoftmaxCrossEntropy}


def loss(choice: str | Loss) -> Loss:
    """A loss from its name or itself; ValueError lists the names."""
    return resolve(choice, LOSSES, Loss, "loss")
