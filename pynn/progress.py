"""What a training run shows while it runs: a tqdm bar for each epoch, a line, or nothing."""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from .callbacks.base import Callback

if TYPE_CHECKING:
    from .metrics import Metric
    from .trainer import Trainer


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

    def state(self) -> dict[str, Any]:
        """The sums, for a checkpoint."""
        return {**vars(self), "metrics": [metric.state() for metric in self.metrics]}

    def restore(self, state: dict[str, Any]) -> None:
        """Take up the sums of such a `state`."""
        vars(self).update({name: state[name] for name in vars(self) if name != "metrics"})
        for metric, sums in zip(self.metrics, state["metrics"], strict=True):
            metric.restore(sums)

    def means(self) -> dict[str, float]:
        accuracy = {} if self.hits is None else {"accuracy": self.hits / self.weight if self.weight else 0.0}
        count = max(self.count, 1)
        loss, parts = self.loss / count, {}
        if self.penalty is not None:
            parts = {"data_loss": loss - self.penalty / count, "penalty": self.penalty / count}
        return {"loss": loss, **parts, **accuracy, **{metric.name: metric.value() for metric in self.metrics}}


class ProgressLine(Callback):
    """A line on stderr for each epoch, and why the run was stopped, if it was."""

    title = ""
    writes = True

    def on_epoch_begin(self, trainer: Trainer) -> None:
        self.title = f"epoch {trainer.epoch - trainer.first_epoch + 1}/{trainer.epochs}"

    def on_epoch_end(self, trainer: Trainer) -> None:
        print(f"{self.title}: {describe(trainer.values)}", file=sys.stderr, flush=True)

    def on_train_end(self, trainer: Trainer) -> None:
        if trainer.stopped is not None:
            print(f"stopped: {trainer.stopped}", file=sys.stderr, flush=True)


class ProgressBar(ProgressLine):
    """A tqdm bar on stderr while an epoch lasts, and a line that stays: what `fit(progress=True)` shows."""

    _bar: Any = None
    _next_update = 0.0

    def on_epoch_begin(self, trainer: Trainer) -> None:
        from tqdm import tqdm  # here: importing pynn must stay light

        super().on_epoch_begin(trainer)
        layout = "{desc} {percentage:3.0f}%|{bar:20}| {n_fmt}/{total_fmt} [{elapsed}<{remaining}{postfix}]"
        form = layout if trainer.batches else None
        self._bar = tqdm(total=trainer.batches, initial=trainer.batch, desc=self.title, bar_format=form, leave=False)
        self._next_update = 0.0

    def on_step_end(self, trainer: Trainer) -> None:
        self._bar.update()
        now = time.perf_counter()
        if now >= self._next_update:  # ten times a second: formatting costs more than a small step
            self._next_update = now + 0.1
            running = trainer.running
            speed = running.count / max(now - trainer.started, 1e-9)
            self._bar.set_postfix_str(describe({**running.means(), "samples_per_second": speed}), refresh=False)

    def on_epoch_end(self, trainer: Trainer) -> None:
        self._bar.refresh()
        self._bar.close()  # the bar goes, the line below stays
        super().on_epoch_end(trainer)

    def on_train_end(self, trainer: Trainer) -> None:
        if self._bar is not None:
            self._bar.close()
        super().on_train_end(trainer)


def shown(progress: bool | str) -> list[Callback]:
    """What shows this much: True a bar, False nothing, "auto" a bar on a terminal and else lines."""
    if not (isinstance(progress, bool) or progress == "auto"):
        raise ValueError(f"progress is {progress!r}, expected True, False or 'auto'")
    if sys.stderr is None or progress is False:  # a windowed program has none
        return []
    return [ProgressBar() if progress is True or sys.stderr.isatty() else ProgressLine()]


def describe(values: dict[str, float]) -> str:
    """The measurements of an epoch in one line."""
    parts = []
    for name, value in values.items():
        if name == "samples_per_second":
            parts.append(f"{value:,.0f} samples/s")
        elif name != "learning_rate":
            parts.append(f"{name} {value:.4f}")
    return "  ".join(parts)
