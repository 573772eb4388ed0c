"""What a training run shows while it runs: a tqdm bar for each epoch, a line, or nothing."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from . import terminal
from .callbacks.base import Callback
from .checks import expect_count, is_number
from .describe import expect_keys
from .terminal import brief

if TYPE_CHECKING:
    from .metrics import Metric
    from .trainer import Trainer


BAR, SHORTEST = 20, 5  # characters of the bar
LAYOUT = "{{desc}} {{percentage:3.0f}}%|{{bar:{bar}}}| {{n_fmt}}/{{total_fmt}} [{{elapsed}}<{{remaining}}{{postfix}}]"


class Running:
    """Means over the batches of an epoch, weighted by their sizes; the accuracy by the weights of samples.

    metrics: `pynn.metrics` objects that have begun. accuracy: whether it is measured.
    """

    def __init__(self, metrics: Sequence[Metric] = (), accuracy: bool = True) -> None:
        self.loss, self.count, self.weight = 0.0, 0, 0.0
        self.hits: float | None = 0 if accuracy else None
        self.penalty: float | None = None
        self.metrics = metrics

    def add(
        self, loss: float, hits: float | None, count: int, weight: float | None = None, penalty: float | None = None
    ) -> None:
        """A batch of `count` samples: its mean loss with the penalty in it, what it got right, its total weight."""
        self.loss += loss * count
        self.hits = None if hits is None or self.hits is None else self.hits + hits
        if penalty is not None:
            self.penalty = (self.penalty or 0.0) + penalty * count
        self.count += count
        self.weight += count if weight is None else weight

    def add_to_metrics(self, outputs: Any, targets: Any, weights: Any) -> None:
        """The same batch, for the metrics."""
        for metric in self.metrics:
            metric.add(outputs, targets, weights)

    def state(self) -> dict[str, Any]:
        """The sums, for a checkpoint."""
        return {**vars(self), "metrics": [metric.state() for metric in self.metrics]}

    def restore(self, state: dict[str, Any]) -> None:
        """Take up the sums of such a `state`; ValueError for anything else."""
        numbers = {name: one for name, one in state.items() if name != "metrics"}
        expect_keys("the sums of the epoch", state, vars(self), ())
        for name, one in numbers.items():
            if not is_number(one) and not (one is None and name in ("hits", "penalty")):
                raise ValueError(f"the sums of the epoch: {name} is {brief(one)}, expected a number")
        expect_count("the sums of the epoch", 0, count=state["count"])
        sums = state["metrics"]
        if not isinstance(sums, list) or len(sums) != len(self.metrics):
            raise ValueError(f"the sums of the epoch: metrics is {brief(sums)}, expected those of {len(self.metrics)}")
        for metric, one in zip(self.metrics, sums, strict=True):
            metric.restore(one)
        vars(self).update(numbers)

    def means(self, costly: bool = True) -> dict[str, float]:
        """All measurements so far; costly: also those metrics whose value takes long to work out."""
        accuracy = {} if self.hits is None else {"accuracy": self.hits / self.weight if self.weight else 0.0}
        count = max(self.count, 1)
        metrics = {metric.name: metric.value() for metric in self.metrics if costly or not metric.costly}
        loss, parts = self.loss / count, {}
        if self.penalty is not None:
            parts = {"data_loss": loss - self.penalty / count, "penalty": self.penalty / count}
        return {"loss": loss, **parts, **accuracy, **metrics}


class ProgressLine(Callback):
    """A line on stderr for each epoch, and why the run was stopped, if it was."""

    title = ""
    writes = True

    def on_epoch_begin(self, trainer: Trainer) -> None:
        self.title = f"epoch {trainer.epoch - trainer.first_epoch + 1}/{trainer.epochs}"

    def on_epoch_end(self, trainer: Trainer) -> None:
        terminal.say(wrapped(f"{self.title}: ", measurements(trainer.values), terminal.width(sys.stderr)))

    def on_train_end(self, trainer: Trainer) -> None:
        if trainer.stopped is not None:
            terminal.say(f"stopped: {trainer.stopped}")


class ProgressBar(ProgressLine):
    """A tqdm bar on stderr while an epoch lasts, and a line that stays: what `fit(progress=True)` shows."""

    _bar: Any = None
    _next_update = 0.0

    def on_epoch_begin(self, trainer: Trainer) -> None:
        from tqdm import tqdm  # here: importing pynn must stay light

        super().on_epoch_begin(trainer)
        form = LAYOUT.format(bar=BAR) if trainer.batches else None
        self._bar = tqdm(
            total=trainer.batches, initial=trainer.batch, desc=self.title, bar_format=form, leave=False,
            file=terminal.Safe(sys.stderr), ncols=terminal.width(sys.stderr),
        )  # fmt: skip
        self._next_update = 0.0

    def on_step_end(self, trainer: Trainer) -> None:
        self._bar.update(trainer.batch - self._bar.n)
        now = time.perf_counter()
        if now >= self._next_update:  # ten times a second: formatting costs more than a small step
            self._next_update = now + 0.1
            running = trainer.running
            speed = running.count / max(now - trainer.started, 1e-9)
            self._show(trainer, measurements({**running.means(costly=False), "samples_per_second": speed}))

    def _show(self, trainer: Trainer, parts: list[str]) -> None:
        """The bar with as many of the measurements as there is room for; a bar that wraps fills the screen."""
        self._bar.ncols = width = terminal.width(sys.stderr)
        if width is not None and trainer.batches:
            count = len(str(trainer.batches))
            room = width - 1 - len(self.title) - 2 * count - len("  50%||  / [00:00<00:00, ]")
            while len(parts) > 1 and len("  ".join(parts)) + SHORTEST > room:
                parts.pop()
            bar = min(BAR, max(SHORTEST, room - len("  ".join(parts))))
            self._bar.bar_format = LAYOUT.format(bar=bar)
        self._bar.set_postfix_str("  ".join(parts), refresh=False)

    def on_epoch_end(self, trainer: Trainer) -> None:
        self._bar.refresh()
        self._bar.close()  # the bar goes, the line below stays
        super().on_epoch_end(trainer)

    def on_train_end(self, trainer: Trainer) -> None:
        if self._bar is not None:
            self._bar.close()
        super().on_train_end(trainer)


def _free_bars() -> None:
    """In a forked child: a thread of the parent that drew a bar, and held tqdm's locks for it, is not there.

    The lock for threads is made anew. That for processes is the parent's too, and its thread will let it go: only the
    count of who holds it in this process starts at 0, or the child would take that lock and never let it go.
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


def shown(progress: bool | str) -> list[Callback]:
    """What shows this much: True a bar, False nothing, "auto" a bar on a terminal and else lines."""
    if not (isinstance(progress, bool) or progress == "auto"):
        raise ValueError(f"progress is {brief(progress)}, expected True, False or 'auto'")
    if progress is False or not terminal.is_open(sys.stderr):
        return []
    return [ProgressBar() if progress is True or terminal.is_terminal(sys.stderr) else ProgressLine()]


def measurements(values: dict[str, float]) -> list[str]:
    """Each of an epoch's measurements as text."""
    parts = []
    for name, value in values.items():
        if name == "samples_per_second":
            parts.append(f"{value:,.0f} samples/s")
        elif name != "learning_rate":
            plain = value == 0 or 5e-4 <= abs(value) < 1e6
            parts.append(f"{name} {value:.4f}" if plain else f"{name} {value:.4g}")
    return parts


def wrapped(title: str, parts: list[str], width: int | None) -> str:
    """Title and parts in one line, where it helps without the speed, or in as many as the width makes necessary."""
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
