"""What a model and its layers share, and what they know of a parameter."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

import numpy as np

from ..constraints import Constraint
from ..initializers import Initializer
from ..locks import Claim
from ..typing import Array, Shape


class Group:
    """The processes that train one model together, each on its part of every batch. This class is a single process.

    `training.distributed` has the class for several, which all make the same calls.
    """

    rank, size = 0, 1
    sync_batchnorm = False
    # Of several processes: correct predictions, number and total weight of the samples of the whole last batch.
    totals: tuple[float | None, int, float | None] | None = None

    # Agreement: each process's value becomes the same in all ---------------------------------------

    def begin(self, plan: Any, found: Any) -> Any:
        """Return what the first process found in its checkpoint for the run of this plan."""
        return found

    def start(self, model: Any, counted: bool) -> None:
        """Begin training; counted: whether each step counts correct predictions."""

    def end_epoch(self, model: Any) -> None:
        """Run after the last step of an epoch."""

    def raised(self, error: BaseException) -> BaseException:
        """Return the error that all processes raise."""
        return error

    def any(self, flag: bool) -> bool:
        """Whether it is True in any process."""
        return flag

    def ended(self, interrupted: bool, stopped: str | None) -> tuple[bool, str | None]:
        """Return whether any process was interrupted, and why any of them stops the run."""
        return interrupted, stopped

    def of_first(self, values: dict[str, float]) -> dict[str, float]:
        """Return the measurements of the first process."""
        return values

    def largest(self, *values: float) -> tuple[float, ...]:
        """Return the largest of each value over all processes."""
        return values

    def add_up(self, array: Array) -> None:
        """Replace the array by the sum of all processes' arrays."""

    # Sharing the data -----------------------------------------------------------------------------

    def batches(self, source: Any, epoch: int, first: int) -> Any:
        """Yield this process's part of each batch."""
        return source.epoch(epoch, first)

    def forward(self, model: Any, x: Array) -> Array:
        """Return the outputs of a prediction for all of x."""
        return model.forward(x)  # type: ignore[no-any-return]

    def whole_batch(self, model: Any, y: Array, weights: Array | None) -> tuple[Array, Array, Array | None]:
        """Return outputs, targets and weights of the whole batch of the last step."""
        return model.outputs, y, weights

    # One step -------------------------------------------------------------------------------------

    def loss_of(self, model: Any, x: Array, y: Array, loss: Any, weights: Array | None) -> float:
        """Return the loss of the whole batch, after a training forward pass on this process's part."""
        return model.loss_of(x, y, loss, weights)  # type: ignore[no-any-return]

    def backward(self, model: Any, loss: Any) -> None:
        """Fill the model's gradients with those of the whole batch's loss."""
        model.backward(loss.backward())


ALONE = Group()


class Context:
    """What a model shares with all of its layers."""

    def __init__(
        self,
        seed: int = 0,
        dtype: np.dtype[Any] | None = None,
        owned: bool = False,
        training: Claim | None = None,
    ) -> None:
        self.seed = seed
        self.step = 0  # optimizer steps taken; with seed and a layer's stream it determines every random mask
        self.passes = 0  # training forward passes since that step: each draws its own masks
        self.repeating = False  # inside `same_masks`: passes are not counted
        self.late = 0  # steps taken inside `same_masks`, counted when it ends
        # Epochs of training so far, which rates that are schedules follow; `fit` sets it before each step, a loop of
        # one's own by `optimizer.set_epoch` or here. None: no training step is under way.
        self.epoch: float | None = None
        self.dtype = np.dtype(np.float32) if dtype is None else dtype
        self.sampling = False  # masks and noise outside training as well: Monte-Carlo passes
        self.inputs_only = False  # backward passes follow evaluation and skip the parameters' gradients
        self.first_sample = 0  # index of a batch's first sample in the whole step: each part gets its own masks
        self.group: Group = ALONE  # the processes that share every batch, while they train together
        self.owned = owned  # by a model, which gives its layers their places in the flat vector
        self.built = False  # whether that model is built
        self.limit: int | None = None  # while a file is loaded: how many numbers the layers to come may have
        self.training = training  # held by the current training run
        self.changes = 0  # counts changes of training settings (freeze, learning_rate_factor, penalty)

    def spend(self, name: str, shape: Shape) -> None:
        """Take this parameter's numbers off the limit; ValueError where the file holds fewer."""
        assert self.limit is not None
        self.limit -= math.prod(shape)
        if self.limit < 0:
            raise ValueError(f"{name} would have the shape {tuple(shape)}, more numbers than the file holds")

    def __getstate__(self) -> dict[str, Any]:  # of copies and pickles: they train alone
        return {**vars(self), "group": ALONE, "owned": False, "built": False, "epoch": None}

    def __setstate__(self, state: dict[str, Any]) -> None:
        # NumPy's dtype singleton, so that forward can compare with "is"
        vars(self).update(state, dtype=np.dtype(state["dtype"].type))


class Parameter:
    """A declared block of trainable numbers; the model gives it its place in the flat vector."""

    def __init__(
        self, name: str, shape: Shape, initializer: Initializer, penalized: bool, constraint: Constraint | None = None
    ) -> None:
        self.name, self.shape, self.initializer = name, shape, initializer
        self.penalized, self.constraint = penalized, constraint
        self.value: Array | None = None  # its blocks of the flat vectors, once the model is built
        self.gradient: Array | None = None

    def drawn(self, owner: str, generator: np.random.Generator) -> Array:
        """Its first values; ValueError where the initializer gives another shape."""
        values = self.initializer.draw(self.shape, generator)
        if (drawn := np.shape(values)) != self.shape:
            raise ValueError(
                f"{owner}.{self.name}: {self.initializer!r} drew values of shape {drawn}, expected {self.shape}"
            )
        return values

    def __getstate__(self) -> dict[str, Any]:
        return {**vars(self), "gradient": None}


def clear_gradients(parameters: Iterable[Parameter]) -> None:
    """Fill the gradients of these parameters with zeros."""
    for parameter in parameters:
        if parameter.gradient is not None:
            parameter.gradient.fill(0)
