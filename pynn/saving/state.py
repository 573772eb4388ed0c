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


def is_ours(thing: object) -> bool:
    """Whether its class is one of pynn's, whose attributes keep their types."""
    return type(thing).__module__.startswith("pynn.")


def taken_up(
    thing: object, own: Mapping[str, Any], state: Mapping[str, Any], beside: Collection[str] = ()
) -> dict[str, Any]:
    """The attributes of the state, if they can replace the object's own; else ValueError.

    A user's class may have added attributes later, in place of class attributes. Names missing from the state are
    ignored, and names in `beside`.
    """
    kind, ours = type(thing).__name__, is_ours(thing)
    expect_keys(kind, state, (), state)
    new = [name for name in state if name not in own and name not in beside]
    for name in new:
        if ours or not isinstance(getattr(type(thing), name, None), PLAIN) or not isinstance(state[name], PLAIN):
            raise ValueError(f"{kind} has the memory {brief(name)}, unknown here: {NEWER}")
    for name, mine in own.items():
        if name in state and not _alike(mine, state[name], ours):
            raise ValueError(f"{kind}: {name} is {brief(state[name])}, expected something like {brief(mine)}")
    return {name: state[name] for name in (*own, *new) if name in state}


def _alike(mine: Any, value: Any, ours: bool) -> bool:
    """Whether one attribute can have become the other."""
    if isinstance(mine, np.ndarray) or isinstance(value, np.ndarray):
        both = isinstance(mine, np.ndarray) and isinstance(value, np.ndarray) and mine.dtype.kind == value.dtype.kind
        return not ours or (both and (mine.shape == value.shape or not mine.size))  # empty before the first batch
    if not ours:
        return isinstance(value, PLAIN)
    if mine is None:
        return value is None or is_measurement(value)
    if isinstance(mine, (bool, np.bool_)) or isinstance(value, bool):
        return isinstance(mine, (bool, np.bool_)) and isinstance(value, bool)
    if isinstance(mine, str):
        return isinstance(value, str)
    if not is_number(mine):  # infinity, before there is a best
        return is_measurement(value)
    return is_number(value) and not (value < 0 <= mine and is_integer(mine))


def expect_tensors(where: str, found: Any, tensors: Mapping[str, NDArray[Any]]) -> None:
    """ValueError for anything but arrays of the same names, shapes and dtypes."""
    expect_keys(where, found, tensors, ())
    for name, array in tensors.items():
        expect_array(f"{where}: {name}", found[name], array)


def expect_array(what: str, found: Any, like: NDArray[Any]) -> None:
    """ValueError for anything but an array of the same shape and dtype."""
    if not isinstance(found, np.ndarray) or (found.shape, found.dtype) != (like.shape, like.dtype):
        came = f"{found.dtype} {found.shape}" if isinstance(found, np.ndarray) else brief(found)
        raise ValueError(f"{what} is {came}, expected {like.dtype} {like.shape}")
