"""Writing a trained model: checked before the training, not lost afterwards."""

from __future__ import annotations

import signal
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Protocol

from ..saving import files
from . import messages


class Savable(Protocol):
    """A model, or what holds one."""

    def save(self, path: Path) -> None: ...


def check_output(path: Path, picture: Path | None) -> None:
    """Check before the training whether the files can be written."""
    if path.suffix != ".safetensors":
        raise ValueError(f"--output: expected a name that ends in .safetensors, got {str(path)!r}")
    for file in filter(None, (path, picture)):
        try:
            files.expect_writable(file)
        except OSError as cause:
            raise ValueError(f"{messages.sentence(cause)}; choose another --output") from cause


@contextmanager
def without_interrupts() -> Iterator[None]:
    """Delay Ctrl-C until the block is done, so that a result being saved is not lost."""
    signals: list[int] = []
    main = threading.current_thread() is threading.main_thread()
    if not main or signal.getsignal(signal.SIGINT) is not signal.default_int_handler:
        yield
        return
    signal.signal(signal.SIGINT, lambda number, frame: signals.append(number))
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    if signals:
        raise KeyboardInterrupt


def save(model: Savable, path: Path) -> None:
    """Save the model, or elsewhere if that fails, as on a full disk: hours of training must not be lost."""
    try:
        model.save(path)
    except OSError as cause:
        if (spare := _saved_elsewhere(model, path.name)) is None:
            raise
        raise OSError(f"{messages.sentence(cause)}; the trained model is in {spare} instead, move it") from cause


def _saved_elsewhere(model: Savable, name: str) -> Path | None:
    with suppress(OSError):
        folder = Path(tempfile.mkdtemp(prefix="pynn-"))
        try:
            model.save(folder / name)
            return folder / name
        except OSError:
            folder.rmdir()
    return None
