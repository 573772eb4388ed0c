"""The model files of the best trials: in a folder, or in memory. Knows no studies."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Container, Sequence
from pathlib import Path

from ..saving import files


class Keeper:
    """Keeps the models of the best trial of each study, one for each fold.

    Parameters
    ----------
    folder : Path or None
        Made when the first model is kept. None keeps them in memory.
    """

    def __init__(self, folder: Path | None) -> None:
        self.folder = folder
        self._kept: dict[tuple[str, int], list[bytes]] = {}

    def keep(self, study: str, number: int, models: Sequence[bytes]) -> None:
        """Keep the models of a trial. Those of others stay until `drop`: a kill in between loses none."""
        if self.folder is None:
            self._kept[study, number] = list(models)
            return
        self.folder.mkdir(parents=True, exist_ok=True)
        for fold, content in enumerate(models):
            files.write_whole(self._path(study, number, fold, len(models)), content)

    def drop(self, study: str, numbers: Container[int]) -> None:
        """Remove the models of trials that have ended and are not the best."""
        for key in [key for key in self._kept if key[0] == study and key[1] in numbers]:
            del self._kept[key]
        if self.folder is None or not self.folder.is_dir():
            return
        pattern = re.compile(rf"{re.escape(_plain(study))}-trial-(\d+)(-fold-\d+)?\.safetensors")
        for path in self.folder.iterdir():
            match = pattern.fullmatch(path.name)
            if match is not None and int(match[1]) in numbers:
                path.unlink(missing_ok=True)

    def drop_checkpoints(self, study: str, numbers: Container[int]) -> None:
        """Remove the checkpoints of trials that have ended; a kill may leave them."""
        pattern = re.compile(rf"{re.escape(_plain(study))}-trial-(\d+)\.checkpoint")
        for path in self.folder.iterdir() if self.folder is not None and self.folder.is_dir() else ():
            match = pattern.fullmatch(path.name)
            if match is not None and int(match[1]) in numbers:
                shutil.rmtree(path, ignore_errors=True)

    def models(self, study: str, number: int, folds: int) -> list[bytes]:
        """The model files of a trial; LookupError if they are not there."""
        if (study, number) in self._kept:
            return self._kept[study, number]
        if self.folder is None:
            raise LookupError("the process that trained it had no folder for it: pass Search(..., folder=...)")
        paths = self.paths(study, number, folds)
        missing = [path for path in paths if not path.is_file()]
        if missing:
            raise LookupError(f"{missing[0]} is not there: it was removed, or written on another machine")
        return [path.read_bytes() for path in paths]

    def paths(self, study: str, number: int, folds: int) -> list[Path]:
        """The files of a trial, if there is a folder."""
        return [self._path(study, number, fold, folds) for fold in range(folds)] if self.folder is not None else []

    def checkpoint(self, study: str, number: int) -> str | None:
        """The folder for checkpoints of a running trial."""
        return None if self.folder is None else os.fspath(self.folder / f"{_plain(study)}-trial-{number}.checkpoint")

    def _path(self, study: str, number: int, fold: int, folds: int) -> Path:
        assert self.folder is not None
        of_fold = f"-fold-{fold + 1}" if folds > 1 else ""
        return self.folder / f"{_plain(study)}-trial-{number}{of_fold}.safetensors"


def _plain(study: str) -> str:
    """The name of a study as part of a file's name."""
    return re.sub(r"[^\w-]+", "-", study)[:100]
