"""Checkpoints of a run: files from which it continues to the same bits as a run that was never killed."""

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
from ..checks import NOT_NEGATIVE, Count, OrNone
from ..messages import terminal
from ..saving import config, container, files
from ..saving.filelocks import FolderLock
from ..signatures import takes
from . import run_state

if TYPE_CHECKING:
    from .plan import Plan
    from .trainer import Trainer

NAME = "checkpoint-{:08d}.safetensors"
PATTERN = "checkpoint-" + "[0-9]" * 8 + ".safetensors"


class Checkpoint(Callback):
    """Write checkpoints of a run to a folder, for ``fit(checkpoint=...)``.

    Parameters
    ----------
    folder : path
        Created if it does not exist. It belongs to one run and one process at a time: during the run the file
        .pynn.lock names that process, and others are refused. A folder left behind by a killed process is taken over; a
        copy of the folder may be used at once.
    every_steps : int, optional
        Also write this many steps after the last checkpoint. By default only after epochs, when the run is stopped, and
        on Ctrl-C.
    every_seconds : float, optional
        Also write this many seconds after the last checkpoint.
    keep : int, default 2
        Number of newest files to keep.

    Raises
    ------
    ValueError or TypeError
        For settings out of range.

    Notes
    -----
    ``fit(..., checkpoint=folder, resume=True)`` with the same arguments continues from the newest checkpoint, even in
    the middle of an epoch, and ends with the bits of a run that was never killed. A checkpoint holds parameters,
    running statistics, the state of optimizer, schedule and callbacks, the history and the sums of the epoch. A file
    appears complete or not at all; a damaged one is skipped with a RuntimeWarning. No file can run code: safetensors
    and JSON.

    If the first checkpoint cannot be written, as on a full disk, training ends with the OSError. If a later one cannot,
    training continues with a RuntimeWarning: the older files stay, and the next checkpoint is tried when it is due.
    """

    writes = True
    _takes = takes(every_steps=OrNone(Count(1)), every_seconds=OrNone(NOT_NEGATIVE), keep=Count(1))

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
        self.folder, self.every_steps, self.every_seconds, self.keep = folder, every_steps, every_seconds, keep
        self._path = Path(folder)
        self._settings: Mapping[str, Any] = {}
        self._number = 0
        self._untried: list[Path] = []  # candidates to resume from, newest last
        self._reasons: list[str] = []  # why other files could not be used
        self._place: tuple[int, int, int] | None = None  # epoch, step and batch of the last checkpoint
        self._step, self._time = 0, 0.0  # when the last checkpoint was attempted
        self._lock: FolderLock | None = None
        self._outage = Outage()

    def open(self, plan: Plan, resuming: bool, quiet: bool) -> dict[str, Any] | None:
        """Lock the folder and find the state to continue from; `fit` calls it.

        Parameters
        ----------
        plan : Plan
            The run; it must agree with the checkpoint.
        resuming : bool
            Whether to continue.
        quiet : bool
            Whether to print nothing if there is no checkpoint.

        Returns
        -------
        dict or None
            The state; None for a run that begins.

        Raises
        ------
        ValueError
            If the settings differ, no file can be used, or a new run finds files of another run.
        RuntimeError
            If another run uses the folder.
        OSError
            If nothing can be written there.
        """
        settings = run_state.settings(plan)
        path = Path(os.path.realpath(self.folder))  # the working directory or a link may change during training
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
        """The lock of the folder; None for a run that only resumes from a folder that is write-protected."""
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
            for leftover in self._path.glob(f".{PATTERN}.*"):  # left by a process that was killed while writing
                leftover.unlink(missing_ok=True)
        checkpoints = self._files()
        if checkpoints and not resuming:
            raise ValueError(
                f"{terminal.printable(self.folder)} has checkpoints of another run: pass resume=True "
                "to continue it, or another folder"
            )
        self._settings, self._place = settings, None
        self._outage = Outage(
            f"free some space, then fit(..., checkpoint={os.fspath(self.folder)!r}, resume=True) continues"
            if checkpoints
            else "free some space, or use another folder"
        )
        self._number = int(checkpoints[-1].stem.rpartition("-")[2]) if checkpoints else 0
        self._untried, self._reasons = checkpoints, []
        state = self._newest() if checkpoints else None
        if state is None and resuming and not quiet:
            terminal.say(f"{self.folder} has no checkpoint: training starts at step 0")
        return state

    def go_on(self, trainer: Trainer, state: Mapping[str, Any]) -> None:
        """Restore the trainer from the state that `open` returned, or from the newest usable file; `fit` calls it.

        Parameters
        ----------
        trainer : Trainer
            The run.
        state : dict
            The result of `open`.

        Raises
        ------
        ValueError
            If no file can be used; nothing has changed then.
        """
        while True:
            try:
                run_state.restore(trainer, state)
                break
            except ValueError as cause:
                if trainer.group.size > 1:  # the other processes have already taken this state
                    raise
                self._reasons.append(f"{terminal.printable(self._untried.pop())} cannot be used: {cause}")
            state = self._newest()
        for reason in self._reasons:
            checks.warn(f"{reason}; continuing from {self._untried[-1].name}", RuntimeWarning)

    def _files(self) -> list[Path]:
        """The checkpoints, newest last."""
        return sorted(self._path.glob(PATTERN))

    def _newest(self) -> dict[str, Any]:
        """The state in the newest readable file not tried yet; ValueError if it belongs to a different run."""
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
            raise ValueError(
                container.one_line(f"the run in {self.folder} cannot be resumed: {'; '.join(differences)}")
            )
        reasons = "; ".join(self._reasons)
        folder = terminal.printable(self.folder)
        raise ValueError(f"no checkpoint in {folder} can be used: {reasons}; to start over, pass another folder")

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
                f"fit(..., checkpoint={os.fspath(self.folder)!r}, resume=True) continues",
            )

    def _save(self, trainer: Run) -> None:
        place = (trainer.epoch, trainer.step, trainer.batch)
        if place == self._place:
            return
        self._step, self._time = trainer.step, time.monotonic()
        stays = f"the newest is still {NAME.format(self._number)}, and " if self._path.is_dir() else ""
        newest = f"{stays}the next one is tried when it is due"
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
        """Take the lock again after its file was removed or this process was forked. Another run may be here."""
        self.close()
        with files.naming(self.folder, self._path):
            lock = FolderLock(self._path, os.fspath(self.folder))
        checkpoints = self._files()
        if checkpoints and (
            checkpoints[-1].name != NAME.format(self._number) or not os.path.samestat(self._stat, os.stat(self._path))
        ):
            lock.release()
            raise RuntimeError(f"{self.folder} has been taken by another run, which has written {checkpoints[-1].name}")
        self._lock = lock
