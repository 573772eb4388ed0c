"""The max-norm constraint: what it does to weights, when, and that it is saved."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import pynn
from pynn.constraints import Constraint
from pynn.optimizers import OPTIMIZERS

Points = tuple[np.ndarray, np.ndarray]
backend = pytest.mark.parametrize("backend", pynn.kernels.BACKENDS)


class NonNegative(Constraint):
    """An own constraint."""

    def apply(self, weight: np.ndarray) -> None:
        np.maximum(weight, 0, out=weight)


def network(constraint: Constraint | None, dtype: str = "float32") -> pynn.Sequential:
    model = pynn.Sequential(
        pynn.Affine(17, constraint=constraint), pynn.ReLU(), pynn.Affine(3, constraint=constraint), dtype=dtype
    )
    model.build((4,))
    return model


def norms(layer: Any) -> np.ndarray:
    return np.linalg.norm(layer.weight.astype(np.float64), axis=0)


@backend
@pytest.mark.parametrize("name", OPTIMIZERS)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_no_incoming_vector_is_longer_after_a_step(
    name: str, dtype: str, backend: str, both_backends: Any, points: Points
) -> None:
    pynn.use_backend(backend)
    model, optimizer = network(pynn.MaxNorm(0.5), dtype), OPTIMIZERS[name](0.05)
    for _ in range(5):
        model.train_step(*points, pynn.SoftmaxCrossEntropy(), optimizer)
        for layer in (model.layers[0], model.layers[2]):
            found = norms(layer)
            assert found.max() <= 0.5 * (1 + 4 * np.finfo(dtype).eps)
            assert found.max() > 0.499
    assert model.layers[0].bias.any()


@backend
def test_short_vectors_stay_and_directions_stay(backend: str, both_backends: Any, rng: np.random.Generator) -> None:
    pynn.use_backend(backend)
    weight = rng.standard_normal((3, 3, 2, 40))
    before = weight.reshape(18, 40).copy()
    pynn.MaxNorm(4).apply(weight)
    after, length = weight.reshape(18, 40), np.sqrt((before * before).sum(axis=0))
    assert 5 < (length > 4).sum() < 35
    np.testing.assert_array_equal(after[:, length <= 4], before[:, length <= 4])
    np.testing.assert_allclose(after[:, length > 4], (before * 4 / length)[:, length > 4], rtol=1e-14)


@backend
def test_extreme_weights(backend: str, both_backends: Any) -> None:
    pynn.use_backend(backend)
    weight = np.zeros((4, 6), np.float32)
    weight[:, 1], weight[1, 2], weight[2, 3], weight[:, 4], weight[:, 5] = 1e30, np.nan, np.inf, 1e-30, -3e38
    pynn.MaxNorm(2).apply(weight)
    np.testing.assert_allclose(weight[:, [0, 1, 4, 5]], [[0, 1, 1e-30, -1]] * 4, rtol=1e-5)
    np.testing.assert_array_equal(weight[:, 2], [0, np.nan, 0, 0])
    np.testing.assert_array_equal(weight[:, 3], [0, 0, np.inf, 0])


def test_without_a_constraint_a_step_is_as_before_and_a_loose_one_changes_nothing(points: Points) -> None:
    free, loose = network(None), network(pynn.MaxNorm(1e6))
    for model in (free, loose):
        model.fit(*points, optimizer=pynn.Adam(0.05), epochs=3, batch_size=10, progress=False)
    np.testing.assert_array_equal(free.parameters, loose.parameters)


def test_constraints_leave_frozen_weights_alone_but_not_a_rate_of_0(points: Points) -> None:
    model = network(pynn.MaxNorm(0.1))
    model.layers[0].freeze()
    before = model.layers[0].weight.copy()
    model.train_step(*points, pynn.SoftmaxCrossEntropy(), pynn.SGD(0))
    np.testing.assert_array_equal(model.layers[0].weight, before)
    assert norms(model.layers[2]).max() <= 0.1 * (1 + 1e-6)


def test_gaps_of_the_flat_vector_stay_zero(points: Points) -> None:
    model = network(pynn.MaxNorm(0.2))
    model.fit(*points, optimizer=pynn.Momentum(0.1), epochs=3, batch_size=10, progress=False)
    for segment, (_, parameter, start) in zip(model.segments(), model._places, strict=True):
        assert not model.parameters[start + int(np.prod(parameter.shape)) : segment.stop].any()


def test_constraints_are_saved(points: Points, tmp_path: Path) -> None:
    model = network(pynn.MaxNorm(0.5))
    model.fit(*points, optimizer=pynn.SGD(0.1), epochs=1, batch_size=10, progress=False)
    model.save(tmp_path / "m")
    back = pynn.load(tmp_path / "m")
    assert repr(back.layers[0].constraint) == "MaxNorm(limit=0.5)"
    for one in (model, back):
        one.fit(*points, optimizer=pynn.SGD(10.0), epochs=1, batch_size=10, progress=False)
    np.testing.assert_array_equal(back.parameters, model.parameters)
    assert norms(back.layers[2]).max() <= 0.5 * (1 + 1e-6)


def test_own_constraints_work_and_are_saved(points: Points, tmp_path: Path) -> None:
    model = network(NonNegative())
    model.fit(*points, optimizer=pynn.Adam(0.05), epochs=2, batch_size=10, progress=False)
    assert (model.layers[0].weight >= 0).all()
    assert (model.layers[0].weight == 0).any()
    model.save(tmp_path / "m")
    assert isinstance(pynn.load(tmp_path / "m", own=[NonNegative]).layers[2].constraint, NonNegative)


def test_own_layers_may_have_constraints(points: Points) -> None:
    class Gain(pynn.Layer):
        def build(self, input_shape: tuple[int, ...]) -> tuple[int, ...]:
            self.add_parameter("gain", (), pynn.Constant(5), constraint=pynn.MaxNorm(2))
            return input_shape

        def forward(self, x: np.ndarray, training: bool) -> np.ndarray:
            self.x = x
            return x * self.gain

        def backward(self, dy: np.ndarray) -> np.ndarray:
            self.dgain[...] = (dy * self.x).sum()
            return dy * self.gain

    model = pynn.Sequential(Gain(), pynn.Affine(3))
    model.fit(*points, epochs=1, batch_size=10, progress=False)
    assert 1.9 < model.layers[0].gain <= 2


@pytest.mark.parametrize("limit", [0, -1.0, float("nan"), float("inf"), "3", None], ids=repr)
def test_limits_out_of_range_are_refused(limit: Any) -> None:
    with pytest.raises(ValueError, match=r"MaxNorm: limit is .*, expected a finite positive number"):
        pynn.MaxNorm(limit)


@pytest.mark.parametrize("constraint", [3.0, "max_norm", pynn.MaxNorm], ids=repr)
def test_invalid_constraints_are_refused(constraint: Any) -> None:
    with pytest.raises(TypeError, match=r"Affine: constraint is .*, expected a pynn Constraint"):
        pynn.Affine(3, constraint=constraint)


def test_a_missing_apply_is_named() -> None:
    with pytest.raises(NotImplementedError, match=r"Constraint has no apply\(weight\)"):
        Constraint().apply(np.ones((2, 2)))
