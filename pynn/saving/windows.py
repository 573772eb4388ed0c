"""What Windows knows of a process: whether it has ended, and when it was started."""

from __future__ import annotations

import ctypes
from collections.abc import Iterator
from contextlib import contextmanager
from ctypes import wintypes
from typing import Any

LIMITED = 0x1000  # the right to ask for little: PROCESS_QUERY_LIMITED_INFORMATION
ABSENT = 87  # the error for a number that no process has: ERROR_INVALID_PARAMETER
ACTIVE = 259  # the exit code of a process that has not ended: STILL_ACTIVE
MOST = 2**32
_system: Any = ctypes  # names of it are there on Windows only


def is_dead(process: int) -> bool:
    """Whether there is no process of this number, or it has ended; False if that cannot be known."""
    if process >= MOST:
        return True
    with _opened(process) as (kernel, handle):
        if not handle:
            return bool(_system.get_last_error() == ABSENT)
        code = wintypes.DWORD()
        return bool(kernel.GetExitCodeProcess(handle, ctypes.byref(code))) and code.value != ACTIVE


def begun(process: int) -> str:
    """When the process was started, in units of 100 ns; "" if that cannot be known."""
    if process >= MOST:
        return ""
    with _opened(process) as (kernel, handle):
        times = [wintypes.FILETIME() for _ in range(4)]  # of its start, its end, and in the kernel and outside
        if not handle or not kernel.GetProcessTimes(handle, *map(ctypes.byref, times)):
            return ""
        return str(times[0].dwHighDateTime << 32 | times[0].dwLowDateTime)


@contextmanager
def _opened(process: int) -> Iterator[tuple[Any, Any]]:
    """The functions of the kernel, and a handle of the process, None if it cannot be opened."""
    kernel = _system.WinDLL("kernel32", use_last_error=True)
    times = [ctypes.POINTER(wintypes.FILETIME)] * 4
    for name, result, arguments in (
        ("OpenProcess", wintypes.HANDLE, [wintypes.DWORD, wintypes.BOOL, wintypes.DWORD]),
        ("GetExitCodeProcess", wintypes.BOOL, [wintypes.HANDLE, ctypes.POINTER(wintypes.DWORD)]),
        ("GetProcessTimes", wintypes.BOOL, [wintypes.HANDLE, *times]),
        ("CloseHandle", wintypes.BOOL, [wintypes.HANDLE]),
    ):
        function = getattr(kernel, name)
        function.restype, function.argtypes = result, arguments
    handle = kernel.OpenProcess(LIMITED, False, process)
    try:
        yield kernel, handle
    finally:
        if handle:
            kernel.CloseHandle(handle)
