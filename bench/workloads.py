"""The networks that are timed, their batches, and how each is built in pynn. Knows no other library."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:  # imported by the functions below: weight.py weighs other libraries without it
    import pynn

Workload = tuple[int, tuple[int, ...], bool, float, str]  # batch, widths, batch normalization, dropout rate, optimizer
Step = Callable[[], Any]
RATE = 1e-3

WORKLOADS: dict[str, Workload] = {
    "mlp_tiny": (32, (64, 32, 10), False, 0.0, "sgd"),
    "mlp_book": (100, (784, 100, 10), False, 0.0, "sgd"),
    "mlp_mnist": (128, (784, 512, 512, 10), True, 0.5, "adam"),
    "mlp_deep": (128, (784, *[100] * 6, 10), True, 0.0, "momentum"),
    "mlp_cifar": (256, (3072, 1024, 1024, 1024, 10), True, 0.5, "adam"),
}


def network(workload: Workload) -> pynn.Sequential:
    import pynn

    _, widths, batchnorm, rate, _ = workload
    layers: list[pynn.Layer] = []
    for width in widths[1:-1]:
        layers += [pynn.Affine(width), *([pynn.BatchNorm()] if batchnorm else []), pynn.ReLU()]
        layers += [pynn.Dropout(rate)] if rate else []
    return pynn.Sequential(*layers, pynn.Affine(widths[-1]))


def optimizer(workload: Workload) -> pynn.Optimizer:
    import pynn

    chosen = pynn.optimizers.optimizer(workload[-1])
    chosen.learning_rate = RATE
    return chosen


def batch(workload: Workload) -> tuple[np.ndarray, np.ndarray]:
    size, widths, *_ = workload
    rng = np.random.default_rng(0)
    return rng.standard_normal((size, widths[0]), dtype=np.float32), rng.integers(0, widths[-1], size)


def pynn_step(workload: Workload, x: np.ndarray, y: np.ndarray) -> Step:
    import pynn

    model, loss, driver = network(workload), pynn.SoftmaxCrossEntropy(), optimizer(workload)
    return lambda: model.train_step(x, y, loss, driver)
