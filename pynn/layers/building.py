"""What runs before and after every `build`, ready-made or custom: the layers inside, and layers built alone.

A layer that is built outside of a model has its own arrays; a model that it is put into later takes them over.
"""

from __future__ import annotations

import functools
import operator
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, TypeVar

import numpy as np

from .. import random
from ..messages.terminal import brief, called
from ..typing import Array, Shape
from .buffers import Buffered
from .context import Context, Parameter
from .held import aligned, copy_into, hold, release

Build = Callable[[Shape], Shape]
F = TypeVar("F", bound=Callable[..., Any])
L = TypeVar("L", bound="Buildable")
LINKS = ("followed_by", "_activation", "_side")  # attributes with layers that are not inside this one


class Buildable(Buffered):
    """What is built for inputs of a shape: alone, or as a part of a model."""

    given_name: str = ""
    input_shape: Shape
    output_shape: Shape
    needs_dx: bool = True  # False on the first layer that has parameters: its input gradient is not needed
    is_custom: bool = False  # defined outside pynn: what its methods return is checked
    build: Build

    _own: Context | None = None  # of a model, also if it is a layer of another model
    _building: bool = False
    _alone: bool = False  # built outside of a model, with arrays of its own
    _brought: Mapping[str, Array] = MappingProxyType({})  # its arrays from being built alone, which a model takes over
    _custom_parameters: tuple[Parameter, ...] = ()  # of a custom layer and of the custom layers inside it

    def __init_subclass__(cls) -> None:
        """Prepare a class of layers: wrap its constructor and its `build`."""
        super().__init_subclass__()
        if not cls.__module__.startswith("pynn."):
            cls.is_custom = True
        if "build" in vars(cls):
            cls.build = wrapped(cls.build)

    def _share_context(self) -> None:
        """Make the layers inside share this one's context, before they are built."""
        for child in self.children():
            if child.context.built and child.context is not self.context:
                raise ValueError(
                    f"{self.kind}: the {child.kind} inside it belongs to a model that is built; make a new one"
                )
            child.context = self.context

    def _reset(self) -> None:
        """Forget what `build` declared, so that it can run again."""
        release(self)
        self.declared, self._state, self._buffers, self._views = [], {}, {}, {}
        self._shared, self._alone, self._custom_parameters = None, False, ()
        self.needs_dx = True
        self.name = self.given_name
        for name in ("input_shape", "output_shape"):
            if hasattr(self, name):
                delattr(self, name)


def wrapped(build: F) -> F:
    """Wrap a class's `build` with what runs before and after it."""

    @functools.wraps(build)
    def run(self: Buildable, input_shape: Shape) -> Shape:
        if self._building:  # super().build(...)
            return build(self, input_shape)  # type: ignore[no-any-return]
        if self.context.built and self.declared:
            where = self.name or self.kind
            raise ValueError(f"{where} is part of a model that is built; model.build(input_shape) builds it anew")
        if not self.is_custom:
            self._check_again()
        shape, alone = sizes(input_shape), not self.context.owned
        if alone and min(shape, default=1) < 1:
            raise ValueError(f"input_shape is {shape}, expected sizes of at least 1")
        _begin(self, shape)
        self._building = True
        try:
            self.output_shape = output = _checked(build(self, shape))
            _expect_built_inside(self)
            _finish(self)
        except BaseException:
            if alone:
                for inner in list(self.walk()):
                    inner._reset()
            raise
        finally:
            self._building = False
        return output

    return run  # type: ignore[return-value]


def sizes(input_shape: Any) -> Shape:
    """Return the shape as a tuple of Python integers; TypeError for anything else."""
    try:
        return tuple(operator.index(size) for size in input_shape)
    except TypeError:
        raise TypeError(f"input_shape is {brief(input_shape)}, expected a tuple of integers") from None


def _checked(shape: Any) -> Shape:
    if not isinstance(shape, (tuple, list)) or not all(isinstance(size, (int, np.integer)) for size in shape):
        raise ValueError(f"build returned {brief(shape)}, expected the output's shape, a tuple of integers")
    return tuple(int(size) for size in shape)


def _begin(layer: Buildable, shape: Shape) -> None:
    if layer._alone:
        layer._brought = layer._arrays() if layer.context.owned else {}
        layer._reset()
    layer._share_context()
    if layer.context is not layer._own:  # a model may still refuse, and must not change then
        layer.input_shape = shape


def _finish(layer: Buildable) -> None:
    brought = layer._brought if layer.context.owned else {}
    for inner in layer.walk():
        if inner.context is not layer.context:  # made in `build`
            _move(inner, layer)
    if layer.is_custom:
        inside = (inner for inner in layer.walk() if inner.is_custom)
        layer._custom_parameters = tuple(parameter for inner in inside for parameter in inner.declared)
    if not layer.context.owned:
        _lay_out(layer)
        layer._alone = True
    if brought:
        for parameter in layer.declared:
            parameter.value = _matching(layer, parameter, brought)
        for name, array in layer.state.items():
            copy_into(array, brought[name], f"{called(layer)}.{name}")


def _expect_built_inside(layer: Buildable) -> None:
    for child in layer.children():
        if not hasattr(child, "output_shape"):
            if type(child).build is not _base_build(child):
                raise ValueError(
                    f"the {child.kind} inside {layer.kind} was not built: expected self.NAME.build(shape) for each "
                    f"layer inside in {layer.kind}.build(input_shape), which returns the output's shape"
                )
            child.build(layer.input_shape)  # it takes any shape


def _base_build(layer: Buildable) -> Any:
    """Return `build` of the base class of all layers."""
    return next(vars(base)["build"] for base in reversed(type(layer).__mro__) if "build" in vars(base))


def _move(inner: Buildable, layer: Buildable) -> None:
    """Move a layer into the context without its own arrays: the model draws the initial values."""
    inner.context, inner._alone = layer.context, False
    for parameter in inner.declared:
        parameter.value = parameter.gradient = None
    for name, array in inner.state.items():
        inner._set_state(name, array)


def _matching(layer: Buildable, parameter: Parameter, brought: Mapping[str, Array]) -> Array:
    array = brought.get(parameter.name)
    if array is None or array.shape != parameter.shape:
        had = "none" if array is None else f"the shape {array.shape}"
        raise ValueError(
            f"{called(layer)} was built alone, where its {parameter.name} had {had}; here it has "
            f"{parameter.shape}: build it alone for inputs of shape {layer.input_shape}, or make a new one"
        )
    return array


def _lay_out(layer: Buildable) -> None:
    """Make an array for each parameter that has none, with initial values drawn by the context's seed."""
    for number, parameter in enumerate(layer.declared):
        if parameter.value is None:
            generator = random.generator(layer.context.seed, number, random.WEIGHTS)
            values = parameter.drawn(called(layer), generator)
            parameter.value = aligned(values.size, layer.context.dtype).reshape(parameter.shape)
            parameter.value[...] = values
        own_gradient(layer, parameter)


def own_gradient(layer: Buildable, parameter: Parameter) -> None:
    """Hold the parameter's value and a gradient of its own, initially 0."""
    assert parameter.value is not None
    parameter.gradient = np.zeros_like(parameter.value)
    hold(layer, parameter.name, parameter.value)
    hold(layer, f"d{parameter.name}", parameter.gradient)


def layers_in(layer: L, base: type[L]) -> tuple[L, ...]:
    """Return the layers in its attributes, also in lists, tuples and dicts there, each once."""
    layers: list[L] = []
    for name, value in vars(layer).items():
        if name not in LINKS:
            values = (
                value.values() if isinstance(value, dict) else value if isinstance(value, (list, tuple)) else [value]
            )
            layers += [value for value in values if isinstance(value, base)]
    deeper = {id(inner) for one in layers for child in one.children() for inner in child.walk()}
    return tuple({id(one): one for one in layers if id(one) not in deeper}.values())
