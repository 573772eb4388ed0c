"""Checkpoints of a run: files from which it goes on to the very bits of a run that was never killed."""

from __future__ import annotations

import errno
import os
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .. import checks
from ..callbacks.base import Callback, Run
from ..callbacks.outage import Outage
from ..checks import NOT_NEGATIVE, expect_count, expect_numbers
from ..messages import terminal
from ..saving import config, container, files
from ..saving.filelocks import FolderLock
from . import run_state

if TYPE_CHECKING:
    from .trainer import Trainer

NAME = "checkpoint-{:08d}.safetensors"
PATTERN = "checkpoint-" + "[0-9]" * 8 + ".safetensors"


class Checkpoint(Callback):
    """Checkpoints of a run in a folder, for `fit(checkpoint=...)`: after each epoch, and in between where it is asked.

    folder: made where it is not there. It belongs to one run, and one process at a time: a file .pynn.lock, which is
    gone after the run, names that process, and another one is refused. What a killed process left is taken over;
    a copy of the folder may be used at once. every_steps: also after so many steps, every_seconds:
    also after so many seconds, since the last one (default None: only after epochs, when the run is stopped, and on
    Ctrl-C). keep: so many of the newest files stay (default 2).

    `fit(..., checkpoint=folder, resume=True)` with the same arguments goes on from the newest, also in the middle of an
    epoch, and ends with the bits of a run that was never killed: parameters, running statistics, the optimizer's and
    its schedule's state, history, the memory of callbacks, the sums of the epoch. A file appears whole or not at all;
    one that is damaged is passed over with a RuntimeWarning. No file can run code: safetensors and JSON.
    Where the first one cannot be written, as on a full disk, training ends with the OSError; where a later one cannot,
    it goes on with a RuntimeWarning: the older files stay, and the next one is tried in its time.
    Raises ValueError or TypeError for settings out of their range.
    """

    writes = True

    def __init__(
        self,
        folder: str | os.PathLike[str],
        *,
        every_steps: int | None = None,
        every_seconds: float | None = None,
        keep: int = 2,
    ) -> None:
        if not isinstance(folder, (str, os.PathLike)):
            raise TypeError(f"checkpoint is {terminal.brief(folder)}, expected a folder or a pynn.Checkpoint object")
        if every_steps is not None:
            expect_count("Checkpoint", 1, every_steps=every_steps)
        if every_seconds is not None:
            expect_numbers("Checkpoint", NOT_NEGATIVE, every_seconds=every_seconds)
        expect_count("Checkpoint", 1, keep=keep)
        self.folder, self.every_steps, self.every_seconds, self.keep = folder, every_steps, every_seconds, keep
        self._path = Path(folder)
        self._settings: Mapping[str, Any] = {}
        self._number = 0
        self._untried: list[Path] = []  # files to go on from, the newest last
        self._reasons: list[str] = []  # why others could not be used
        self._place: tuple[int, int, int] | None = None  # of the run when the last one was written
        self._step, self._time = 0, 0.0  # when the last one was tried
        self._lock: FolderLock | None = None
        self._outage = Outage()

    def open(self, given: tuple[Any, ...], resuming: bool, quiet: bool) -> dict[str, Any] | None:
        """The state to go on from, or None for a run that begins, which is said in a line unless it is to be quiet.

        given: the run as `resume.settings` takes it, which must be as the checkpoint knows it. resuming: whether to go
        on. `fit` calls it.
        Raises ValueError where they differ, where no file can be used, and where a new run finds another one's files;
        RuntimeError where the folder is in use by another run; OSError where nothing can be written there.
        """
        settings = run_state.settings(*given)
        path = Path(os.path.realpath(self.folder))  # the script may change its own folder, or a link, while it trains
        if path.exists() and not path.is_dir():
            raise NotADirectoryError(f"checkpoint is {os.fspath(self.folder)!r}, which is a file, expected a folder")
        path.mkdir(parents=True, exist_ok=True)
        lock = self._locked(path, resuming)
        try:
            self._path, self._lock, self._stat = path, lock, os.stat(path)
            return self._begun(settings, resuming, quiet)
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Release the folder; `fit` calls it after the run that `open` began."""
        lock, self._lock = self._lock, None
        if lock is not None:
            lock.release()

    def _locked(self, path: Path, resuming: bool) -> FolderLock | None:
        """The folder's lock; None where somebody looks for a run that is done in a folder that is write-protected."""
        try:
            with files.naming(self.folder, path):
                return FolderLock(path, os.fspath(self.folder))
        except OSError as cause:
            if not resuming or cause.errno not in (None, errno.EACCES, errno.EPERM, errno.EROFS):
                raise
            if not next(path.glob(PATTERN), None):
                raise
            return None

    def _begun(self, settings: Mapping[str, Any], resuming: bool, quiet: bool) -> dict[str, Any] | None:
        if self._lock is not None:
            for leftover in self._path.glob(f".{PATTERN}.*"):  # of a process that was killed while it wrote
                leftover.unlink(missing_ok=True)
        found = self._files()
        if found and not resuming:
            raise ValueError(
                f"{terminal.printable(self.folder)} has checkpoints of another run: pass resume=True "
                "to go on with it, or another folder"
            )
        self._settings, self._place = settings, None
        self._outage = Outage(
            f"make room, then fit(..., checkpoint={os.fspath(self.folder)!r}, resume=True) goes on from the newest file"
            if found
            else "make room, or take another folder"
        )
        self._number = int(found[-1].stem.rpartition("-")[2]) if found else 0
        self._untried, self._reasons = found, []
        state = self._newest() if found else None
        if state is None and resuming and not quiet:
            terminal.say(f"{self.folder} has no checkpoint: training begins afresh")
        return state

    def go_on(self, trainer: Trainer, state: Mapping[str, Any]) -> None:
        """Put the state that `open` gave into the trainer, or that of the newest file which can be; `fit` calls it.

        Raises ValueError, with nothing changed, where none can be.
        """
        while True:
            try:
                run_state.restore(trainer, state)
                break
            except ValueError as cause:
                if trainer.group.size > 1:  # the others have this state
                    raise
                self._reasons.append(f"{terminal.printable(self._untried.pop())} cannot be used: {cause}")
            state = self._newest()
        for reason in self._reasons:
            checks.warn(f"{reason}; going on from {self._untried[-1].name}", RuntimeWarning)

    def _files(self) -> list[Path]:
        """The checkpoints, the newest last."""
        return sorted(self._path.glob(PATTERN))

    def _newest(self) -> dict[str, Any]:
        """The state in the newest file that is not tried yet and can be read; ValueError where it is of another run."""
        differences: list[str] = []
        while self._untried and not differences:
            path = self._untried[-1]
            try:
                state = container.read_state(path)
                config.expect_keys(
                    f"{terminal.printable(path)}: settings", state.get("settings"), (), state.get("settings", ())
                )
                differences = run_state.differences(state["settings"], self._settings)
            except (ValueError, OSError) as cause:
                self._reasons.append(str(cause))
                self._untried.pop()
                continue
            if not differences:
                return state
        if differences:
            raise ValueError(container.told(f"the run in {self.folder} cannot be resumed: {'; '.join(differences)}"))
        reasons = "; ".join(self._reasons)
        folder = terminal.printable(self.folder)
        raise ValueError(f"no checkpoint in {folder} can be used: {reasons}; to begin anew, give another folder")

    def on_train_begin(self, trainer: Run) -> None:
        self._place = (trainer.epoch, trainer.step, trainer.batch)
        self._step, self._time = trainer.step, time.monotonic()

    def on_step_end(self, trainer: Run) -> None:
        steps, seconds = self.every_steps, self.every_seconds
        due = steps is not None and trainer.step - self._step >= steps
        if due or (seconds is not None and time.monotonic() - self._time >= seconds):
            self._save(trainer)

    def on_epoch_end(self, trainer: Run) -> None:
        self._save(trainer)

    def on_train_end(self, trainer: Run) -> None:
        interrupted, self._outage.failing = isinstance(trainer.error, KeyboardInterrupt), False
        if trainer.whole and (trainer.error is None or interrupted):
            self._save(trainer)
        if interrupted and self._files():
            trainer.error.args = (  # type: ignore[union-attr]
                f"training was interrupted after step {trainer.step}, in epoch {trainer.epoch + 1}; "
                f"fit(..., checkpoint={os.fspath(self.folder)!r}, resume=True) goes on",
            )

    def _save(self, trainer: Run) -> None:
        place = (trainer.epoch, trainer.step, trainer.batch)
        if place == self._place:
            return
        self._step, self._time = trainer.step, time.monotonic()
        stays = f"the newest stays {NAME.format(self._number)}, and " if self._path.is_dir() else ""
        newest = f"{stays}the next one is tried in its time"
        with self._outage.bridged(f"no checkpoint could be written after step {trainer.step}", newest):
            self._write({"settings": self._settings, **run_state.state(trainer)})
            self._number, self._place = self._number + 1, place
        for old in self._files()[: -self.keep]:
            with suppress(OSError):
                old.unlink()

    def _write(self, state: dict[str, Any]) -> None:
        if not self._path.is_dir():
            raise FileNotFoundError(
                f"the folder {terminal.printable(self.folder)} is gone, removed or renamed, and its checkpoints with "
                "it; the model is as it was trained so far, and model.save(path) keeps it"
            )
        if self._lock is None or not self._lock.held():
            self._lock_again()
        container.write_state(self._path / NAME.format(self._number + 1), state)

    def _lock_again(self) -> None:
        """The lock's file was removed, or this process was forked from the one that has it: another run may be here."""
        self.close()
        with files.naming(self.folder, self._path):
            lock = FolderLock(self._path, os.fspath(self.folder))
        found = self._files()
        if found and (
            found[-1].name != NAME.format(self._number) or not os.path.samestat(self._stat, os.stat(self._path))
        ):
            lock.release()
            raise RuntimeError(f"{self.folder} has been taken by another run, which has written {found[-1].name}")
        self._lock = lock
