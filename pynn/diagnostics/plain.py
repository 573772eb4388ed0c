"""Values of a record as lines of JSON with a checksum, and back: NaN, infinity, tuples and small arrays survive.

Knows no records and no files.
"""

from __future__ import annotations

import json
import math
import zlib
from collections.abc import Mapping
from typing import Any

import numpy as np

from ..saving.container import parsed

FLOAT, TUPLE, ARRAY, PAIRS = "$float", "$tuple", "$array", "$pairs"  # keys of what JSON has no word for
_MARK = ', "crc": '


def packed(value: Any) -> Any:
    """The value for JSON; what has no form in JSON becomes its text."""
    if value is None or isinstance(value, (bool, str)):
        return value
    if isinstance(value, np.generic):
        return packed(value.item())
    if isinstance(value, int):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else {FLOAT: repr(value)}
    if isinstance(value, list):
        return [packed(item) for item in value]
    if isinstance(value, tuple):
        return {TUPLE: [packed(item) for item in value]}
    if isinstance(value, np.ndarray) and value.dtype.kind in "biuf":
        return {ARRAY: [value.dtype.name, list(value.shape), packed(value.reshape(-1).tolist())]}
    if isinstance(value, Mapping):
        if all(isinstance(key, str) and key[:1] != "$" for key in value):
            return {key: packed(item) for key, item in value.items()}
        return {PAIRS: [[packed(key), packed(item)] for key, item in value.items()]}
    return repr(value)


def unpacked(value: Any) -> Any:
    """What `packed` was given; ValueError or TypeError for what it does not make."""
    if isinstance(value, list):
        return [unpacked(item) for item in value]
    if not isinstance(value, dict):
        return value
    if len(value) != 1 or not (key := next(iter(value))).startswith("$"):
        return {name: unpacked(item) for name, item in value.items()}
    content = value[key]
    if key == FLOAT:
        return float(content)
    if key == TUPLE:
        return tuple(unpacked(content))
    if key == PAIRS:
        return {unpacked(name): unpacked(item) for name, item in content}
    if key == ARRAY:
        dtype, shape, numbers = content
        if np.dtype(dtype).kind not in "biuf":
            raise ValueError(f"an array of dtype {dtype}")
        return np.array(unpacked(numbers), dtype).reshape(shape)
    raise ValueError(f"the unknown key {key!r}")


def line(value: Mapping[str, Any]) -> bytes:
    """The mapping as a line of JSON, whose last key is a checksum over the rest."""
    text = json.dumps(packed(value), allow_nan=False)
    return f"{text[:-1]}{_MARK}{zlib.crc32(text.encode())}}}\n".encode()


def of_line(content: bytes) -> dict[str, Any]:
    """What `line` was given; ValueError if the content is anything else."""
    try:
        text, mark, crc = content.decode().rstrip("\n").rpartition(_MARK)
        text += "}"
        if not mark or crc != f"{zlib.crc32(text.encode())}}}":
            raise ValueError("its checksum is wrong")
        value = unpacked(parsed(text))
    except (TypeError, KeyError, AttributeError, RecursionError, UnicodeDecodeError, OverflowError) as cause:
        raise ValueError(f"it is no line of a run ({type(cause).__name__})") from cause
    if not isinstance(value, dict):
        raise ValueError("it is no line of a run")
    return value
