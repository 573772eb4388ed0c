"""What training needs of a model, and the steps before it begins."""

from __future__ import annotations

import functools
from collections.abc import Iterable, Iterator
from typing import Any, Protocol

import numpy as np

from .. import losses, optimizers
from ..checks import expect_instance
from ..layers.base import Layer
from ..layers.context import Context
from ..locks import Lock
from ..losses import Loss
from ..messages.terminal import brief
from ..optimizers import Optimizer, Segment
from ..preprocessing import Transformer
from ..regularizers import Penalty
from ..typing import Array
from .history import History
from .inputs import Inputs
from .targets import Targets

Batch = tuple[Array, ...]  # (x, y), or (x, y, weights)
CHANGED = ("loss", "optimizer", "preprocessing", "inputs", "targets")  # attributes of a model that a run sets


class Trainable(Protocol):
    """What training needs of a model, as `Sequential` has it."""

    loss: Loss
    optimizer: Optimizer | None
    epoch: int
    history: History | None
    context: Context
    outputs: Array
    penalty_value: float | None
    preprocessing: Transformer | None
    inputs: Inputs | None
    targets: Targets | None
    lock: Lock

    @property
    def seed(self) -> int: ...

    @property
    def dtype(self) -> np.dtype[Any]: ...

    @property
    def input_shape(self) -> tuple[int, ...]: ...

    @property
    def output_shape(self) -> tuple[int, ...]: ...

    def build(self, input_shape: tuple[int, ...]) -> tuple[int, ...]: ...

    @property
    def built(self) -> bool: ...

    def unbuild(self) -> None: ...

    @property
    def parameters(self) -> Array: ...

    @property
    def gradients(self) -> Array: ...

    def segments(self) -> tuple[Segment, ...]: ...

    def advance(self) -> None: ...

    def statistics(self) -> list[Array]: ...

    def penalties(self, penalty: Penalty | None) -> Iterable[tuple[Penalty, Array, Array]]: ...

    def walk(self) -> Iterator[Layer]:
        """All layers, the model itself included."""

    def tensors(self) -> dict[str, Array]:
        """Views of all parameters and running statistics by name."""

    has_penalties: bool

    def own_loss(self) -> Loss | None:
        """The loss that the last layer defines, else None."""

    def accept(self, x: Array, name: str = "x") -> None:
        """Build on the first data; check the shape of later data."""

    def forward(self, x: Array, training: bool = False) -> Array: ...

    def backward(self, dy: Array, input_gradient: bool = False, accumulate: bool = False) -> Array | None: ...

    def loss_of(self, x: Array, y: Array, loss: Loss, weights: Array | None = None) -> float:
        """The loss of a training forward pass on a batch."""

    def train_step(
        self,
        x: Array,
        y: Array,
        loss: Loss,
        optimizer: Optimizer,
        penalty: Penalty | None = None,
        weights: Array | None = None,
    ) -> float: ...


def chosen_loss(model: Trainable, loss: str | Loss | None) -> Loss:
    """The loss to train with: this one, or the model's; ValueError if the last layer defines another."""
    own, chosen = model.own_loss(), None if loss is None else losses.loss(loss)
    if own is not None and chosen is not None and chosen is not own:
        raise ValueError(
            f"loss is {brief(chosen)}, but the model's last layer has its own, {own!r}, and supports no other; "
            "leave `loss` out"
        )
    return chosen or own or model.loss


def chosen_optimizer(model: Trainable, optimizer: str | Optimizer | None) -> Optimizer:
    """The optimizer to train with: this one, the model's, or Adam."""
    if optimizer is None and model.optimizer is not None:
        return model.optimizer
    return optimizers.optimizer("adam" if optimizer is None else optimizer)


def step_loss(model: Trainable, loss: Any) -> Loss:
    """The loss of a step from a name, or from an object with `forward` and `backward`."""
    if not isinstance(loss, str) and hasattr(loss, "forward") and hasattr(loss, "backward"):
        return loss  # type: ignore[no-any-return]
    return chosen_loss(model, _by_name(loss) if isinstance(loss, str) else loss)


@functools.lru_cache(maxsize=16)
def _by_name(name: str) -> Loss:
    return losses.loss(name)


def expect_objects(loss: Any, optimizer: Any) -> None:
    """TypeError for a class instead of a loss, and for a class or a name instead of an optimizer."""
    if isinstance(loss, type):
        expect_instance(loss, Loss, "loss")
    if isinstance(optimizer, str):
        made = type(optimizers.optimizer(optimizer)).__name__
        raise TypeError(
            f"optimizer is {brief(optimizer)}, expected an object, since its state lasts from step to step: make one "
            f"before the loop, optimizer = pynn.{made}()"
        )
    if isinstance(optimizer, type):
        expect_instance(optimizer, Optimizer, "optimizer")


class Rollback:
    """A context that leaves model and optimizer as they were if a run is refused before its first step.

    Once `running` is True, only a ValueError or TypeError, as for a batch, is a refusal: users look at a model that
    diverged at once or was interrupted. A resumed run has made its steps, and stays as its checkpoint has it.
    """

    running = False

    def __init__(self, model: Trainable, optimizer: Optimizer | None = None) -> None:
        self.model, self.optimizer = model, optimizer

    def __enter__(self) -> Rollback:
        model, optimizer = self.model, self.optimizer
        self._built, self._place = model.built, (model.context.step, model.epoch)
        self._before = {name: getattr(model, name) for name in CHANGED}
        self._free = optimizer is not None and optimizer._parameters is None
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: object) -> None:
        model = self.model
        if error is None or (model.context.step, model.epoch) != self._place:
            return
        if self.running and not isinstance(error, (ValueError, TypeError)):
            return
        optimizer = self.optimizer
        if optimizer is not None and self._free and model.built and optimizer._parameters is model.parameters:
            optimizer._parameters = optimizer._layout = None  # claimed meanwhile, by this run
        if not self._built:
            model.unbuild()
        for name, value in self._before.items():
            setattr(model, name, value)
