"""What classes and functions take, and the refusal of anything else. Knows neither values nor classes."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Container, Mapping
from types import CodeType
from typing import TYPE_CHECKING, Any, ParamSpec, Protocol, TypeVar

VARARGS, VARKEYWORDS = 4, 8  # flags of code that takes *args, **options
P = ParamSpec("P")
R = TypeVar("R")
C = TypeVar("C", bound="_Checked")


if TYPE_CHECKING:

    class Kind(Protocol):
        """What an argument may be: a check, called with the class, the argument's name and its value."""

        def __call__(self, where: str, name: str, value: Any, /) -> Any:
            """Return the value to keep; TypeError or ValueError for a value that is not of this kind."""

        def text(self, name: str) -> str:
            """What is expected, for messages."""


def takes(**kinds: Kind) -> Mapping[str, Kind]:
    """Kinds of a constructor's arguments by name: `_takes = takes(rate=RATE)` has them checked."""
    return kinds


class Taken:
    """What may be passed: the number of positional arguments (infinity: any), and the names."""

    def __init__(self, positions: float, names: tuple[str, ...], anything: bool = False) -> None:
        self.positions, self.names, self.anything = positions, names, anything


class _Checked:
    """Refuses arguments that the class does not take before its constructor runs, with a hint."""

    def __new__(cls: type[C], *args: Any, **options: Any) -> C:
        if args or options:
            expect_arguments(cls, taken_by(cls), args, options)
        made = super().__new__(cls)
        made._prepare()
        return made

    def _prepare(self) -> None:
        """Set what an object has before its constructor runs, as that of a custom class need not call super()."""


class Constructed(_Checked):  # two classes: inspect and help() would show the arguments of __new__
    """Base of the classes that users construct. `_takes` says what the arguments of a constructor may be."""

    _takes: Mapping[str, Kind] = takes()  # of all bases, once the class exists
    _declared: Mapping[str, Kind] = takes()  # of the class itself

    def __init_subclass__(cls) -> None:
        """Have the constructor check its arguments."""
        super().__init_subclass__()
        own = cls._declared = vars(cls).get("_takes", {})
        declared = [vars(base).get("_declared", {}) for base in reversed(cls.__mro__)]
        cls._takes = {name: kind for kinds in declared for name, kind in kinds.items()}
        if own:
            cls.__init__ = _checked(cls.__init__, frozenset(own))  # type: ignore[method-assign]

    def __init__(self) -> None:
        super().__init__()

    def _check_again(self) -> None:
        """The same refusals for attributes that were set since."""
        other = getattr(self, "_given", {})  # arguments that are kept in another form
        for name, kind in self._takes.items():
            kind(type(self).__name__, name, other[name] if name in other else getattr(self, name))


def _checked(constructor: Any, names: Container[str]) -> Any:
    """The constructor with its arguments of these names checked, by the kinds in the class's `_takes`."""
    code: CodeType = unwrapped(constructor).__code__
    positions = code.co_varnames[1 : code.co_argcount]

    @functools.wraps(constructor)
    def construct(self: Any, *args: Any, **options: Any) -> None:
        kinds, where = type(self)._takes, type(self).__name__
        by_position = [
            kinds[name](where, name, value) if name in names else value
            for name, value in zip(positions, args, strict=False)
        ]
        for name, value in options.items():
            if name in names:
                options[name] = kinds[name](where, name, value)
        constructor(self, *by_position, *args[len(positions) :], **options)

    return construct


def taken_by(kind: type) -> Taken:
    """What the constructor takes; if it has **options, also the names of the base class's constructor."""
    positions, names = -1.0, []
    for base in kind.__mro__[:-1]:
        constructor = vars(base).get("__init__")
        if constructor is None:
            continue
        code = getattr(unwrapped(constructor), "__code__", None)
        if code is None:
            return Taken(math.inf, (), True)
        taken = _taken(code, 1)
        positions = taken.positions if positions < 0 else positions
        names += [name for name in taken.names if name not in names]
        if not taken.anything:
            break
        if not base.__module__.startswith("pynn."):  # the **options of a custom class may take anything
            return Taken(math.inf, (), True)
    return Taken(max(positions, 0), tuple(names))


def _taken(code: CodeType, bound: int) -> Taken:
    """What a function takes; bound: number of first arguments that are not passed, such as self."""
    positions = math.inf if code.co_flags & VARARGS else code.co_argcount - bound
    names = code.co_varnames[bound : code.co_argcount + code.co_kwonlyargcount]
    return Taken(positions, names, bool(code.co_flags & VARKEYWORDS))


def expect_arguments(of: Any, taken: Taken, args: tuple[Any, ...], options: Mapping[str, Any]) -> None:
    """TypeError for too many arguments and for unknown names; of: the class or function."""
    if len(args) > taken.positions or not (taken.anything or options.keys() <= set(taken.names)):
        from .messages.arguments import refusal  # here: only errors need it

        raise TypeError(refusal(of, taken.names, taken.positions, args, options))


def unwrapped(function: Any) -> Any:
    """The function that its decorators call in the end."""
    while hasattr(function, "__wrapped__"):
        function = function.__wrapped__
    return function


def answering(function: Callable[P, R]) -> Callable[P, R]:
    """Decorate a function or method so that unknown arguments get an error with a hint."""
    taken = _taken(unwrapped(function).__code__, 0)
    names = set(taken.names)

    @functools.wraps(function)
    def call(*args: P.args, **options: P.kwargs) -> R:
        if len(args) > taken.positions or not (taken.anything or names.issuperset(options)):
            expect_arguments(function, taken, args, options)
        return function(*args, **options)

    return call
