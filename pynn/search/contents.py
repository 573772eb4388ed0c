"""A fingerprint of samples: other ones, or the same in another order, have another. Knows no searches."""

from __future__ import annotations

import datetime
import decimal
import hashlib
import numbers
from collections.abc import Iterator
from typing import Any

import numpy as np

from ..data import tables
from ..typing import Array

BLOCK = 1 << 24  # bytes that are copied at a time, at most
SPOKEN = (str, numbers.Number, decimal.Decimal, datetime.date, datetime.time, datetime.timedelta)


def fingerprint(*values: Any) -> str:
    """The fingerprint of arrays, tables and None."""
    digest = hashlib.blake2b(digest_size=8)
    for value in values:
        for name, array in _arrays(value):
            digest.update(f"{name} {array.dtype.kind}{array.dtype.itemsize} {array.shape};".encode())
            _add(digest, array)
    return digest.hexdigest()


def _arrays(value: Any) -> Iterator[tuple[str, Array]]:
    """The arrays that make up a value, with their names."""
    names = None if value is None else tables.columns(value)
    if names is None:
        yield "", np.asarray(value)
    for name in names or ():
        yield name, np.asarray(value[name])


def _add(digest: Any, array: Array) -> None:
    if array.dtype.kind in "OUS":
        for item in array.reshape(-1).tolist():
            digest.update(_text(item).encode(errors="surrogatepass"))
        return
    if not array.ndim or array.flags.c_contiguous:
        digest.update(np.ascontiguousarray(array).reshape(-1).view(np.uint8))
        return
    rows = max(BLOCK // max(array.nbytes // max(len(array), 1), 1), 1)
    for start in range(0, len(array), rows):
        digest.update(np.ascontiguousarray(array[start : start + rows]).reshape(-1).view(np.uint8))


def _text(item: Any) -> str:
    """The same text for the same value in every process."""
    if tables.absent(item):
        return "\0-"
    if isinstance(item, bytes):
        return f"\0b{item.hex()}"
    return f"\0{item if isinstance(item, SPOKEN) else type(item).__name__}"
