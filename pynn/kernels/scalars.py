"""Checks of the scalar arguments of the NumPy kernels: the same rules and messages as csrc/bindings/scalars.h.

What a scalar must be is read from its annotation. Knows nothing of arrays.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NoReturn, TypeAlias

import numpy as np

Word32: TypeAlias = int  # 0..2^32-1
Word64: TypeAlias = int  # 0..2^64-1


def _wrong_type(where: str, name: str, value: object, expected: str) -> NoReturn:
    raise TypeError(f"{where}: {name} is {type(value).__name__}, expected {expected}")


def _out_of_range(where: str, name: str, value: Any, expected: str) -> NoReturn:
    bits = int(value).bit_length()
    shown = value if bits <= 128 else f"an integer of {bits} bits"  # Python refuses to print very long ones
    raise ValueError(f"{where}: {name} is {shown}, expected {expected}")


def _number(where: str, name: str, value: Any) -> float:
    if not isinstance(value, (int, float, np.integer, np.floating)):
        _wrong_type(where, name, value, "a number")
    try:
        return float.__float__(value) if isinstance(value, float) else float(value)  # ignores a subclass's __float__
    except OverflowError:
        _out_of_range(where, name, value, "a number that float64 can hold")


def _integer(least: int, most: int, expected: str) -> Callable[[str, str, Any], int]:
    def check(where: str, name: str, value: Any) -> int:
        if isinstance(value, bool) or not isinstance(value, (int, np.integer)):
            _wrong_type(where, name, value, expected)
        if not least <= value <= most:
            _out_of_range(where, name, value, expected)
        return int(value)

    return check


def _flag(where: str, name: str, value: Any) -> bool:
    if not isinstance(value, (bool, np.bool_)):
        _wrong_type(where, name, value, "True or False")
    return bool(value)


def _text(where: str, name: str, value: Any) -> str:
    if not isinstance(value, str):
        _wrong_type(where, name, value, "text")
    if len(value.encode(errors="replace")) > 100 or "\0" in value or not _has_whole_characters(value):
        shown = ascii(value)
        raise ValueError(f"{where}: {name} is {shown[:40]}{'...' * (len(shown) > 40)}, expected a word")
    return value


def _has_whole_characters(text: str) -> bool:
    """Whether UTF-8 can encode it: no lone surrogate."""
    return not any("\ud800" <= character <= "\udfff" for character in text)


Check: TypeAlias = Callable[[str, str, Any], Any]  # (kernel, argument, value) -> the value as a plain Python scalar


def _or_none(check: Check) -> Check:
    return lambda where, name, value: None if value is None else check(where, name, value)


_INT64 = _integer(-(2**63), 2**63 - 1, "an integer of -2^63..2^63-1")
CHECKS: dict[str, Check] = {
    "float": _number,
    "float | None": _or_none(_number),
    "int": _INT64,
    "int | None": _or_none(_INT64),
    "Word32": _integer(0, 2**32 - 1, "an integer of 0..2^32-1"),
    "Word64": _integer(0, 2**64 - 1, "an integer of 0..2^64-1"),
    "bool": _flag,
    "str": _text,
}


def scalars(function: Callable[..., object], names: tuple[str, ...]) -> list[tuple[int, str, Check]]:
    """(position, name, check) of every argument whose annotation is a scalar's."""
    kinds = function.__annotations__
    return [(place, name, CHECKS[kinds[name]]) for place, name in enumerate(names) if kinds[name] in CHECKS]
