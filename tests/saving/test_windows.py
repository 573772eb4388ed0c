"""What is asked of Windows about a process, and how its answers are read. On Windows itself, of real processes."""

from __future__ import annotations

import os
import subprocess
import sys
from types import SimpleNamespace
from typing import Any

import pytest

from pynn.saving import windows

OTHERS, GONE, ENDED, RUNS = 4, 8, 12, 16  # another user's, no process, one that has ended, one that runs
DENIED = 5


class Kernel:
    """Answers as Windows does."""

    def __init__(self) -> None:
        self.open: list[int] = []
        self.error = 0

        def OpenProcess(rights: int, inherited: bool, process: int) -> int | None:
            assert (rights, inherited) == (0x1000, False)
            self.error = {OTHERS: DENIED, GONE: 87}.get(process, 0)
            if self.error:
                return None
            self.open.append(process + 1)
            return process + 1

        def GetExitCodeProcess(handle: int, code: Any) -> bool:
            assert handle in self.open
            code._obj.value = 259 if handle == RUNS + 1 else 0
            return True

        def GetProcessTimes(handle: int, *times: Any) -> bool:
            assert handle in self.open
            times[0]._obj.dwHighDateTime, times[0]._obj.dwLowDateTime = 2, handle
            return True

        def CloseHandle(handle: int) -> bool:
            self.open.remove(handle)
            return True

        self.functions = SimpleNamespace(
            OpenProcess=OpenProcess, GetExitCodeProcess=GetExitCodeProcess, GetProcessTimes=GetProcessTimes,
            CloseHandle=CloseHandle,
        )  # fmt: skip

    def WinDLL(self, name: str, use_last_error: bool) -> Any:
        assert (name, use_last_error) == ("kernel32", True)
        return self.functions

    def get_last_error(self) -> int:
        return self.error


@pytest.fixture
def kernel(monkeypatch: pytest.MonkeyPatch) -> Kernel:
    found = Kernel()
    monkeypatch.setattr(windows, "_system", found)
    return found


def test_a_process_is_dead_if_it_is_not_there_or_has_ended(kernel: Kernel) -> None:
    found = {process: windows.is_dead(process) for process in (OTHERS, GONE, ENDED, RUNS, 2**80)}
    assert found == {OTHERS: False, GONE: True, ENDED: True, RUNS: False, 2**80: True}
    assert not kernel.open


def test_the_start_tells_a_process_from_another_of_its_number(kernel: Kernel) -> None:
    assert windows.begun(RUNS) == str((2 << 32) + RUNS + 1)
    assert windows.begun(OTHERS) == windows.begun(GONE) == windows.begun(2**80) == ""
    assert not kernel.open


@pytest.mark.skipif(sys.platform != "win32", reason="Windows")
def test_real_processes_of_windows() -> None:
    assert not windows.is_dead(os.getpid())
    assert windows.begun(os.getpid())
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as process:
        assert not windows.is_dead(process.pid)
        assert windows.begun(process.pid) > windows.begun(os.getpid())
    assert windows.is_dead(process.pid)
