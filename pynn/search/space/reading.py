"""Spaces from files of TOML and from plain values. Knows the ranges, and by name the choices."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Mapping
from typing import Any

from ...messages.terminal import brief, printable
from ...saving.files import named
from .ranges import MAKERS

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

IN_A_FILE = "expected {log_uniform = [low, high]}, {uniform = [low, high]}, {integer = [low, high]} or {choice = [...]}"
EXPECTED = "expected log_uniform(low, high), uniform(low, high), integer(low, high) or choice([...])"


def expect_mapping(parts: Any) -> None:
    """TypeError for a space that is no dict."""
    if not isinstance(parts, Mapping):
        raise TypeError(f"space is {brief(parts)}, expected a dict of ranges by name, or a file of TOML")


def expect_parameter(name: Any) -> None:
    """TypeError or ValueError for what cannot be the name of a parameter."""
    if not isinstance(name, str):
        raise TypeError(f"space: {brief(name)} is no name of a parameter, expected text")
    if not name or "/" in name or "=" in name:
        raise ValueError(f"space: {brief(name)} is no name of a parameter, expected text without / and =")


def file(path: str | os.PathLike[str]) -> dict[str, Any]:
    """The content of a file of TOML."""
    with open(named(path), "rb") as opened:
        try:
            content: dict[str, Any] = tomllib.load(opened)
        except ValueError as cause:
            raise ValueError(f"{printable(path)} is no file of TOML: {printable(cause)}") from cause
    for name, value in content.items():
        if not isinstance(value, dict) or not any(kind in value for kind in (*MAKERS, "choice")):
            fixed = "" if isinstance(value, dict) else f"; a fixed value is {{choice = [{printable(value, 60)}]}}"
            raise TypeError(f"{printable(path)}: {printable(name)} is {brief(value)}, {IN_A_FILE}{fixed}")
    return content


def part(name: str, value: Any, choice: Callable[[Any], Any]) -> Any:
    """The range or the choice that a file describes: {"uniform": [0, 1]}, {"choice": ["relu", "tanh"]}."""
    kinds = [kind for kind in (*MAKERS, "choice") if isinstance(value, Mapping) and kind in value]
    if len(kinds) != 1:
        hint = f"; write choice({brief(value)})" if isinstance(value, (list, tuple)) else "; build knows what is fixed"
        raise TypeError(f"space: {name} is {brief(value)}, {EXPECTED}{hint}")
    kind = kinds[0]
    content, options = value[kind], {key: one for key, one in value.items() if key != kind}
    try:
        if kind == "choice":
            _expect_none(options)
            return choice(content)
        if not isinstance(content, (list, tuple)) or len(content) != 2:
            raise ValueError(f"{kind} is {brief(content)}, expected [low, high]")
        return MAKERS[kind](*content, **options)
    except (TypeError, ValueError) as cause:
        raise type(cause)(f"space: {name}: {cause}") from cause


def _expect_none(options: Mapping[str, Any]) -> None:
    if options:
        raise ValueError(f"{brief(next(iter(options)))} is unknown beside choice")
