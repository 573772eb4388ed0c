"""The networks for images at other batch sizes: one training step, native and the other libraries installed.

`pytest bench/bench_batches.py --benchmark-columns=median,iqr`; `-k "cnn_lenet and batch_1-"` selects a group.
"""

from __future__ import annotations

from dataclasses import replace

import pytest
from pytest_benchmark.fixture import BenchmarkFixture
from steps import libraries, time_step
from workloads import WORKLOADS, Workload

import pynn

BATCHES = (1, 256)


def workload(name: str, size: int) -> Workload:
    # A single image is soon memorized, and numbers near 0 (gradients, velocities) are slow on some processors.
    return replace(WORKLOADS[name], batch=size, learning_rate=1e-5 if size == 1 else 1e-3)


IMAGES = [name for name, workload in WORKLOADS.items() if len(workload.inputs) == 3]
CASES = [
    pytest.param(name, size, library, id=f"{name}-batch_{size}-{library}")
    for name in IMAGES
    for size in BATCHES
    for library in libraries(WORKLOADS[name])
    if library != "numpy"  # takes minutes, and is never used for images
]


@pytest.mark.skipif(pynn.kernels.backend() != "native", reason="the native kernels were not built")
@pytest.mark.filterwarnings("ignore")  # of the other libraries
@pytest.mark.parametrize(("name", "size", "library"), CASES)
def test_step(benchmark: BenchmarkFixture, name: str, size: int, library: str) -> None:
    benchmark.group = f"{name}, batch {size}"
    time_step(benchmark, workload(name, size), library)
