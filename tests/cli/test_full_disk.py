"""`pynn train` whose model cannot be written at its end: what took hours is not lost."""

from __future__ import annotations

import os
import re
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import pynn
from pynn.saving import files

pytestmark = pytest.mark.usefixtures("alone")
SMALL = ("--layers", "8", "--epochs", "1", "--no-plot", "--quiet", "--output", "m.safetensors")


def fills(monkeypatch: pytest.MonkeyPatch, full: Callable[[Path], bool]) -> None:
    """Let the disk of some files be full."""
    write = files.write_whole

    def attempt(path: Path, content: bytes) -> None:
        if full(path):
            raise OSError(28, "No space left on device", os.fspath(path))
        write(path, content)

    monkeypatch.setattr(files, "write_whole", attempt)


def test_a_trained_model_is_saved_elsewhere(
    fails: Callable[..., str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "spare").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "spare"))
    fills(monkeypatch, lambda path: path == Path("m.safetensors"))
    found = re.fullmatch(
        r"m\.safetensors: No space left on device; the trained model is in (.*m\.safetensors) instead, move it",
        fails("train", *SMALL),
    )
    assert found is not None
    model = pynn.load(found[1])
    assert model.epoch == 1
    assert "test_accuracy" in model.notes
    assert not Path("m.safetensors").exists()


def test_an_interrupted_model_is_saved_elsewhere_too(
    fails: Callable[..., str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "spare").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "spare"))
    fills(monkeypatch, lambda path: path == Path("m.safetensors"))

    def interrupted(*arguments: Any, **options: Any) -> Any:
        raise KeyboardInterrupt

    monkeypatch.setattr(pynn.Sequential, "evaluate", interrupted)
    found = re.search(r"the trained model is in (.*m\.safetensors) instead", fails("train", *SMALL))
    assert found is not None
    assert pynn.load(found[1]).epoch == 1


def test_where_nothing_can_be_written_the_first_error_is_said(
    fails: Callable[..., str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    fills(monkeypatch, lambda path: True)
    (tmp_path / "spare").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "spare"))
    assert fails("train", *SMALL) == "m.safetensors: No space left on device"
    assert list((tmp_path / "spare").iterdir()) == []
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "nowhere"))
    assert fails("train", *SMALL) == "m.safetensors: No space left on device"
