"""One training step (forward, backward, update) of fixed networks, native against NumPy.

`pytest bench/bench_training.py --benchmark-columns=median,iqr` prints a table a workload.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
from pytest_benchmark.fixture import BenchmarkFixture

import pynn

# name: (batch, widths, batch normalization, dropout rate, optimizer)
WORKLOADS = {
    "mlp_tiny": (32, (64, 32, 10), False, 0.0, pynn.SGD),
    "mlp_book": (100, (784, 100, 10), False, 0.0, pynn.SGD),
    "mlp_mnist": (128, (784, 512, 512, 10), True, 0.5, pynn.Adam),
    "mlp_deep": (128, (784, *[100] * 6, 10), True, 0.0, pynn.Momentum),
    "mlp_cifar": (256, (3072, 1024, 1024, 1024, 10), True, 0.5, pynn.Adam),
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


@pytest.mark.parametrize("name", WORKLOADS)
def test_step(benchmark: BenchmarkFixture, name: str, backend: str) -> None:
    batch, widths, batchnorm, rate, optimizer_class = WORKLOADS[name]
    benchmark.group = name
    rng = np.random.default_rng(0)
    x = rng.standard_normal((batch, widths[0]), dtype=np.float32)
    y = rng.integers(0, widths[-1], batch)
    model, loss, optimizer = network(widths, batchnorm, rate), pynn.SoftmaxCrossEntropy(), optimizer_class(1e-3)
    first = model.train_step(x, y, loss, optimizer)
    assert 1.5 < first < 5  # near ln 10 plus what unit-variance logits add
    for _ in range(20):
        value = model.train_step(x, y, loss, optimizer)
    assert value < first  # it learns
    benchmark(model.train_step, x, y, loss, optimizer)
