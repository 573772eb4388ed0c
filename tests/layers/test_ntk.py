"""Affine(parametrization="ntk"): the product with the weight divided by √D."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import pynn

KINDS: dict[str, Callable[..., pynn.Layer]] = {
    "affine": lambda **options: pynn.Affine(6, **options),
    "maxout": lambda **options: pynn.Maxout(6, **options),
    "dropconnect": lambda **options: pynn.DropConnect(6, 0.3, **options),
}
ACTIVATIONS: tuple[type[pynn.Layer], ...] = (pynn.ReLU, pynn.SELU, pynn.Tanh, pynn.Mish)


def pair(make: Callable[..., pynn.Layer], *after: pynn.Layer, shape: tuple[int, ...] = (7,)) -> list[pynn.Sequential]:
    """An ntk model, and the standard one whose weight is that of the first divided by √D."""
    models = []
    for parametrization in ("ntk", "standard"):
        layers = (make(parametrization=parametrization, bias_initializer=pynn.Normal(1)), *after)
        models.append(pynn.Sequential(*layers, dtype="float64", seed=5))
        models[-1].build(shape)
        after = tuple(type(layer)() for layer in after)
    ntk, standard = (model.layers[0] for model in models)
    standard.weight, standard.bias = ntk.weight / np.sqrt(7), ntk.bias
    return models


@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize("shape", [(7,), (3, 7)], ids=str)
@pytest.mark.parametrize("kind", KINDS)
def test_it_is_the_standard_layer_with_the_weight_divided(
    kind: str, shape: tuple[int, ...], activation: type[pynn.Layer], backend: str, rng: np.random.Generator
) -> None:
    ntk, standard = pair(KINDS[kind], activation(), shape=shape)
    x = rng.standard_normal((11, *shape))
    y = ntk.forward(x, training=True)
    np.testing.assert_allclose(y, standard.forward(x, training=True), rtol=1e-12, atol=1e-14)
    dy = rng.standard_normal(y.shape)
    dx, expected = (model.backward(dy, input_gradient=True) for model in (ntk, standard))
    np.testing.assert_allclose(dx, expected, rtol=1e-12, atol=1e-14)
    mine, other = ntk.layers[0], standard.layers[0]
    np.testing.assert_allclose(mine.dweight, other.dweight / np.sqrt(7), rtol=1e-12, atol=1e-14)
    np.testing.assert_allclose(mine.dbias, other.dbias, rtol=1e-12, atol=1e-14)
    mine.freeze("weight")
    for model in (ntk, standard):
        model.forward(x, training=True)
    dx, expected = (model.backward(dy, input_gradient=True) for model in (ntk, standard))
    np.testing.assert_allclose(dx, expected, rtol=1e-12, atol=1e-14)
    dx, expected = (pynn.gradients(model, x, dy=dy) for model in (ntk, standard))
    np.testing.assert_allclose(dx, expected, rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("after", [None, pynn.ReLU, pynn.Tanh, pynn.SELU])
def test_weights_start_with_variance_1(after: type[pynn.Layer] | None) -> None:
    layer = pynn.Affine(500, parametrization="ntk")
    pynn.Sequential(layer, *([] if after is None else [after()])).build((400,))
    assert layer.weight.std() == pytest.approx(1, abs=0.01)
    chosen = pynn.Affine(500, parametrization="ntk", initializer=pynn.Normal(3))
    chosen.build((400,))
    assert chosen.weight.std() == pytest.approx(3, abs=0.03)


@pytest.mark.parametrize("kind", KINDS)
def test_it_learns_and_survives_its_file(kind: str, tmp_path: Path, rng: np.random.Generator, backend: str) -> None:
    x = rng.standard_normal((300, 7)).astype(np.float32)
    target = x[:, :1] * x[:, 1:2]
    layers = KINDS[kind](parametrization="ntk"), pynn.Tanh(), pynn.Affine(1, parametrization="ntk")
    block = pynn.Residual(pynn.Affine(7, parametrization="ntk"), pynn.ReLU())
    model = pynn.Sequential(block, *layers, seed=0)
    history = model.fit(x, target, loss="l2", optimizer=pynn.Adam(0.05), epochs=30, progress=False)
    assert history["loss"][-1] < 0.5 * history["loss"][0]
    model.save(tmp_path / "m.safetensors")
    loaded = pynn.load(tmp_path / "m.safetensors")
    assert "parametrization='ntk'" in repr(loaded.layers[1])
    np.testing.assert_array_equal(loaded.predict(x), model.predict(x))


def test_torch_gets_and_gives_the_weight_that_its_linear_layer_takes(rng: np.random.Generator) -> None:
    model = pynn.Sequential(
        pynn.Flatten(), pynn.Affine(6, parametrization="ntk"), pynn.ReLU(), pynn.Affine(2), dtype="float64"
    )
    model.build((2, 3, 4))
    state = pynn.transfer.to_torch(model)
    x = rng.standard_normal((5, 2, 3, 4))
    theirs = np.moveaxis(x, -1, 1).reshape(5, -1)  # PyTorch flattens (C, H, W)
    hidden = np.maximum(theirs @ state["affine1.weight"].T + state["affine1.bias"], 0)
    expected = hidden @ state["affine2.weight"].T + state["affine2.bias"]
    np.testing.assert_allclose(model.forward(x), expected, rtol=1e-12)
    other = pynn.Sequential(
        pynn.Flatten(), pynn.Affine(6, parametrization="ntk"), pynn.ReLU(), pynn.Affine(2), dtype="float64", seed=9
    )
    other.build((2, 3, 4))
    pynn.transfer.load_weights(other, state)
    np.testing.assert_allclose(other.layers[1].weight, model.layers[1].weight, rtol=1e-15)
    np.testing.assert_allclose(other.forward(x), expected, rtol=1e-12)
    raw: dict[str, Any] = {name: array.copy() for name, array in model.tensors().items()}
    pynn.transfer.load_weights(other, raw, layout="pynn")
    np.testing.assert_array_equal(other.layers[1].weight, model.layers[1].weight)


@pytest.mark.parametrize("way", [pynn.lsuv, pynn.data_dependent])
def test_weights_are_scaled_to_outputs_of_variance_1(way: Any, rng: np.random.Generator) -> None:
    layers: list[Any] = [pynn.Affine(9, parametrization="ntk"), pynn.ReLU(), pynn.Affine(4, parametrization="ntk")]
    model, x = pynn.Sequential(*layers, dtype="float64", seed=1), rng.standard_normal((400, 7)) * 30
    deviations = way(model, x)
    assert list(deviations.values()) == pytest.approx([1, 1], abs=0.06)
    first, _, last = layers
    z = x @ first.weight / np.sqrt(7) + first.bias
    assert z.std() == pytest.approx(1, abs=0.06)
    z = np.maximum(z, 0) @ last.weight / 3 + last.bias
    assert z.std() == pytest.approx(1, abs=0.06)
    np.testing.assert_allclose(model.forward(x), z, rtol=1e-9, atol=1e-12)


def test_another_word_is_refused_and_so_is_a_change_of_a_built_layer() -> None:
    with pytest.raises(ValueError, match="Affine: parametrization is 'NTK', expected one of standard, ntk"):
        pynn.Affine(3, parametrization="NTK")
    layer = pynn.Affine(3)
    with pytest.raises(ValueError, match="Affine: parametrization is 'NTK', expected one of standard, ntk"):
        layer.parametrization = "NTK"
    layer.parametrization = "ntk"
    layer.build((4,))
    assert layer.weight.std() > 0.5
    with pytest.raises(ValueError, match="Affine: parametrization is set before the layer is built"):
        layer.parametrization = "standard"
    layer.parametrization = "ntk"
