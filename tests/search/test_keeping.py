"""The models of the best trials: in a folder or in memory, one study beside another."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

pytest.importorskip("optuna")

from pynn.search.keeping import Keeper


def test_models_in_memory() -> None:
    keeper = Keeper(None)
    keeper.keep("a", 1, [b"one"])
    keeper.keep("a", 2, [b"two", b"three"])
    keeper.keep("b", 1, [b"four"])
    keeper.drop("a", {0, 1})
    assert keeper.models("a", 2, 2) == [b"two", b"three"]
    assert keeper.models("b", 1, 1) == [b"four"]
    with pytest.raises(LookupError, match=r"had no folder for it: pass Search\(..., folder=...\)"):
        keeper.models("a", 1, 1)
    assert keeper.checkpoint("a", 1) is None


def test_models_in_a_folder(tmp_path: Path) -> None:
    folder = tmp_path / "new" / "models"
    keeper = Keeper(folder)
    keeper.drop("a", {2})
    keeper.keep("a", 1, [b"one"])
    keeper.keep("a stage 2", 1, [b"two", b"three"])
    (folder / "mine.safetensors").write_bytes(b"")
    (folder / "a-trial-x.safetensors").write_bytes(b"")
    keeper.keep("a", 12, [b"four"])
    keeper.drop("a", set(range(12)))
    assert sorted(os.listdir(folder)) == [
        "a-stage-2-trial-1-fold-1.safetensors", "a-stage-2-trial-1-fold-2.safetensors", "a-trial-12.safetensors",
        "a-trial-x.safetensors", "mine.safetensors",
    ]  # fmt: skip
    again = Keeper(folder)
    assert again.models("a stage 2", 1, 2) == [b"two", b"three"]
    with pytest.raises(LookupError, match=r"a-trial-1.safetensors is not there: it was removed, or written on another"):
        again.models("a", 1, 1)
    for name in ("a-trial-1", "a-trial-12", "a-stage-2-trial-1"):
        (folder / f"{name}.checkpoint" / "0").mkdir(parents=True)
    again.drop_checkpoints("a", set(range(12)))
    assert sorted(path.name for path in folder.glob("*.checkpoint")) == [
        "a-stage-2-trial-1.checkpoint", "a-trial-12.checkpoint",
    ]  # fmt: skip
    Keeper(None).drop_checkpoints("a", {1})
    Keeper(folder / "absent").drop_checkpoints("a", {1})
    assert again.checkpoint("a", 7) == str(folder / "a-trial-7.checkpoint")
