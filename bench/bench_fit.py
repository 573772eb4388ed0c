"""The cost of `fit` beyond its steps: one epoch of uint8 images, and the same steps on prepared batches."""

from __future__ import annotations

import numpy as np
import pytest
from pytest_benchmark.fixture import BenchmarkFixture
from workloads import WORKLOADS, Workload, network, optimizer

import pynn

SAMPLES = 60_000


def images() -> tuple[np.ndarray, np.ndarray]:
    """Images of MNIST's shape, 28 x 28 pixels; the row of the label's number is bright."""
    rng = np.random.default_rng(0)
    x, y = rng.integers(0, 128, (SAMPLES, 28, 28, 1), dtype=np.uint8), rng.integers(0, 10, SAMPLES)
    x[np.arange(SAMPLES), y] += 127
    return x, y


def of_images(workload: Workload) -> pynn.Sequential:
    """The workload's network with its inputs flattened first."""
    return pynn.Sequential(pynn.Flatten(), *network(workload).layers)


@pytest.mark.skipif(pynn.kernels.backend() != "native", reason="the native kernels were not built")
@pytest.mark.parametrize("library", ["native", "bare steps"])
@pytest.mark.parametrize("name", ["mlp_book", "mlp_mnist"])
def test_epoch(benchmark: BenchmarkFixture, name: str, library: str) -> None:
    benchmark.group = f"fit {name}, an epoch of {SAMPLES}"
    workload = WORKLOADS[name]
    x, y = images()
    size, loss = workload.batch, pynn.SoftmaxCrossEntropy()
    ready = [(part.copy(), labels) for part, labels in pynn.batches(x, y, size, seed=0)]
    fitted, stepped, updater = of_images(workload), of_images(workload), optimizer(workload)

    def fit() -> None:
        fitted.fit(x, y, optimizer=fitted.optimizer or optimizer(workload), epochs=1, batch_size=size, progress=False)

    def steps() -> None:
        for part, labels in ready:
            stepped.train_step(part, labels, loss, updater)

    fit()
    steps()
    assert np.array_equal(fitted.parameters, stepped.parameters)
    benchmark(fit if library == "native" else steps)
