"""Gradient clipping: by value, by norm, over what is trained; extreme and broken gradients."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

import pynn
from pynn.optimizers import OPTIMIZERS

Points = tuple[np.ndarray, np.ndarray]
backend = pytest.mark.parametrize("backend", pynn.kernels.BACKENDS)


def network(dtype: str = "float64") -> pynn.Sequential:
    model = pynn.Sequential(pynn.Affine(6), pynn.Tanh(), pynn.Affine(3), dtype=dtype)
    model.build((4,))
    return model


def stepped(model: pynn.Sequential, gradients: Any, optimizer: pynn.Optimizer) -> np.ndarray:
    """How far each parameter moved."""
    before = model.parameters.copy()
    model.gradients[...] = gradients
    optimizer.step(model)
    return model.parameters - before


@backend
def test_a_long_gradient_is_scaled_to_the_norm(backend: str, both_backends: Any, rng: np.random.Generator) -> None:
    pynn.use_backend(backend)
    model = network()
    gradients = rng.standard_normal(model.parameters.size)
    length = math.hypot(*gradients)
    moved = stepped(model, gradients, pynn.SGD(1, clip_norm=0.5))
    np.testing.assert_allclose(moved, -gradients * 0.5 / length, rtol=1e-12, atol=1e-15)
    assert math.hypot(*model.gradients) == pytest.approx(0.5)


@backend
def test_a_gradient_within_the_limits_is_left_alone(backend: str, both_backends: Any, rng: np.random.Generator) -> None:
    pynn.use_backend(backend)
    one, other = network("float32"), network("float32")
    gradients = rng.standard_normal(one.parameters.size).astype(np.float32)
    stepped(one, gradients, pynn.Adam(0.1))
    stepped(other, gradients, pynn.Adam(0.1, clip_norm=100, clip_value=10))
    np.testing.assert_array_equal(one.parameters, other.parameters)
    np.testing.assert_array_equal(other.gradients, gradients)


@backend
def test_values_are_clamped_and_then_the_norm_holds(backend: str, both_backends: Any, rng: np.random.Generator) -> None:
    pynn.use_backend(backend)
    model = network()
    gradients = rng.standard_normal(model.parameters.size)
    clamped = np.clip(gradients, -0.25, 0.25)
    np.testing.assert_allclose(stepped(model, gradients, pynn.SGD(1, clip_value=0.25)), -clamped, atol=1e-15)
    moved = stepped(model, gradients, pynn.SGD(1, clip_value=0.25, clip_norm=1))
    np.testing.assert_allclose(moved, -clamped / math.hypot(*clamped), rtol=1e-12, atol=1e-15)


def test_clipping_by_the_norm_follows_torch(points: Points, torch: Any) -> None:
    model, optimizer, loss = network(), pynn.Momentum(0.3, clip_norm=0.1), pynn.SoftmaxCrossEntropy()
    tensors = [torch.tensor(value.copy(), requires_grad=True) for value in model.tensors().values()]
    w1, b1, w2, b2 = tensors
    oracle = torch.optim.SGD(tensors, lr=0.3, momentum=0.9)
    tx, ty = torch.tensor(points[0].astype(np.float64)), torch.tensor(points[1])
    clipped = 0
    for _ in range(50):
        oracle.zero_grad()
        value = torch.nn.functional.cross_entropy(torch.tanh(tx @ w1 + b1) @ w2 + b2, ty)
        value.backward()
        clipped += float(torch.nn.utils.clip_grad_norm_(tensors, 0.1)) > 0.1
        oracle.step()
        assert model.train_step(*points, loss, optimizer) == pytest.approx(value.item(), rel=1e-4)
    assert 0 < clipped < 50
    for ours, theirs in zip(model.tensors().values(), tensors, strict=True):
        np.testing.assert_allclose(ours, theirs.detach().numpy(), rtol=1e-3, atol=1e-4)  # it adds 1e-6 to the norm


@backend
def test_frozen_layers_do_not_count_for_the_norm(backend: str, both_backends: Any) -> None:
    pynn.use_backend(backend)
    model = network()
    model.layers[0].freeze()
    model.layers[2].learning_rate_factor = 0.5
    model.segments()
    gradients = np.where(np.arange(model.parameters.size) < model.segments()[1].stop, 1e6, 1)
    moved = stepped(model, gradients, pynn.SGD(1, clip_norm=0.5))
    assert math.hypot(*moved) == pytest.approx(0.25)
    assert not moved[: model.segments()[1].stop].any()


@backend
@pytest.mark.parametrize("size", [1e30, 1e-30], ids=str)
def test_huge_and_tiny_gradients_have_a_norm(size: float, backend: str, both_backends: Any) -> None:
    pynn.use_backend(backend)
    model = network("float32")
    moved = stepped(model, size, pynn.SGD(1, clip_norm=size))
    rows = np.sqrt(model.parameters.size)
    np.testing.assert_allclose(moved[:3] if size > 1 else model.gradients[:3], -size / rows * (1 if size > 1 else -1),
                               rtol=1e-5)  # fmt: skip


@backend
@pytest.mark.parametrize("name", OPTIMIZERS)
@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_a_broken_gradient_is_an_error_and_changes_nothing(
    name: str, value: float, backend: str, both_backends: Any, points: Points
) -> None:
    pynn.use_backend(backend)
    model, optimizer = network("float32"), OPTIMIZERS[name](0.01, clip_norm=1)
    model.train_step(*points, pynn.SoftmaxCrossEntropy(), optimizer)
    before, state = model.parameters.copy(), [getattr(optimizer, slot).copy() for slot in optimizer.slots]
    model.gradients[5] = value
    with pytest.raises(FloatingPointError, match=r"the norm of the gradients is (nan|inf); the parameters are those"):
        optimizer.step(model)
    np.testing.assert_array_equal(model.parameters, before)
    for slot, old in zip(optimizer.slots, state, strict=True):
        np.testing.assert_array_equal(getattr(optimizer, slot), old)
    assert (optimizer.steps, model.context.step) == (1, 1)


@backend
def test_an_infinite_gradient_can_be_clamped(backend: str, both_backends: Any) -> None:
    pynn.use_backend(backend)
    moved = stepped(network(), -np.inf, pynn.SGD(1, clip_value=0.5, clip_norm=1e9))
    np.testing.assert_allclose(moved, 0.5)


@pytest.mark.usefixtures("native")
def test_clipping_gives_the_same_bits_at_any_thread_count(rng: np.random.Generator) -> None:
    vector = rng.standard_normal(300_001).astype(np.float32)
    norms = set()
    for count in (1, 2, 3, 8):
        pynn.set_num_threads(count)
        norms.add(pynn.kernels.norm(vector))
    assert len(norms) == 1


def test_a_network_that_explodes_trains_with_clipping(points: Points) -> None:
    x, y = points[0] * 1e4, points[1]
    settings: dict[str, Any] = {"epochs": 5, "batch_size": 10, "progress": False}
    model = pynn.Sequential(pynn.Affine(16), pynn.ReLU(), pynn.Affine(3))
    history = model.fit(x, y, optimizer=pynn.SGD(1e-4, clip_norm=1.0), **settings)
    assert np.isfinite(history["loss"]).all()


@pytest.mark.parametrize("option", ["clip_norm", "clip_value"])
@pytest.mark.parametrize("value", [0, -1, float("nan"), float("inf"), "1", [1.0]], ids=repr)
def test_limits_out_of_range_are_refused(option: str, value: Any) -> None:
    with pytest.raises(ValueError, match=rf"Adam: {option} is .*, expected a finite positive number, or None"):
        pynn.Adam(**{option: value})


def test_the_limits_stand_in_the_text() -> None:
    assert repr(pynn.SGD(0.5, clip_norm=1.0, clip_value=None)) == "SGD(learning_rate=0.5, clip_norm=1.0)"
