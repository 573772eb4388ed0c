"""Trained networks, and what must not change in them."""

from __future__ import annotations

from typing import Any

import numpy as np

import pynn

Points = tuple[np.ndarray, np.ndarray]


def trained(points: Points, dtype: str = "float32", **settings: Any) -> pynn.Sequential:
    """A network for 3 classes that was trained on standardized points, with settings of all kinds."""
    model = pynn.Sequential(
        pynn.Affine(6, penalty=pynn.L2(0.01)), pynn.BatchNorm(), pynn.ReLU(), pynn.Affine(5), pynn.Tanh(),
        pynn.Affine(3), dtype=dtype, **settings,
    )  # fmt: skip
    model.layers[3].learning_rate_factor = 0.5
    model.fit(*points, epochs=3, batch_size=10, preprocessing=pynn.Standardization(), progress=False)
    model.layers[0].freeze("bias")
    model.notes = {"classes": ["a", "b", "c"], "image_shape": [2, 2, 1], "test_accuracy": 0.5}
    return model


def images(rng: np.random.Generator, count: int = 12) -> Points:
    return rng.standard_normal((count, 6, 6, 2)).astype(np.float32), np.arange(count) % 3


def convolutional(dtype: str = "float32") -> pynn.Sequential:
    model = pynn.Sequential(
        pynn.Conv2d(4, use_bias=False), pynn.BatchNorm(), pynn.ReLU(),
        pynn.Residual(pynn.Conv2d(5), pynn.BatchNorm(), pynn.ReLU(), pynn.Conv2d(6), shortcut="auto"), pynn.ReLU(),
        pynn.MaxPool2d(2), pynn.Flatten(), pynn.Affine(3), dtype=dtype,
    )  # fmt: skip
    model.build((6, 6, 2))
    return model


def state(model: pynn.Sequential) -> dict[str, Any]:
    """All that must stay where something is refused."""
    kept = {name: array.copy() for name, array in model.tensors().items()}
    settings = [(layer, layer.name, layer._training_settings()) for layer in model.walk()]
    own = (model.layers, model.output_shape, model.loss, model.optimizer, model.epoch, model.context.step, model.notes)
    return {"tensors": kept, "rest": (settings, own, model.segments())}


def assert_unchanged(model: pynn.Sequential, before: dict[str, Any]) -> None:
    after = state(model)
    assert after["tensors"].keys() == before["tensors"].keys()
    for name, array in before["tensors"].items():
        np.testing.assert_array_equal(after["tensors"][name], array, name)
    assert after["rest"] == before["rest"]
