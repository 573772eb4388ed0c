"""Hierarchical softmax (Huffman tree) against flat softmax: forward and backward of the output layer with its loss.

128 samples of 128 features, labels with the frequencies of words (Zipf); the flat side is `Affine` with
softmax_cross_entropy, including its three products. The optimizer's step over the flat vector, C·128 numbers, costs the
same on both sides and is left out: with it the gain is smaller.
`pytest bench/bench_hierarchical.py --benchmark-columns=median,iqr` prints a table for each number of classes.
"""

from __future__ import annotations

import numpy as np
import pytest
from pytest_benchmark.fixture import BenchmarkFixture

import pynn

BATCH, FEATURES = 128, 128
CLASSES = (100, 1_000, 10_000, 100_000)
SIDES = ("native", "flat") if pynn.kernels.native_module() else ("numpy", "flat")


@pytest.mark.parametrize("library", SIDES)
@pytest.mark.parametrize("classes", CLASSES)
def test_output_layer(benchmark: BenchmarkFixture, classes: int, library: str) -> None:
    benchmark.group = f"output layer, {classes:7,} classes"
    rng = np.random.default_rng(0)
    share = 1 / np.arange(1, classes + 1)
    share /= share.sum()
    x = rng.standard_normal((BATCH, FEATURES), dtype=np.float32)
    y = rng.choice(classes, BATCH, p=share)
    last = pynn.Affine(classes) if library == "flat" else pynn.HierarchicalSoftmax(classes, counts=share)
    model = pynn.Sequential(last)
    loss = model.loss

    def step() -> float:
        value = loss.forward(model.forward(x, training=True), y)
        model.backward(loss.backward(), input_gradient=True)
        return value

    first = step()
    model.parameters[...] -= model.gradients
    assert 0 < step() < first  # it learns
    benchmark(step)
