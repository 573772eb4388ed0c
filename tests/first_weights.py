"""Networks and layers for tests of `lsuv` and `data_dependent`."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import pynn

WAYS = {"lsuv": pynn.lsuv, "data_dependent": pynn.data_dependent}

ways = pytest.mark.parametrize("way", WAYS.values(), ids=WAYS.keys())


class Own(pynn.Layer):
    """Affine in plain NumPy, without a bias."""

    def build(self, input_shape: tuple[int, ...]) -> tuple[int, ...]:
        self.add_parameter("weight", (input_shape[0], 8), pynn.Normal(3))
        return (8,)

    def forward(self, x: np.ndarray, training: bool) -> np.ndarray:
        self.x = x
        return x @ self.weight

    def backward(self, dy: np.ndarray) -> np.ndarray:
        self.dweight[...] = self.x.T @ dy
        return dy @ self.weight.T


class Counter(pynn.Layer):
    """A layer with state that says how it was called."""

    def build(self, input_shape: tuple[int, ...]) -> tuple[int, ...]:
        self.add_state("calls", 0)
        return input_shape

    def forward(self, x: np.ndarray, training: bool) -> np.ndarray:
        self.calls = np.asarray(self.calls + 1)
        self.seen = training
        return x

    def backward(self, dy: np.ndarray) -> np.ndarray:
        return dy


def hidden(units: int, activation: Any, **settings: Any) -> list[pynn.Layer]:
    return [pynn.Affine(units, initializer=pynn.Normal(0.01), **settings), activation()]


def relu(**settings: Any) -> pynn.Sequential:
    return pynn.Sequential(*hidden(40, pynn.ReLU), *hidden(30, pynn.ReLU), *hidden(20, pynn.Tanh), pynn.Affine(5),
                           **settings)  # fmt: skip


def pre_activations(model: pynn.Sequential, x: np.ndarray) -> dict[str, np.ndarray]:
    """The outputs of every layer with a weight, before its activation, worked out in float64 NumPy."""
    found: dict[str, np.ndarray] = {}

    def run(layers: Any, x: np.ndarray) -> np.ndarray:
        for layer in layers:
            if isinstance(layer, pynn.Sequential):
                x = run(layer.layers, x)
            elif hasattr(layer, "weight"):
                bias = getattr(layer, "bias", None)
                x = x @ layer.weight.astype(np.float64) + (0 if bias is None else bias)
                found[layer.name] = x
            elif isinstance(layer, pynn.BatchNorm):
                x = (x - x.mean(axis=0)) / np.sqrt(x.var(axis=0) + layer.epsilon)
            elif isinstance(layer, pynn.Flatten):
                x = x.reshape(len(x), -1)
            elif isinstance(layer, pynn.Activation):
                alone = pynn.Sequential(type(layer)(), dtype="float64")
                x = alone.forward(x).copy()
        return x

    run(model.layers, x.astype(model.dtype).astype(np.float64))
    return found


class Stubborn(Own):
    """Its output does not depend on the size of its weight."""

    def forward(self, x: np.ndarray, training: bool) -> np.ndarray:
        return 5 * x @ self.weight / np.linalg.norm(self.weight)
