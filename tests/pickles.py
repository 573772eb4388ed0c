"""Pickles as Python 2 wrote them, for tests of CIFAR's Python form."""

from __future__ import annotations

import io
import pickle
import struct
from typing import Any


class _Python2(pickle._Pickler):  # type: ignore[name-defined]
    dispatch = pickle._Pickler.dispatch.copy()  # type: ignore[attr-defined]

    def save_bytes(self, obj: bytes) -> None:
        short = len(obj) < 256
        self.write(b"U" + bytes([len(obj)]) + obj if short else b"T" + struct.pack("<i", len(obj)) + obj)
        self.memoize(obj)

    dispatch[bytes] = save_bytes


def python2(value: Any) -> bytes:
    """Protocol 2, bytes as Python 2's strings, NumPy's old module names."""
    file = io.BytesIO()
    _Python2(file, 2).dump(value)
    return file.getvalue().replace(b"cnumpy._core.multiarray\n", b"cnumpy.core.multiarray\n")
