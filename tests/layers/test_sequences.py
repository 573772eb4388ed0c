"""Sequences (N, T, D): layers map or normalize every step, as they do with samples."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import gradients
import numpy as np
import pytest
from gradients import Projection

import pynn

Make = Callable[[], pynn.Layer]
STEPS = (4, 5)
MAPS: dict[str, Make] = {
    "affine": lambda: pynn.Affine(3),
    "affine without bias": lambda: pynn.Affine(3, use_bias=False),
    "ntk": lambda: pynn.Affine(3, parametrization="ntk"),
    "maxout": lambda: pynn.Maxout(3, 2),
    "dropconnect": lambda: pynn.DropConnect(3, 0.4),
}
# What does to each step of a sequence the same as to a sample.
STEPWISE: dict[str, Make] = {
    **MAPS,
    "batchnorm": pynn.BatchNorm,
    "layernorm": pynn.LayerNorm,
    "softmax": pynn.Softmax,
    "relu": pynn.ReLU,
    "elu": pynn.ELU,
    "gelu": pynn.GELU,
    "softplus": pynn.Softplus,
    "prelu": lambda: pynn.PReLU(per_feature=True),
    "pselu": pynn.PSELU,
    "pmish": pynn.PMish,
    "scale": pynn.Scale,
}


def passes(make: Make, x: np.ndarray) -> list[np.ndarray]:
    """Outputs in training and outside it, gradients of the input and of the parameters."""
    model = pynn.Sequential(make(), seed=2, dtype=x.dtype)
    y = model.forward(x, training=True).copy()
    dx = model.backward(np.cos(np.arange(y.size)).reshape(y.shape), input_gradient=True)
    assert dx is not None
    return [y, dx.copy(), model.gradients.copy(), model.forward(x).copy()]


@pytest.mark.parametrize("name", STEPWISE)
@pytest.mark.parametrize("shape", [(6, 4, 5), (3, 1, 5), (1, 7, 1), (2, 33, 16)])
def test_every_step_is_treated_as_a_sample(name: str, shape: Any, backend: str, rng: np.random.Generator) -> None:
    x = rng.standard_normal(shape)
    y, dx, gradient, outside = passes(STEPWISE[name], x)
    rows = passes(STEPWISE[name], x.reshape(-1, shape[-1]))
    assert y.shape[:2] == shape[:2]
    np.testing.assert_array_equal(y.reshape(rows[0].shape), rows[0])
    np.testing.assert_array_equal(dx.reshape(rows[1].shape), rows[1])
    np.testing.assert_array_equal(gradient, rows[2])
    np.testing.assert_array_equal(outside.reshape(rows[3].shape), rows[3])


@pytest.mark.parametrize(
    "make",
    [
        *MAPS.values(), pynn.BatchNorm, pynn.LayerNorm, lambda: pynn.GroupNorm(5), pynn.Softmax, pynn.Tanh, pynn.SiLU,
        pynn.PReLU, pynn.PMish, pynn.Scale, lambda: pynn.Dropout(0.3), lambda: pynn.SpatialDropout(0.3),
        lambda: pynn.GaussianNoise(0.1),
        lambda: pynn.Residual(pynn.Affine(5), pynn.Tanh()), lambda: pynn.Residual(pynn.Affine(3), shortcut="auto"),
    ],
)  # fmt: skip
def test_gradients_match_central_differences(make: Make, backend: str) -> None:
    model, x = gradients.smooth([pynn.Affine(5), pynn.Tanh(), make(), pynn.Affine(2), pynn.Tanh()], STEPS, samples=3)
    gradients.check(model, Projection(), x)


def test_spatial_dropout_drops_a_channel_in_all_steps_and_dropout_single_numbers(backend: str) -> None:
    x = np.ones((50, 8, 6), np.float32)
    whole = pynn.Sequential(pynn.SpatialDropout(0.5)).forward(x, training=True)
    assert ((whole == 0).all(axis=1) | (whole == 2).all(axis=1)).all()
    assert 0.35 < (whole == 0).mean() < 0.65
    single = pynn.Sequential(pynn.Dropout(0.5)).forward(x, training=True)
    assert not ((single == 0).all(axis=1) | (single == 2).all(axis=1)).all(axis=1).any()


def test_groupnorm_takes_its_statistics_over_all_steps(backend: str, rng: np.random.Generator) -> None:
    x = rng.standard_normal((3, 7, 4))
    y = pynn.Sequential(pynn.GroupNorm(2), dtype="float64").forward(x)
    groups = x.reshape(3, 7, 2, 2)
    mean, var = groups.mean(axis=(1, 3), keepdims=True), groups.var(axis=(1, 3), keepdims=True)
    np.testing.assert_allclose(y, ((groups - mean) / np.sqrt(var + 1e-5)).reshape(x.shape), rtol=1e-10, atol=1e-10)


def test_a_subclass_that_changes_the_outputs_changes_them_once(backend: str, rng: np.random.Generator) -> None:
    class Doubled(pynn.Affine):
        def forward(self, x: np.ndarray, training: bool) -> np.ndarray:
            return 2 * super().forward(x, training)

        def backward(self, dy: np.ndarray) -> np.ndarray | None:
            return super().backward(2 * dy)

    model, x = gradients.smooth([Doubled(3)], STEPS, samples=2)
    layer = model.layers[0]
    assert isinstance(layer, pynn.Affine)
    np.testing.assert_allclose(model.forward(x), 2 * (x @ layer.weight + layer.bias), rtol=1e-12)
    gradients.check(model, Projection(), x)


def test_an_activation_is_fused_into_an_affine_layer_of_sequences(backend: str, rng: np.random.Generator) -> None:
    model = pynn.Sequential(pynn.Affine(3), pynn.ReLU())
    x = rng.standard_normal((2, 4, 5)).astype(np.float32)
    y = model.forward(x)
    layer = model.layers[0]
    assert isinstance(layer, pynn.Affine)
    assert isinstance(model.layers[1], pynn.ReLU)
    assert model.layers[1].fused_into is layer
    np.testing.assert_allclose(y, np.maximum(x @ layer.weight + layer.bias, 0), rtol=1e-5, atol=1e-6)


def test_a_model_of_sequences_is_saved(backend: str, tmp_path: Path, rng: np.random.Generator) -> None:
    model = pynn.Sequential(pynn.Affine(6), pynn.ReLU(), pynn.Conv1d(4), pynn.DropConnect(3, 0.5), pynn.LayerNorm())
    x = rng.standard_normal((2, 4, 5)).astype(np.float32)
    y = model.forward(x).copy()
    assert model.output_shape == (4, 3)
    model.save(tmp_path / "model.safetensors")
    np.testing.assert_array_equal(pynn.load(tmp_path / "model.safetensors").forward(x), y)


def test_a_batch_without_samples_passes(backend: str) -> None:
    model = pynn.Sequential(pynn.Affine(3), pynn.Tanh(), pynn.Affine(2))
    model.build((4, 5))
    y = model.forward(np.zeros((0, 4, 5), np.float32), training=True)
    assert y.shape == (0, 4, 2)
    dx = model.backward(y, input_gradient=True)
    assert dx is not None
    assert dx.shape == (0, 4, 5)


@pytest.mark.parametrize("make", MAPS.values())
@pytest.mark.parametrize("shape", [(8, 8, 1), (2, 8, 8, 3)])
def test_images_are_still_refused(make: Make, shape: tuple[int, ...]) -> None:
    with pytest.raises(
        ValueError, match=r"expected vectors \(D,\) or sequences \(T, D\), got .*; put Flatten\(\) before"
    ):
        pynn.Sequential(make()).build(shape)


def test_the_initializers_of_affine_layers_look_at_sequences_too(rng: np.random.Generator) -> None:
    x = rng.standard_normal((64, 6, 5)).astype(np.float32)
    model = pynn.Sequential(pynn.Affine(8), pynn.ReLU(), pynn.Affine(3))
    pynn.lsuv(model, x)
    np.testing.assert_allclose(model.forward(x).var(), 1, atol=0.1)


def test_affine_of_sequences_follows_torchs_linear(backend: str, rng: np.random.Generator, torch: Any) -> None:
    x = rng.standard_normal((3, 6, 5)).astype(np.float32)
    net = torch.nn.Linear(5, 4)
    model = pynn.Sequential(pynn.Affine(4))
    model.build((6, 5))
    pynn.transfer.load_weights(model, net.state_dict(), layout="torch")
    np.testing.assert_allclose(model.forward(x), net(torch.tensor(x)).detach().numpy(), rtol=1e-4, atol=1e-5)
