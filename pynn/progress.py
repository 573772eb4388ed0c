"""What a training run shows while it runs: a tqdm bar for each epoch, a line, or nothing."""

from __future__ import annotations

import sys
import time
from typing import Any


class Running:
    """Means over the batches of an epoch, weighted by their sizes; the accuracy by the weights of samples."""

    def __init__(self) -> None:
        self.loss, self.count, self.weight = 0.0, 0, 0.0
        self.hits: float | None = 0
        self.penalty: float | None = None

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

    def means(self) -> dict[str, float]:
        accuracy = {} if self.hits is None else {"accuracy": self.hits / self.weight if self.weight else 0.0}
        count = max(self.count, 1)
        loss, parts = self.loss / count, {}
        if self.penalty is not None:
            parts = {"data_loss": loss - self.penalty / count, "penalty": self.penalty / count}
        return {"loss": loss, **parts, **accuracy}


class Progress:
    """A tqdm bar for one epoch, a line, or nothing."""

    def __init__(self, number: int, epochs: int, total: int | None, progress: bool | str) -> None:
        self.title = f"epoch {number + 1}/{epochs}"
        self.total = total
        there = sys.stderr is not None  # a windowed program has none
        self.as_bar = there and (progress is True or (progress == "auto" and sys.stderr.isatty()))
        self.as_line = there and progress is not False
        self.next_update = 0.0
        self.bar: Any = None

    def __enter__(self) -> Progress:
        if self.as_bar:
            from tqdm import tqdm  # here: importing pynn must stay light

            layout = "{desc} {percentage:3.0f}%|{bar:20}| {n_fmt}/{total_fmt} [{elapsed}<{remaining}{postfix}]"
            self.bar = tqdm(total=self.total, desc=self.title, bar_format=layout if self.total else None, leave=False)
        return self

    def __exit__(self, *_: object) -> None:
        if self.bar is not None:
            self.bar.close()

    def step(self, running: Running, started: float) -> None:
        if self.bar is None:
            return
        self.bar.update()
        now = time.perf_counter()
        if now >= self.next_update:  # ten times a second: formatting costs more than a small step
            self.next_update = now + 0.1
            speed = running.count / max(now - started, 1e-9)
            self.bar.set_postfix_str(describe({**running.means(), "samples_per_second": speed}), refresh=False)

    def finish(self, values: dict[str, float]) -> None:
        if self.bar is not None:
            self.bar.refresh()
            self.bar.close()  # the bar goes, the line below stays
        if self.as_line:
            print(f"{self.title}: {describe(values)}", file=sys.stderr, flush=True)


def describe(values: dict[str, float]) -> str:
    """The measurements of an epoch in one line."""
    parts = []
    for name, value in values.items():
        if name == "samples_per_second":
            parts.append(f"{value:,.0f} samples/s")
        elif name != "learning_rate":
            parts.append(f"{name} {value:.4f}")
    return "  ".join(parts)
