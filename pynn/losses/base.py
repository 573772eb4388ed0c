"""Loss: what every loss is, ready-made or a user's own.

`forward(outputs, targets, weights)` returns the loss and keeps the gradient, which `backward()` returns.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from .. import copies, data
from ..checks import Constructed
from ..describe import constructor_text

Array = NDArray[Any]
FLOAT32 = np.dtype(np.float32)


class Loss(Constructed):
    """Base of all losses. An own loss overrides `forward` and `backward`:

    >>> class FourthPower(pynn.Loss):
    ...     def forward(self, outputs, targets):
    ...         self.difference = outputs - targets
    ...         return (self.difference**4).sum() / len(outputs)
    ...     def backward(self):
    ...         return 4 * self.difference**3 / len(self.difference)

    Targets then look like the outputs, (N, ...), predictions are the outputs, and no accuracy is reported; `targets`,
    `predict` and `correct` say otherwise. A third argument of `forward`, weights=None, is for sample weights.
    Give it to `model.fit(..., loss=FourthPower())`.
    """

    hits: float | None = None  # how many outputs the last `forward` found right (weighted); None: `correct` is asked
    _gradient: Array | None = None

    def __repr__(self) -> str:
        return constructor_text(self)

    def __getstate__(self) -> dict[str, Any]:  # of copies and pickles: nothing of a batch
        return copies.without_batches(self)

    def forward(self, outputs: Array, targets: Array, weights: Array | None = None) -> float:
        """The mean loss of a batch of outputs (N, ...) against its targets: (1/N) Σ_i weights_i loss_i.

        weights (N,): numbers of at least 0 in the outputs' dtype; None is 1 for each sample.
        """
        raise NotImplementedError(f"{type(self).__name__} has no forward(outputs, targets)")

    def backward(self) -> Array:
        """Gradient of the last `forward` with respect to its outputs; overwritten by the next one."""
        if self._gradient is None:
            raise RuntimeError(f"{type(self).__name__}.backward() was called before forward(outputs, targets)")
        return self._gradient

    def targets(self, y: Array, output_shape: tuple[int, ...]) -> Array:
        """y checked and in the dtype that `forward` reads; output_shape: that of one sample's outputs.

        Images of uint8 are pixels, read as 0..1, as those that go into a model.
        """
        y = np.asarray(y)
        if y.shape[1:] != output_shape:
            wanted = ", ".join(["N", *map(str, output_shape)])
            single = len(output_shape) > 1 and y.shape[1:] in ((), output_shape[-1:])
            hint = "; where a sample has one target, put Flatten() before the first Affine" if single else ""
            raise ValueError(f"y has shape {y.shape}, expected ({wanted}) like the outputs{hint}")
        return data.to_model(y, FLOAT32) if data.are_pixels(y) else y

    def classes(self, output_shape: tuple[int, ...]) -> int | None:
        """How many classes the labels (N,) are of, for outputs of output_shape (without the batch axis).

        None where targets are no labels (and have no class weights).
        """
        return None

    def predict(self, outputs: Array) -> Array:
        """What the outputs say, in the terms of the targets."""
        return outputs

    def probabilities(self, outputs: Array) -> Array:
        """Class probabilities of the outputs, where the loss has such a thing."""
        raise TypeError(f"{type(self).__name__} gives no probabilities; model.predict(x) gives its answers")

    def correct(self, outputs: Array, targets: Array) -> Array | int | None:
        """Which of the outputs hit their target, booleans (N,), or just how many: such a number cannot be weighted.

        Booleans (N, T) count a sample by the share of its hits. None, and no accuracy is reported, where that means
        nothing.
        """
        return None

    def _gradient_like(self, outputs: Array) -> Array:
        if self._gradient is None or self._gradient.shape != outputs.shape or self._gradient.dtype != outputs.dtype:
            self._gradient = np.empty_like(outputs)
        return self._gradient


def in_dtype(array: Array | None, dtype: np.dtype[Any]) -> Array | None:
    """The array as a kernel reads it; the same one where it is so already."""
    if array is None or (type(array) is np.ndarray and array.dtype is dtype and array.flags.c_contiguous):
        return array
    return np.ascontiguousarray(array, dtype)
