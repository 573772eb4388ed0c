"""Loss: what every loss is, ready-made or a user's own.

`forward(outputs, targets)` returns the loss and keeps the gradient, which `backward()` returns.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..describe import constructor_text

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
