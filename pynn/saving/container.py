"""The format of pynn's files: safetensors, one JSON entry in the metadata, a checksum. No file can run code.

Knows neither models nor runs. Text from a file appears in errors shortened and without control characters.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..messages.terminal import brief, printable
from . import files
from .config import NEWER

FORMAT = 2  # of checkpoints; the checksum of format 1 did not cover the tensors' names, dtypes and shapes
ENTRY = "pynn_checkpoint"  # key in the metadata
TENSOR = "$tensor"  # key that refers to an array in the JSON
DEEPEST = 250  # nesting that Python's recursion limit allows when reading and writing
LONGEST = 600  # characters of an error
WEIGHTS = "; pynn.transfer.load_weights reads weights of other libraries"
KINDS = {  # hints about pynn's files, by their entry
    "pynn": "; it is a model, which pynn.load reads",
    "pynn_ensemble": "; it is an ensemble, which pynn.Ensemble.load reads",
    ENTRY: "; it is a checkpoint, from which fit(..., checkpoint=its folder, resume=True) continues",
}
Tensors = Mapping[str, NDArray[Any]]


def checksum(text: str, tensors: Tensors) -> int:
    """Checksum of the text and of the tensors' names, dtypes, shapes and bytes; the same on any machine."""
    crc = zlib.crc32(text.encode())
    for name in sorted(tensors):
        array = tensors[name].astype(tensors[name].dtype.newbyteorder("<"), "C", copy=False)
        crc = zlib.crc32(json.dumps([name, array.dtype.name, array.shape]).encode(), crc)
        crc = zlib.crc32(_bytes(array), crc)
    return crc


def _bytes(array: NDArray[Any]) -> memoryview:
    return array.reshape(-1).view(np.uint8).data


def one_line(text: object) -> str:
    """The text as a single line of limited length for an error, since it may contain any text from a file."""
    return printable(text, LONGEST)


def safe_cause(cause: BaseException) -> BaseException | None:
    """The cause to raise an error from; None if its traceback could flood or control a terminal."""
    error: BaseException | None = cause
    while error is not None:
        if one_line(error) != str(error):
            return None
        error = error.__cause__ or error.__context__
    return cause


def parsed(text: str) -> Any:
    """The JSON text of a file; ValueError if it is invalid, repeats a key, or is nested too deeply."""
    if _is_deep(text):
        raise ValueError(f"it is nested more than {DEEPEST} levels deep")
    return json.loads(text, object_pairs_hook=_without_repeats)


def _without_repeats(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    data = dict(pairs)
    if len(data) < len(pairs):
        raise ValueError("a key occurs twice in one object")
    return data


def _is_deep(text: str) -> bool:
    """Whether brackets are nested too deeply, ignoring those in strings."""
    if text.count("[") + text.count("{") <= DEEPEST:
        return False
    deep = deepest = 0
    for outside in text.replace("\\\\", "").replace('\\"', "").split('"')[::2]:
        for character in outside:
            if character in "[{":
                deep += 1
                deepest = max(deep, deepest)
            elif character in "]}":
                deep -= 1
    return deepest > DEEPEST


# Files ----------------------------------------------------------------------------------------------


def write(path: Path, tensors: Tensors, entry: str, text: str) -> None:
    """Write the tensors, with the text as this entry of the metadata, complete or not at all."""
    files.write_whole(path, packed(tensors, entry, text))


def packed(tensors: Tensors, entry: str, text: str) -> bytes:
    """The content of such a file."""
    import safetensors.numpy  # here: importing pynn must stay light

    if _is_deep(text):
        raise ValueError(f"the data to save are nested more than {DEEPEST} levels deep, the limit for pynn's files")
    # One metadata entry: safetensors writes several in an order that changes from run to run.
    return safetensors.numpy.save(dict(tensors), {entry: text})


def read(file: Path, entry: str, kind: str) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
    """The JSON object in this entry of the metadata, and the tensors; ValueError if the file is not a valid `kind`."""
    import safetensors

    name = printable(file)
    files.expect_file(file, f"{'an' if kind[0] in 'aeiou' else 'a'} {kind} file")
    try:
        with files.naming(file), safetensors.safe_open(file, framework="numpy") as opened:
            metadata = opened.metadata() or {}
            tensors = {name: opened.get_tensor(name) for name in opened.keys()}  # noqa: SIM118 (no mapping)
    except OSError:
        raise
    except Exception as cause:  # errors of safetensors, and of NumPy for dtypes that it does not have
        other = files.foreign(file)
        why = f" but {other}" if other else f" ({cause}): it is damaged, cut off or something else; copy it again"
        raise ValueError(one_line(f"{name} is not a whole safetensors file{why}")) from safe_cause(cause)
    return _described(str(file), metadata, entry, kind, bool(tensors)), tensors


def unpacked(data: bytes, name: str, entry: str, kind: str) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
    """The same from the bytes of `packed`; name: of the bytes, in errors."""
    import safetensors.numpy  # here: importing pynn must stay light

    try:
        tensors = safetensors.numpy.load(data)  # checks the header, too
        header = json.loads(data[8 : 8 + int.from_bytes(data[:8], "little")])
    except Exception as cause:
        why = f"{name} is not a whole safetensors file ({cause}): it is damaged, cut off or something else"
        raise ValueError(one_line(why)) from safe_cause(cause)
    return _described(name, header.get("__metadata__") or {}, entry, kind, bool(tensors)), tensors


def _described(file: str, metadata: Mapping[str, str], entry: str, kind: str, filled: bool) -> dict[str, Any]:
    """The JSON object in this entry of the metadata; file: its name; filled: whether it has tensors."""
    name = printable(file)
    if entry not in metadata:
        hint = next((hint for key, hint in KINDS.items() if key in metadata), WEIGHTS if filled else "")
        raise ValueError(
            f"{name} is a safetensors file but not a pynn {kind}: its metadata has no entry {entry!r}{hint}"
        )
    try:
        data = parsed(metadata[entry])
    except (ValueError, RecursionError) as cause:
        why = f"{file}: the {kind}'s description is not JSON ({cause}): {NEWER}"
        raise ValueError(one_line(why)) from safe_cause(cause)
    if not isinstance(data, dict):
        raise ValueError(f"{name}: the {kind}'s description has no format number: {NEWER}")
    return data


# The state of a run ---------------------------------------------------------------------------------


def write_state(path: Path, state: Mapping[str, Any]) -> None:
    """Write numbers, text, None, arrays, and lists and dicts of these; TypeError for anything else."""
    tensors: dict[str, NDArray[Any]] = {}
    text = json.dumps(_packed(state, tensors, "state"))
    entry = {"format": FORMAT, "crc": checksum(text, tensors), "state": text}
    write(path, tensors, ENTRY, json.dumps(entry))


def read_state(path: Path) -> dict[str, Any]:
    """Read what `write_state` wrote; ValueError for a file that is damaged, of another format or of a newer pynn."""
    entry, tensors = read(path, ENTRY, "checkpoint")
    known = {1: _old_checksum, FORMAT: checksum}.get(entry["format"]) if type(entry.get("format")) is int else None
    if known is None:
        raise ValueError(one_line(f"{path} has format {entry.get('format')}, this pynn reads 1 and {FORMAT}: {NEWER}"))
    text = entry.get("state")
    if entry.keys() != {"format", "crc", "state"} or not isinstance(text, str) or entry["crc"] != known(text, tensors):
        raise ValueError(f"{printable(path)} is damaged: its checksum is wrong")
    try:
        state = _unpacked(parsed(text), tensors)
        if tensors:
            raise ValueError(f"nothing refers to the tensor {next(iter(tensors))!r}")
    except (ValueError, TypeError, KeyError, RecursionError) as cause:
        raise ValueError(one_line(f"{path} is not a state of a run ({cause!r})")) from safe_cause(cause)
    if not isinstance(state, dict):
        raise ValueError(f"{printable(path)} is not a state of a run")
    return state


def _old_checksum(text: str, tensors: Tensors) -> int:
    crc = zlib.crc32(text.encode())
    for name in sorted(tensors):
        crc = zlib.crc32(_bytes(np.ascontiguousarray(tensors[name])), crc)
    return crc


PLAIN = frozenset({type(None), bool, int, float, str})  # what JSON holds as it is


def _packed(value: Any, tensors: dict[str, NDArray[Any]], place: str) -> Any:
    """The value for JSON; arrays go into `tensors`."""
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, np.ndarray):
        if value.dtype.kind not in "fiub" or value.dtype.itemsize > 8:
            raise TypeError(f"{place} is an array of dtype {value.dtype}, expected numbers for a checkpoint")
        while place in tensors:  # {"a.b": x, "a": {"b": y}}
            place += "'"
        tensors[place] = np.asarray(value, order="C")  # not ascontiguousarray: it turns () into (1,)
        return {TENSOR: place}
    if isinstance(value, (list, tuple)):
        if PLAIN.issuperset(map(type, value)):  # a history may be long
            return value
        return [_packed(item, tensors, f"{place}.{number}") for number, item in enumerate(value)]
    if isinstance(value, Mapping) and TENSOR not in value:
        return {str(key): _packed(item, tensors, f"{place}.{key}") for key, item in value.items()}
    raise TypeError(f"{place} is {brief(value)}, expected numbers, text, None, arrays, lists or dicts for a checkpoint")


def _unpacked(value: Any, tensors: dict[str, NDArray[Any]]) -> Any:
    """The original value; each tensor may be used only once."""
    if isinstance(value, list):
        if PLAIN.issuperset(map(type, value)):
            return value
        return [_unpacked(item, tensors) for item in value]
    if isinstance(value, dict):
        if TENSOR in value:
            (name,) = value.values()
            return tensors.pop(name)
        return {key: _unpacked(item, tensors) for key, item in value.items()}
    return value
