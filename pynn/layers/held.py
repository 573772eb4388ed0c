"""Arrays that a layer holds under a name: reading returns the array, assignment copies into it.

So `layer.weight = W` changes the block of the flat vector that the optimizer updates. Knows no layer's formula.
"""

from __future__ import annotations

import functools
import itertools
import operator
from collections.abc import Callable, Iterator, Mapping
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from ..messages.terminal import brief, called
from ..signatures import Constructed, unwrapped
from ..typing import Array
from .context import Context, Parameter


class Holder(Constructed):
    """What has named arrays, trained and others, and layers inside: the lowest base of a layer."""

    name: str = ""  # unique in its model: "affine1"; the model's choice unless `named` was called
    context: Context
    declared: list[Parameter]
    children: Callable[[], tuple[Any, ...]]
    walk: Callable[[], Iterator[Any]]  # itself and all inside it, in the order of the forward pass

    _state: dict[str, Array]
    _held: dict[str, Array]  # by name, those that assignment copies into

    @property
    def kind(self) -> str:
        """Name of the class, as in a model file."""
        return type(self).__name__

    @property
    def state(self) -> Mapping[str, Array]:
        """The arrays that are saved but not trained, such as running statistics, by name."""
        return MappingProxyType(self._state)

    def _arrays(self) -> dict[str, Array]:
        """Its parameters and states by name, without those of the layers inside."""
        return {name: getattr(self, name) for name in [*(parameter.name for parameter in self.declared), *self._state]}

    def _set_state(self, name: str, value: ArrayLike) -> None:
        self._hold_state(name, np.array(value, self.context.dtype))

    def _hold_state(self, name: str, array: Array) -> None:
        self._state[name] = array
        hold(self, name, array)


def slot(name: str) -> str:
    """Return the attribute in which an instance keeps the array behind the class's property NAME."""
    return f"_value_of_{name}"


class NotHeld:
    """Stands in the class for an array that some of its instances hold; default: what the class had for the others."""

    def __init__(self, name: str, *default: Any) -> None:
        self.name, self.default = name, default

    def __get__(self, layer: Holder | None, kind: type) -> Any:
        if layer is None:
            return self
        # A plain attribute was set before another instance held an array of that name.
        found = [vars(layer)[self.name]] if self.name in vars(layer) else self.default
        if not found:
            raise AttributeError(
                f"{called(layer)} has no {self.name} yet: build it or its model first, or fit that",
                name=self.name, obj=layer,
            )  # fmt: skip
        setattr(layer, slot(self.name), found[0])  # the next steps read it in C
        return found[0]


def hold(layer: Holder, name: str, array: Array) -> None:
    """Make `layer.NAME` this array for good: later assignments copy into it."""
    kind = type(layer)
    default = getattr(kind, name, None)
    if not is_held(default):
        # The default is such as `bias = None`, for layers without the parameter.
        setattr(kind, slot(name), NotHeld(name, *([default] if hasattr(kind, name) else [])))
        # attrgetter runs in C: a Python property or __setattr__ would slow down every step.
        setattr(kind, name, property(operator.attrgetter(slot(name)), functools.partial(_assign, name)))
    layer._held[name] = array
    # Not by vars(layer): CPython reads attributes more slowly once an instance has made its dictionary.
    setattr(layer, slot(name), array)


def is_held(member: object) -> bool:
    """Whether this attribute of a class is a property that `hold` made."""
    return isinstance(member, property) and isinstance(member.fset, functools.partial) and member.fset.func is _assign


def expect_free(layer: Holder, reserved: set[str], *names: str) -> None:
    """Raise ValueError for a name that the layer, its class, its constructor or another parameter uses."""
    kind = type(layer)
    declared = [parameter.name for parameter in layer.declared]
    taken = reserved | layer.state.keys() | {*declared, *(f"d{name}" for name in declared)}
    constructor = getattr(unwrapped(kind.__init__), "__code__", None)
    taken.update(constructor.co_varnames[: constructor.co_argcount] if constructor else ())
    for name in names:
        member = getattr(kind, name, None)
        fixed = callable(member) or (isinstance(member, property) and not is_held(member))
        if not name.isidentifier() or fixed or name in taken:
            raise ValueError(f"a parameter cannot be named {names[0]!r}: expected a name that is not taken yet")


def set_before(layer: Holder, name: str) -> Any:
    """What was set as `layer.NAME` before the parameter is declared; None where nothing was."""
    place = slot(name) if is_held(getattr(type(layer), name, None)) else name
    value, default = getattr(layer, place, None), getattr(type(layer), place, None)
    if isinstance(default, NotHeld):
        default = default.default[0] if default.default else None
    return None if value is default else value


def release(layer: Holder) -> None:
    """Make the layer hold no arrays."""
    for name in layer._held:
        delattr(layer, slot(name))
    layer._held.clear()


def _assign(name: str, layer: Holder, value: object) -> None:
    if name not in layer._held:  # not built, or a plain attribute of a layer without that parameter
        setattr(layer, slot(name), value)
        return
    held = layer._held[name]
    if value is not held:  # `layer.weight *= 2` has changed it in place already
        gradient = any(name == f"d{parameter.name}" for parameter in layer.declared)
        copy_into(held, value, f"{layer.name or layer.kind}.{name}", fills=not gradient)


def copy_into(held: Array, value: object, where: str, fills: bool = True) -> None:
    """Copy numbers of the same shape into the array, or if `fills` a single number into all of it.

    Raises TypeError or ValueError for anything else, before anything is changed.
    """
    if isinstance(value, np.ma.MaskedArray):
        raise TypeError(f"{where} is set to a masked array, whose mask would be lost; fill it first: .filled(0)")
    array = np.asarray(value)
    if array.dtype.kind not in "fiub":
        what = f"an array of dtype {array.dtype}" if isinstance(value, np.ndarray) else brief(value)
        raise TypeError(f"{where} is set to {what}, expected numbers of shape {held.shape}")
    if array.shape != held.shape and not (fills and array.ndim == 0):
        transposed = sorted(array.shape) == sorted(held.shape)
        hint = "; weights are (inputs, outputs): pass its .T" if held.ndim == 2 else "; bring its axes into that order"
        raise ValueError(f"{where} is set to shape {array.shape}, expected {held.shape}{hint if transposed else ''}")
    held[...] = array


class Tensors(dict[str, Array]):
    """Arrays by name, as returned by `model.tensors()`: `tensors[name] = values` copies into the model's array."""

    def __setitem__(self, name: str, value: object) -> None:
        if name not in self:
            raise KeyError(f"there is no tensor {brief(name)}, expected one of {', '.join(self)}")
        if value is not self[name]:
            copy_into(self[name], value, name)

    def __reduce__(self) -> tuple[Any, ...]:  # copies and pickles are plain dicts
        return dict, (dict(self),)


def writable(array: Array) -> Array:
    """Return the array, or a copy if it is read-only or a subclass: joblib maps large arrays from a file."""
    return array if type(array) is np.ndarray and array.flags.writeable else np.array(array)


_colours = itertools.count()


def aligned(size: int, dtype: np.dtype[Any]) -> Array:
    """Return an uninitialized vector that starts on a 64-byte boundary.

    Successive vectors start at different offsets within a page: a processor delays a load if a pending store's address
    has the same low 12 bits.
    """
    colour = next(_colours)
    place, step = (colour % 4 * 256 + colour // 4 % 4 * 1024, 4096) if size * dtype.itemsize > 4096 else (0, 64)
    raw = np.empty(size * dtype.itemsize + step, np.uint8)
    start = (place - raw.ctypes.data) % step
    return raw[start : start + size * dtype.itemsize].view(dtype)
