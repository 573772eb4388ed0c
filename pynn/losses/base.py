"""Loss: what every loss is, ready-made or a user's own.

`forward(outputs, targets, weights)` returns the loss and keeps the gradient, which `backward()` returns.
"""

from __future__ import annotations

import threading
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import numpy as np

from ..checks import Constructed, add_foreign
from ..data import arrays
from ..data.arrays import as_array
from ..locks import Claim
from ..saving import copies
from ..saving.config import constructor_text
from ..typing import Array

FLOAT32 = np.dtype(np.float32)
NOBODY: AbstractContextManager[None] = nullcontext()


class Memory:
    """What a loss keeps from `forward` to `backward`."""

    gradient: Array | None = None
    outputs: Array | None = None  # whose gradient it is
    hits: float | None = None
    walked: tuple[Array, Array, Array] | None = None


class Memories(threading.local):
    """A memory for each thread."""

    def __init__(self) -> None:
        self.mine = Memory()


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

    Threads that train a model each may share one of pynn's losses. An own one, which keeps attributes from `forward` to
    `backward`, serves one model at a time: a second thread gets a RuntimeError, and needs an object of its own.
    """

    users_own: bool = False  # a user's class with a `forward` or `backward` of its own, which may keep attributes

    def __init_subclass__(cls) -> None:
        methods = (cls.forward, cls.backward, getattr(cls, "_measure", None))
        modules = [getattr(method, "__module__", None) or "" for method in methods if method is not None]
        cls.users_own = not all(module.startswith("pynn.") for module in modules)

    def _prepare(self) -> None:
        self._memories = Memories()
        if self.users_own:
            kind = type(self).__name__
            self._claim = Claim(
                f"this {kind} is in use by another thread; it keeps attributes from forward to backward, "
                f"so give each thread an object of its own: loss={kind}(...)"
            )

    _memories: Memories
    _claim: Claim | None = None

    def used(self, key: object = None) -> AbstractContextManager[None]:
        """A context in which this thread alone uses the loss, for the model `key`; RuntimeError where another one does.

        pynn's own losses need none: they keep nothing that threads share.
        """
        return NOBODY if self._claim is None else self._claim.use(key)

    def in_use(self, key: object) -> bool:
        """Whether this thread is in such a context, or another one for the same model `key`."""
        return self._claim is not None and self._claim.held(key)

    @property
    def hits(self) -> float | None:
        """How many outputs the last `forward` of this thread found right (weighted); None: `correct` is asked."""
        return self._memories.mine.hits

    @hits.setter
    def hits(self, value: float | None) -> None:
        self._memories.mine.hits = value

    def __repr__(self) -> str:
        return constructor_text(self)

    def __getstate__(self) -> dict[str, Any]:  # of copies and pickles: nothing of a batch, nothing that is shared
        state = copies.without_batches(self)
        return {name: value for name, value in state.items() if name not in ("_memories", "_claim")}

    def forward(self, outputs: Array, targets: Array, weights: Array | None = None) -> float:
        """The mean loss of a batch of outputs (N, ...) against its targets: (1/N) Σ_i weights_i loss_i.

        weights (N,): numbers of at least 0 in the outputs' dtype; None is 1 for each sample.
        """
        raise NotImplementedError(f"{type(self).__name__} has no forward(outputs, targets)")

    def backward(self) -> Array:
        """Gradient of the last `forward` with respect to its outputs; overwritten by the next one."""
        gradient = self._memories.mine.gradient
        if gradient is None:
            raise RuntimeError(f"{type(self).__name__}.backward() was called before forward(outputs, targets)")
        return gradient

    def targets(self, y: Array, output_shape: tuple[int, ...]) -> Array:
        """y checked and in the dtype that `forward` reads; output_shape: that of one sample's outputs.

        Images of uint8 are pixels, read as 0..1, as those that go into a model.
        """
        y = as_array("y", y)
        if y.shape[1:] != output_shape:
            wanted = ", ".join(["N", *map(str, output_shape)]) + ("" if output_shape else ",")
            single = len(output_shape) > 1 and y.shape[1:] in ((), output_shape[-1:])
            hint = "; where a sample has one target, put Flatten() before the first Affine" if single else ""
            raise ValueError(f"y has shape {y.shape}, expected ({wanted}) like the outputs{hint}")
        return arrays.to_model(y, FLOAT32) if arrays.are_pixels(y) else y

    def _expect_representable(self, y: Array, dtype: np.dtype[Any]) -> None:
        """ValueError for targets that are too large for a model of this dtype, where `forward` converts them to it."""

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

        Booleans (N, T) count a sample by the share of its hits. Outputs of NaN hit nothing; where there are some,
        evaluation and validation report an accuracy of NaN. None, and no accuracy is reported, where that means
        nothing.
        """
        return None

    def _undefined(self, outputs: Array) -> Array | None:
        """Which samples say nothing, since an output of theirs is NaN, booleans (N,); None where all say something."""
        lost = np.isnan(outputs)
        return np.asarray(lost.reshape(len(lost), -1).any(axis=1)) if lost.any() else None

    def _defined(self, right: Array, outputs: Array) -> Array:
        """`right` (N,), but False where the outputs are NaN, whatever was read out of them."""
        lost = self._undefined(outputs)
        return right if lost is None else right & ~lost

    def _gradient_like(self, outputs: Array) -> Array:
        """Where this thread writes the gradient of these outputs to."""
        mine = self._memories.mine
        gradient = mine.gradient
        if gradient is None or gradient.shape != outputs.shape or gradient.dtype != outputs.dtype:
            mine.gradient = gradient = np.empty_like(outputs)
        mine.outputs = outputs
        return gradient


def in_dtype(array: Array | None, dtype: np.dtype[Any]) -> Array | None:
    """The array as a kernel reads it; the same one where it is so already."""
    if array is None or (type(array) is np.ndarray and array.dtype is dtype and array.flags.c_contiguous):
        return array
    return np.ascontiguousarray(as_array("weights", array), dtype)


add_foreign(Loss, "", "reduction from_logits item")
