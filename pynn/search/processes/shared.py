"""Values that several processes read: written once to a file without a name, and mapped by each. Knows no searches.

Arrays, also those of a pandas frame, are not copied: processes see the same pages of the file. The system frees it with
the last process, however they end.
"""

from __future__ import annotations

import io
import mmap
import os
import pickle
import struct
import tempfile
from typing import IO, Any

import numpy as np

ALIGNED = 64  # bytes
PLACE = struct.Struct("<QQ")  # start and length of the index, at the end of the file


class _Pickler(pickle.Pickler):
    """Puts parts of arrays and memory maps in order first, which would be copied by every process."""

    def reducer_override(self, value: Any) -> Any:
        if not isinstance(value, np.ndarray):
            return NotImplemented
        whole = value.flags.c_contiguous or value.flags.f_contiguous
        if whole and type(value) is not np.memmap:
            return NotImplemented
        return (np.asarray(value) if whole else np.ascontiguousarray(value)).__reduce_ex__(5)


def written(value: Any) -> IO[bytes]:
    """A file with the value, for `mapped`; it exists as long as a process has it open."""
    buffers: list[pickle.PickleBuffer] = []
    head = io.BytesIO()
    _Pickler(head, protocol=5, buffer_callback=buffers.append).dump(value)
    file: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115 (open as long as processes are started)
    size = sum(buffer.raw().nbytes for buffer in buffers)
    try:
        places = []
        for buffer in buffers:
            file.write(bytes(-file.tell() % ALIGNED))
            places.append((file.tell(), file.write(buffer.raw())))
        start = file.tell()
        file.write(PLACE.pack(start, file.write(pickle.dumps((head.getvalue(), places)))))
        file.flush()
    except OSError as cause:
        file.close()
        folder = tempfile.gettempdir()
        hint = "set the environment variable TMPDIR to a folder with more space"
        raise OSError(cause.errno, f"the samples ({size:,} bytes) cannot be written to {folder}; {hint}") from cause
    return file


def mapped(file: int) -> Any:
    """The value in the file of this descriptor, which is closed; arrays are read-only."""
    try:
        view = memoryview(mmap.mmap(file, 0, access=mmap.ACCESS_READ))
    finally:
        os.close(file)
    start, size = PLACE.unpack(view[-PLACE.size :])
    head, places = pickle.loads(view[start : start + size])
    return pickle.loads(head, buffers=[view[start : start + size] for start, size in places])
