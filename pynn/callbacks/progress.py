"""What a training run shows while it runs: a tqdm bar for each epoch, a line, or nothing."""

from __future__ import annotations

import os
import sys
import time
from typing import Any

from ..messages import terminal
from ..messages.terminal import brief
from .base import Callback, Run

BAR, SHORTEST = 20, 5  # characters of the bar
LAYOUT = "{{desc}} {{percentage:3.0f}}%|{{bar:{bar}}}| {{n_fmt}}/{{total_fmt}} [{{elapsed}}<{{remaining}}{{postfix}}]"


class ProgressLine(Callback):
    """Prints a line to stderr for each epoch, and the reason if the run was stopped."""

    title = ""
    writes = True

    def on_epoch_begin(self, trainer: Run) -> None:
        self.title = f"epoch {trainer.epoch - trainer.first_epoch + 1}/{trainer.epochs}"

    def on_epoch_end(self, trainer: Run) -> None:
        terminal.say(wrapped(f"{self.title}: ", measurements(trainer.values), terminal.width(sys.stderr)))

    def on_train_end(self, trainer: Run) -> None:
        if trainer.stopped is not None:
            terminal.say(f"stopped: {trainer.stopped}")


class ProgressBar(ProgressLine):
    """Show a tqdm bar on stderr during each epoch, then a line that stays: what ``fit(progress=True)`` shows."""

    _bar: Any = None
    _next_update = 0.0

    def on_epoch_begin(self, trainer: Run) -> None:
        from tqdm import tqdm  # here: importing pynn must stay light

        super().on_epoch_begin(trainer)
        form = LAYOUT.format(bar=BAR) if trainer.batches else None
        self._bar = tqdm(
            total=trainer.batches, initial=trainer.batch, desc=self.title, bar_format=form, leave=False,
            file=terminal.Safe(sys.stderr), ncols=terminal.width(sys.stderr),
        )  # fmt: skip
        self._next_update = 0.0

    def on_step_end(self, trainer: Run) -> None:
        self._bar.update(trainer.batch - self._bar.n)
        now = time.perf_counter()
        if now >= self._next_update:  # ten times a second only: formatting costs more than a small step
            self._next_update = now + 0.1
            running = trainer.running
            speed = running.count / max(now - trainer.started, 1e-9)
            self._show(trainer, measurements({**running.means(costly=False), "samples_per_second": speed}))

    def _show(self, trainer: Run, parts: list[str]) -> None:
        """Show as many measurements as fit in one line: a bar that wraps fills the screen."""
        self._bar.ncols = width = terminal.width(sys.stderr)
        if width is not None and trainer.batches:
            count = len(str(trainer.batches))
            room = width - 1 - len(self.title) - 2 * count - len("  50%||  / [00:00<00:00, ]")
            while len(parts) > 1 and len("  ".join(parts)) + SHORTEST > room:
                parts.pop()
            bar = min(BAR, max(SHORTEST, room - len("  ".join(parts))))
            self._bar.bar_format = LAYOUT.format(bar=bar)
        self._bar.set_postfix_str("  ".join(parts), refresh=False)

    def on_epoch_end(self, trainer: Run) -> None:
        self._bar.refresh()
        self._bar.close()  # the bar disappears, the line below stays
        super().on_epoch_end(trainer)

    def on_train_end(self, trainer: Run) -> None:
        if self._bar is not None:
            self._bar.close()
        super().on_train_end(trainer)


def _free_bars() -> None:
    """In a forked child, release tqdm's locks if a thread of the parent held them: that thread was not copied.

    The thread lock is made new. The process lock is shared with the parent, whose thread will release it: only this
    process's count of it is reset, or the child would acquire that lock and never release it.
    """
    kind = getattr(sys.modules.get("tqdm.std"), "TqdmDefaultWriteLock", None)
    threads: Any = getattr(kind, "th_lock", None)
    processes: Any = getattr(getattr(kind, "mp_lock", None), "_semlock", None)
    if hasattr(processes, "_after_fork") and not processes._is_mine():
        processes._after_fork()
    if hasattr(threads, "_at_fork_reinit"):
        if threads.acquire(blocking=False):
            threads.release()
        else:
            threads._at_fork_reinit()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_free_bars)


def expect_shown(progress: object) -> None:
    """ValueError for anything but True, False and "auto"."""
    if not (isinstance(progress, bool) or progress == "auto"):
        raise ValueError(f"progress is {brief(progress)}, expected True, False or 'auto'")


def bar(title: str, total: int, progress: bool | str) -> Any:
    """A tqdm bar for work that is no training run; "auto": on a terminal, and only once a second has passed."""
    from tqdm import tqdm  # here: importing pynn must stay light

    expect_shown(progress)
    hidden = progress is False or not terminal.is_open(sys.stderr)
    auto = progress == "auto"
    return tqdm(
        total=total, desc=title, leave=False, file=terminal.Safe(sys.stderr), ncols=terminal.width(sys.stderr),
        bar_format=LAYOUT.format(bar=BAR), delay=1 if auto else 0,
        disable=hidden or (auto and not terminal.is_terminal(sys.stderr)),
    )  # fmt: skip


def shown(progress: bool | str) -> list[Callback]:
    """Return the callbacks for this progress: True a bar, False nothing, "auto" a bar on a terminal, else lines."""
    expect_shown(progress)
    if progress is False or not terminal.is_open(sys.stderr):
        return []
    return [ProgressBar() if progress is True or terminal.is_terminal(sys.stderr) else ProgressLine()]


def measurements(values: dict[str, float]) -> list[str]:
    """Return each of an epoch's measurements as text."""
    parts = []
    for name, value in values.items():
        if name == "samples_per_second":
            parts.append(f"{value:,.0f} samples/s")
        elif name != "learning_rate":
            plain = value == 0 or 5e-4 <= abs(value) < 1e6
            parts.append(f"{name} {value:.4f}" if plain else f"{name} {value:.4g}")
    return parts


def wrapped(title: str, parts: list[str], width: int | None) -> str:
    """Join title and parts into one line, without the speed if that makes it fit, or into lines of this width."""
    if width is not None and len(title + "  ".join(parts)) > width >= len(title + "  ".join(parts[:-1])):
        parts = [part for part in parts if not part.endswith(" samples/s")]
    lines = [title]
    for part in parts:
        gap = "" if lines[-1] in (title, " " * len(title)) else "  "
        if gap and width is not None and len(lines[-1]) + len(gap) + len(part) > width:
            lines.append(" " * len(title))
            gap = ""
        lines[-1] += gap + part
    return "\n".join(lines)
