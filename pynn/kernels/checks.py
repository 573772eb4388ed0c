"""Argument checks of the NumPy kernels: the same rules and messages as csrc/bindings/check.h.

Knows arrays, shapes and dtypes (scalars.py: the other arguments); must not know what a kernel computes.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from typing import Any, ParamSpec, TypeVar

import numpy as np
from numpy.typing import NDArray

from .documentation import defaults_of, with_arguments, wrong_call
from .scalars import scalars

Floats = NDArray[Any]

P = ParamSpec("P")
R = TypeVar("R")

FLOATS = ("float32", "float64")
REQUIRED: Any = ...  # the "default" of required arguments after optional ones


class Rule:
    """What an array argument must be: ``"[optional] [out] [int64|pixels] DIM DIM"``, or ``...`` for any shape."""

    def __init__(self, name: str, text: str) -> None:
        words = text.split()
        self.name = name
        self.optional = "optional" in words
        self.written = "out" in words
        self.dtype = next((word for word in words if word in ("int64", "pixels")), "float")
        self.dims = tuple(word for word in words if word not in ("optional", "out", "int64", "pixels"))


def _plain(where: str, rule: Rule, array: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """The numbers of a subclass as a plain array: np.matrix, for example, multiplies differently."""
    if isinstance(array, np.ma.MaskedArray):
        filled = f"{rule.name}.filled(value)"
        raise TypeError(f"{where}: {rule.name} is a masked array, whose mask would be lost; {filled} is a plain one")
    return array.view(np.ndarray)


def _check_dtype(where: str, rule: Rule, array: np.ndarray[Any, Any], bound: dict[str, Any]) -> None:
    dtype = array.dtype if array.dtype.isnative else array.dtype.newbyteorder("=")
    name = "float64" if dtype == np.float64 else dtype.name  # also a longdouble of 8 bytes
    if rule.dtype == "int64":
        expected = "" if name == "int64" else "int64"
    elif rule.dtype == "pixels":
        expected = "" if name in ("uint8", *FLOATS) else "uint8, float32 or float64"
    elif "dtype" not in bound:
        expected = "" if name in FLOATS else "float32 or float64"
        bound["dtype"] = (name, rule.name)
    else:
        wanted, like = bound["dtype"]
        expected = "" if name == wanted else f"{wanted} like {like}"
    shown = name if array.dtype.isnative else str(array.dtype)
    if expected:
        raise TypeError(f"{where}: {rule.name} has dtype {shown}, expected {expected}")
    if not array.dtype.isnative:
        native = f"{rule.name}.astype({rule.name}.dtype.newbyteorder('='))"
        raise TypeError(f"{where}: {rule.name} is byte-swapped ({shown}); {native} is not")


def _check_shape(where: str, rule: Rule, array: np.ndarray[Any, Any], bound: dict[str, Any]) -> None:
    if rule.dims == ("...",):
        shape = bound.setdefault("...", array.shape)
        if array.shape != shape:
            raise ValueError(f"{where}: {rule.name} has shape {array.shape}, expected {shape}")
        return
    fits = array.ndim == len(rule.dims)
    if fits:
        for dim, size in zip(rule.dims, array.shape, strict=True):
            fits = fits and bound.get(dim, size) == size
    if not fits:
        wanted = ", ".join(f"{dim}={bound[dim]}" if dim in bound else dim for dim in rule.dims)
        comma = "," if len(rule.dims) == 1 else ""
        raise ValueError(
            f"{where}: {rule.name} has shape {array.shape}, expected ({wanted}{comma}){_reshaped(rule, array, bound)}"
        )
    bound.update(zip(rule.dims, array.shape, strict=True))


def _reshaped(rule: Rule, array: np.ndarray[Any, Any], bound: dict[str, Any]) -> str:
    """A hint at the reshape, without a copy, that makes an array of more dimensions fit."""
    by_channels = len(rule.dims) == 2 and rule.dims[1] == "C"
    flat = array.ndim > len(rule.dims) and array.flags.c_contiguous
    if not flat or not (len(rule.dims) == 1 or by_channels):
        return ""
    sizes = [math.prod(array.shape[:-1]), *array.shape[-1:]] if by_channels else [array.size]
    if any(bound.get(dim, size) != size for dim, size in zip(rule.dims, sizes, strict=True)):
        return ""
    return f"; {rule.name}.reshape(-1{f', {sizes[1]}' if by_channels else ''}) is"


def _check_memory(where: str, rule: Rule, array: np.ndarray[Any, Any]) -> None:
    if not array.flags.c_contiguous:
        raise ValueError(f"{where}: {rule.name} is not C-contiguous; numpy.ascontiguousarray({rule.name}) is")
    if not array.flags.aligned:
        raise ValueError(f"{where}: {rule.name} is not aligned in memory; {rule.name}.copy() is")
    if rule.written and not array.flags.writeable:
        raise ValueError(f"{where}: {rule.name} is read-only, expected an array to write into")


def _check_overlap(where: str, arrays: list[tuple[Rule, np.ndarray[Any, Any]]]) -> None:
    for written, target in arrays:
        if written.written:
            for other, array in arrays:
                if other is not written and np.may_share_memory(target, array):
                    raise ValueError(f"{where}: {written.name} overlaps {other.name} in memory")


def checked(**rules: str) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Check the arguments of a kernel before it runs: scalars by their annotations, then the named arrays.

    The rules are in the order of the arguments. The kernel gets scalars as plain Python numbers: a float64 of NumPy
    would turn float32 arrays into float64.
    """

    def wrap(function: Callable[P, R]) -> Callable[P, R]:
        function.__doc__ = with_arguments(function, rules)
        where = function.__name__
        names = function.__code__.co_varnames[: function.__code__.co_argcount]
        parsed = [(names.index(name), Rule(name, text)) for name, text in rules.items()]
        plain = scalars(function, names)
        defaults = defaults_of(function)

        @functools.wraps(function)
        def call(*args: P.args, **kwargs: P.kwargs) -> R:
            values: list[Any] = [*args]
            if kwargs or len(args) != len(names):
                if sentence := wrong_call(function, len(args), tuple(kwargs)):
                    raise TypeError(sentence)
                values += [kwargs[name] if name in kwargs else defaults[name] for name in names[len(args) :]]
            for position, name, check in plain:
                values[position] = check(where, name, values[position])
            bound: dict[str, Any] = {}
            arrays: list[tuple[Rule, np.ndarray[Any, Any]]] = []
            for position, rule in parsed:
                array = values[position]
                if array is None and rule.optional:
                    continue
                if not isinstance(array, np.ndarray):
                    kind = type(array).__name__
                    raise TypeError(f"{where}: {rule.name} is {kind}, expected a numpy.ndarray")
                if type(array) is not np.ndarray:
                    values[position] = array = _plain(where, rule, array)
                _check_dtype(where, rule, array, bound)
                _check_shape(where, rule, array, bound)
                _check_memory(where, rule, array)
                arrays.append((rule, array))
            _check_overlap(where, arrays)
            with np.errstate(all="ignore"):  # infinity and NaN are results, as of the native kernels
                return function(*values)  # type: ignore[call-arg]

        return call

    return wrap


def not_vanished(value: float, like: Floats) -> float:
    """The number; if positive but too small for the dtype of `like`, the smallest normal one there."""
    least = float(np.finfo(like.dtype).tiny)
    return least if 0 < value < least else value


def expect_not_negative(where: str, name: str, value: float) -> None:
    """Raise ValueError for a number below 0, infinite or NaN."""
    expect(0 <= value < math.inf, where, name, value, "at least 0 and finite")


def expect(holds: bool, where: str, name: str, value: object, expected: str) -> None:
    """Raise ValueError for a number out of range."""
    if not holds:
        raise ValueError(f"{where}: {name} is {value}, expected {expected}")
