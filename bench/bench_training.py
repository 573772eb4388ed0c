"""One training step (forward, backward, update) of fixed networks: native, NumPy, and the other libraries installed.

`pytest bench/bench_training.py --benchmark-columns=median,iqr` prints a table for each workload.
"""

from __future__ import annotations

import pytest
from pytest_benchmark.fixture import BenchmarkFixture
from steps import libraries, time_step
from workloads import WORKLOADS

# The libraries of a workload follow each other, so that they are measured at about the same time.
CASES = [(name, library) for name, workload in WORKLOADS.items() for library in libraries(workload)]


@pytest.mark.filterwarnings("ignore")  # of the other libraries
@pytest.mark.parametrize(("name", "library"), CASES)
def test_step(benchmark: BenchmarkFixture, name: str, library: str) -> None:
    benchmark.group = name
    time_step(benchmark, WORKLOADS[name], library)
