"""Layer: what every layer is, ready-made or a user's own. Must not know models, losses or optimizers."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
from numpy.typing import ArrayLike

from ..checks import NOT_NEGATIVE, Constructed, add_foreign, expect_instance, expect_name, expect_numbers
from ..constraints import Constraint
from ..initializers import Initializer, Zeros
from ..messages.terminal import brief, called
from ..regularizers import Penalty
from ..saving import copies
from ..saving.config import expect_keys
from ..typing import Array, Shape
from . import weight_lists
from .context import Context, Parameter
from .held import aligned, expect_free, given_before, hold, release, slot, writable
from .whole import layers_in, own_gradient, whole

if TYPE_CHECKING:
    from .activations import Activation
    from .buffers import GradientBuffers

__all__ = ["Array", "Context", "Layer", "Parameter", "Shape", "aligned"]

L = TypeVar("L", bound="Layer")


class Layer(Constructed):
    """Base of all layers. An own layer overrides `build`, `forward` and `backward`:

    >>> class Scale(pynn.Layer):
    ...     def build(self, input_shape):
    ...         self.add_parameter("factor", input_shape, pynn.Constant(1))
    ...         return input_shape
    ...     def forward(self, x, training):
    ...         self.x = x
    ...         return self.factor * x
    ...     def backward(self, dy):
    ...         self.dfactor[...] = (dy * self.x).sum(axis=0)
    ...         return dy * self.factor

    Shapes leave out the batch axis: a layer that turns x (N, 784) into y (N, 10) has `build((784,)) == (10,)`.
    Arguments of `__init__` are kept in attributes of the same names: that is how a layer is saved and loaded again.
    """

    name: str = ""  # unique in its model: "affine1"; the model's choice unless `named` was called
    given_name: str = ""
    input_shape: Shape
    output_shape: Shape
    context: Context
    stream: int = 0  # the layer's number in its model: its part of the random sequence
    needs_dx: bool = True  # False on the first layer that has parameters: nobody wants its input gradient
    followed_by: Activation | None = None  # the activation that its output runs into
    passes_activation: bool = False  # normalization, dropout, reshaping: what follows counts for the layer before

    _penalty: Penalty | None = None
    _frozen: bool = False
    _frozen_names: tuple[str, ...] = ()  # of single parameters
    _factor: float = 1.0

    users_own: bool = False  # a class outside pynn: what it returns is checked

    def __init_subclass__(cls) -> None:
        cls.users_own = not cls.__module__.startswith("pynn.")
        if "build" in vars(cls):
            cls.build = whole(cls.build)  # type: ignore[method-assign]

    def _prepare(self) -> None:
        self.declared = []
        self._state, self._held, self._buffers, self._views = {}, {}, {}, {}
        self.context = Context()

    declared: list[Parameter]
    _state: dict[str, Array]
    _held: dict[str, Array]  # by name, those that assignment copies into
    _own: Context | None = None  # of a model, also where it stands inside another one
    _building: bool = False
    _alone: bool = False  # built outside of a model, with arrays of its own
    _brought: Mapping[str, Array] = MappingProxyType({})  # what it had when it was built alone, then got into a model
    _own_parameters: tuple[Parameter, ...] = ()  # of a user's own layer and of such layers inside it
    _shared: GradientBuffers | None = None  # those of the chain that it stands in
    _buffers: dict[str, Array]
    _views: dict[tuple[str, Shape], Array]

    # What a layer overrides -----------------------------------------------------------------------

    @whole
    def build(self, input_shape: Shape) -> Shape:
        """Declare parameters for inputs of this shape (without the batch axis); return the output's shape.

        A layer can be built alone, `layer.build((5,))`: it then has parameters and gradients of its own, float32, with
        first values drawn by seed 0. A model that it is put into goes on with them. Built alone once more, it starts
        anew. A layer with layers inside builds them here, `self.inner.build(shape)`.
        """
        return input_shape

    def forward(self, x: Array, training: bool) -> Array:
        """Outputs for a batch x. What `backward` needs may be kept in attributes.

        The array that comes back belongs to the layer and is overwritten by its next `forward`: copy what shall stay.
        (`model.forward` gives new arrays.)
        """
        raise NotImplementedError(f"{type(self).__name__} has no forward(x, training)")

    def backward(self, dy: Array) -> Array | None:
        """Fill the gradients (`self.dNAME[...] = ...`) and return the gradient of the last forward's input.

        That forward was one with training=True, except in `model.input_gradient`: go back through what it did.
        May return None where `needs_dx` is False. dy itself, or a view of it, may be returned; it holds its numbers
        until this call ends, no longer: who wants them later copies them.
        """
        raise NotImplementedError(f"{type(self).__name__} has no backward(dy)")

    def fuse(self, activation: Activation) -> bool:
        """Take the activation into this layer's own kernel, if it can; True when it did."""
        return False

    def children(self) -> tuple[Layer, ...]:
        """The layers inside this one: of an own layer those in its attributes, also in lists and dicts there.

        They are trained, saved and frozen with it; its `build`, `forward` and `backward` call theirs, each once.
        """
        return layers_in(self, Layer) if self.users_own else ()

    # What a layer calls ---------------------------------------------------------------------------

    def add_parameter(
        self,
        name: str,
        shape: Shape,
        initializer: Initializer | None = None,
        *,
        penalized: bool = True,
        constraint: Constraint | None = None,
    ) -> None:
        """Declare trainable numbers: `self.NAME` and their gradient `self.dNAME` are there once the model is built.

        name: that NAME, not taken yet; shape: a tuple of integers. initializer: zeros by default. penalized: whether L1
        and L2 penalties and weight decay count them (biases they do not). constraint: applied to them after each step.
        """
        if self.context.limit is not None:
            self.context.spend(name, shape)
        expect_free(self, _RESERVED, name, f"d{name}")
        if given_before(self, name) is not None:
            raise ValueError(
                f"{name} was set before the layer was built, which gives it its shape: build first "
                f"(model.build(input_shape)), then set it, or choose its first values by an initializer"
            )
        self.declared.append(Parameter(name, tuple(shape), initializer or Zeros(), penalized, constraint))

    def add_state(self, name: str, value: ArrayLike) -> None:
        """Add an array `self.NAME` that is saved with the model but not trained.

        name: that NAME, not taken yet; value: what it holds at first, copied, in the model's dtype.
        """
        expect_free(self, _RESERVED, name)
        self._set_state(name, value)

    def _set_state(self, name: str, value: ArrayLike) -> None:
        self._hold_state(name, np.array(value, self.context.dtype))

    def _hold_state(self, name: str, array: Array) -> None:
        self._state[name] = array
        hold(self, name, array)

    @property
    def state(self) -> Mapping[str, Array]:
        """The arrays that are saved but not trained, like running statistics, by name."""
        return MappingProxyType(self._state)

    def arrays(self) -> dict[str, Array]:
        """Its parameters and what `add_state` added, without the layers inside, by name."""
        return {name: getattr(self, name) for name in [*(one.name for one in self.declared), *self._state]}

    def buffer(self, name: str, shape: Shape) -> Array:
        """An uninitialized array of this shape in the model's dtype, reused by every later call with this name."""
        view = self._views.get((name, shape))
        if view is not None:
            return view
        size = int(np.prod(shape))
        whole = self._buffers.get(name)
        if whole is None or whole.size < size:
            whole = aligned(size, self.context.dtype)
            self._buffers[name] = whole
            self._views = {key: old for key, old in self._views.items() if key[0] != name}
        if len(self._views) > 64:  # ever-changing batch sizes must not pile up views
            self._views.clear()
        view = whole[:size].reshape(shape)
        self._views[name, shape] = view
        return view

    def gradient_buffer(self, name: str, shape: Shape, dy: Array, dz: Array | None = None) -> Array:
        """An uninitialized array in the model's dtype for `backward` to return, or to work in; no part of dy or dz.

        The layers of a chain share a few of them: its numbers last until the layer before has read them. A user's own
        layer, and one that stands in no chain, gets `buffer(name, shape)`.
        """
        shared = self._shared
        if shared is None:
            return self.buffer(name, shape)
        if not shared.keeping:  # the common case, at once
            first, second = dy.base, None if dz is None else dz.base
            for view in shared.views.get(shape, ()):
                if view.base is not first and view.base is not second:
                    return view
        return shared.take(shape, self.context.dtype, (dy,) if dz is None else (dy, dz))

    # What a user calls ----------------------------------------------------------------------------

    get_weights = weight_lists.get_weights
    set_weights = weight_lists.set_weights

    def named(self: L, name: str) -> L:
        """Give the layer a name of its own, which its tensors bear in model files; returns the layer."""
        expect_name("", "a layer", name=name)
        self.name = self.given_name = name
        return self

    @property
    def penalty(self) -> Penalty | None:
        """What this layer's weights pay in place of the model's penalty (None, the default: the model's).

        To set it sets that of the layers inside as well. It is saved with the model.
        """
        return self._penalty

    @penalty.setter
    def penalty(self, value: Penalty | None) -> None:
        self._checked_penalty(value)
        for inner in self.walk():
            inner._penalty = value
        self.context.changes += 1

    def _checked_penalty(self, value: Any) -> Penalty | None:
        if value is not None:
            expect_instance(value, Penalty, f"{called(self)}: penalty")
        return value  # type: ignore[no-any-return]

    def freeze(self: L, *names: str) -> L:
        """Train these parameters of the layer no further; without names: all, also of layers inside. Returns the layer.

        Nothing changes a frozen parameter: no learning rate, momentum or weight decay; penalties leave it out. Below
        the first layer that is trained there is no backward pass. A BatchNorm that is frozen as a whole works with its
        running statistics, in training too, and they stay. What is frozen is saved with the model.
        ValueError for a name that the layer does not have.
        """
        if names:
            self.expect_parameters(*names)
            self._frozen_names += names
        else:
            for inner in self.walk():
                inner._frozen = True
        self.context.changes += 1
        return self

    def unfreeze(self: L) -> L:
        """Train all parameters of this layer and of those inside it again; returns the layer."""
        for inner in self.walk():
            inner._frozen, inner._frozen_names = False, ()
        self.context.changes += 1
        return self

    def freezes(self, name: str) -> bool:
        """Whether its parameter of this name is frozen."""
        return self._frozen or name in self._frozen_names

    def gradient_of(self, name: str) -> Array | None:
        """The gradient array of its parameter of this name, for a kernel to fill; None where it is frozen."""
        if self._frozen or name in self._frozen_names or self.context.inputs_only:
            return None
        gradient: Array | None = self._held.get(f"d{name}")
        if gradient is None:  # no such parameter in this layer
            gradient = getattr(self, f"d{name}")
        return gradient

    @property
    def frozen(self) -> bool:
        """Whether nothing in it is trained."""
        trained = [(inner, one.name) for inner in self.walk() for one in inner.declared]
        return all(inner.freezes(name) for inner, name in trained) and (self._frozen or bool(trained))

    def expect_parameters(self, *names: str) -> None:
        """ValueError, once it is built, for names that its parameters do not have."""
        known = [one.name for one in self.declared]
        if known and (unknown := [repr(name) for name in names if name not in known]):
            raise ValueError(f"{called(self)}: {unknown[0]} cannot be frozen, expected {', '.join(known)}")

    @property
    def learning_rate_factor(self) -> float:
        """What the learning rate is multiplied with for this layer: a finite number of at least 0 (default 1).

        To set it sets that of the layers inside as well. It is saved with the model.
        """
        return self._factor

    @learning_rate_factor.setter
    def learning_rate_factor(self, value: float) -> None:
        factor = self._checked_factor(value)
        for inner in self.walk():
            inner._factor = factor
        self.context.changes += 1

    def _checked_factor(self, value: Any) -> float:
        expect_numbers(called(self), NOT_NEGATIVE, learning_rate_factor=value)
        return float(value)

    def training_settings(self) -> dict[str, Any]:
        """What is frozen, the factor and the penalty, without the layers inside, as it stands in a model file."""
        frozen = True if self._frozen else list(self._frozen_names)
        factor = None if self._factor == 1 else self._factor
        settings = {"frozen": frozen, "learning_rate_factor": factor, "penalty": self._penalty}
        return {name: value for name, value in settings.items() if value not in ([], None)}

    def restore_training_settings(self, settings: dict[str, Any]) -> None:
        """Take the settings that `training_settings` gave; ValueError for anything else."""
        expect_keys(f"{self.kind}: train", settings, (), ("frozen", "learning_rate_factor", "penalty"))
        frozen, factor = settings.get("frozen", []), settings.get("learning_rate_factor", 1)
        if not (frozen is True or (isinstance(frozen, list) and all(isinstance(name, str) for name in frozen))):
            raise ValueError(f"{self.kind}: frozen is {brief(frozen)}, expected true or a list of names")
        self._frozen, self._frozen_names = frozen is True, () if frozen is True else tuple(frozen)
        self._factor = self._checked_factor(factor)
        if "penalty" in settings:  # else it came as a constructor's argument
            self._penalty = self._checked_penalty(settings["penalty"])
        self.context.changes += 1

    @property
    def kind(self) -> str:
        """The class's name, as it stands in a model file."""
        return type(self).__name__

    def walk(self) -> Iterator[Layer]:
        """This layer and all inside it, in the order of the forward pass."""
        yield self
        for child in self.children():
            yield from child.walk()

    def _share_context(self) -> None:
        """Before it is built: the layers inside get what it shares with its model."""
        for child in self.children():
            if child.context.built and child.context is not self.context:
                raise ValueError(
                    f"{self.kind}: the {child.kind} inside it belongs to a model that is built; make a new one"
                )
            child.context = self.context

    def __copy__(self: L) -> L:  # two layers cannot share parameters
        return copy.deepcopy(self)

    def __getstate__(self) -> dict[str, Any]:
        """What copies and pickles carry: what a model file does, nothing of a batch."""
        held = {slot(name) for name in self._held}
        state = {name: one for name, one in copies.without_batches(self).items() if name not in held}
        return {
            **state,
            "_buffers": {},
            "_views": {},
            "_held": {},
            "_brought": {} if self.declared else dict(self._brought),
        }

    def __setstate__(self, state: dict[str, Any]) -> None:
        from .activations import IDENTITY  # here: activations are layers

        vars(self).update(state)
        self._alone = bool(self.declared or self._state)  # a model takes its layers over
        for parameter in self.declared:
            if parameter.value is not None:
                parameter.value = writable(parameter.value)
                own_gradient(self, parameter)
        for name, array in self._state.items():
            self._set_state(name, array)
        if "_activation" in state:  # one that runs inside it stands beside it in its chain, which fuses them again
            self.fuse(IDENTITY)

    def _reset(self) -> None:
        """Forget what `build` declared, so that it can run again."""
        release(self)
        self.declared, self._state, self._buffers, self._views = [], {}, {}, {}
        self._shared, self._alone, self._own_parameters = None, False, ()
        self.needs_dx = True
        self.name = self.given_name
        for name in ("input_shape", "output_shape"):
            if hasattr(self, name):
                delattr(self, name)

    def __repr__(self) -> str:
        from ..saving.config import constructor_text

        return constructor_text(self)


_RESERVED = {*dir(Layer), *Layer.__annotations__}


add_foreign(Layer, "trainable requires_grad")
