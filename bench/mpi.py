"""Step times of data-parallel training, `python bench/mpi.py`: it starts `mpirun` with 1, 2 and 4 processes itself.

Prints the time of a step and that of the all-reduce of its gradient alone, then how much faster K machines like this
one would be on other networks, by a model without overlap that leaves out the optimizer, which each does in full:

    T(K) = T(1)/K + 2 (K-1)/K · bytes/bandwidth + 2 log2(K) · latency · messages
"""

from __future__ import annotations

import argparse
import functools
import json
import math
import os
import shutil
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import workloads

NETWORKS = {"1 Gbit/s": (117e6, 50e-6), "10 Gbit/s": (1.17e9, 20e-6)}  # bytes/s, seconds a message
MESSAGES = 3  # a step: the loss, the gradient, whether to stop
CASES = ((1, 1), (1, 2), (2, 1), (4, 1))  # processes, threads each


def median(work: Callable[[], Any], seconds: float, comm: Any) -> float:
    """Of the times of one call, over about so many seconds; the slowest process counts."""
    for _ in range(3):
        work()
    begin, times = time.perf_counter(), []
    while True:
        start = time.perf_counter()
        work()
        times.append(time.perf_counter() - start)
        if comm.bcast(time.perf_counter() - begin > seconds):
            return float(max(comm.allgather(statistics.median(times))))


def prepared(ranks: Any, name: str) -> tuple[Callable[[], Any], np.ndarray]:
    """A step of this process, and a vector like the gradient."""
    import pynn

    workload = workloads.WORKLOADS[name]
    model, (x, y) = workloads.network(workload), workloads.batch(workload)
    loss, driver = pynn.SoftmaxCrossEntropy(), pynn.Adam(1e-3)
    model.build(x.shape[1:])
    vector = np.zeros_like(model.gradients)
    if ranks.size == 1:
        return lambda: model.train_step(x, y, loss, driver), vector
    part = pynn.data.batches.part_of(len(x), ranks.rank, ranks.size)
    model.context.ranks, ranks.first, ranks.whole = ranks, part.start, len(x)
    own_x, own_y = x[part].copy(), y[part].copy()

    def step() -> None:
        ranks.step(model, own_x, own_y, loss, driver, None, None, True)
        ranks.any(False)  # as `fit` asks whether to stop

    return step, vector


def worker(names: list[str], seconds: float) -> None:
    """What each process does; the first one prints a line of JSON for each network."""
    from pynn.training.fit.distributed import Distributed, Ranks

    ranks = Ranks(Distributed())
    for name in names:
        step, vector = prepared(ranks, name)
        whole = median(step, seconds, ranks.comm)
        alone = median(functools.partial(ranks.add_up, vector), seconds / 4, ranks.comm)
        if ranks.rank == 0:
            print(json.dumps({"name": name, "step": whole, "reduce": alone, "bytes": vector.nbytes}), flush=True)


def measured(names: list[str], seconds: float, size: int, threads: int) -> dict[str, Any]:
    starter = shutil.which("mpirun", path=f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}")
    if starter is None:
        raise SystemExit("mpirun is not there; pip install mpi4py mpich")
    command = [starter, "-n", str(size), sys.executable, __file__, "--worker", "--seconds", str(seconds), *names]
    env = {**os.environ, "OMP_NUM_THREADS": str(threads)}
    lines = subprocess.run(command, capture_output=True, text=True, env=env, check=True).stdout.splitlines()
    return {one["name"]: one for one in map(json.loads, lines)}


def predicted(compute: float, size: float, count: int, bandwidth: float, latency: float) -> float:
    """Seconds of a step by the model."""
    messages = 2 * math.log2(count) * latency * MESSAGES
    return compute / count + (2 * (count - 1) / count * size / bandwidth + messages if count > 1 else 0)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "names", nargs="*", help=f"of {', '.join(workloads.WORKLOADS)} (default mlp_mnist mlp_cifar cnn_cifar)"
    )
    parser.add_argument("--seconds", type=float, default=3, help="that each measurement lasts (default 3)")
    parser.add_argument("--worker", action="store_true", help=argparse.SUPPRESS)
    given = parser.parse_args()
    names = given.names or ["mlp_mnist", "mlp_cifar", "cnn_cifar"]
    if given.worker:
        return worker(names, given.seconds)
    found = {case: measured(names, given.seconds, *case) for case in CASES}
    for name in names:
        one = found[1, 1][name]
        print(f"{name}: {one['bytes'] / 1e6:.2f} MB of gradients")
        for (size, threads), times in found.items():
            step, reduce = times[name]["step"], times[name]["reduce"]
            print(
                f"  {size} processes x {threads} threads: step {step * 1e3:.2f} ms, {one['step'] / step:.2f} times as "
                f"fast as one thread; all-reduce alone {reduce * 1e3 if size > 1 else 0:.2f} ms"
            )
        for network, (bandwidth, latency) in NETWORKS.items():
            base = found[1, 2][name]["step"]
            times = [predicted(base, one["bytes"], count, bandwidth, latency) for count in (1, 2, 4, 8, 16, 32)]
            print(f"  {network}, machines like this, 1 2 4 8 16 32: speed {[f'{base / t:.2f}' for t in times]}")
    return None


if __name__ == "__main__":
    main()
