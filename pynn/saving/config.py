"""Objects as plain data and back: for the JSON of model files, reprs, and objects chosen by name.

This relies on a convention: every constructor stores its arguments in attributes of the same names.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, TypeVar

import numpy as np

from ..checks import expect_instance, is_integer
from ..messages.terminal import brief

T = TypeVar("T")
KEYS = ("items", "arguments", "name", "train", "inside")  # keys of an object, besides its kind
METHODS = {"name": "named", "train": "_restore_training_settings", "inside": "children"}  # only layers have these
SLICE = "slice"  # the kind of a slice of columns
NEWER = "the file is damaged, or a newer pynn wrote it"


def plain_attributes(instance: object) -> dict[str, Any]:
    """The attributes that are numbers, text, True, False or None, by name."""
    kinds = (bool, int, float, str, np.generic, type(None))
    return {name: value for name, value in vars(instance).items() if isinstance(value, kinds)}


def resolve(choice: str | T, registry: Mapping[str, Callable[..., T]], base: type[T], label: str) -> T:
    """The object itself, or an object made with defaults from its name."""
    if isinstance(choice, str):
        if choice.lower() in registry:
            return registry[choice.lower()]()
        from ..messages.names import renamed  # here: only errors need it

        raise ValueError(f"{label} is {brief(choice)}, {renamed(label, choice)}expected one of {', '.join(registry)}")
    expect_instance(choice, base, label)
    return choice


def arguments(instance: object) -> tuple[list[Any], dict[str, Any]]:
    """The positional (*args) and named constructor arguments that recreate this object."""
    import inspect  # here: only saving and printing need it

    positional: list[Any] = []
    named: dict[str, Any] = {}
    special = getattr(instance, "_given", {})  # arguments that are not stored in the attribute of the same name
    for parameter in _parameters(type(instance), inspect):
        if not hasattr(instance, parameter.name):
            raise TypeError(
                f"{type(instance).__name__} takes the argument {parameter.name!r} but has no attribute of that name; "
                f"set it in __init__ (self.{parameter.name} = {parameter.name}), so that it can be saved and shown"
            )
        value = special.get(parameter.name, getattr(instance, parameter.name))
        if isinstance(value, np.dtype):
            value = value.name
        if parameter.kind is inspect.Parameter.VAR_POSITIONAL:
            positional = list(value)
        elif not _equal(value, parameter.default):
            named[parameter.name] = value
    return positional, named


def _parameters(kind: type, inspect: Any) -> list[Any]:
    """The constructor's parameters; if it has **options, also the keywords of the base class's constructor."""
    collected: dict[str, Any] = {}
    for base in kind.__mro__[:-1]:
        if "__init__" in vars(base):
            own = list(inspect.signature(vars(base)["__init__"]).parameters.values())[1:]
            options = [parameter for parameter in own if parameter.kind is inspect.Parameter.VAR_KEYWORD]
            inherited = bool(collected)  # a base class adds its keywords only
            for parameter in own:
                if parameter not in options and (not inherited or parameter.kind is inspect.Parameter.KEYWORD_ONLY):
                    collected.setdefault(parameter.name, parameter)
            if not options:
                break
    return list(collected.values())


def _equal(value: Any, default: Any) -> bool:
    """Whether two settings are the same; True differs from 1 here, and an array is never equal."""
    return value is default or (type(value) is type(default) and not isinstance(value, np.ndarray) and value == default)


def constructor_text(instance: object) -> str:
    """Source-like text of an object: the class and the arguments that differ from their defaults."""
    positional, named = arguments(instance)
    parts = [repr(value) for value in positional] + [f"{name}={value!r}" for name, value in named.items()]
    return f"{type(instance).__name__}({', '.join(parts)})"


def to_data(value: Any, bases: tuple[type, ...], kinds: Mapping[str, type] | None = None) -> Any:
    """JSON-able form of a value; an object of one of the `bases` becomes {"kind": its class, "arguments": ...}.

    kinds: the classes that can be loaded without `own`; TypeError for a different class of such a name, and for other
    classes of pynn.
    """
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    if isinstance(value, (np.integer, np.floating, np.bool_)):
        return value.item()
    if isinstance(value, (list, tuple)):
        return [to_data(item, bases, kinds) for item in value]
    if isinstance(value, dict):
        if bases and "kind" in value:
            raise TypeError(f"{brief(value)} cannot be saved in a model file: the key 'kind' marks pynn objects")
        return {str(key): to_data(item, bases, kinds) for key, item in value.items()}
    if isinstance(value, slice):
        return {"kind": SLICE, "items": [to_data(end, (), None) for end in (value.start, value.stop, value.step)]}
    if isinstance(value, bases):
        positional, named = arguments(value)
        settings = value._training_settings() if hasattr(value, "_training_settings") else {}
        settings = {key: setting for key, setting in settings.items() if key not in named}  # an Affine's penalty
        parts = {"name": getattr(value, "given_name", ""), "items": positional, "arguments": named, "train": settings}
        if getattr(value, "is_custom", False) and hasattr(value, "children"):
            parts["inside"] = _inside(value, [*positional, *named.values()])
        name = type(value).__name__ if kinds is None else _loadable(type(value), kinds)
        return {"kind": name, **{key: to_data(part, bases, kinds) for key, part in parts.items() if part}}
    raise TypeError(f"{brief(value)} cannot be saved in a model file, expected numbers, text, lists or pynn objects")


def _loadable(kind: type, kinds: Mapping[str, type]) -> str:
    """The name of the class in a file; TypeError if it would be read as another class, or not at all."""
    name = kind.__name__
    if kinds.get(name) is not kind and (name in kinds or kind.__module__.startswith("pynn.")):
        why = "has the name of another pynn class" if name in kinds else "is an abstract base class of pynn"
        raise TypeError(f"the class {name} cannot be saved in a file: it {why}; rename it or use another class")
    return name


def _inside(layer: Any, described: list[Any]) -> list[dict[str, Any]]:
    """Names and settings of the inner layers that its constructor makes; empty if nothing was set."""
    listed = {id(part) for value in described for part in (value if isinstance(value, (list, tuple)) else [value])}
    entries = []
    for child in layer.children():
        parts = {"name": child.given_name, "train": child._training_settings(), "inside": _inside(child, [])}
        entries.append({} if id(child) in listed else {key: part for key, part in parts.items() if part})
    return entries if any(entries) else []


def from_data(data: Any, kinds: Mapping[str, type]) -> Any:
    """The value of the data; only classes in `kinds` are made, the data cannot name others."""
    if isinstance(data, list):
        return [from_data(item, kinds) for item in data]
    if not isinstance(data, dict):
        return data
    if "kind" not in data:
        return {key: from_data(item, kinds) for key, item in data.items()}
    kind = data["kind"]
    if kind == SLICE:
        return _slice(data)
    if not isinstance(kind, str) or kind not in kinds:
        raise ValueError(f"{kind!r:.80} is not a pynn class; pass your own as pynn.load(path, own=[{kind!s:.80}])")
    expect_keys(kind, data, ("kind",), KEYS)
    items, named = data.get("items", []), data.get("arguments", {})
    if not isinstance(items, list) or not isinstance(named, dict):
        raise ValueError(f"{kind}: its arguments are {brief(items)} and {brief(named)}, expected a list and an object")
    if any(len(name) > 100 for name in named):
        raise ValueError(f"{kind} has an argument whose name is very long: {NEWER}")
    instance = kinds[kind](*from_data(items, kinds), **{name: from_data(value, kinds) for name, value in named.items()})
    if "inside" in data and not getattr(instance, "is_custom", False):
        raise ValueError(f"{kind} has an entry 'inside', which only custom layers have: {NEWER}")
    _restore(instance, data, kinds)
    return instance


def _slice(data: Mapping[str, Any]) -> slice:
    expect_keys(SLICE, data, ("kind", "items"), ())
    ends = data["items"]
    if not isinstance(ends, list) or len(ends) != 3 or not all(end is None or is_integer(end) for end in ends):
        raise ValueError(f"slice: its ends are {brief(ends)}, expected three integers or nulls: {NEWER}")
    return slice(*ends)


def count_objects(data: Any) -> int:
    """Number of objects that `from_data` would make."""
    count, waiting = 0, [data]
    while waiting:
        value = waiting.pop()
        if isinstance(value, dict):
            count += "kind" in value
            waiting += value.values()
        elif isinstance(value, list):
            waiting += value
    return count


def kinds_in(data: Any) -> set[str]:
    """The names of the classes of the objects that `from_data` would make."""
    found: set[str] = set()
    waiting = [data]
    while waiting:
        value = waiting.pop()
        if isinstance(value, dict):
            if isinstance(kind := value.get("kind"), str) and kind != SLICE:
                found.add(kind)
            waiting += value.values()
        elif isinstance(value, list):
            waiting += value
    return found


def expect_keys(where: str, data: Any, needed: Iterable[str], known: Iterable[str]) -> None:
    """ValueError unless data is a dict that has all needed keys, and no key besides these and the known keys."""
    if not isinstance(data, dict):
        raise ValueError(f"{where} is {brief(data)}, expected an object")
    if unknown := sorted(data.keys() - set(needed) - set(known)):
        raise ValueError(f"{where} has the key {brief(unknown[0])}, unknown here: {NEWER}")
    if missing := [name for name in needed if name not in data]:
        raise ValueError(f"{where} lacks {missing[0]!r}: {NEWER}")


def _restore(instance: Any, data: Mapping[str, Any], kinds: Mapping[str, type]) -> None:
    """Restore the name and training settings of an object and of the layers inside it."""
    kind = type(instance).__name__
    if not all(hasattr(instance, method) for key, method in METHODS.items() if key in data):
        raise ValueError(f"{kind} is not a layer, but has a name, training settings or layers inside: {NEWER}")
    if "name" in data:
        if not isinstance(data["name"], str):
            raise TypeError(f"{kind}: name is {brief(data['name'])}, expected text")
        instance.named(data["name"])
    if "train" in data:
        instance._restore_training_settings(from_data(data["train"], kinds))
    if "inside" in data:
        children, inside = instance.children(), data["inside"]
        if not isinstance(inside, list) or len(inside) < len(children):
            raise ValueError(
                f"{kind}: inside is {brief(inside)}, expected one entry for each of {len(children)} layers"
            )
        for parts in inside:
            expect_keys(f"{kind}: inside", parts, (), METHODS)
        for child, parts in zip(children, inside, strict=False):
            _restore(child, parts, kinds)
        if len(inside) > len(children):
            instance._late = inside  # settings of layers that it makes when it is built


def restore_late(model: Any, kinds: Mapping[str, type]) -> bool:
    """After build, restore names and settings of layers that other layers made in build; return whether any were."""
    any_restored = False
    for layer in model.walk():
        if (inside := getattr(layer, "_late", None)) is not None:
            del layer._late
            children, any_restored = layer.children(), True
            if len(inside) != len(children):
                raise ValueError(
                    f"{layer.kind}: inside has {len(inside)} entries, expected one for each of {len(children)} layers"
                )
            for child, parts in zip(children, inside, strict=True):
                _restore(child, parts, kinds)
                child._expect_parameters(*child._frozen_names)
                child._settle_factors()
    return any_restored
