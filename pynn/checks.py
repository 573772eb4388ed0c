"""Checks of arguments, each kind declared once, and warnings that point at the user's line. Knows only the terminal.

An error names the argument first, then what came, what was expected, and what to do.
"""

from __future__ import annotations

import functools
import math
import os
import sys
import warnings
from collections.abc import Callable, Iterable, Mapping
from types import CodeType, FrameType
from typing import Any, NamedTuple, ParamSpec, TypeVar

import numpy as np
from numpy.typing import DTypeLike

from . import checks
from .messages import terminal
from .messages.terminal import brief

PACKAGE = os.path.dirname(os.path.abspath(__file__)) + os.sep
VARARGS, VARKEYWORDS = 4, 8  # flags of code that takes *args, **options
P = ParamSpec("P")
R = TypeVar("R")
C = TypeVar("C", bound="_Checked")


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


def is_integer(value: object) -> bool:
    """Whether it is an integer; True is not."""
    return isinstance(value, (int, np.integer)) and not isinstance(value, bool)


class Interval(NamedTuple):
    """Where a number may lie: between two ends, each included or not; always finite."""

    least: float
    most: float
    closed: str  # "[)": the lower end is included, the upper one is not

    def holds(self, value: Any) -> bool:
        """Whether the number lies in it."""
        if value in (self.least, self.most):
            return self.closed[value == self.most] in "[]"
        return bool(self.least < value < self.most)

    def text(self, name: str) -> str:
        """What is expected of the argument of this name."""
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


def expect_numbers(where: str, interval: Interval, hint: str = "", /, **values: Any) -> None:
    """ArgumentError for anything but a number, ValueError for a number outside the interval; hint: what to do then."""
    for name, value in values.items():
        if not (is_number(value) and interval.holds(value)):
            error = ValueError if is_real(value) else ArgumentError
            raise error(f"{_prefix(where)}{name} is {brief(value)}, expected {interval.text(name)}{hint}")


def expect_count(where: str, least: int, /, **values: Any) -> None:
    """ValueError for anything but an integer of at least `least` that fits int64."""
    for name, value in values.items():
        if not is_integer(value) or not least <= value < 2**63:
            above = " and below 2^63" if is_integer(value) and value > least else ""
            raise ValueError(
                f"{_prefix(where)}{name} is {brief(value)}, expected an integer of at least {least}{above}"
            )


def expect_flag(where: str, /, **values: Any) -> None:
    """TypeError for anything but True and False; 1 and "no" are not."""
    for name, value in values.items():
        if not isinstance(value, bool):
            raise TypeError(f"{_prefix(where)}{name} is {brief(value)}, expected True or False")


def expect_choice(where: str, choices: Iterable[str], /, **values: Any) -> None:
    """ValueError for anything but one of the words."""
    known = tuple(choices)
    for name, value in values.items():
        if not (isinstance(value, str) and value in known):
            raise ValueError(f"{_prefix(where)}{name} is {brief(value)}, expected one of {', '.join(known)}")


def expect_name(where: str, what: str, /, **values: Any) -> None:
    """TypeError for anything but text; what: whose name is expected."""
    for name, value in values.items():
        if not isinstance(value, str):
            raise TypeError(f"{_prefix(where)}{name} is {brief(value)}, expected the name of {what}")


def _prefix(where: str) -> str:
    return f"{where}: " if where else ""


# Arguments ------------------------------------------------------------------------------------------


class Taken(NamedTuple):
    """What may be passed: the number of positional arguments (infinity: any), and the names."""

    places: float
    names: tuple[str, ...]
    anything: bool = False


class _Checked:
    """Refuses arguments that the class does not take before its constructor runs, with a hint."""

    def __new__(cls: type[C], *args: Any, **options: Any) -> C:
        if args or options:
            expect_arguments(cls, taken_by(cls), args, options)
        made = super().__new__(cls)
        made._prepare()
        return made

    def _prepare(self) -> None:
        """Set what an object has before its constructor runs: a custom one need not call super()."""


class MissingAttribute(AttributeError):
    """An AttributeError whose text is made only when it is read: `hasattr` does not read it."""

    def __str__(self) -> str:
        from .messages.attributes import answer  # here: only errors need it

        kind = type(self.obj)
        return f"{kind.__name__!r} object has no attribute {self.name!r}{answer(kind, str(self.name))}"


class Foreign:
    """An attribute of other libraries that pynn does not have: reading it raises an error that names pynn's way."""

    name = ""

    def __get__(self, thing: object, owner: type) -> Any:
        if thing is None:
            return self
        raise MissingAttribute(name=self.name, obj=thing)


class ForeignSetting(Foreign):
    """The same for an attribute that users set, which would have no effect; their own classes may have it."""

    def __get__(self, thing: object, owner: type) -> Any:
        return (
            vars(thing)[self.name] if thing is not None and self.name in vars(thing) else super().__get__(thing, owner)
        )

    def __set__(self, thing: object, value: object) -> None:
        if type(thing).__module__.startswith("pynn."):
            raise MissingAttribute(name=self.name, obj=thing)
        vars(thing)[self.name] = value


def add_foreign(kind: type, settings: str, methods: str = "") -> None:
    """Give the class these attributes. Not by __getattr__: a class that has one reads all attributes more slowly."""
    for words, form in ((settings, ForeignSetting), (methods, Foreign)):
        for name in words.split():
            one = form()
            one.name = name
            setattr(kind, name, one)


class Constructed(_Checked):  # two classes: inspect and help() would show the arguments of __new__
    """Base of the classes that users construct; without arguments, unless a subclass defines some."""

    def __init__(self) -> None:
        super().__init__()


def taken_by(kind: type) -> Taken:
    """What the constructor takes; if it has **options, also the names of the base class's constructor."""
    places, names = -1.0, []
    for base in kind.__mro__[:-1]:
        constructor = vars(base).get("__init__")
        if constructor is None:
            continue
        code = getattr(constructor, "__code__", None)
        if code is None:
            return Taken(math.inf, (), True)
        found = _taken(code, 1)
        places = found.places if places < 0 else places
        names += [name for name in found.names if name not in names]
        if not found.anything:
            break
        if not base.__module__.startswith("pynn."):  # a user's own **options may take anything
            return Taken(math.inf, (), True)
    return Taken(max(places, 0), tuple(names))


def _taken(code: CodeType, bound: int) -> Taken:
    """What a function takes; bound: number of first arguments that are not passed, such as self."""
    places = math.inf if code.co_flags & VARARGS else code.co_argcount - bound
    names = code.co_varnames[bound : code.co_argcount + code.co_kwonlyargcount]
    return Taken(places, names, bool(code.co_flags & VARKEYWORDS))


def expect_arguments(of: Any, taken: Taken, args: tuple[Any, ...], options: Mapping[str, Any]) -> None:
    """TypeError for too many arguments and for unknown names; of: the class or function."""
    if len(args) > taken.places or not (taken.anything or options.keys() <= set(taken.names)):
        from .messages.arguments import refusal  # here: only errors need it

        raise TypeError(refusal(of, taken.names, taken.places, args, options))


def answering(function: Callable[P, R]) -> Callable[P, R]:
    """Decorate a function or method so that unknown arguments get an error with a hint."""
    inner: Any = function
    while hasattr(inner, "__wrapped__"):  # by another decorator
        inner = inner.__wrapped__
    taken = _taken(inner.__code__, 0)
    names = set(taken.names)

    @functools.wraps(function)
    def call(*args: P.args, **options: P.kwargs) -> R:
        if len(args) > taken.places or not (taken.anything or names.issuperset(options)):
            expect_arguments(function, taken, args, options)
        return function(*args, **options)

    return call


def check_count(name: str, value: int, least: int) -> None:
    """ValueError for anything but an integer of at least `least`."""
    checks.expect_count("", least, **{name: value})


def check_seed(seed: int) -> None:
    """ValueError for anything but an integer of 0..2^64-1."""
    if not checks.is_integer(seed) or not 0 <= seed < 2**64:
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
    "Transformer": "Standardization()",
}


def expect_instance(thing: object, base: type, what: str) -> None:
    """TypeError unless the thing is an object of the class, with a hint if it is the class itself."""
    if not isinstance(thing, base):
        hint = f", such as pynn.{EXAMPLES[base.__name__]}" if base.__name__ in EXAMPLES else ""
        hint = f"; write {thing.__name__}()" if isinstance(thing, type) and issubclass(thing, base) else hint
        raise TypeError(f"{what} is {brief(thing)}, expected a pynn {base.__name__}{hint}")
