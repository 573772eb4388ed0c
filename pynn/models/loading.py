"""Reading model files: `load` rebuilds a model from its description and fills in the tensors. No file can run code."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from .. import checks, losses
from ..messages import terminal
from ..messages.terminal import brief
from ..preprocessing import Transformer
from ..saving import config, container, files
from ..training import measures
from ..training.inputs import Inputs
from ..training.targets import Targets, loaded
from . import own_kinds
from .file import (
    BASES,
    ENTRY,
    KINDS,
    OLD_INPUTS,
    PREFIX,
    TARGETS,
    _expect_few,
    _expect_known,
    _expect_match,
    read,
    verified,
)
from .sequential import Sequential


def kinds(own: Iterable[type] = ()) -> dict[str, type]:
    """The classes that a file may name, pynn's and the user's; TypeError or ValueError for others.

    A class of the user's hides one of pynn's that has been added under its name since older files were written;
    `own_kinds.expect_meant` checks which of the two a file means.
    """
    known: dict[str, type] = {name: kind for name, kind in KINDS.items() if name in own_kinds.FIRST}
    for kind in own if isinstance(own, Iterable) and not isinstance(own, (type, str)) else (own,):
        if not (isinstance(kind, type) and issubclass(kind, BASES)) or kind in BASES:
            hint = f"; pass its class, {type(kind).__name__}" if isinstance(kind, BASES) else ""
            hint = f"; pass the class itself, own=[{kind:.80}]" if isinstance(kind, str) else hint
            bases = ", ".join(base.__name__ for base in BASES)
            raise TypeError(f"own holds {kind!r}, expected your own classes, each a subclass of {bases}{hint}")
        if known.setdefault(kind.__name__, kind) is not kind:
            owner = "pynn" if kind.__name__ in own_kinds.FIRST else "own"
            raise ValueError(
                f"own holds {kind!r}, but {owner} has another class of that name, and a file identifies classes by "
                "name only; rename it"
            )
    return KINDS | known


def load(path: str | os.PathLike[str], own: Iterable[type] = ()) -> Sequential:
    """Load a model from a file that ``model.save(path)`` wrote, in the dtype in which it was saved.

    Parameters
    ----------
    path : path
        The file.
    own : list of type, default ()
        The user's own classes that the model contains: layers, initializers, losses, penalties, transformers,
        schedules.

    Returns
    -------
    Sequential
        The model.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ValueError
        If the file is damaged, of another format, or does not fit its own description.
    """
    allowed = kinds(own)
    file = files.named(path)
    description, tensors = read(file, ENTRY, "model")
    return restored(description, tensors, file, allowed)


def from_bytes(data: bytes, own: Iterable[type] = ()) -> Sequential:
    """Make a model from the bytes of ``model.to_bytes()``, or of a model file.

    Parameters
    ----------
    data : bytes
        What `to_bytes` returned.
    own : list of type, default ()
        The user's own classes that the model contains, as for `load`.

    Returns
    -------
    Sequential
        The model.

    Raises
    ------
    ValueError
        If the bytes are damaged, of another format, or do not fit their own description.
    """
    allowed = kinds(own)
    if not isinstance(data, (bytes, bytearray, memoryview)):
        raise TypeError(f"data is {brief(data)}, expected the bytes of model.to_bytes(); pynn.load reads a file")
    name = "data"
    return restored(*verified(name, *container.unpacked(bytes(data), name, ENTRY, "model"), "model"), name, allowed)


def own_classes(model: Sequential) -> list[type]:
    """The classes in the model that are not pynn's: what `load` and `from_bytes` need as `own`."""
    found: dict[str, type] = {}
    scaling = None if model.targets is None else model.targets.scaling
    waiting: list[Any] = [model.layers, model.loss, model.preprocessing, scaling]
    while waiting:
        value = waiting.pop()
        if isinstance(value, (list, tuple)):
            waiting += value
        elif isinstance(value, dict):
            waiting += value.values()
        elif isinstance(value, BASES):
            if KINDS.get(name := type(value).__name__) is not type(value):
                found[name] = type(value)
            waiting += config.arguments(value)
            waiting += [getattr(value, "_training_settings", dict)(), getattr(value, "children", list)()]
    return list(found.values())


def restored(
    description: Mapping[str, Any], tensors: Mapping[str, NDArray[Any]], file: Path | str, allowed: Mapping[str, type]
) -> Sequential:
    """The model from the result of `content`; file: named in errors; allowed: as from `kinds`."""
    try:
        own_kinds.expect_meant(description, allowed, KINDS, terminal.printable(file))
        model = _rebuild(description, allowed, tensors)
    except (ValueError, TypeError, KeyError, AttributeError, ArithmeticError, MemoryError, RecursionError) as cause:
        why = f"{file}: the model cannot be built from its description: {cause}"
        raise ValueError(container.one_line(why)) from container.safe_cause(cause)
    try:
        _fill(model, tensors)
        if model.preprocessing is not None:
            model.preprocessing.restore(tuple(description["raw_shape"]), tensors, PREFIX)
            _expect_match(model, model.preprocessing)
        if model.targets is not None and model.targets.scaling is not None:
            model.targets.scaling.restore((model.loss._columns(model.output_shape),), tensors, TARGETS)
    except (ValueError, ArithmeticError, MemoryError, RecursionError) as cause:
        raise ValueError(container.one_line(f"{file}: {cause}")) from container.safe_cause(cause)
    if model.context.step:
        measures.warn_of_statistics_of_the_start(model)
    return model


def _rebuild(
    description: Mapping[str, Any], allowed: Mapping[str, type], tensors: Mapping[str, NDArray[Any]]
) -> Sequential:
    _expect_known(description)
    if not isinstance(description["layers"], list) or description["dtype"] not in ("float32", "float64"):
        raise ValueError(f"dtype is {description['dtype']!s:.40}, expected float32 or float64, and layers a list")
    count = sum(tensor.size for tensor in tensors.values())
    _expect_few(description, tensors)
    parts = config.from_data(description["layers"], allowed)
    model = Sequential(*parts, seed=description["seed"], dtype=description["dtype"])
    model.context.limit = max(count, 100_000)  # _fill has a more precise error for a smaller surplus
    _expect_sizes("input_shape", description["input_shape"])
    model.build(tuple(description["input_shape"]))
    model.context.limit = None
    if config.restore_late(model, allowed):
        model._name_layers()
    for name in ("step", "epoch"):
        if type(description[name]) is not int or not 0 <= description[name] < 2**32:
            raise ValueError(f"{name} is {brief(description[name])}, expected an integer of 0..2^32-1")
    model.context.step, model.epoch = description["step"], description["epoch"]
    saved, of_layer = losses.loss(config.from_data(description["loss"], allowed)), model.own_loss()
    model.loss = of_layer if of_layer is not None and type(of_layer) is type(saved) else saved
    if not isinstance(description["notes"], dict):
        raise TypeError(f"notes is {type(description['notes']).__name__}, expected an object")
    model.notes = description["notes"]
    model.preprocessing = config.from_data(description.get("preprocessing"), allowed)
    if model.preprocessing is not None:
        checks.expect_instance(model.preprocessing, Transformer, "preprocessing")
        _expect_sizes("raw_shape", description["raw_shape"], 1)
    if "inputs" not in description:
        model.inputs = OLD_INPUTS
    elif description["inputs"] is not None:
        model.inputs = Inputs.from_data(description["inputs"])
        _expect_columns(
            model.inputs.columns, description["input_shape" if model.preprocessing is None else "raw_shape"]
        )
    scaling = config.from_data(description.get("target_preprocessing"), allowed)
    if scaling is not None:
        checks.expect_instance(scaling, Transformer, "target_preprocessing")
    if "targets" in description or scaling is not None:
        saved_targets = Targets.from_data(description.get("targets", {}))
        model.targets = replace(loaded(saved_targets, model.loss, model.output_shape), scaling=scaling)
    return model


def _expect_columns(columns: tuple[str, ...] | None, shape: list[int]) -> None:
    if columns is not None and (len(set(columns)) < len(columns) or [len(columns)] != shape):
        raise ValueError(
            f"columns is {brief(list(columns))}, expected different names, one for each of the inputs {shape}"
        )


def _expect_sizes(name: str, shape: Any, least: int = 0) -> None:
    if not isinstance(shape, list) or len(shape) < least or not all(type(size) is int and size > 0 for size in shape):
        raise ValueError(f"{name} is {brief(shape)}, expected a list of sizes of at least 1")


def _fill(model: Sequential, tensors: Mapping[str, NDArray[Any]]) -> None:
    expected = model.tensors()
    learned = set() if model.preprocessing is None else set(model.preprocessing.tensor_names(PREFIX))
    if model.targets is not None and model.targets.scaling is not None:
        learned.update(model.targets.scaling.tensor_names(TARGETS))
    if missing := sorted((expected.keys() | learned) - tensors.keys()):
        raise ValueError(f"it lacks the tensors {', '.join(missing)}")
    if extra := sorted(tensors.keys() - expected.keys() - learned):
        raise ValueError(f"it has tensors that its description does not mention: {', '.join(extra)}")
    for name, array in expected.items():
        tensor = tensors[name]
        if tensor.shape != array.shape or tensor.dtype != array.dtype:
            raise ValueError(f"{name} is {tensor.dtype} {tensor.shape}, expected {array.dtype} {array.shape}")
    for name, array in expected.items():
        array[...] = tensors[name]
