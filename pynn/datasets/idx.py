"""IDX files, the format of MNIST."""

from __future__ import annotations

import math
import os
import sys
from io import BufferedIOBase, BufferedReader
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..messages.terminal import printable
from ..saving.files import expect_file
from .common import StrPath

_IDX_TYPES = {0x08: "u1", 0x09: "i1", 0x0B: "i2", 0x0C: "i4", 0x0D: "f4", 0x0E: "f8"}
_ZIPPED, _RATIO = 48 << 20, 40  # a gzip file may hold this many bytes, or this many times its own size
_CHUNK = 1 << 20  # bytes read at once: memory follows what a file holds, not what its header claims


def read_idx(path: StrPath) -> NDArray[Any]:
    """Read an IDX file, the format of MNIST, plain or gzip.

    Parameters
    ----------
    path : path
        The file; gzip is recognized by its content, not by its name.

    Returns
    -------
    array
        Of the file's type (uint8, int8, int16, int32, float32 or float64) and shape, in native byte order,
        C-contiguous, writable. The shape may be () or contain zeros.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ValueError
        If it is not an IDX file, is damaged, too short or too long, or is a gzip file that holds more than 48 MiB and
        more than 40 times its own size (MNIST's hold 5 times theirs).

    Notes
    -----
    Memory follows what the file holds, not what its header claims.
    """
    path = os.fspath(path)
    shown = printable(path)
    if os.path.isdir(path):
        raise ValueError(f"{shown}: expected an IDX file, got a folder")
    if not os.path.exists(path):
        raise FileNotFoundError(f"{shown}: no such file; expected an IDX file, plain or gzip")
    expect_file(path, "an IDX file")
    with open(path, "rb") as file:
        if file.peek(2)[:2] == b"\x1f\x8b":
            return _parse_gzip(shown, file)
        return _parse_idx(shown, file)


def _parse_gzip(path: str, file: BufferedReader) -> NDArray[Any]:
    import gzip
    import zlib

    try:
        with gzip.GzipFile(fileobj=file) as unzipped:
            return _parse_idx(path, unzipped, max(_ZIPPED, _RATIO * os.fstat(file.fileno()).st_size))
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise ValueError(f"{printable(path)}: damaged gzip file ({error}); delete it and get it again") from None


def _parse_idx(path: str, file: BufferedIOBase, most: int = sys.maxsize) -> NDArray[Any]:
    head = _read_up_to(file, 4)
    if len(head) < 4 or head[:2] != b"\0\0" or head[2] not in _IDX_TYPES:
        raise ValueError(
            f"{printable(path)}: not an IDX file: expected it to begin with the bytes 00 00, a type "
            f"({', '.join(f'{code:02x}' for code in _IDX_TYPES)}) and the number of dimensions; "
            f"got {head.hex(' ') or 'an empty file'}"
        )
    dtype, ndim = np.dtype(_IDX_TYPES[head[2]]), head[3]
    if ndim > 64:
        raise ValueError(f"{printable(path)}: expected at most 64 dimensions, as many as NumPy can hold; got {ndim}")
    sizes = _read_up_to(file, 4 * ndim)
    if len(sizes) < 4 * ndim:
        raise ValueError(
            f"{printable(path)}: cut off: expected {ndim} sizes, {4 * ndim} bytes, after the first 4; got {len(sizes)}"
        )
    shape = tuple(int.from_bytes(sizes[i : i + 4], "big") for i in range(0, 4 * ndim, 4))
    size = math.prod(shape) * dtype.itemsize
    says = f"its header says {dtype} {printable(shape, 200)}"
    # One byte more than needed detects trailing bytes, and makes gzip verify its checksum.
    data = _read_up_to(file, min(size, most) + 1)
    if size > most < len(data):
        raise ValueError(
            f"{printable(path)}: {says}, far more than a gzip file of its size should hold; if that is right, unzip it "
            "first (gzip -d)"
        )
    if len(data) != size:
        problem = "cut off" if len(data) < size else "too long"
        got = len(data) if len(data) < size else "more"
        raise ValueError(
            f"{printable(path)}: {problem}: {says}, so expected {printable(size, 100)} bytes of data; got {got}"
        )
    try:
        array = np.frombuffer(data, dtype.newbyteorder(">")).reshape(shape)
    except ValueError as error:
        raise ValueError(f"{printable(path)}: {says}, expected a shape NumPy can hold: {error}") from None
    return array.astype(dtype, copy=False)


def _read_up_to(file: BufferedIOBase, count: int) -> bytearray:
    data = bytearray()
    while len(data) < count and (chunk := file.read(min(_CHUNK, count - len(data)))):
        data += chunk
    return data
