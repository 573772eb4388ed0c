"""Locks of folders whose file disappears, is empty, or was written by a process that is not ours."""

from __future__ import annotations

import os
import re
import sys
from pathlib import Path
from typing import Any

import pytest

from pynn.saving import filelocks, windows
from pynn.saving.filelocks import FolderLock


def test_a_lock_file_that_keeps_disappearing_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(FolderLock, "held", lambda self: False)
    with pytest.raises(RuntimeError, match=rf"^runs cannot be locked: {re.escape(str(tmp_path))}.* keeps disappearing"):
        FolderLock(tmp_path, "runs")


@pytest.mark.skipif(sys.platform == "win32", reason="locks of POSIX")
def test_the_holder_of_an_empty_lock_file_is_another_process(tmp_path: Path) -> None:
    with filelocks.opened(tmp_path / filelocks.NAME) as file:
        assert filelocks.locked(file) is True
        with pytest.raises(RuntimeError, match=r"^runs is in use by another process; wait for it to end"):
            FolderLock(tmp_path, "runs")
    FolderLock(tmp_path, "runs").release()


def test_the_holder_that_signs_last_keeps_the_folder_without_file_locks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def sign(seconds: float) -> None:  # another run, while the first waits for such a one
        (tmp_path / filelocks.NAME).write_text('{"process": 1, "host": "node7", "since": "today"}')

    monkeypatch.setattr(filelocks, "locked", lambda file: None)
    monkeypatch.setattr(filelocks.time, "sleep", sign)
    with pytest.raises(RuntimeError, match=r"^runs is in use by process 1 on node7 since today; .* has no locks"):
        FolderLock(tmp_path, "runs")


def test_a_released_lock_can_be_released_again(tmp_path: Path) -> None:
    lock = FolderLock(tmp_path, "runs")
    lock.release()
    lock.release()
    assert not lock.held()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(os.name != "posix", reason="signals of POSIX")
def test_processes_that_cannot_be_asked_count_as_alive(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(process: int, number: int) -> Any:
        raise PermissionError

    assert not filelocks.is_dead(os.getpid())
    assert filelocks.is_dead(2**80)
    assert filelocks._begun(2**80) == ""
    monkeypatch.setattr(os, "kill", refuse)
    assert not filelocks.is_dead(2**22 - 1)


def test_windows_is_asked_in_its_own_way(monkeypatch: pytest.MonkeyPatch) -> None:
    holder = {**filelocks.signature(), "process": 7, "begun": "5"}
    monkeypatch.setattr(os, "name", "nt")
    monkeypatch.setattr(windows, "begun", {7: "5", 8: "6"}.__getitem__)
    for dead in (True, False):
        monkeypatch.setattr(windows, "is_dead", lambda process, dead=dead: dead)
        assert filelocks.lives(holder) is not dead
        assert not filelocks.lives({**holder, "process": 8})  # its number was used again
