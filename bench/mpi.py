"""Step times of data-parallel training, `python bench/mpi.py`: it starts `mpirun` with 1, 2 and 4 processes.

Prints the time of a step and the time of the all-reduce of its gradient, then the speed of K such machines on other
networks, by a model without overlap that leaves out the optimizer, which every process runs in full:

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
    """Median time of a call, measured for about this many seconds; that of the slowest process."""
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
    """A step of this process, and a vector of the gradient's size."""
    import pynn
    from pynn.data.batches import part_of

    workload = workloads.WORKLOADS[name]
    model, (x, y) = workloads.network(workload), workloads.batch(workload)
    loss, optimizer = pynn.SoftmaxCrossEntropy(), pynn.Adam(1e-3)
    model.build(x.shape[1:])
    vector = np.zeros_like(model.gradients)
    if ranks.size == 1:
        return lambda: model.train_step(x, y, loss, optimizer), vector
    part = part_of(len(x), ranks.rank, ranks.size)
    model.context.group, ranks.first, ranks.whole = ranks, part.start, len(x)
    ranks.start(model, True)
    own_x, own_y = x[part].copy(), y[part].copy()

    def step() -> None:
        model.train_step(own_x, own_y, loss, optimizer)
        ranks.any(False)  # `fit` too exchanges whether to stop

    return step, vector


def worker(names: list[str], seconds: float) -> None:
    """The work of each process; the first process prints a line of JSON for each network."""
    from pynn.training.distributed import Distributed, Ranks

    ranks = Ranks(Distributed())
    for name in names:
        step, vector = prepared(ranks, name)
        step_time = median(step, seconds, ranks.comm)
        reduce_time = median(functools.partial(ranks.add_up, vector), seconds / 4, ranks.comm)
        if ranks.rank == 0:
            print(
                json.dumps({"name": name, "step": step_time, "reduce": reduce_time, "bytes": vector.nbytes}), flush=True
            )


def measured(names: list[str], seconds: float, size: int, threads: int) -> dict[str, Any]:
    starter = shutil.which("mpirun", path=f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}")
    if starter is None:
        raise SystemExit("mpirun was not found; pip install mpi4py mpich")
    command = [starter, "-n", str(size), sys.executable, __file__, "--worker", "--seconds", str(seconds), *names]
    env = {**os.environ, "OMP_NUM_THREADS": str(threads)}
    lines = subprocess.run(command, capture_output=True, text=True, env=env, check=True).stdout.splitlines()
    return {record["name"]: record for record in map(json.loads, lines)}


def predicted(compute: float, size: float, count: int, bandwidth: float, latency: float) -> float:
    """Seconds of a step, predicted by the model."""
    messages = 2 * math.log2(count) * latency * MESSAGES
    return compute / count + (2 * (count - 1) / count * size / bandwidth + messages if count > 1 else 0)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "names", nargs="*", help=f"of {', '.join(workloads.WORKLOADS)} (default mlp_mnist mlp_cifar cnn_cifar)"
    )
    parser.add_argument("--seconds", type=float, default=3, help="duration of each measurement (default 3)")
    parser.add_argument("--worker", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    names = options.names or ["mlp_mnist", "mlp_cifar", "cnn_cifar"]
    if options.worker:
        return worker(names, options.seconds)
    times_by_case = {case: measured(names, options.seconds, *case) for case in CASES}
    for name in names:
        single = times_by_case[1, 1][name]
        print(f"{name}: {single['bytes'] / 1e6:.2f} MB of gradients")
        for (size, threads), times in times_by_case.items():
            step, reduce = times[name]["step"], times[name]["reduce"]
            print(
                f"  {size} processes x {threads} threads: step {step * 1e3:.2f} ms, {single['step'] / step:.2f} times "
                f"the speed of one thread; all-reduce {reduce * 1e3 if size > 1 else 0:.2f} ms"
            )
        for network, (bandwidth, latency) in NETWORKS.items():
            base = times_by_case[1, 2][name]["step"]
            times = [predicted(base, single["bytes"], count, bandwidth, latency) for count in (1, 2, 4, 8, 16, 32)]
            print(f"  {network}, machines like this, 1 2 4 8 16 32: speed {[f'{base / t:.2f}' for t in times]}")
    return None


if __name__ == "__main__":
    main()
