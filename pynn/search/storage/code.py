"""A fingerprint of a function's code: an edited function has another. Knows no searches."""

from __future__ import annotations

import functools
import hashlib
import inspect
import sys
from collections.abc import Iterator
from types import CodeType, FunctionType
from typing import Any


def fingerprint(function: Any) -> str | None:
    """The fingerprint of a function, and of those of its module that it calls; None if it has no code of Python.

    Versions of Python compile differently, so they have different ones.
    """
    while isinstance(function, functools.partial):
        function = function.func
    function = inspect.unwrap(function)
    if not isinstance(function, FunctionType):
        method = getattr(function, "__func__", None) or vars(type(function)).get("__call__")
        function = method if isinstance(method, FunctionType) else None
    if function is None:
        return None
    digest = hashlib.sha256(repr(sys.version_info[:2]).encode())
    for part in _parts(function, set()):
        digest.update(part.encode())
    return f"{sys.version_info[0]}.{sys.version_info[1]} {digest.hexdigest()[:16]}"


def comparable(one: str, other: str) -> bool:
    """Whether two fingerprints are of the same version of Python."""
    return one.split(" ")[0] == other.split(" ")[0]


def _parts(function: FunctionType, seen: set[FunctionType]) -> Iterator[str]:
    seen.add(function)
    yield from _code(function.__code__, function.__doc__)
    for name in _names(function.__code__):
        called = function.__globals__.get(name)
        if isinstance(called, FunctionType) and called.__module__ == function.__module__ and called not in seen:
            yield from _parts(called, seen)


def _code(code: CodeType, doc: str | None) -> Iterator[str]:
    yield f"{code.co_code.hex()} {code.co_names} "
    for one in code.co_consts:
        if isinstance(one, CodeType):
            yield from _code(one, None)
        elif isinstance(one, frozenset):
            yield repr(sorted(map(repr, one)))
        elif one is None or one != doc:
            yield repr(one)


def _names(code: CodeType) -> Iterator[str]:
    """All names in the code, that of inner functions included, in its order."""
    yield from code.co_names
    for one in code.co_consts:
        if isinstance(one, CodeType):
            yield from _names(one)
