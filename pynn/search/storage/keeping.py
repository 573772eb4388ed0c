"""The model files of the best trials: in a folder, or in memory. Knows no studies."""

from __future__ import annotations

import os
import re
import shutil
import uuid
from collections.abc import Container, Sequence
from pathlib import Path

from ...saving import files

LONGEST = 100  # bytes of a study's name in the name of a file
MODEL = re.compile(r"(.+-trial-\d+-[0-9a-f]{8})(-fold-\d+)?\.safetensors")
CHECKPOINT = ".checkpoint"  # ends the names of folders


def new_key() -> str:
    """What tells the files of a trial from those of all others, also if studies of one name share a folder."""
    return uuid.uuid4().hex[:8]


def begin(study: str) -> str:
    """The name of a study as the beginning of file names: shortened, but for the number of its stage."""
    match = re.fullmatch(r"(.*?)( stage \d+)?", study, re.DOTALL)
    assert match is not None
    plain, stage = (re.sub(r"[^\w-]+", "-", part or "") for part in match.groups())
    return plain.encode()[:LONGEST].decode(errors="ignore") + stage


class Keeper:
    """Keeps the models of the best trial of each study, one for each fold. `trial` is the name of a trial's files.

    Parameters
    ----------
    folder : Path or None
        Made when the first model is kept. None keeps them in memory.
    """

    def __init__(self, folder: Path | None) -> None:
        self.folder = folder
        self._kept: dict[str, list[bytes]] = {}

    def keep(self, trial: str, models: Sequence[bytes]) -> None:
        """Keep the models of a trial. Those of others stay until `drop`: a kill in between loses none."""
        if self.folder is None:
            self._kept[trial] = list(models)
            return
        self.folder.mkdir(parents=True, exist_ok=True)
        for path, content in zip(self._paths(self.folder, trial, len(models)), models, strict=True):
            files.write_whole(path, content)

    def drop(self, trials: Container[str]) -> None:
        """Remove the models of trials that have ended and are not the best."""
        for trial in [trial for trial in self._kept if trial in trials]:
            del self._kept[trial]
        if self.folder is None or not self.folder.is_dir():
            return
        for path in self.folder.iterdir():
            match = MODEL.fullmatch(path.name)
            if match is not None and match[1] in trials:
                path.unlink(missing_ok=True)

    def drop_checkpoints(self, trials: Container[str]) -> None:
        """Remove the checkpoints of trials that have ended; a kill may leave them."""
        for path in self.folder.iterdir() if self.folder is not None and self.folder.is_dir() else ():
            if path.suffix == CHECKPOINT and path.stem in trials:
                shutil.rmtree(path, ignore_errors=True)

    def models(self, trial: str, folds: int) -> list[bytes]:
        """The model files of a trial; LookupError if they are not there."""
        if trial in self._kept:
            return self._kept[trial]
        if self.folder is None:
            raise LookupError("the process that trained it had no folder for it: pass Search(..., folder=...)")
        paths = self._paths(self.folder, trial, folds)
        missing = [path for path in paths if not path.is_file()]
        if missing:
            raise LookupError(f"{missing[0]} is not there: it was removed, or written on another machine")
        return [path.read_bytes() for path in paths]

    def checkpoint(self, trial: str) -> str | None:
        """The folder for checkpoints of a running trial."""
        return None if self.folder is None else os.fspath(self.folder / f"{trial}{CHECKPOINT}")

    @staticmethod
    def _paths(folder: Path, trial: str, folds: int) -> list[Path]:
        ends = [f"-fold-{fold}" for fold in range(1, folds + 1)] if folds > 1 else [""]
        return [folder / f"{trial}{end}.safetensors" for end in ends]
