"""The text that `help(pynn.kernels.NAME)` shows: the twin's docstring and a line for each argument.

The lines are made of what the kernel checks, so they are true. Knows no kernels.
"""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable, Mapping
from types import ModuleType
from typing import Any

DTYPES = {"pixels": "uint8, float32 or float64"}
TYPES = {
    "float": "a number",
    "int": "an integer",
    "Word32": "an integer of 0..2^32-1",
    "Word64": "an integer of 0..2^64-1",
    "str": "text",
    "bool": "True or False",
}


def arguments(function: Callable[..., Any]) -> tuple[str, ...]:
    """The names of a kernel's arguments, in order."""
    code = getattr(function, "__wrapped__", function).__code__
    return tuple(code.co_varnames[: code.co_argcount])


def with_arguments(function: Callable[..., Any], rules: Mapping[str, str]) -> str | None:
    """The docstring of a kernel with its arguments; rules: those of `checked`."""
    if function.__doc__ is None:  # python -OO
        return None
    lines = [
        f"    {name} {_array(rules[name])}" if name in rules else f"    {name}: {_scalar(function, name)}"
        for name in arguments(function)
    ]
    return "\n".join([inspect.cleandoc(function.__doc__), "", "Arguments:", *lines])


def _array(rule: str) -> str:
    words = rule.split()
    sizes = [word for word in words if not word[0].islower()]
    shape = "of any shape, all alike" if sizes == ["..."] else f"({', '.join(sizes)}{',' * (len(sizes) == 1)})"
    dtypes = [DTYPES.get(word, word) for word in words if word[0].islower() and word not in ("optional", "out")]
    dtype = dtypes[0] if dtypes else "float32 or float64"
    return f"{shape}: {dtype}{', or None' * ('optional' in words)}{'; written into' * ('out' in words)}"


def _scalar(function: Callable[..., Any], name: str) -> str:
    kind = str(function.__annotations__.get(name, "any"))
    return TYPES.get(kind, kind)


def with_signature(function: Callable[..., Any]) -> str:
    """The same docstring in the form from which Python takes the signature of a native function."""
    return f"{function.__name__}({', '.join(arguments(function))})\n--\n\n{function.__doc__ or ''}"


def families(reference: ModuleType, names: tuple[str, ...]) -> str:
    """A table of the kernels: the modules of the twins, what each is about and its kernels."""
    found: dict[str, list[str]] = {}
    for name in names:
        found.setdefault(getattr(reference, name).__module__, []).append(name)
    lines = []
    for module, kernels in sorted(found.items()):
        about = (sys.modules[module].__doc__ or "").partition("\n")[0]
        lines += [f"{module.rpartition('.')[2]}: {about}", *(f"    {name}" for name in kernels)]
    return "\n".join(lines)
