"""Files that are whole or not there, and the state of a run in one: safetensors with JSON. No file can run code."""

from __future__ import annotations

import json
import os
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

FORMAT = 1
ENTRY = "pynn_checkpoint"  # of the metadata
TENSOR = "$tensor"  # marks the place of an array in the JSON


def write_whole(path: Path, content: bytes) -> None:
    """Put the content at path so that it is there whole or not at all."""
    if path.is_dir():
        raise IsADirectoryError(f"{path} is a folder, expected the name of a file")
    if not path.parent.is_dir():
        raise FileNotFoundError(f"cannot write {path}: the folder {path.parent} does not exist")
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with open(temporary, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def write_state(path: Path, state: Mapping[str, Any]) -> None:
    """Write numbers, text, None, arrays, and lists and dicts of them; TypeError for anything else."""
    import safetensors.numpy  # here: importing pynn must stay light

    tensors: dict[str, NDArray[Any]] = {}
    text = json.dumps(_packed(state, tensors, "state"))
    # One metadata entry: safetensors writes several in an order that changes from run to run.
    entry = json.dumps({"format": FORMAT, "crc": _crc(text, tensors), "state": text})
    write_whole(path, safetensors.numpy.save(tensors, {ENTRY: entry}))


def read_state(path: Path) -> dict[str, Any]:
    """What `write_state` wrote; ValueError for a file that is damaged or foreign."""
    import safetensors

    try:
        with safetensors.safe_open(path, framework="numpy") as content:
            entry = json.loads((content.metadata() or {}).get(ENTRY, "null"))
            tensors = {name: content.get_tensor(name) for name in content.keys()}  # noqa: SIM118 (no mapping)
    except Exception as cause:  # safetensors' own error, OSError, NumPy's for dtypes that it lacks
        raise ValueError(f"{path} is damaged ({cause})") from cause
    if not isinstance(entry, dict) or not isinstance(entry.get("state"), str):
        raise ValueError(f"{path} is no checkpoint of pynn")
    if entry.get("format") != FORMAT:
        raise ValueError(f"{path} has format {entry.get('format')}, this pynn reads {FORMAT}")
    if entry.get("crc") != _crc(entry["state"], tensors):
        raise ValueError(f"{path} is damaged (its checksum is wrong)")
    state = _unpacked(json.loads(entry["state"]), tensors)
    if not isinstance(state, dict):
        raise ValueError(f"{path} is no checkpoint of pynn")
    return state


def _crc(text: str, tensors: Mapping[str, NDArray[Any]]) -> int:
    crc = zlib.crc32(text.encode())
    for name in sorted(tensors):
        crc = zlib.crc32(np.ascontiguousarray(tensors[name]).reshape(-1).view(np.uint8).data, crc)
    return crc


def _packed(value: Any, tensors: dict[str, NDArray[Any]], place: str) -> Any:
    """The value as JSON has it; arrays go into `tensors`."""
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, np.ndarray):
        tensors[place] = np.asarray(value, order="C")  # not ascontiguousarray: it makes (1,) of ()
        return {TENSOR: place}
    if isinstance(value, (list, tuple)):
        return [_packed(item, tensors, f"{place}.{number}") for number, item in enumerate(value)]
    if isinstance(value, Mapping):
        return {str(key): _packed(item, tensors, f"{place}.{key}") for key, item in value.items()}
    raise TypeError(f"{place} is {value!r}, expected numbers, text, None, arrays, lists or dicts for a checkpoint")


def _unpacked(value: Any, tensors: Mapping[str, NDArray[Any]]) -> Any:
    if isinstance(value, list):
        return [_unpacked(item, tensors) for item in value]
    if isinstance(value, dict):
        if TENSOR in value:
            return tensors[value[TENSOR]]
        return {key: _unpacked(item, tensors) for key, item in value.items()}
    return value
