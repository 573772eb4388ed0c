"""Copies and pickles leave out the arrays that a forward or backward pass keeps, because they are rows of data.

Knows no layers and no losses.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator
from types import CodeType, FunctionType
from typing import Any

import numpy as np

from ..signatures import unwrapped


def without_batches(instance: Any) -> dict[str, Any]:
    """The attributes of a layer or loss without the arrays that its passes keep: ``self.x = x`` in `forward`.

    Attributes set by the constructor or `build` stay. If these set one to None, it is None again.
    """
    state = dict(vars(instance))
    passing, emptied = _set_by_passes(type(instance))  # type: ignore[arg-type]
    for name in passing & state.keys():
        if _holds_arrays(state[name]):
            del state[name]
            if name in emptied:
                state[name] = None
    return state


def _holds_arrays(value: object, depth: int = 3) -> bool:
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, (list, tuple)) and depth:
        return any(_holds_arrays(item, depth - 1) for item in value)
    return isinstance(value, np.ndarray)


@functools.lru_cache(maxsize=128)
def _set_by_passes(kind: type[Any]) -> tuple[frozenset[str], frozenset[str]]:
    """The attributes that only `forward` and `backward` set, and those among them that start as None."""
    by_constructor: dict[str, bool] = {}  # name: whether a value other than None is set
    for name, filled in _assignments(kind, "__init__", "build"):
        by_constructor[name] = by_constructor.get(name, False) or filled
    passing = {name for name, _ in _assignments(kind, "forward", "backward") if not by_constructor.get(name, False)}
    return frozenset(passing), frozenset(passing & by_constructor.keys())


def _assignments(kind: type, *methods: str) -> Iterator[tuple[str, bool]]:
    """The attributes that these methods, and the methods they call, set; whether to something other than None."""
    waiting, seen = list(methods), set(methods)
    while waiting:
        name = waiting.pop()
        for base in kind.__mro__[:-1]:
            function = unwrapped(vars(base).get(name))
            if isinstance(function, FunctionType):
                yield from _stores(function.__code__)
                called = {word for word in function.__code__.co_names if hasattr(kind, word)} - seen
                seen |= called
                waiting += called


def _stores(code: CodeType) -> Iterator[tuple[str, bool]]:
    import dis  # here: only copies need it

    none, copies = False, 0  # whether None is on the stack, and its further copies for `self.a = self.b = None`
    for step in dis.get_instructions(code):
        if step.opname == "STORE_ATTR":
            yield str(step.argval), not none
            none, copies = none and copies > 0, max(copies - 1, 0)
        elif step.opname == "LOAD_CONST":
            none, copies = step.argval is None, 0
        elif step.opname in ("COPY", "DUP_TOP"):
            copies += 1
        elif not step.opname.startswith("LOAD_FAST"):
            none = False
