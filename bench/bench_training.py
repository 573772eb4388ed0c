"""One training step (forward, backward, update) of fixed networks: native, NumPy, and the other libraries installed.

`pytest bench/bench_training.py --benchmark-columns=median,iqr` prints a table a workload.
"""

from __future__ import annotations

import pytest
from pytest_benchmark.fixture import BenchmarkFixture
from steps import libraries, time_step
from workloads import WORKLOADS

# The libraries of one workload one after the other: compared, they should be as close in time as can be.
CASES = [(name, library) for name, workload in WORKLOADS.items() for library in libraries(workload)]


@pytest.mark.filterwarnings("ignore")  # the other libraries'
@pytest.mark.parametrize(("name", "library"), CASES)
def test_step(benchmark: BenchmarkFixture, name: str, library: str) -> None:
    benchmark.group = name
    time_step(benchmark, WORKLOADS[name], library)
