"""Loss: the base class of all losses, built in or custom.

`forward(outputs, targets, weights)` returns the loss and keeps the gradient, which `backward()` returns.
"""

from __future__ import annotations

import math
import threading
from contextlib import AbstractContextManager, nullcontext
from typing import Any, Protocol

import numpy as np

from ..data import arrays
from ..data.arrays import as_array
from ..locks import Claim
from ..messages.foreign import add_foreign
from ..saving import copies
from ..saving.config import constructor_text
from ..signatures import Constructed
from ..typing import Array

FLOAT32 = np.dtype(np.float32)
UNCLAIMED: AbstractContextManager[None] = nullcontext()


class Memory:
    """What a loss keeps from `forward` to `backward`."""

    gradient: Array | None = None
    outputs: Array | None = None  # the outputs that the gradient belongs to
    hits: float | None = None
    walked: tuple[Array, Array, Array] | None = None
    quantiles: tuple[Array, Array] | None = None


class Units(Protocol):
    """What a loss needs of the form of targets that preprocessing has changed: the way back."""

    def units(self, numbers: Array) -> Array:
        """Numbers of the loss in the units of the user's targets."""

    def spread(self, deviations: Array, around: Array) -> Array:
        """Standard deviations around these numbers of the loss, in the same units."""


class Memories(threading.local):
    """A `Memory` for each thread."""

    def __init__(self) -> None:
        self.mine = Memory()


class Loss(Constructed):
    """Base of all losses: a number to minimize, the mean over a batch, and its gradient.

    Notes
    -----
    A custom loss overrides `forward` and `backward` and is passed as ``model.fit(..., loss=FourthPower())``. Its
    targets have the shape of the outputs (N, ...), its predictions are the outputs, and no accuracy is reported;
    override `targets`, `predict` and `correct` to change that. Sample weights arrive as a third argument of `forward`,
    ``weights=None``.

    Threads that each train a model may share a built-in loss. A custom loss keeps attributes from `forward` to
    `backward`, so it serves one model at a time: a second thread gets a RuntimeError and needs its own object.

    Examples
    --------
    >>> class FourthPower(pynn.Loss):
    ...     def forward(self, outputs, targets):
    ...         self.difference = outputs - targets
    ...         return (self.difference**4).sum() / len(outputs)
    ...     def backward(self):
    ...         return 4 * self.difference**3 / len(self.difference)
    """

    is_custom: bool = False  # a custom `forward` or `backward`, which may keep attributes

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        methods = (cls.forward, cls.backward, getattr(cls, "_measure", None))
        modules = [getattr(method, "__module__", None) or "" for method in methods if method is not None]
        cls.is_custom = not all(module.startswith("pynn.") for module in modules)

    def _prepare(self) -> None:
        self._memories = Memories()
        if self.is_custom:
            kind = type(self).__name__
            self._claim = Claim(
                f"this {kind} is in use by another thread; it keeps attributes from forward to backward, "
                f"so give each thread its own object: loss={kind}(...)"
            )

    _memories: Memories
    _claim: Claim | None = None

    def used(self, key: object = None) -> AbstractContextManager[None]:
        """Return a context in which only this thread may use the loss.

        Parameters
        ----------
        key : object, optional
            The model that uses it.

        Returns
        -------
        context manager
            It has no effect for built-in losses, which threads may share.

        Raises
        ------
        RuntimeError
            If another thread is using the loss.
        """
        return UNCLAIMED if self._claim is None else self._claim.use(key)

    def in_use(self, key: object) -> bool:
        """Return whether this thread, or any thread for the same model, is in the context of `used`.

        Parameters
        ----------
        key : object
            The model.

        Returns
        -------
        bool
            Always False for built-in losses.
        """
        return self._claim is not None and self._claim.held(key)

    @property
    def hits(self) -> float | None:
        """How many outputs the last `forward` of this thread got right, weighted; None: call `correct`."""
        return self._memories.mine.hits

    @hits.setter
    def hits(self, value: float | None) -> None:
        self._memories.mine.hits = value

    def __repr__(self) -> str:
        return constructor_text(self)

    def __getstate__(self) -> dict[str, Any]:  # copies and pickles contain no batch and share no memory
        state = copies.without_batches(self)
        return {name: value for name, value in state.items() if name not in ("_memories", "_claim")}

    def forward(self, outputs: Array, targets: Array, weights: Array | None = None) -> float:
        """Return the mean loss of a batch, (1/N) Σ_i weights_i loss_i, and keep its gradient for `backward`.

        Parameters
        ----------
        outputs : array (N, ...)
            The model's outputs.
        targets : array (N, ...)
            The targets, as `targets` returns them.
        weights : array (N,), optional
            Sample weights of at least 0, in the outputs' dtype; by default 1 each.

        Returns
        -------
        float
            The loss.
        """
        raise NotImplementedError(f"{type(self).__name__} has no forward(outputs, targets)")

    def backward(self) -> Array:
        """Return the gradient of the last `forward` with respect to its outputs.

        Returns
        -------
        array (N, ...)
            The gradient; the next `forward` overwrites it.

        Raises
        ------
        RuntimeError
            If `forward` has not run.
        """
        gradient = self._memories.mine.gradient
        if gradient is None:
            raise RuntimeError(f"{type(self).__name__}.backward() was called before forward(outputs, targets)")
        return gradient

    def targets(self, y: Array, output_shape: tuple[int, ...]) -> Array:
        """Check targets and convert them to what `forward` reads.

        Parameters
        ----------
        y : array (N, ...)
            Targets. Images of uint8 are read as pixels of 0..1, like a model's inputs.
        output_shape : tuple of int
            Shape of the outputs of one sample.

        Returns
        -------
        array
            The targets.

        Raises
        ------
        ValueError
            If the shape does not match the outputs.
        """
        y = as_array("y", y)
        if y.shape[1:] != output_shape:
            expected = ", ".join(["N", *map(str, output_shape)]) + ("" if output_shape else ",")
            single = len(output_shape) > 1 and y.shape[1:] in ((), output_shape[-1:])
            hint = "; if each sample has one target, put Flatten() before the first Affine" if single else ""
            raise ValueError(f"y has shape {y.shape}, expected ({expected}) like the outputs{hint}")
        return arrays.to_model(y, FLOAT32) if arrays.are_pixels(y) else y

    def _expect_representable(self, y: Array, dtype: np.dtype[Any]) -> None:
        """Raise ValueError for targets too large for this dtype, if `forward` converts them to it."""

    def classes(self, output_shape: tuple[int, ...]) -> int | None:
        """Return the number of classes, if the targets are labels.

        Parameters
        ----------
        output_shape : tuple of int
            Shape of the outputs of one sample.

        Returns
        -------
        int or None
            None if the targets are not labels; there are no class weights then.
        """
        return None

    def predict(self, outputs: Array) -> Array:
        """Turn outputs into predictions, in the form of the targets.

        Parameters
        ----------
        outputs : array (N, ...)
            The model's outputs.

        Returns
        -------
        array
            The predictions; by default the outputs themselves.
        """
        return outputs

    def probabilities(self, outputs: Array) -> Array:
        """Turn outputs into probabilities, if the loss defines them.

        Parameters
        ----------
        outputs : array (N, ...)
            The model's outputs.

        Returns
        -------
        array
            Probabilities.

        Raises
        ------
        TypeError
            If the loss has none.
        """
        raise TypeError(f"{type(self).__name__} has no probabilities; use model.predict(x)")

    def correct(self, outputs: Array, targets: Array) -> Array | int | None:
        """Return which outputs hit their target.

        Parameters
        ----------
        outputs : array (N, ...)
            The model's outputs.
        targets : array (N, ...)
            The targets, as `targets` returns them.

        Returns
        -------
        array (N,) of bool, int or None
            Booleans (N, T) count the share of a sample's hits. A plain number of hits cannot be weighted. None means
            that no accuracy is reported.

        Notes
        -----
        Outputs of NaN never hit; evaluation and validation then report an accuracy of NaN.
        """
        return None

    # Between outputs and the user's numbers, for losses of numbers --------------------------------

    _keeps_targets = False  # whether the loss has no meaning for targets that preprocessing has changed
    _has_points = False  # whether the outputs are more than one prediction of each target, see `_points`

    def _numbers(self, outputs: Array) -> Array:
        """What the outputs say of the targets, which `_outputs` turns back: what metrics see and ensembles average."""
        return outputs

    def _outputs(self, numbers: Array) -> Array:
        """The outputs with these `_numbers`."""
        return numbers

    def _in_units(self, numbers: Array, form: Units) -> Array:
        """`_numbers` in the units of the user's targets."""
        return self._rescaled(numbers, form)

    def _rescaled(self, predictions: Array, form: Units) -> Array:
        """Predictions in the units of the user's targets."""
        return form.units(predictions)

    def _mixed(self, first: Array, second: Array, share: float) -> Array:
        """`_numbers` of two models together; share: of the second, 0..1."""
        return np.asarray((1 - share) * first + share * second)

    def _deviations(self, numbers: Array) -> Array:
        """The standard deviations (N, K) of targets (N, K) among `_numbers`; TypeError if there are none."""
        raise TypeError(
            f"{type(self).__name__} has no standard deviations: train with loss='gaussian_nll' and two outputs for "
            "each target, or take the spread over random masks, pynn.monte_carlo(model, x)"
        )

    def _points(self, numbers: Array) -> Array:
        """The predictions (N, K) of targets (N, K) among `_numbers`."""
        return numbers

    def _columns(self, output_shape: tuple[int, ...]) -> int:
        """How many numbers are the targets of a sample."""
        return math.prod(output_shape)

    def _least(self, y: Array) -> float:
        """About the loss of outputs that fit these targets."""
        return 0.0

    def _constant(self, y: Array) -> Array | None:
        """The best constant outputs for these targets, if the least loss is 0; None: they are a mean, or not known."""
        return None

    def _undefined(self, outputs: Array) -> Array | None:
        """Which samples have an output of NaN, booleans (N,); None if there are none."""
        lost = np.isnan(outputs)
        return np.asarray(lost.reshape(len(lost), -1).any(axis=1)) if lost.any() else None

    def _defined(self, right: Array, outputs: Array) -> Array:
        """`right` (N,), with False where the outputs are NaN."""
        lost = self._undefined(outputs)
        return right if lost is None else right & ~lost

    def _gradient_like(self, outputs: Array) -> Array:
        """The buffer for the gradient of these outputs; each thread has its own."""
        memory = self._memories.mine
        gradient = memory.gradient
        if gradient is None or gradient.shape != outputs.shape or gradient.dtype != outputs.dtype:
            memory.gradient = gradient = np.empty_like(outputs)
        memory.outputs = outputs
        return gradient


def in_dtype(array: Array | None, dtype: np.dtype[Any]) -> Array | None:
    """The array as a kernel reads it: itself if it already fits, else a copy."""
    if array is None or (type(array) is np.ndarray and array.dtype is dtype and array.flags.c_contiguous):
        return array
    return np.ascontiguousarray(as_array("weights", array), dtype)


add_foreign(Loss, "", "reduction from_logits item")
