"""Whether the state of an object in a checkpoint is valid. Knows neither files nor models.

Everything is checked before anything is restored, so that a run whose checkpoint is refused can use an older one.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..checks import is_integer, is_measurement, is_number
from ..messages.terminal import brief
from .config import NEWER, expect_keys

PLAIN = (bool, int, float, str, np.ndarray, type(None))


def is_ours(instance: object) -> bool:
    """Whether its class is one of pynn's, whose attributes keep their types."""
    return type(instance).__module__.startswith("pynn.")


def checked_attributes(
    instance: object, current: Mapping[str, Any], state: Mapping[str, Any], others: Collection[str] = ()
) -> dict[str, Any]:
    """The attributes in the state, if they can replace the object's current attributes; else ValueError.

    A custom class may have set attributes later, in place of class attributes. Names missing from the state and names
    in `others` are ignored.
    """
    kind, ours = type(instance).__name__, is_ours(instance)
    expect_keys(kind, state, (), state)
    new = [name for name in state if name not in current and name not in others]
    for name in new:
        if ours or not isinstance(getattr(type(instance), name, None), PLAIN) or not isinstance(state[name], PLAIN):
            raise ValueError(f"{kind} has the attribute {brief(name)}, unknown here: {NEWER}")
    for name, value in current.items():
        if name in state and not _alike(value, state[name], ours):
            raise ValueError(f"{kind}: {name} is {brief(state[name])}, expected something like {brief(value)}")
    return {name: state[name] for name in (*current, *new) if name in state}


def _alike(current: Any, value: Any, ours: bool) -> bool:
    """Whether an attribute's current value can be replaced by the other value."""
    if isinstance(current, np.ndarray) or isinstance(value, np.ndarray):
        if not ours:
            return True
        if not (isinstance(current, np.ndarray) and isinstance(value, np.ndarray)):
            return False
        # Empty before the first batch.
        return current.dtype.kind == value.dtype.kind and (current.shape == value.shape or not current.size)
    if not ours:
        return isinstance(value, PLAIN)
    if current is None:
        return value is None or is_measurement(value)
    if isinstance(current, (bool, np.bool_)) or isinstance(value, bool):
        return isinstance(current, (bool, np.bool_)) and isinstance(value, bool)
    if isinstance(current, str):
        return isinstance(value, str)
    if not is_number(current):  # infinity, before the first best value
        return is_measurement(value)
    return is_number(value) and not (value < 0 <= current and is_integer(current))


def expect_tensors(where: str, stored: Any, tensors: Mapping[str, NDArray[Any]]) -> None:
    """ValueError for anything but arrays of the same names, shapes and dtypes."""
    expect_keys(where, stored, tensors, ())
    for name, array in tensors.items():
        expect_array(f"{where}: {name}", stored[name], array)


def expect_array(name: str, array: Any, like: NDArray[Any]) -> None:
    """ValueError for anything but an array of the same shape and dtype."""
    if not isinstance(array, np.ndarray) or (array.shape, array.dtype) != (like.shape, like.dtype):
        text = f"{array.dtype} {array.shape}" if isinstance(array, np.ndarray) else brief(array)
        raise ValueError(f"{name} is {text}, expected {like.dtype} {like.shape}")
