"""A small network, a short run of it, and the comparison of two models to the bit."""

from __future__ import annotations

from typing import Any

import numpy as np

import pynn

Points = tuple[np.ndarray, np.ndarray]


def network(**settings: Any) -> pynn.Sequential:
    """Every layer and both kinds of fusion."""
    return pynn.Sequential(
        pynn.Flatten(), pynn.Affine(8), pynn.BatchNorm(), pynn.ReLU(), pynn.Dropout(0.2), pynn.Affine(6), pynn.Tanh(),
        pynn.Affine(3), **settings,
    )  # fmt: skip


def trained(x: Any, y: Any, **settings: Any) -> pynn.Sequential:
    model = network()
    model.fit(x, y, **{"epochs": 2, "batch_size": 10, "progress": False, **settings})
    return model


def assert_same(one: pynn.Sequential, other: pynn.Sequential) -> None:
    """Bit for bit: parameters, running statistics, counters."""
    np.testing.assert_array_equal(one.parameters, other.parameters)
    for name, value in one.tensors().items():
        np.testing.assert_array_equal(value, other.tensors()[name])
    assert (one.epoch, one.context.step) == (other.epoch, other.context.step)
