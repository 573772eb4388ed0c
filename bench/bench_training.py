"""One training step (forward, backward, update) of fixed networks: native, NumPy, and the other libraries installed.

`pytest bench/bench_training.py --benchmark-columns=median,iqr` prints a table a workload.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from pytest_benchmark.fixture import BenchmarkFixture

import pynn

sys.path.insert(0, str(Path(__file__).parent))
from peers import PEERS, Workload

WORKLOADS: dict[str, Workload] = {
    "mlp_tiny": (32, (64, 32, 10), False, 0.0, "sgd"),
    "mlp_book": (100, (784, 100, 10), False, 0.0, "sgd"),
    "mlp_mnist": (128, (784, 512, 512, 10), True, 0.5, "adam"),
    "mlp_deep": (128, (784, *[100] * 6, 10), True, 0.0, "momentum"),
    "mlp_cifar": (256, (3072, 1024, 1024, 1024, 10), True, 0.5, "adam"),
}
BACKENDS = ("numpy", "native") if pynn.kernels.native_module() else ("numpy",)


@pytest.fixture(params=BACKENDS)
def backend(request: pytest.FixtureRequest) -> Iterator[str]:
    before = pynn.kernels.backend()
    pynn.use_backend(request.param)
    yield request.param
    pynn.use_backend(before)


def network(widths: tuple[int, ...], batchnorm: bool, rate: float) -> pynn.Sequential:
    layers: list[pynn.Layer] = []
    for width in widths[1:-1]:
        layers += [pynn.Affine(width), *([pynn.BatchNorm()] if batchnorm else []), pynn.ReLU()]
        layers += [pynn.Dropout(rate)] if rate else []
    return pynn.Sequential(*layers, pynn.Affine(widths[-1]))


def batch(name: str) -> tuple[np.ndarray, np.ndarray]:
    size, widths, *_ = WORKLOADS[name]
    rng = np.random.default_rng(0)
    return rng.standard_normal((size, widths[0]), dtype=np.float32), rng.integers(0, widths[-1], size)


@pytest.mark.parametrize("name", WORKLOADS)
def test_step(benchmark: BenchmarkFixture, name: str, backend: str) -> None:
    _, widths, batchnorm, rate, choice = WORKLOADS[name]
    benchmark.group = name
    x, y = batch(name)
    model, loss = network(widths, batchnorm, rate), pynn.SoftmaxCrossEntropy()
    optimizer = pynn.optimizers.optimizer(choice)
    optimizer.learning_rate = 1e-3
    first = model.train_step(x, y, loss, optimizer)
    assert 1.5 < first < 5  # near ln 10 plus what unit-variance logits add
    for _ in range(20):
        value = model.train_step(x, y, loss, optimizer)
    assert value < first  # it learns
    benchmark(model.train_step, x, y, loss, optimizer)


@pytest.mark.filterwarnings("ignore")  # theirs
@pytest.mark.parametrize("peer", PEERS)
@pytest.mark.parametrize("name", WORKLOADS)
def test_peer(benchmark: BenchmarkFixture, name: str, peer: str) -> None:
    benchmark.group = name
    step = PEERS[peer](WORKLOADS[name], *batch(name))
    if step is None:
        pytest.skip(f"{peer} has no such network")
    for _ in range(5):  # compile, allocate
        step()
    benchmark(step)
