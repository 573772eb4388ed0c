"""Checks of arguments, each kind declared once, and warnings that point at the user's line. Knows only the terminal.

An error names the argument first, then what came, what was expected, and what to do.
"""

from __future__ import annotations

import math
import os
import sys
import warnings
from collections.abc import Iterable, Mapping
from types import FrameType
from typing import TYPE_CHECKING, Any, TypeGuard

import numpy as np
from numpy.typing import DTypeLike

from .messages import terminal
from .messages.terminal import brief

if TYPE_CHECKING:
    from .signatures import Kind

PACKAGE = os.path.dirname(os.path.abspath(__file__)) + os.sep


class ArgumentError(ValueError, TypeError):
    """For anything but a number where a number is expected. Both a ValueError and a TypeError, as in scikit-learn."""


def warn(message: str, category: type[Warning] = UserWarning) -> None:
    """Warn at the first line outside pynn that led here."""
    frame: FrameType | None = sys._getframe(1)
    level = 2
    while frame is not None and frame.f_code.co_filename.startswith(PACKAGE):
        frame, level = frame.f_back, level + 1
    warnings.warn(terminal.printable(message, terminal.MOST, lines=True), category, stacklevel=level)


# Values ---------------------------------------------------------------------------------------------


def is_real(value: object) -> bool:
    """Whether it is a real number, NaN and infinity included; True, text and arrays are not."""
    return isinstance(value, (int, float, np.integer, np.floating)) and not isinstance(value, bool)


def is_number(value: object) -> bool:
    """Whether it is a finite real number; True, text and arrays are not."""
    try:
        return is_real(value) and math.isfinite(value)  # type: ignore[arg-type]
    except OverflowError:  # an integer beyond all floats
        return False


def is_measurement(value: object) -> bool:
    """Whether it is a number or an infinity; NaN, and integers beyond all floats, are not."""
    return is_number(value) or (isinstance(value, float) and value == value)


def is_integer(value: object) -> TypeGuard[int]:
    """Whether it is an integer; True is not."""
    return isinstance(value, (int, np.integer)) and not isinstance(value, bool)


# Kinds of arguments: each is called with the class, the argument's name and its value, and returns the value to keep.
# Plain classes, as a NamedTuple takes a third of a millisecond of the import.


class Interval:
    """A finite number between two ends, each included or not."""

    def __init__(self, least: float, most: float, closed: str, hint: str = "") -> None:
        self.least, self.most = least, most
        self.closed = closed  # "[)": the lower end is included, the upper one is not
        self.hint = hint

    def with_hint(self, hint: str) -> Interval:
        """The same interval, whose refusals end with this hint."""
        return Interval(self.least, self.most, self.closed, hint)

    def __call__(self, where: str, name: str, value: Any) -> Any:
        if not self.holds(value):
            error = ValueError if is_real(value) else ArgumentError
            raise error(_refusal(where, name, value, f"{self.text(name)}{self.hint}"))
        return value

    def holds(self, value: Any) -> bool:
        """Whether it is a number that lies between the ends."""
        if not is_number(value):
            return False
        if value in (self.least, self.most):
            return self.closed[value == self.most] in "[]"
        return bool(self.least < value < self.most)

    def text(self, name: str) -> str:
        if self.most == math.inf:
            if self.least == -math.inf:
                return "a finite number"
            if self.least == 0 and self.closed[0] == "(":
                return "a finite positive number"
            return f"a finite number {'of at least' if self.closed[0] == '[' else 'above'} {self.least:g}"
        lower, upper = ("<=" if end in "[]" else "<" for end in self.closed)
        return f"{self.least:g} {lower} {name} {upper} {self.most:g}"


ANY = Interval(-math.inf, math.inf, "()")
NOT_NEGATIVE = Interval(0, math.inf, "[)")
POSITIVE = Interval(0, math.inf, "()")
SHARE = Interval(0, 1, "[]")  # of a whole
RATE = Interval(0, 1, "[)")  # of what is dropped or kept, never all of it


class Count:
    """An integer of at least `least`, which an int64 holds."""

    def __init__(self, least: int, bits: int = 63) -> None:
        self.least, self.bits = least, bits

    def __call__(self, where: str, name: str, value: Any) -> int:
        if not self.holds(value):
            raise ValueError(_refusal(where, name, value, self.text(name) + self.above(value)))
        return int(value)

    def holds(self, value: Any) -> bool:
        """Whether it is such an integer."""
        return is_integer(value) and self.least <= value < 2**self.bits

    def above(self, *values: Any) -> str:
        """What to add to the message if one of them is too large."""
        return f" and below 2^{self.bits}" if any(is_integer(one) and one >= 2**self.bits for one in values) else ""

    def text(self, name: str) -> str:
        return f"an integer of at least {self.least}"


class Pair:
    """A number for rows and columns alike, or two of them; for sequences, which have one axis, a single number."""

    def __init__(self, kind: Count | Interval, axes: int = 2) -> None:
        self.kind, self.axes = kind, axes

    def __call__(self, where: str, name: str, value: Any) -> Any:
        values = value if self.axes > 1 and isinstance(value, (tuple, list)) else (value,) * self.axes
        if len(values) != self.axes or not all(map(self.kind.holds, values)):
            above = self.kind.above(*values) if isinstance(self.kind, Count) else ""
            two = ", or two (rows, columns)" if self.axes == 2 else ""
            raise ValueError(_refusal(where, name, value, f"{self.kind.text(name)}{above}{two}"))
        return value

    def text(self, name: str) -> str:
        return self.kind.text(name)


class Flag:
    """True or False; 1 and "no" are neither."""

    def __call__(self, where: str, name: str, value: Any) -> bool:
        if not isinstance(value, bool):
            raise TypeError(_refusal(where, name, value, self.text(name)))
        return value

    def text(self, name: str) -> str:
        return "True or False"


FLAG = Flag()


class Choice:
    """One of these words, or a value of the other kind if there is one."""

    def __init__(self, *words: str, other: Kind | None = None) -> None:
        self.words, self.other = words, other

    def __call__(self, where: str, name: str, value: Any) -> Any:
        if isinstance(value, str) and value in self.words:
            return value
        if self.other is None or isinstance(value, str):
            raise ValueError(_refusal(where, name, value, self.text(name)))
        return self.other(where, name, value)

    def text(self, name: str) -> str:
        if self.other is None:
            return f"one of {', '.join(self.words)}"
        words = ", ".join(f'"{word}"' for word in self.words)
        return f"{words} or {'numbers' if isinstance(self.other, Pair) else self.other.text(name)}"


class Instance:
    """An object of a class."""

    def __init__(self, base: type) -> None:
        self.base = base

    def __call__(self, where: str, name: str, value: Any) -> Any:
        expect_instance(value, self.base, f"{_prefix(where)}{name}")
        return value

    def text(self, name: str) -> str:
        return f"a pynn {self.base.__name__}"


class OrNone:
    """None, or a value of this kind."""

    def __init__(self, kind: Kind) -> None:
        self.kind = kind

    def __call__(self, where: str, name: str, value: Any) -> Any:
        return None if value is None else self.kind(where, name, value)

    def text(self, name: str) -> str:
        return f"{self.kind.text(name)}, or None"


class Seed:
    """An integer that a uint64 holds."""

    def __call__(self, where: str, name: str, value: Any) -> int:
        check_seed(value)
        return int(value)

    def text(self, name: str) -> str:
        return "an integer of 0..2^64-1"


SEED = Seed()


def expect_kinds(kinds: Mapping[str, Kind], /, **values: Any) -> None:
    """Refuse the values that are not of the kinds of the same names; every kind has its value."""
    for name, kind in kinds.items():
        kind("", name, values[name])


def expect_numbers(where: str, interval: Interval, hint: str = "", /, **values: Any) -> None:
    """ArgumentError for anything but a number, ValueError for a number outside the interval; hint: what to do then."""
    kind = interval.with_hint(hint)
    for name, value in values.items():
        kind(where, name, value)


def expect_count(where: str, least: int, /, **values: Any) -> None:
    """ValueError for anything but an integer of at least `least` that fits int64."""
    for name, value in values.items():
        Count(least)(where, name, value)


def expect_flag(where: str, /, **values: Any) -> None:
    """TypeError for anything but True and False; 1 and "no" are not."""
    for name, value in values.items():
        FLAG(where, name, value)


def expect_choice(where: str, choices: Iterable[str], /, **values: Any) -> None:
    """ValueError for anything but one of the words."""
    for name, value in values.items():
        Choice(*choices)(where, name, value)


def expect_name(where: str, what: str, /, **values: Any) -> None:
    """TypeError for anything but text; what: whose name is expected."""
    for name, value in values.items():
        if not isinstance(value, str):
            raise TypeError(_refusal(where, name, value, f"the name of {what}"))


def _refusal(where: str, name: str, value: Any, expected: str) -> str:
    return f"{_prefix(where)}{name} is {brief(value)}, expected {expected}"


def _prefix(where: str) -> str:
    return f"{where}: " if where else ""


def check_seed(seed: int) -> None:
    """ValueError for anything but an integer of 0..2^64-1."""
    if not is_integer(seed) or not 0 <= seed < 2**64:
        raise ValueError(f"seed is {brief(seed)}, expected an integer of 0..2^64-1")


def chosen_seed(seed: int | None) -> int:
    """The seed, checked; a random one for None."""
    if seed is None:
        return int.from_bytes(os.urandom(7), "little")  # below 2^56: every file format holds it
    check_seed(seed)
    return int(seed)


def float_dtype(dtype: DTypeLike) -> np.dtype[Any]:
    """float32 or float64 by any of its names; ValueError for others."""
    try:
        kind = np.dtype(dtype)
    except TypeError:
        kind = None
    if dtype is None or kind not in (np.float32, np.float64):
        raise ValueError(f"dtype is {dtype if kind is None else kind}, expected float32 or float64")
    return kind


# An example of an object of each base class, for errors.
EXAMPLES = {
    "Augmentation": "Flip()",
    "Constraint": "MaxNorm(3)",
    "Initializer": "He()",
    "Layer": "ReLU()",
    "Loss": "SquaredError()",
    "Optimizer": "Adam(1e-3)",
    "Penalty": "L2(1e-4)",
    "Schedule": "CosineDecay(1e-3, epochs=10)",
    "Transformer": "Standardization()",
}


def expect_instance(thing: object, base: type, what: str) -> None:
    """TypeError unless the thing is an object of the class, with a hint if it is the class itself."""
    if not isinstance(thing, base):
        hint = f", such as pynn.{EXAMPLES[base.__name__]}" if base.__name__ in EXAMPLES else ""
        hint = f"; write {thing.__name__}()" if isinstance(thing, type) and issubclass(thing, base) else hint
        raise TypeError(f"{what} is {brief(thing)}, expected a pynn {base.__name__}{hint}")
