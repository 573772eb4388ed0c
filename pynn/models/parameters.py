"""The flat vector: all trainable parameters of a chain of layers in one array, with each layer's blocks as views."""

from __future__ import annotations

import copy
import math
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

import numpy as np
from numpy.typing import ArrayLike

from .. import random
from ..constraints import Constraint
from ..layers.base import Layer
from ..layers.chain import Chain
from ..layers.context import Parameter
from ..layers.held import Tensors, aligned, copy_into, hold
from ..locks import Lock, register_for_forks
from ..messages.terminal import called
from ..optimizers import Optimizer, Segment
from ..regularizers import Penalty
from ..typing import Array

UNBUILT = "the model is not built yet: call model.build(input_shape) or fit it"
ALIGNMENT = 64  # bytes: every block of the flat vector starts on a cache line
# Bits of `_stage`: one number is faster to set in every step than four attributes.
FORWARDED = 1  # the last forward pass was a training pass
BACKED = 2  # a backward pass followed it
GATHERED = 4  # a backward pass has filled the gradients since the last update
LOST_PENALTY = 8  # a penalty was added to gradients that the next backward pass overwrites


F = TypeVar("F", bound="FlatChain")


class Layout:
    """Identifies a flat vector, also in copies: an optimizer recognizes by it the model that its state belongs to."""


class FlatChain(Chain):
    """A chain of layers that stores their parameters in one flat vector; knows no losses and no training."""

    optimizer: Optimizer | None
    epoch: int
    layout: Layout | None = None
    _parameters: Array | None = None
    _gradients: Array | None = None
    _places: tuple[tuple[Layer, Parameter, int], ...] = ()  # every parameter's start in the flat vector
    _constrained: tuple[tuple[Array, Constraint], ...] = ()  # constrained weights that are not frozen
    _segments: tuple[Segment, ...] = ()
    _trained: tuple[tuple[Layer, Parameter, Array, Array], ...] = ()  # with value and gradient
    _trained_from = 0  # index of the first active layer that is trained
    _statistics: Array | None = None  # all saved but untrained numbers in one vector; None if there are none
    _before: Array | None = None  # _statistics as they were before the last training forward pass
    has_penalties = False  # whether a layer has its own penalty
    _settled: int = -1  # value of context.changes when _settle last ran
    _stage = 0  # progress of the current step: a sum of the bits above

    def _reset(self) -> None:
        super()._reset()
        self._parameters = self._gradients = None
        self._places = self._constrained = self._segments = self._trained = ()
        vars(self).pop("_statistics", None)
        vars(self).pop("_before", None)
        self._settled, self._stage = -1, 0

    def _expect_own_layers(self) -> None:
        inside = list(self.walk())
        if len({id(layer) for layer in inside}) < len(inside):
            hint = "; a custom layer that only reads another layer has to override children()"
            raise ValueError(
                "the same layer occurs twice in one model; make a second layer (layers do not share weights)"
                f"{hint if any(layer.is_custom for layer in inside) else ''}"
            )
        for position, layer in enumerate(self.layers):
            for inner in layer.walk():
                if inner.context.built and inner.context is not self.context:
                    itself = isinstance(layer, FlatChain) and layer._own is inner.context
                    raise ValueError(
                        f"layer {position} ({layer.kind}) {'is a' if itself else 'belongs to another'} model that is "
                        "built; make a new layer (its weights can be copied later: see tensors()), or use copies of "
                        "its layers, *map(copy.deepcopy, model.layers), which keep their weights"
                    )

    def _name_layers(self) -> None:
        given_names = {layer.given_name for layer in self._inner()}
        counts: dict[str, int] = {}
        for stream, layer in enumerate(self._inner()):
            layer.stream = stream
            base = layer.kind.lower()
            counts[base] = counts.get(base, 0) + 1
            while not layer.given_name and f"{base}{counts[base]}" in given_names:
                counts[base] += 1
            layer.name = layer.given_name or f"{base}{counts[base]}"
        self._expect_names()

    def _expect_names(self) -> None:
        names: set[str] = set()
        for layer in self._inner():
            if layer.name in names:
                raise ValueError(f"two layers are named {layer.name!r}; rename one of them: layer.named('...')")
            names.add(layer.name)

    def _lay_out(self, kept: int = 0) -> None:
        """Assign every declared parameter its place in the flat vector and its first values.

        kept: number of leading parameters that keep their values from an older flat vector.
        """
        old_values = [getattr(layer, parameter.name) for layer, parameter, _ in self._places[:kept]]
        unit = self._unit
        places: list[tuple[Layer, Parameter, int]] = []
        size = 0
        for layer in self.walk():
            layer._settle_factors()
        for layer in self._inner():
            layer._expect_parameters(*layer._frozen_names)
            for parameter in layer.declared:
                places.append((layer, parameter, size))
                size += -(-math.prod(parameter.shape) // unit) * unit
        own_values = [parameter.value for _, parameter, _ in places]  # of layers that were built alone
        self._places, self.layout = tuple(places), Layout()
        self._allocate(size)
        for number, (layer, parameter, _) in enumerate(places):
            values = old_values[number] if number < kept else own_values[number]
            if values is None and self.context.limit is not None:
                continue  # the values come from the file that is being loaded
            if values is None:
                values = parameter.drawn(called(layer), random.generator(self.seed, number, random.WEIGHTS))
            np.copyto(_expect(parameter.value), values, casting="same_kind")

    def _allocate(self, size: int) -> None:
        """Make flat vectors of zeros and bind the layers to them."""
        self._parameters, self._gradients = aligned(size, self.dtype), aligned(size, self.dtype)
        self._parameters.fill(0)
        self._gradients.fill(0)
        self._bind()

    def _bind(self) -> None:
        """Make every declared parameter and its gradient views of the flat vectors."""
        for layer, parameter, start in self._places:
            block = slice(start, start + math.prod(parameter.shape))
            parameter.value = self.parameters[block].reshape(parameter.shape)
            parameter.gradient = self.gradients[block].reshape(parameter.shape)
            hold(layer, parameter.name, parameter.value)
            hold(layer, f"d{parameter.name}", parameter.gradient)
        self._bind_statistics()

    def _bind_statistics(self) -> None:
        """Make all saved but untrained arrays views of one vector, which a step can back up at once."""
        states = [(layer, name, array) for layer in self._inner() for name, array in layer.state.items()]
        size = sum(array.size for _, _, array in states)
        vector, start = aligned(size, self.dtype), 0
        for layer, name, array in states:
            view = vector[start : start + array.size].reshape(array.shape)
            view[...] = array
            layer._hold_state(name, view)
            start += array.size
        self._statistics = vector if states else None
        self._before = vector.copy() if states else None

    def segments(self) -> tuple[Segment, ...]:
        """How each block of the flat vector is trained: whether frozen, its learning-rate factor, whether decayed.

        Returns
        -------
        tuple of Segment
            One per block, in order.
        """
        if self._settled != self.context.changes:
            self._settle()
        return self._segments

    def _settle(self) -> None:
        """Update everything that depends on the layers' training settings."""
        stops = [*(start for _, _, start in self._places[1:]), self.parameters.size]
        self._segments = tuple(
            Segment(start, stop, layer.freezes(parameter.name), layer.factor_of(parameter.name), parameter.penalized)
            for (layer, parameter, start), stop in zip(self._places, stops, strict=False)  # no parameters: one stop
        )
        for segment in self._segments:
            if segment.frozen:  # no backward pass overwrites its old gradient
                self.gradients[segment.start : segment.stop] = 0
        self._trained = self._list_trained()
        self._constrained = tuple(
            (value, parameter.constraint)
            for _, parameter, value, _ in self._trained
            if parameter.constraint is not None
        )
        self.has_penalties = any(layer.penalty is not None for layer, _, _ in self._places)
        self._skip_first_gradient()
        self._settled = self.context.changes

    def _list_trained(self) -> tuple[tuple[Layer, Parameter, Array, Array], ...]:
        return tuple(
            (layer, parameter, getattr(layer, parameter.name), getattr(layer, f"d{parameter.name}"))
            for layer, parameter, _ in self._places
            if not layer.freezes(parameter.name)
        )

    def statistics(self) -> list[Array]:
        """Arrays that are saved but not trained, such as running statistics.

        Returns
        -------
        list of array
            Views, in the order of the layers.
        """
        return [array for layer in self._inner() for array in layer.state.values()]

    def keep_statistics(self) -> None:
        """Save the running statistics for `revert_statistics`, because a step begins without a forward pass."""
        if self._statistics is not None and self._before is not None:
            np.copyto(self._before, self._statistics)

    def revert_statistics(self) -> None:
        """Undo the last training forward pass in the running statistics, because its step failed."""
        if self._statistics is not None and self._before is not None:
            np.copyto(self._statistics, self._before)

    def _skip_first_gradient(self) -> None:
        self._trained_from = len(self._active)
        for layer in self._active:
            layer.needs_dx = True
        for position, layer in enumerate(self._active):
            if any(not inner.freezes(parameter.name) for inner in layer.walk() for parameter in inner.declared):
                self._trained_from = position
                layer.needs_dx = False
                return

    def constrain(self) -> None:
        """Apply the constraints to all trained weights."""
        if self._settled != self.context.changes:
            self._settle()
        for weight, constraint in self._constrained:
            constraint.apply(weight)

    def _make_lock(self) -> None:
        self.lock = Lock()
        register_for_forks(self)

    def _in_child(self) -> None:
        """In a forked child, release locks of the parent's other threads, and refuse a half-done change."""
        self.lock.renew()
        if self.lock.half_done:
            vars(self)["_forward"] = lambda *_: self.lock.expect_whole()  # so that no step has to check

    def __getstate__(self) -> dict[str, Any]:
        """State for copies and pickles: that of a model file, and the optimizer with its state."""
        self.lock.expect_whole()
        state = {name: value for name, value in super().__getstate__().items() if name not in (*_NOT_COPIED, "lock")}
        return {**state, "_copied": None if self._parameters is None else self._parameters.size}

    def __reduce_ex__(self, protocol: Any) -> Any:
        if not self.lock.elsewhere():
            return super().__reduce_ex__(protocol)
        # Another thread may train the model while it is pickled piece by piece: pickle a copy.
        with self.lock.between_changes():
            return copy.deepcopy(super().__reduce_ex__(protocol))

    def __deepcopy__(self: F, memo: dict[int, Any]) -> F:
        twin = memo[id(self)] = type(self).__new__(type(self))
        with self.lock.between_changes():  # another thread may train it
            twin.__setstate__(copy.deepcopy(self.__getstate__(), memo))
        return twin

    def get_weights(self) -> list[Array]:
        with self.lock.between_changes():
            return super().get_weights()

    get_weights.__doc__ = Chain.get_weights.__doc__

    def set_weights(self, weights: list[Array]) -> None:
        with self.lock:
            super().set_weights(weights)

    set_weights.__doc__ = Chain.set_weights.__doc__

    def __setstate__(self, state: dict[str, Any]) -> None:  # for unpickled and copied models
        state = dict(state)
        size = state.pop("_copied")
        super().__setstate__(state)
        self._make_lock()
        if self.context is not self._own:  # it is part of another model
            return
        self.context.owned, self.context.built = True, size is not None
        if size is not None:
            for layer in self.walk():
                layer._alone = False
            values = [parameter.value for _, parameter, _ in self._places]  # each layer has its own copy
            self._allocate(size)
            for (_, parameter, _), value in zip(self._places, values, strict=True):
                np.copyto(_expect(parameter.value), _expect(value))
            self._settle()

    def _inner(self) -> Iterator[Layer]:
        return (layer for layer in self.walk() if layer is not self)

    @contextmanager
    def same_masks(self) -> Iterator[None]:
        """Return a context in which every training forward pass draws the same masks and noise, those of the next step.

        For gradient checks and line searches, which compare passes. Outside it, each training forward pass draws new
        masks. Weights that you change inside it are not constrained. Steps taken inside it are counted when it ends.

        Yields
        ------
        None
            Nothing.

        Examples
        --------
        >>> with model.same_masks():
        ...     losses = [loss.forward(model.forward(x, training=True), y) for _ in range(2)]  # equal
        """
        context, stage = self.context, self._stage
        saved = context.passes, context.repeating, context.epoch
        context.passes, context.repeating, self._stage = 0, True, stage & ~GATHERED
        if context.epoch is None:  # schedules are where the next run of `fit` continues them
            context.epoch = 0.0 if self.optimizer is None else float(self.optimizer.epochs_at(self.epoch))
        try:
            yield
        finally:
            context.passes, context.repeating, context.epoch = saved
            if not context.repeating:
                context.step, context.late = context.step + context.late, 0
            if self._stage & GATHERED:  # a backward pass inside has overwritten the gradients
                stage &= ~GATHERED
            self._stage = stage & ~FORWARDED | self._stage & FORWARDED

    # Contents -------------------------------------------------------------------------------------

    @property
    def built(self) -> bool:
        """Whether shapes and parameters exist."""
        return self._parameters is not None

    @property
    def parameters(self) -> Array:
        """All trainable parameters as one vector (P,); blocks start on 64-byte boundaries, gaps are 0 and stay 0."""
        if self._parameters is None:
            raise RuntimeError(UNBUILT)
        return self._parameters

    @parameters.setter
    def parameters(self, values: ArrayLike) -> None:
        self._set_vector(self.parameters, values, "model.parameters")
        self._stage &= ~GATHERED

    def _set_vector(self, vector: Array, values: ArrayLike, where: str) -> None:
        if values is vector:  # `model.parameters -= ...` has changed it in place
            return
        with self.lock:
            copy_into(vector, values, where)
            for _, parameter, start in self._places:
                stop = start + math.prod(parameter.shape)
                vector[stop : -(-stop // self._unit) * self._unit] = 0  # the gap to the next block

    @property
    def gradients(self) -> Array:
        """The gradients of `parameters` (P,), filled by `backward`. Assigning to it copies the values."""
        if self._gradients is None:
            raise RuntimeError(UNBUILT)
        return self._gradients

    @gradients.setter
    def gradients(self, values: ArrayLike) -> None:
        self._set_vector(self.gradients, values, "model.gradients")

    @property
    def dtype(self) -> np.dtype[Any]:
        """The dtype of parameters and activations, float32 or float64."""
        return self.context.dtype

    @property
    def seed(self) -> int:
        """Determines the initial weights, every mask and, by default, the order of samples."""
        return self.context.seed

    def tensors(self) -> dict[str, Array]:
        """Views of every parameter and saved statistic by name: "affine1.weight", "batchnorm1.running_mean".

        Returns
        -------
        dict
            Arrays in a fixed order. Writing into an array changes the model; `get_weights` returns copies, in the same
            order. ``model.tensors()["affine1.weight"] = W`` copies the values of W, like ``layer.weight = W``.
        """
        if not self.built:
            raise RuntimeError(UNBUILT)
        self._expect_names()  # a layer may have been renamed
        return Tensors(
            {f"{layer.name}.{name}": array for layer in self._inner() for name, array in layer._arrays().items()}
        )

    @property
    def _unit(self) -> int:
        """Blocks start at multiples of this count of numbers."""
        return ALIGNMENT // self.dtype.itemsize

    def penalties(self, penalty: Penalty | None) -> Iterator[tuple[Penalty, Array, Array]]:
        """Each penalized block with its penalty and its gradient; frozen blocks are left out.

        Parameters
        ----------
        penalty : Penalty or None
            Used for layers that have no penalty.

        Yields
        ------
        tuple
            Penalty, parameter and gradient.
        """
        settled = self._settled == self.context.changes
        for layer, parameter, value, gradient in self._trained if settled else self._list_trained():
            chosen = penalty if layer.penalty is None else layer.penalty
            if chosen is not None and (parameter.penalized or chosen.biases):
                yield chosen, value, gradient

    def expect_penalty(self) -> None:
        """Note that a penalty is being added to gradients that the next backward pass might overwrite."""
        self._stage = self._stage & ~LOST_PENALTY if self._stage & BACKED else self._stage | LOST_PENALTY

    @property
    def parameter_count(self) -> int:
        """Number of trainable parameters, without the gaps of the flat vector."""
        return sum(math.prod(parameter.shape) for layer in self._inner() for parameter in layer.declared)


def _expect(array: Array | None) -> Array:
    assert array is not None
    return array


_NOT_COPIED = (
    "_parameters",
    "_gradients",
    "_constrained",
    "_segments",
    "_trained",
    "_settled",
    "_stage",
    "_statistics",
    "_before",
)
