"""Memory between pages that nobody may touch: whoever reads or writes one byte outside is stopped by the processor.

It finds what an address sanitizer does not: vectors that are loaded under a mask, as AVX-512's, and builds without one.
"""

from __future__ import annotations

import ctypes
import mmap

import numpy as np

try:
    _mprotect = ctypes.CDLL(None).mprotect
    _mprotect.argtypes = (ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int)
except (AttributeError, OSError, TypeError):  # no POSIX system
    _mprotect = None


def walled(size: int) -> np.ndarray:
    """At least `size` bytes that end, and begin, at a wall; any memory where the system has no such thing."""
    inside = max(-(-size // mmap.PAGESIZE), 1) * mmap.PAGESIZE
    if _mprotect is None:
        return np.empty(size, np.uint8)
    whole = np.frombuffer(mmap.mmap(-1, inside + 2 * mmap.PAGESIZE), np.uint8)
    for page in (whole.ctypes.data, whole.ctypes.data + mmap.PAGESIZE + inside):
        if _mprotect(page, mmap.PAGESIZE, 0) != 0:  # PROT_NONE
            raise OSError("mprotect failed")
    return whole[mmap.PAGESIZE : mmap.PAGESIZE + inside]
