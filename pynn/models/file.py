"""Model files: safetensors with the model's description as JSON in the metadata. No file can run code.

A file is written under a temporary name, flushed, then renamed: a kill at any moment leaves the old file or the new
file, complete.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .. import checks, constraints, initializers, layers, losses, preprocessing, regularizers, schedules
from ..constraints import Constraint
from ..initializers import Initializer
from ..layers import hierarchical
from ..layers.base import Layer
from ..losses import Decoder, Loss
from ..messages import terminal
from ..preprocessing import Transformer
from ..regularizers import Penalty
from ..saving import config, container, files
from ..schedules import Schedule
from ..training.inputs import Inputs
from . import own_kinds
from .model import Model

FORMAT = 1


ENTRY = "pynn"  # key in the metadata


PREFIX, TARGETS = "preprocessing.", "target_preprocessing."  # prefixes of their tensors' names


OLD_INPUTS = Inputs(images="all uint8")  # for old files, which do not record their inputs


REQUIRED = ("layers", "input_shape", "dtype", "seed", "step", "epoch", "loss", "notes")  # keys of a description


OPTIONAL = ("format", "preprocessing", "raw_shape", "inputs", "targets", "target_preprocessing", own_kinds.OWN)


MOST = 2_000  # layers and their parts in a file with few tensors


# Bases of the objects in a description.
BASES = (Layer, Initializer, Loss, Decoder, Penalty, Constraint, Transformer, Schedule)


def _kinds(*modules: ModuleType) -> dict[str, type]:
    """The classes in these modules that can be used directly, by name."""
    values = [value for module in modules for value in vars(module).values()]
    kinds = [kind for kind in values if isinstance(kind, type) and issubclass(kind, BASES)]
    return {kind.__name__: kind for kind in kinds if kind not in BASES and not kind.__name__.startswith("_")}


KINDS = {
    **_kinds(layers, initializers, losses, hierarchical, regularizers, constraints, preprocessing, schedules),
    **{kind.__name__: kind for kind in Model.__subclasses__() if kind.__module__.startswith("pynn.")},  # Sequential
}


def save(model: Model, path: str | os.PathLike[str]) -> None:
    """Write a built model to a file. The same model gives the same bytes."""
    with model.lock.between_changes():  # another thread may train it
        tensors, description = content(model)
        write(files.named(path), tensors, ENTRY, description)


def content(model: Model) -> tuple[dict[str, NDArray[Any]], dict[str, Any]]:
    """The content of a model file: the model's tensors by name, and its description as plain data."""
    # Not ascontiguousarray: it turns () into (1,). dtype: the state of a custom layer may have become float64.
    tensors = {name: np.asarray(array, model.dtype, order="C") for name, array in model.tensors().items()}
    if model.preprocessing is not None:
        _add_preprocessing(tensors, model, model.preprocessing)
    description = {
        "format": FORMAT,
        "layers": config.to_data(model.layers, BASES, KINDS),
        "input_shape": list(model.input_shape),
        "dtype": model.dtype.name,
        "seed": model.seed,
        "step": model.context.step,
        "epoch": model.epoch,
        "loss": config.to_data(model.loss, BASES, KINDS),
        "notes": config.to_data(model.notes, ()),
    }
    if model.preprocessing is not None:
        description["preprocessing"] = config.to_data(model.preprocessing, BASES, KINDS)
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
        description["target_preprocessing"] = config.to_data(scaling, BASES, KINDS)
    _expect_few(description, tensors)
    return tensors, {**description, **own_kinds.recorded(description, KINDS)}


def _expect_few(description: Mapping[str, Any], tensors: Mapping[str, NDArray[Any]]) -> None:
    """ValueError if there are so many layers per tensor that a small file would be slow to read."""
    count = config.count_objects({**description, "notes": None})
    if count > (most := MOST + 10 * len(tensors)):
        raise ValueError(
            f"the model has {count} layers and parts of layers, but only {len(tensors)} tensors, for which a file may "
            f"have at most {most}"
        )


def write(file: Path, tensors: dict[str, NDArray[Any]], entry: str, description: Mapping[str, Any]) -> None:
    """Write the file, with the description and a checksum of everything as this entry of the metadata."""
    if file.suffix.lower() in files.FOREIGN_ENDINGS:
        checks.warn(
            f"{terminal.printable(file)} ends in {file.suffix}, but the file is written as safetensors, which "
            f"pynn.load reads; name it {terminal.printable(file.with_suffix('.safetensors').name)}"
        )
    container.write(file, tensors, entry, _entries(tensors, description))


def to_bytes(model: Model) -> bytes:
    """The bytes of the file that `save` would write."""
    with model.lock.between_changes():
        tensors, description = content(model)
        return container.packed(tensors, ENTRY, _entries(tensors, description))


def _entries(tensors: dict[str, NDArray[Any]], description: Mapping[str, Any]) -> str:
    """The description with a checksum of everything, which older versions ignore."""
    return _canonical({**description, "crc": container.checksum(_canonical(description), tensors)})


def _canonical(description: Mapping[str, Any]) -> str:
    return json.dumps(description, sort_keys=True)


def _add_preprocessing(tensors: dict[str, NDArray[Any]], model: Model, transformer: Transformer) -> None:
    fitted = transformer.tensors(PREFIX)
    _expect_free(tensors, fitted)
    _expect_match(model, transformer)
    tensors.update({name: np.asarray(array, order="C") for name, array in fitted.items()})


def _expect_free(tensors: Mapping[str, NDArray[Any]], fitted: Mapping[str, NDArray[Any]]) -> None:
    if clashes := sorted(tensors.keys() & fitted.keys()):
        raise ValueError(f"a layer and the preprocessing both have a tensor {clashes[0]}; rename the layer")


def _expect_match(model: Model, transformer: Transformer) -> None:
    if transformer.output_shape_ != model.input_shape:
        raise ValueError(
            f"the preprocessing makes samples of shape {transformer.output_shape_}, "
            f"but the model was built for {model.input_shape}"
        )


def expect_unchanged(file: Path) -> None:
    """ValueError if the file is a damaged pynn model; other files are not checked."""
    import safetensors

    with safetensors.safe_open(file, framework="numpy") as opened:
        ours = ENTRY in (opened.metadata() or {})
    if not ours:
        return
    try:
        _expect_known(read(file, ENTRY, "model")[0])  # a damaged key "crc" is an unknown key
    except ValueError as cause:
        raise ValueError(
            container.one_line(cause if terminal.printable(file) in str(cause) else f"{file}: {cause}")
        ) from None


def read(file: Path, entry: str, kind: str) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
    """The description in this entry of the metadata, and the tensors; ValueError if the file is not a valid `kind`."""
    return verified(str(file), *container.read(file, entry, kind), kind)


def verified(
    file: str, description: dict[str, Any], tensors: dict[str, NDArray[Any]], kind: str
) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
    """Description and tensors, whose format and checksum are right; ValueError if not."""
    version = description.pop("format", None)
    if type(version) is not int or version < 1:
        raise ValueError(f"{terminal.printable(file)}: the {kind}'s description has no format number: {config.NEWER}")
    if version > FORMAT:
        raise ValueError(
            container.one_line(f"{file} has format {version}, this pynn reads up to {FORMAT}; install a newer pynn")
        )
    if "crc" in description:  # files of older pynn have none
        crc = description.pop("crc")
        if crc != container.checksum(_canonical({**description, "format": version}), tensors):
            name = terminal.printable(file)
            raise ValueError(f"{name} is damaged: its checksum is wrong; copy, download or save it again")
    return description, tensors


def _expect_known(description: Mapping[str, Any]) -> None:
    raw = ("raw_shape",) if description.get("preprocessing") is not None else ()
    config.expect_keys("the description", description, (*REQUIRED, *raw), OPTIONAL)
