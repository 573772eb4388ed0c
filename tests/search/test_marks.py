"""A process that sees the same folder finds the file that was put there; another does not."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

pytest.importorskip("optuna")

from pynn.search.dask import marks


def test_the_same_folder_and_others(tmp_path: Path) -> None:
    folder = os.fspath(tmp_path / "new" / "folder")
    name = marks.mark(folder)
    assert marks.sees(folder, name)
    assert not marks.sees(os.fspath(tmp_path), name)
    assert marks.mark(folder) != name


def test_a_folder_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    folder = os.fspath(tmp_path / "file" / "folder")
    assert marks.mark(folder) == ""
    assert not marks.sees(folder, "")
