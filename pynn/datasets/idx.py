"""IDX files, the format of MNIST."""

from __future__ import annotations

import math
import os
from io import BufferedIOBase
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .common import StrPath

_IDX_TYPES = {0x08: "u1", 0x09: "i1", 0x0B: "i2", 0x0C: "i4", 0x0D: "f4", 0x0E: "f8"}
_CHUNK = 1 << 20  # bytes read at once: memory follows what a file holds, not what its header claims


def read_idx(path: StrPath) -> NDArray[Any]:
    """Read the IDX file at `path`, the format of MNIST, plain or gzip (told by its content, not by its name).

    Returns a new array of the file's type (uint8, int8, int16, int32, float32 or float64) and shape, in native byte
    order, C-contiguous, writable. The shape may be () or hold zeros.
    Raises FileNotFoundError where there is no file; ValueError where it is no IDX file, is damaged, ends too early or
    goes on too long. Never takes much more memory than the file's own content needs, whatever its header claims.
    """
    path = os.fspath(path)
    if os.path.isdir(path):
        raise ValueError(f"{path}: expected an IDX file, got a folder")
    try:
        with open(path, "rb") as file:
            zipped = file.peek(2)[:2] == b"\x1f\x8b"
            return _parse_gzip(path, file) if zipped else _parse_idx(path, file)
    except (FileNotFoundError, NotADirectoryError):
        raise FileNotFoundError(f"{path}: no such file; expected an IDX file, plain or gzip") from None


def _parse_gzip(path: str, file: BufferedIOBase) -> NDArray[Any]:
    import gzip
    import zlib

    try:
        with gzip.GzipFile(fileobj=file) as unzipped:
            return _parse_idx(path, unzipped)
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise ValueError(f"{path}: damaged gzip file ({error}); delete it and get it again") from None


def _parse_idx(path: str, file: BufferedIOBase) -> NDArray[Any]:
    head = _read_up_to(file, 4)
    if len(head) < 4 or head[:2] != b"\0\0" or head[2] not in _IDX_TYPES:
        raise ValueError(
            f"{path}: not an IDX file: expected it to begin with the bytes 00 00, a type "
            f"({', '.join(f'{code:02x}' for code in _IDX_TYPES)}) and the number of dimensions; "
            f"got {head.hex(' ') or 'an empty file'}"
        )
    dtype, ndim = np.dtype(_IDX_TYPES[head[2]]), head[3]
    if ndim > 64:
        raise ValueError(f"{path}: expected at most 64 dimensions, as many as NumPy can hold; got {ndim}")
    sizes = _read_up_to(file, 4 * ndim)
    if len(sizes) < 4 * ndim:
        raise ValueError(
            f"{path}: cut off: expected {ndim} sizes, {4 * ndim} bytes, after the first 4; got {len(sizes)}"
        )
    shape = tuple(int.from_bytes(sizes[i : i + 4], "big") for i in range(0, 4 * ndim, 4))
    size = math.prod(shape) * dtype.itemsize
    data = _read_up_to(file, size + 1)  # one more than needed tells trailing bytes, and makes gzip check its checksum
    if len(data) != size:
        problem = "cut off" if len(data) < size else "goes on too long"
        got = len(data) if len(data) < size else "more"
        raise ValueError(
            f"{path}: {problem}: its header says {dtype} {shape}, so expected {size} bytes of data; got {got}"
        )
    try:
        array = np.frombuffer(data, dtype.newbyteorder(">")).reshape(shape)
    except ValueError as error:
        raise ValueError(f"{path}: its header says {dtype} {shape}, expected a shape NumPy can hold: {error}") from None
    return array.astype(dtype, copy=False)


def _read_up_to(file: BufferedIOBase, count: int) -> bytearray:
    data = bytearray()
    while len(data) < count and (chunk := file.read(min(_CHUNK, count - len(data)))):
        data += chunk
    return data
