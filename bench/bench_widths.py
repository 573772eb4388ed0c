"""Narrow to wide networks, 10-w-w-10, batch 128, SGD: time and CPU time of a step rise smoothly, without a cliff."""

from __future__ import annotations

import time

import pytest
from peers import PEERS
from pytest_benchmark.fixture import BenchmarkFixture
from workloads import Step, batch, mlp, pynn_step

import pynn

WIDTHS = (16, 32, 64, 96, 128, 192, 256, 384, 512, 768, 1024)
STEPS = {"torch": PEERS["torch"]} if "torch" in PEERS else {}
if pynn.kernels.native_module():
    STEPS = {"native": pynn_step, **STEPS}


def cpu_and_wall(step: Step, span: float = 0.2) -> tuple[float, float]:
    """Seconds per step: CPU time of all threads together (spinning threads included), and elapsed time."""
    cpu, wall, steps = time.process_time(), time.perf_counter(), 0
    while time.perf_counter() - wall < span:
        step()
        steps += 1
    return (time.process_time() - cpu) / steps, (time.perf_counter() - wall) / steps


@pytest.mark.filterwarnings("ignore")  # of torch
@pytest.mark.parametrize("library", STEPS)
@pytest.mark.parametrize("width", WIDTHS)
def test_width(benchmark: BenchmarkFixture, width: int, library: str) -> None:
    benchmark.group = f"width {width:4}"
    workload = mlp(128, (10, width, width, 10), False, 0.0, "sgd")
    step = STEPS[library](workload, *batch(workload))
    first = float(step())
    for _ in range(20):
        value = float(step())
    assert value < first  # it learns
    benchmark(step)
    cpu, wall = cpu_and_wall(step)
    benchmark.extra_info |= {"CPU µs a step": round(cpu * 1e6, 1), "CPUs busy": round(cpu / wall, 2)}
