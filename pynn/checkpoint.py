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
    describe,
    files,
    hierarchical,
    initializers,
    layers,
    losses,
    preprocessing,
    regularizers,
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

FORMAT = 1
ENTRY = "pynn"  # of the metadata
PREFIX, TARGETS = "preprocessing.", "target_preprocessing."  # of the names of their tensors
OLD_INPUTS = Inputs(images="all uint8")  # of files that say nothing of them
FOREIGN_ENDINGS = (  # of files that other programs write: a model file with such a name is taken for one
    ".h5", ".hdf5", ".keras", ".pt", ".pth", ".ckpt", ".pkl", ".pickle", ".joblib", ".onnx", ".npz", ".npy",
    ".pb", ".tflite",
)  # fmt: skip
BASES = (Layer, Initializer, Loss, Decoder, Penalty, Constraint, Transformer)  # what a description may hold


def _kinds(*modules: ModuleType) -> dict[str, type]:
    """The classes in these modules that a description may hold, by name."""
    things = [thing for module in modules for thing in vars(module).values()]
    return {kind.__name__: kind for kind in things if isinstance(kind, type) and issubclass(kind, BASES)}


KINDS = {
    **_kinds(layers, initializers, losses, hierarchical, regularizers, constraints, preprocessing),
    "Sequential": Sequential,
}


def save(model: Sequential, path: str | os.PathLike[str]) -> None:
    """Write a built model to the file at path. The same model gives the same bytes."""
    with model.lock.standing():  # another thread may train it
        tensors, description = content(model)
        write(Path(path), tensors, ENTRY, description)


def content(model: Sequential) -> tuple[dict[str, NDArray[Any]], dict[str, Any]]:
    """What a model file holds: the model's tensors by name, and its description as plain data."""
    # Not ascontiguousarray: it makes (1,) of (). The dtype: an own layer's state may have drifted to float64.
    tensors = {name: np.asarray(array, model.dtype, order="C") for name, array in model.tensors().items()}
    if model.preprocessing is not None:
        _add_preprocessing(tensors, model, model.preprocessing)
    description = {
        "format": FORMAT,
        "layers": describe.to_data(model.layers, BASES),
        "input_shape": list(model.input_shape),
        "dtype": model.dtype.name,
        "seed": model.seed,
        "step": model.context.step,
        "epoch": model.epoch,
        "loss": describe.to_data(model.loss, BASES),
        "notes": describe.to_data(model.notes, ()),
    }
    if model.preprocessing is not None:
        description["preprocessing"] = describe.to_data(model.preprocessing, BASES)
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
        description["target_preprocessing"] = describe.to_data(scaling, BASES)
    return tensors, description


def write(file: Path, tensors: dict[str, NDArray[Any]], entry: str, description: Mapping[str, Any]) -> None:
    """Write the file, with the description as this entry of the metadata."""
    import safetensors.numpy  # here: importing pynn must stay light

    if file.suffix.lower() in FOREIGN_ENDINGS:
        checks.warn(
            f"{file} ends in {file.suffix}, but what is written is a safetensors file, which pynn.load reads; "
            f"call it {file.with_suffix('.safetensors').name}"
        )
    # One metadata entry: safetensors writes several in an order that changes from run to run.
    files.write_whole(file, safetensors.numpy.save(tensors, {entry: json.dumps(description, sort_keys=True)}))


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
    file = Path(path)
    description, tensors = read(file, ENTRY, "model")
    return restored(description, tensors, file, own)


def restored(
    description: Mapping[str, Any], tensors: Mapping[str, NDArray[Any]], file: Path, own: Iterable[type]
) -> Sequential:
    """The model of what `content` gave; file: where it comes from, for the words of errors."""
    try:
        held = sum(tensor.size for tensor in tensors.values())
        model = _rebuild(description, {**KINDS, **{cls.__name__: cls for cls in own}}, held)
    except (ValueError, TypeError, KeyError, AttributeError, OverflowError, MemoryError, RecursionError) as cause:
        raise ValueError(f"{file}: the model cannot be built from its description: {cause}") from cause
    _fill(model, tensors, file)
    try:
        if model.preprocessing is not None:
            model.preprocessing.restore(tuple(description["raw_shape"]), tensors, PREFIX)
            _expect_match(model, model.preprocessing)
        if model.targets is not None and model.targets.scaling is not None:
            model.targets.scaling.restore((math.prod(model.output_shape),), tensors, TARGETS)
    except ValueError as cause:
        raise ValueError(f"{file}: {cause}") from cause
    return model


def read(file: Path, entry: str, what: str) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
    """The description that is this entry of the metadata, and the tensors; ValueError where the file is no such one."""
    import safetensors

    if not file.exists():
        whole = file.with_name(f"{file.name}.safetensors")
        raise FileNotFoundError(f"{file} does not exist{f'; did you mean {whole}?' if whole.exists() else ''}")
    if file.is_dir():
        raise IsADirectoryError(f"{file} is a folder, expected a model file")
    if not file.is_file():
        raise OSError(f"{file} is a device, a pipe or a socket, expected a model file")
    try:
        with safetensors.safe_open(file, framework="numpy") as opened:
            metadata = opened.metadata() or {}
            tensors = {name: opened.get_tensor(name) for name in opened.keys()}  # noqa: SIM118 (no mapping)
    except OSError:
        raise
    except Exception as cause:  # safetensors' own error, and NumPy's for dtypes that it lacks
        why = f" but {kind}" if (kind := files.foreign(file)) else f" ({cause})"
        raise ValueError(f"{file} is not a whole safetensors file{why}") from cause
    if entry not in metadata:
        hint = "; pynn.Ensemble.load reads it" if "pynn_ensemble" in metadata else ""
        raise ValueError(
            f"{file} is a safetensors file but not a pynn {what}: its metadata has no entry {entry!r}{hint}"
        )
    try:
        description = json.loads(metadata[entry])
    except (ValueError, RecursionError) as cause:
        raise ValueError(f"{file}: the {what}'s description is not JSON ({cause})") from cause
    if not isinstance(description, dict) or type(description.get("format")) is not int or description["format"] < 1:
        raise ValueError(f"{file}: the {what}'s description has no format number")
    if description["format"] > FORMAT:
        raise ValueError(
            f"{file} has format {description['format']}, this pynn reads up to {FORMAT}; install a newer pynn"
        )
    return description, tensors


def _rebuild(description: Mapping[str, Any], kinds: Mapping[str, type], held: int) -> Sequential:
    parts = describe.from_data(description["layers"], kinds)
    model = Sequential(*parts, seed=description["seed"], dtype=description["dtype"])
    model.context.limit = max(held, 100_000)  # a smaller surplus gets the more exact sentence of _fill
    model.build(tuple(description["input_shape"]))
    model.context.limit = None
    for name in ("step", "epoch"):
        if type(description[name]) is not int or not 0 <= description[name] < 2**32:
            raise ValueError(f"{name} is {description[name]!r}, expected an integer of 0..2^32-1")
    model.context.step, model.epoch = description["step"], description["epoch"]
    saved, own = losses.loss(describe.from_data(description["loss"], kinds)), model.own_loss()
    model.loss = own if own is not None and type(own) is type(saved) else saved
    if not isinstance(description["notes"], dict):
        raise TypeError(f"notes is {type(description['notes']).__name__}, expected an object")
    model.notes = description["notes"]
    model.preprocessing = describe.from_data(description.get("preprocessing"), kinds)
    if model.preprocessing is not None:
        describe.expect_instance(model.preprocessing, Transformer, "preprocessing")
        shape = description["raw_shape"]
        if not isinstance(shape, list) or not shape or not all(type(size) is int and size > 0 for size in shape):
            raise ValueError(f"raw_shape is {shape!r}, expected a list of sizes of at least 1")
    if "inputs" not in description:
        model.inputs = OLD_INPUTS
    elif description["inputs"] is not None:
        model.inputs = Inputs.from_data(description["inputs"])
    scaling = describe.from_data(description.get("target_preprocessing"), kinds)
    if scaling is not None:
        describe.expect_instance(scaling, Transformer, "target_preprocessing")
    if "targets" in description or scaling is not None:
        found = Targets.from_data(description.get("targets", {}))
        model.targets = replace(loaded(found, model.loss, model.output_shape), scaling=scaling)
    return model


def _fill(model: Sequential, tensors: Mapping[str, NDArray[Any]], file: Path) -> None:
    wanted = model.tensors()
    learned = set() if model.preprocessing is None else set(model.preprocessing.tensor_names(PREFIX))
    if model.targets is not None and model.targets.scaling is not None:
        learned.update(model.targets.scaling.tensor_names(TARGETS))
    if missing := sorted((wanted.keys() | learned) - tensors.keys()):
        raise ValueError(f"{file} lacks the tensors {', '.join(missing)}")
    if extra := sorted(tensors.keys() - wanted.keys() - learned):
        raise ValueError(f"{file} has tensors that its description does not: {', '.join(extra)}")
    for name, array in wanted.items():
        found = tensors[name]
        if found.shape != array.shape or found.dtype != array.dtype:
            raise ValueError(f"{file}: {name} is {found.dtype} {found.shape}, expected {array.dtype} {array.shape}")
    for name, array in wanted.items():
        array[...] = tensors[name]
