"""One training step (forward, backward, update) of fixed networks: native, NumPy, and the other libraries installed.

`pytest bench/bench_training.py --benchmark-columns=median,iqr` prints a table a workload.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from peers import PEERS
from pytest_benchmark.fixture import BenchmarkFixture
from workloads import WORKLOADS, batch, pynn_step

import pynn

BACKENDS = ("numpy", "native") if pynn.kernels.native_module() else ("numpy",)


@pytest.fixture(params=BACKENDS)
def backend(request: pytest.FixtureRequest) -> Iterator[str]:
    before = pynn.kernels.backend()
    pynn.use_backend(request.param)
    yield request.param
    pynn.use_backend(before)


@pytest.mark.parametrize("name", WORKLOADS)
def test_step(benchmark: BenchmarkFixture, name: str, backend: str) -> None:
    benchmark.group = name
    step = pynn_step(WORKLOADS[name], *batch(WORKLOADS[name]))
    first = step()
    assert 1.5 < first < 5  # near ln 10 plus what unit-variance logits add
    for _ in range(20):
        value = step()
    assert value < first  # it learns
    benchmark(step)


@pytest.mark.filterwarnings("ignore")  # theirs
@pytest.mark.parametrize("peer", PEERS)
@pytest.mark.parametrize("name", WORKLOADS)
def test_peer(benchmark: BenchmarkFixture, name: str, peer: str) -> None:
    benchmark.group = name
    step = PEERS[peer](WORKLOADS[name], *batch(WORKLOADS[name]))
    if step is None:
        pytest.skip(f"{peer} has no such network")
    for _ in range(5):  # compile, allocate
        step()
    benchmark.extra_info["steps a call"] = 50 if peer == "sklearn_50_steps" else 1
    benchmark(step)
