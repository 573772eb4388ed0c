"""What a model and its layers share, and what they know of a parameter."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from ..constraints import Constraint
from ..initializers import Initializer
from ..locks import Claim
from ..messages.terminal import called
from ..typing import Array, Shape

if TYPE_CHECKING:
    from ..training.distributed import Ranks
    from .base import Layer


@dataclass(eq=False)
class Context:
    """What a model shares with all of its layers."""

    seed: int = 0
    step: int = 0  # optimizer steps taken; with seed and a layer's stream it determines every random mask
    passes: int = 0  # training forward passes since that step: each draws its own masks
    repeating: bool = False  # inside `same_masks`: passes are not counted
    late: int = 0  # steps taken inside `same_masks`, which count when it ends
    dtype: np.dtype[Any] = field(default_factory=lambda: np.dtype(np.float32))
    sampling: bool = False  # masks and noise outside training as well: Monte-Carlo passes
    inputs_only: bool = False  # backward passes follow evaluation, and nobody wants the parameters' gradients
    first_sample: int = 0  # place of a batch's first sample among those that share a step: parts get their own masks
    ranks: Ranks | None = None  # the processes that share every batch, while they train together
    owned: bool = False  # a model's, which gives its layers their places in the flat vector
    built: bool = False  # whether that model is built
    limit: int | None = None  # while a file is loaded: how many numbers the layers to come may have
    training: Claim | None = None  # who trains the model just now
    changes: int = 0  # how often a layer's training settings (freeze, learning_rate_factor, penalty) were changed

    def spend(self, name: str, shape: Shape) -> None:
        """Take this parameter's numbers off the limit; ValueError where the file holds fewer."""
        assert self.limit is not None
        self.limit -= math.prod(shape)
        if self.limit < 0:
            raise ValueError(f"{name} would have the shape {tuple(shape)}, more numbers than the file holds")

    def __getstate__(self) -> dict[str, Any]:  # of copies and pickles: they train alone
        return {**vars(self), "ranks": None, "owned": False, "built": False}

    def __setstate__(self, state: dict[str, Any]) -> None:
        # NumPy's dtype singleton, so that forward can compare with "is"
        vars(self).update(state, dtype=np.dtype(state["dtype"].type))


@dataclass(eq=False)
class Parameter:
    """A declared block of trainable numbers; the model gives it its place in the flat vector."""

    name: str
    shape: Shape
    initializer: Initializer
    penalized: bool
    constraint: Constraint | None = None
    value: Array | None = None  # its blocks of the flat vectors, once the model is built
    gradient: Array | None = None

    def drawn(self, layer: Layer, generator: np.random.Generator) -> Array:
        """Its first values; ValueError where the initializer gives another shape."""
        values = self.initializer.draw(self.shape, generator)
        if np.shape(values) != self.shape:
            raise ValueError(
                f"{called(layer)}.{self.name}: {self.initializer!r} drew values of shape "
                f"{np.shape(values)}, expected {self.shape}"
            )
        return values

    def __getstate__(self) -> dict[str, Any]:
        return {**vars(self), "gradient": None}
