"""What `forward` and `backward` of a model return stays what it was; a training step makes no copies."""

from __future__ import annotations

from typing import Any

import numpy as np

import pynn

Points = tuple[np.ndarray, np.ndarray]


def test_outputs_stay_what_they_were(points: Points, backend: str) -> None:
    x = points[0]
    model = pynn.Sequential(pynn.Affine(6), pynn.BatchNorm(), pynn.ReLU(), pynn.Affine(3))
    a = model.forward(x, training=True)
    kept = a.copy()
    b = model.forward(x)
    c = model.forward(-x)
    assert a is not b
    np.testing.assert_array_equal(a, kept)
    assert not np.array_equal(b, c)
    model.forward(x, training=True)
    first: Any = model.backward(np.ones_like(a), input_gradient=True)
    kept = first.copy()
    second = model.backward(2 * np.ones_like(a), input_gradient=True)
    np.testing.assert_array_equal(first, kept)
    assert first is not second
    model.train_step(x, points[1], pynn.SoftmaxCrossEntropy(), pynn.SGD(0.1))
    assert model.forward(x, training=True) is not model.forward(x, training=True)


def test_a_training_step_makes_no_copy(points: Points) -> None:
    model = pynn.Sequential(pynn.Affine(3))
    step: list[Any] = [points[0], points[1], pynn.SoftmaxCrossEntropy(), pynn.SGD(0.1)]
    model.train_step(*step)
    outputs = model.outputs
    model.train_step(*step)
    assert model.outputs is outputs
