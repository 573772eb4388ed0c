"""What a Monitor costs: `fit` with and without one, side by side, and each of its parts by itself.

python bench/watching.py [rounds]
"""

from __future__ import annotations

import statistics
import sys
import time
from typing import Any

import numpy as np
from workloads import WORKLOADS, network, optimizer

import pynn

SAMPLES, EPOCHS = 25_600, {"mlp_book": 20, "mlp_mnist": 10}


class Timed(pynn.Monitor):
    """A Monitor that adds up the time of its parts."""

    def __init__(self) -> None:
        super().__init__(stop=False)
        self.spent: dict[str, list[float]] = {"begin": [], "snapshot": [], "end": []}

    def _timed(self, part: str, work: Any, trainer: Any) -> None:
        started = time.perf_counter()
        work(trainer)
        self.spent[part].append(time.perf_counter() - started)

    def on_train_begin(self, trainer: Any) -> None:
        self._timed("begin", super().on_train_begin, trainer)

    def _take(self, trainer: Any) -> None:
        self._timed("snapshot", super()._take, trainer)

    def on_train_end(self, trainer: Any) -> None:
        self._timed("end", super().on_train_end, trainer)


def main(rounds: int) -> None:
    rng = np.random.default_rng(0)
    x, y = rng.standard_normal((SAMPLES, 784), np.float32), rng.integers(0, 10, SAMPLES)
    for name, epochs in EPOCHS.items():
        workload = WORKLOADS[name]
        steps = epochs * SAMPLES // workload.batch
        times: dict[str, list[float]] = {"plain": [], "watched": []}
        shares, monitor = [], Timed()
        model, driver = network(workload), optimizer(workload)
        for _ in range(rounds + 1):  # the first warms up
            for kind, callbacks in (("plain", []), ("watched", [monitor])):
                started = time.perf_counter()
                model.fit(
                    x, y, optimizer=driver, batch_size=workload.batch, epochs=epochs, callbacks=callbacks,
                    progress=False,
                )  # fmt: skip
                times[kind].append(time.perf_counter() - started)
            shares.append(statistics.median(monitor.spent["snapshot"]) / monitor.interval * steps / times["plain"][-1])
        plain, watched = (statistics.median(times[kind][1:]) for kind in ("plain", "watched"))
        parts = {part: f"{1e3 * statistics.median(found):.2f} ms" for part, found in monitor.spent.items()}
        print(
            f"{name}: {steps} steps, plain {1e6 * plain / steps:.0f} µs a step, watched {watched / plain - 1:+.1%}; "
            f"a snapshot each {monitor.interval} steps {statistics.median(shares[1:]):.1%}; {parts}"
        )


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 7)
