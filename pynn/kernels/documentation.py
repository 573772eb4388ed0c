"""The text that `help(pynn.kernels.NAME)` shows: the twin's docstring with a section for its parameters.

That section is generated from the checks, so it is true. Knows no kernels.
"""

from __future__ import annotations

import inspect
import re
import sys
from collections.abc import Callable, Mapping
from types import ModuleType
from typing import Any

DTYPES = {"pixels": "uint8, float32 or float64"}
TYPES = {
    "float | None": "float or None",
    "int | None": "int or None",
    "Word32": "int of 0..2^32-1",
    "Word64": "int of 0..2^64-1",
}


def arguments(function: Callable[..., Any]) -> tuple[str, ...]:
    """The names of a kernel's arguments, in order."""
    code = getattr(function, "__wrapped__", function).__code__
    return tuple(code.co_varnames[: code.co_argcount])


def _given(function: Callable[..., Any]) -> tuple[Any, ...]:
    """The defaults of the last arguments, `Ellipsis` included."""
    return getattr(function, "__wrapped__", function).__defaults__ or ()


def defaults_of(function: Callable[..., Any]) -> dict[str, Any]:
    """The optional arguments of a kernel and their defaults; `Ellipsis` marks a required one."""
    given, names = _given(function), arguments(function)
    return {
        name: value for name, value in zip(names[len(names) - len(given) :], given, strict=True) if value is not ...
    }


def call_of(function: Callable[..., Any]) -> str:
    """How a kernel is called, with its defaults."""
    defaults = defaults_of(function)
    shown = [f"{name}={defaults[name]!r}" if name in defaults else name for name in arguments(function)]
    return f"{function.__name__}({', '.join(shown)})"


def wrong_call(function: Callable[..., Any], count: int, names: tuple[str, ...]) -> str | None:
    """The error for a call with `count` positional arguments and these names; None if it is right."""
    known, defaults = arguments(function), defaults_of(function)
    unknown = [name for name in names if name not in known]
    twice = [name for name in known[:count] if name in names]
    missing = [name for name in known[count:] if name not in names and name not in defaults]
    if unknown:
        wrong = f"there is no argument {unknown[0]!r}"
    elif twice:
        wrong = f"{twice[0]} is given twice"
    elif count > len(known):
        wrong = f"{count} arguments are given, expected at most {len(known)}"
    elif missing:
        wrong = f"{', '.join(missing)} {'is' if len(missing) == 1 else 'are'} missing"
    else:
        return None
    return f"{function.__name__}: {wrong}; the call is {call_of(function)}"


def with_arguments(function: Callable[..., Any], rules: Mapping[str, str]) -> str | None:
    """The docstring of a kernel with a section for its parameters; rules: those of `checked`."""
    if function.__doc__ is None:  # python -OO
        return None
    kinds = {name: _array(rules[name]) if name in rules else _scalar(function, name) for name in arguments(function)}
    lines = [f"{name} : {kind}" for name, kind in kinds.items()]
    text, *rest = re.split(r"\n\n(?=\w+\n---)", inspect.cleandoc(function.__doc__))
    return "\n\n".join([text, "\n".join(["Parameters", "----------", *lines]), *rest])


def _array(rule: str) -> str:
    words = rule.split()
    sizes = [word for word in words if not word[0].islower()]
    shape = "of any shape, all alike" if sizes == ["..."] else f"({', '.join(sizes)}{',' * (len(sizes) == 1)})"
    dtypes = [DTYPES.get(word, word) for word in words if word[0].islower() and word not in ("optional", "out")]
    dtype = dtypes[0] if dtypes else "float32 or float64"
    return f"array {shape}, {dtype}{', or None' * ('optional' in words)}{'; written into' * ('out' in words)}"


def _scalar(function: Callable[..., Any], name: str) -> str:
    kind = str(function.__annotations__.get(name, "any"))
    return TYPES.get(kind, kind)


def with_signature(function: Callable[..., Any]) -> str:
    """The same docstring in the form from which Python reads the signature of a native function."""
    first, defaults = len(arguments(function)) - len(_given(function)), defaults_of(function)
    shown = [
        name if place < first else f"{name}={defaults.get(name, ...)!r}".replace("Ellipsis", "...")
        for place, name in enumerate(arguments(function))
    ]
    return f"{function.__name__}({', '.join(shown)})\n--\n\n{function.__doc__ or ''}"


def families(reference: ModuleType, names: tuple[str, ...]) -> str:
    """A table of the kernels: the modules of the twins, their subjects and their kernels."""
    found: dict[str, list[str]] = {}
    for name in names:
        found.setdefault(getattr(reference, name).__module__, []).append(name)
    lines = []
    for module, kernels in sorted(found.items()):
        about = (sys.modules[module].__doc__ or "").partition("\n")[0]
        lines += [f"{module.rpartition('.')[2]}: {about}", *(f"    {name}" for name in kernels)]
    return "\n".join(lines)
