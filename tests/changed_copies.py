"""Networks, short runs of them, copies and differences of their parameters."""

from __future__ import annotations

import numpy as np

import pynn

Points = tuple[np.ndarray, np.ndarray]


def network(dtype: str = "float64") -> pynn.Sequential:
    model = pynn.Sequential(
        pynn.Affine(6), pynn.BatchNorm(), pynn.ReLU(), pynn.Affine(5), pynn.Tanh(), pynn.Affine(3), dtype=dtype
    )
    model.build((4,))
    return model


def train(model: pynn.Sequential, points: Points, optimizer: pynn.Optimizer, steps: int = 5) -> pynn.Sequential:
    for _ in range(steps):
        model.train_step(*points, pynn.SoftmaxCrossEntropy(), optimizer)
    return model


def copies(model: pynn.Sequential) -> dict[str, np.ndarray]:
    return {name: value.copy() for name, value in model.tensors().items()}


def changed(model: pynn.Sequential, before: dict[str, np.ndarray]) -> set[str]:
    return {name for name, value in model.tensors().items() if not np.array_equal(value, before[name])}


def blocks(model: pynn.Sequential) -> dict[str, slice]:
    """Each parameter's place in the flat vector."""
    found = {}
    for name, view in model.tensors().items():
        if np.shares_memory(view, model.parameters):
            start = (view.ctypes.data - model.parameters.ctypes.data) // view.itemsize
            found[name] = slice(start, start + view.size)
    return found
