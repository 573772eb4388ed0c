"""Model files: safetensors with the model's description as JSON in the metadata. No file can run code.

A file is written under a temporary name, flushed, then renamed: a kill at any moment leaves the old or the new one.
"""

from __future__ import annotations

import json
import math
import os
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from . import (
    checks,
    constraints,
    container,
    describe,
    files,
    hierarchical,
    initializers,
    layers,
    losses,
    measuring,
    preprocessing,
    regularizers,
    terminal,
)
from .constraints import Constraint
from .initializers import Initializer
from .inputs import Inputs
from .layers.base import Layer
from .losses import Decoder, Loss
from .preprocessing import Transformer
from .regularizers import Penalty
from .sequential import Sequential
from .targets import Targets, loaded
from .terminal import brief

FORMAT = 1
ENTRY = "pynn"  # of the metadata
PREFIX, TARGETS = "preprocessing.", "target_preprocessing."  # of the names of their tensors
OLD_INPUTS = Inputs(images="all uint8")  # of files that say nothing of them
REQUIRED = ("layers", "input_shape", "dtype", "seed", "step", "epoch", "loss", "notes")  # of a description
OPTIONAL = ("format", "preprocessing", "raw_shape", "inputs", "targets", "target_preprocessing")
MOST = 2_000  # layers and their parts in a file of a few tensors
BASES = (Layer, Initializer, Loss, Decoder, Penalty, Constraint, Transformer)  # what a description may hold


def _kinds(*modules: ModuleType) -> dict[str, type]:
    """The classes in these modules that can be used as they are, by name."""
    things = [thing for module in modules for thing in vars(module).values()]
    kinds = [kind for kind in things if isinstance(kind, type) and issubclass(kind, BASES)]
    return {kind.__name__: kind for kind in kinds if kind not in BASES and not kind.__name__.startswith("_")}


KINDS = {
    **_kinds(layers, initializers, losses, hierarchical, regularizers, constraints, preprocessing),
    "Sequential": Sequential,
}


def kinds(own: Iterable[type] = ()) -> dict[str, type]:
    """The classes that a file may name, pynn's and the user's own; TypeError or ValueError for others."""
    found = dict(KINDS)
    for kind in own if isinstance(own, Iterable) and not isinstance(own, (type, str)) else (own,):
        if not (isinstance(kind, type) and issubclass(kind, BASES)) or kind in BASES:
            hint = f"; pass its class, {type(kind).__name__}" if isinstance(kind, BASES) else ""
            hint = f"; pass the class itself, own=[{kind:.80}]" if isinstance(kind, str) else hint
            bases = ", ".join(base.__name__ for base in BASES)
            raise TypeError(f"own holds {kind!r}, expected classes of your own, each a subclass of {bases}{hint}")
        if found.setdefault(kind.__name__, kind) is not kind:
            whose = "pynn" if kind.__name__ in KINDS else "own"
            raise ValueError(
                f"own holds {kind!r}, but {whose} has another class of that name, and a file knows classes by their "
                "names alone; rename it"
            )
    return found


def save(model: Sequential, path: str | os.PathLike[str]) -> None:
    """Write a built model to the file at path. The same model gives the same bytes."""
    with model.lock.between_changes():  # another thread may train it
        tensors, description = content(model)
        write(files.named(path), tensors, ENTRY, description)


def content(model: Sequential) -> tuple[dict[str, NDArray[Any]], dict[str, Any]]:
    """What a model file holds: the model's tensors by name, and its description as plain data."""
    # Not ascontiguousarray: it makes (1,) of (). The dtype: an own layer's state may have drifted to float64.
    tensors = {name: np.asarray(array, model.dtype, order="C") for name, array in model.tensors().items()}
    if model.preprocessing is not None:
        _add_preprocessing(tensors, model, model.preprocessing)
    description = {
        "format": FORMAT,
        "layers": describe.to_data(model.layers, BASES, KINDS),
        "input_shape": list(model.input_shape),
        "dtype": model.dtype.name,
        "seed": model.seed,
        "step": model.context.step,
        "epoch": model.epoch,
        "loss": describe.to_data(model.loss, BASES, KINDS),
        "notes": describe.to_data(model.notes, ()),
    }
    if model.preprocessing is not None:
        description["preprocessing"] = describe.to_data(model.preprocessing, BASES, KINDS)
        description["raw_shape"] = list(model.preprocessing.input_shape_)
    if model.inputs is None:
        description["inputs"] = None
    elif model.inputs != OLD_INPUTS:
        description["inputs"] = model.inputs.to_data()
    if model.targets is not None and (known := model.targets.to_data()):
        description["targets"] = known
    if model.targets is not None and (scaling := model.targets.scaling) is not None:
        _expect_free(tensors, scaling.tensors(TARGETS))
        tensors.update({name: np.asarray(array, order="C") for name, array in scaling.tensors(TARGETS).items()})
        description["target_preprocessing"] = describe.to_data(scaling, BASES, KINDS)
    _expect_few(description, tensors)
    return tensors, description


def _expect_few(description: Mapping[str, Any], tensors: Mapping[str, NDArray[Any]]) -> None:
    """ValueError where so many layers have so few tensors that a small file would take long to read."""
    count = describe.count_objects({**description, "notes": None})
    if count > (most := MOST + 10 * len(tensors)):
        raise ValueError(
            f"the model has {count} layers and parts of layers, but only {len(tensors)} tensors; a file of so few may "
            f"speak of up to {most}"
        )


def write(file: Path, tensors: dict[str, NDArray[Any]], entry: str, description: Mapping[str, Any]) -> None:
    """Write the file, with the description and a checksum over all as this entry of the metadata."""
    if file.suffix.lower() in files.FOREIGN_ENDINGS:
        checks.warn(
            f"{terminal.printable(file)} ends in {file.suffix}, but what is written is a safetensors file, which "
            f"pynn.load reads; call it {terminal.printable(file.with_suffix('.safetensors').name)}"
        )
    whole = {**description, "crc": container.checksum(_canonical(description), tensors)}  # older pynn passes it over
    container.write(file, tensors, entry, _canonical(whole))


def _canonical(description: Mapping[str, Any]) -> str:
    return json.dumps(description, sort_keys=True)


def _add_preprocessing(tensors: dict[str, NDArray[Any]], model: Sequential, transformer: Transformer) -> None:
    fitted = transformer.tensors(PREFIX)
    _expect_free(tensors, fitted)
    _expect_match(model, transformer)
    tensors.update({name: np.asarray(array, order="C") for name, array in fitted.items()})


def _expect_free(tensors: Mapping[str, NDArray[Any]], fitted: Mapping[str, NDArray[Any]]) -> None:
    if taken := sorted(tensors.keys() & fitted.keys()):
        raise ValueError(
            f"a layer's tensor is named {taken[0]} like one of the preprocessing; name the layer otherwise"
        )


def _expect_match(model: Sequential, transformer: Transformer) -> None:
    if transformer.output_shape_ != model.input_shape:
        raise ValueError(
            f"the preprocessing makes samples of shape {transformer.output_shape_}, "
            f"but the model was built for {model.input_shape}"
        )


def load(path: str | os.PathLike[str], own: Iterable[type] = ()) -> Sequential:
    """The model in a file that `model.save(path)` wrote, in the dtype in which it was saved.

    path: of the file. own: the user's own classes (layers, initializers, losses, penalties, transformers) that the
    model has.
    Raises FileNotFoundError; ValueError for a file that is damaged, foreign or does not fit its own description.
    """
    allowed = kinds(own)
    file = files.named(path)
    description, tensors = read(file, ENTRY, "model")
    return restored(description, tensors, file, allowed)


def restored(
    description: Mapping[str, Any], tensors: Mapping[str, NDArray[Any]], file: Path, allowed: Mapping[str, type]
) -> Sequential:
    """The model of what `content` gave; file: where it comes from, for the words of errors; allowed: as of `kinds`."""
    try:
        model = _rebuild(description, allowed, tensors)
    except (ValueError, TypeError, KeyError, AttributeError, ArithmeticError, MemoryError, RecursionError) as cause:
        why = f"{file}: the model cannot be built from its description: {cause}"
        raise ValueError(container.told(why)) from container.shown(cause)
    try:
        _fill(model, tensors)
        if model.preprocessing is not None:
            model.preprocessing.restore(tuple(description["raw_shape"]), tensors, PREFIX)
            _expect_match(model, model.preprocessing)
        if model.targets is not None and model.targets.scaling is not None:
            model.targets.scaling.restore((math.prod(model.output_shape),), tensors, TARGETS)
    except (ValueError, ArithmeticError, MemoryError, RecursionError) as cause:
        raise ValueError(container.told(f"{file}: {cause}")) from container.shown(cause)
    if model.context.step:
        measuring.warn_of_statistics_of_the_start(model)
    return model


def expect_unchanged(file: Path) -> None:
    """ValueError where the file is a pynn model that is damaged; others are not looked at."""
    import safetensors

    with safetensors.safe_open(file, framework="numpy") as opened:
        ours = ENTRY in (opened.metadata() or {})
    if not ours:
        return
    try:
        _expect_known(read(file, ENTRY, "model")[0])  # a damaged key "crc" is an unknown one
    except ValueError as cause:
        raise ValueError(
            container.told(cause if terminal.printable(file) in str(cause) else f"{file}: {cause}")
        ) from None


def read(file: Path, entry: str, what: str) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
    """The description that is this entry of the metadata, and the tensors; ValueError where the file is no such one."""
    description, tensors = container.read(file, entry, what)
    version = description.pop("format", None)
    if type(version) is not int or version < 1:
        raise ValueError(f"{terminal.printable(file)}: the {what}'s description has no format number: {describe.NEWER}")
    if version > FORMAT:
        raise ValueError(
            container.told(f"{file} has format {version}, this pynn reads up to {FORMAT}; install a newer pynn")
        )
    if "crc" in description:  # files of older pynn have none
        crc = description.pop("crc")
        if crc != container.checksum(_canonical({**description, "format": version}), tensors):
            name = terminal.printable(file)
            raise ValueError(f"{name} is damaged: its checksum is wrong; copy or download it again, or save it anew")
    return description, tensors


def _expect_known(description: Mapping[str, Any]) -> None:
    raw = ("raw_shape",) if description.get("preprocessing") is not None else ()
    describe.expect_keys("the description", description, (*REQUIRED, *raw), OPTIONAL)


def _rebuild(
    description: Mapping[str, Any], allowed: Mapping[str, type], tensors: Mapping[str, NDArray[Any]]
) -> Sequential:
    _expect_known(description)
    if not isinstance(description["layers"], list) or description["dtype"] not in ("float32", "float64"):
        raise ValueError(f"dtype is {description['dtype']!s:.40}, expected float32 or float64, and layers a list")
    held = sum(tensor.size for tensor in tensors.values())
    _expect_few(description, tensors)
    parts = describe.from_data(description["layers"], allowed)
    model = Sequential(*parts, seed=description["seed"], dtype=description["dtype"])
    model.context.limit = max(held, 100_000)  # a smaller surplus gets the more exact sentence of _fill
    _expect_sizes("input_shape", description["input_shape"])
    model.build(tuple(description["input_shape"]))
    model.context.limit = None
    if describe.restore_late(model, allowed):
        model._name_layers()
    for name in ("step", "epoch"):
        if type(description[name]) is not int or not 0 <= description[name] < 2**32:
            raise ValueError(f"{name} is {brief(description[name])}, expected an integer of 0..2^32-1")
    model.context.step, model.epoch = description["step"], description["epoch"]
    saved, own = losses.loss(describe.from_data(description["loss"], allowed)), model.own_loss()
    model.loss = own if own is not None and type(own) is type(saved) else saved
    if not isinstance(description["notes"], dict):
        raise TypeError(f"notes is {type(description['notes']).__name__}, expected an object")
    model.notes = description["notes"]
    model.preprocessing = describe.from_data(description.get("preprocessing"), allowed)
    if model.preprocessing is not None:
        describe.expect_instance(model.preprocessing, Transformer, "preprocessing")
        _expect_sizes("raw_shape", description["raw_shape"], 1)
    if "inputs" not in description:
        model.inputs = OLD_INPUTS
    elif description["inputs"] is not None:
        model.inputs = Inputs.from_data(description["inputs"])
        _expect_columns(
            model.inputs.columns, description["input_shape" if model.preprocessing is None else "raw_shape"]
        )
    scaling = describe.from_data(description.get("target_preprocessing"), allowed)
    if scaling is not None:
        describe.expect_instance(scaling, Transformer, "target_preprocessing")
    if "targets" in description or scaling is not None:
        found = Targets.from_data(description.get("targets", {}))
        model.targets = replace(loaded(found, model.loss, model.output_shape), scaling=scaling)
    return model


def _expect_columns(columns: tuple[str, ...] | None, shape: list[int]) -> None:
    if columns is not None and (len(set(columns)) < len(columns) or [len(columns)] != shape):
        raise ValueError(
            f"columns is {brief(list(columns))}, expected names that differ, one for each number of {shape}"
        )


def _expect_sizes(name: str, shape: Any, least: int = 0) -> None:
    if not isinstance(shape, list) or len(shape) < least or not all(type(size) is int and size > 0 for size in shape):
        raise ValueError(f"{name} is {brief(shape)}, expected a list of sizes of at least 1")


def _fill(model: Sequential, tensors: Mapping[str, NDArray[Any]]) -> None:
    wanted = model.tensors()
    learned = set() if model.preprocessing is None else set(model.preprocessing.tensor_names(PREFIX))
    if model.targets is not None and model.targets.scaling is not None:
        learned.update(model.targets.scaling.tensor_names(TARGETS))
    if missing := sorted((wanted.keys() | learned) - tensors.keys()):
        raise ValueError(f"it lacks the tensors {', '.join(missing)}")
    if extra := sorted(tensors.keys() - wanted.keys() - learned):
        raise ValueError(f"it has tensors that its description does not: {', '.join(extra)}")
    for name, array in wanted.items():
        found = tensors[name]
        if found.shape != array.shape or found.dtype != array.dtype:
            raise ValueError(f"{name} is {found.dtype} {found.shape}, expected {array.dtype} {array.shape}")
    for name, array in wanted.items():
        array[...] = tensors[name]
