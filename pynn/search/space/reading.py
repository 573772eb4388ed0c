"""Spaces from files of TOML and from plain values. Knows the ranges, and by name the choices."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Mapping
from typing import Any

from ...checks import is_number
from ...messages.terminal import brief, printable
from ...saving.files import expect_file, named
from . import hints
from .ranges import MAKERS

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

CHOICE = "choice"
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
    """The content of a file of TOML, in which each name has a range or a choice."""
    name = printable(path)
    if not named(path).exists():
        raise FileNotFoundError(f"space is {name}, a file that does not exist, expected a file of TOML or a dict")
    expect_file(path, "a space as a file of TOML")
    with open(path, "rb") as opened:
        try:
            content: dict[str, Any] = tomllib.load(opened)
        except ValueError as cause:
            raise ValueError(f"{name} is no file of TOML: {printable(cause)}") from cause
    if not content:
        raise ValueError(
            f"{name} is empty, expected ranges and choices: learning_rate = {{log_uniform = [1e-5, 1e-1]}}"
        )
    _expect_described(name, content)
    return content


def _expect_described(path: str, parts: Mapping[str, Any]) -> None:
    """TypeError for a part that is no range and no choice, in the words of TOML."""
    for name, value in parts.items():
        if len(_kinds(value)) != 1:
            raise TypeError(f"{path}: {printable(name)} is {brief(value)}, {IN_A_FILE}{_fixed_in_a_file(value)}")
        options = value.get(CHOICE)
        for inner in options.values() if isinstance(options, dict) else ():
            if isinstance(inner, dict):
                _expect_described(path, inner)


def _fixed_in_a_file(value: Any) -> str:
    """How TOML says that a value is fixed, or is one of several."""
    if isinstance(value, dict):
        return ""
    text = json.dumps(value, default=str, ensure_ascii=False)
    if not isinstance(value, list):
        return f"; a fixed value is {{choice = [{printable(text, 60)}]}}"
    ends = len(value) == 2 and all(map(is_number, value))
    a_range = f"; all numbers between are {{uniform = {printable(text, 60)}}}" if ends else ""
    return f"; one of these values is {{choice = {printable(text, 60)}}}{a_range}"


def _kinds(value: Any) -> list[str]:
    return [kind for kind in (*MAKERS, CHOICE) if isinstance(value, Mapping) and kind in value]


def part(name: str, value: Any, choice: Callable[[Any], Any]) -> Any:
    """The range or the choice that a file describes: {"uniform": [0, 1]}, {"choice": ["relu", "tanh"]}."""
    kinds = _kinds(value)
    if len(kinds) != 1:
        raise TypeError(f"space: {name} is {brief(value)}, {EXPECTED}{hints.instead(value)}")
    kind = kinds[0]
    content, options = value[kind], {key: one for key, one in value.items() if key != kind}
    try:
        if kind == CHOICE:
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
