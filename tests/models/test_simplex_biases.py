"""`data_dependent(bias="simplex")`: units of variance 1 whose zeros are spread over the samples."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from first_weights import Own, Stubborn, hidden, pre_activations, relu

import pynn

ACTIVATIONS: dict[str, type[pynn.Layer]] = {"pselu": pynn.PSELU, "pmish": pynn.PMish, "relu": pynn.ReLU}


@pytest.fixture
def x(rng: np.random.Generator) -> np.ndarray:
    """200 samples of 12 numbers with unlike means and spreads."""
    return rng.standard_normal((200, 12)) * np.linspace(0.5, 4, 12) + np.linspace(-2, 3, 12)


def table(activation: type[pynn.Layer], **settings: Any) -> pynn.Sequential:
    """The network for tables of the paper, small."""
    body = [part for _ in range(3) for part in (pynn.Affine(40, parametrization="ntk"), activation())]
    return pynn.Sequential(pynn.Scale(), *body, pynn.Affine(3, parametrization="ntk"), **settings)


def affine_outputs(model: pynn.Sequential, x: np.ndarray) -> list[tuple[Any, np.ndarray]]:
    """Each affine layer and its outputs, by formulas in NumPy."""
    found = []
    for layer in model.layers:
        if isinstance(layer, pynn.Affine):
            ntk = layer.parametrization == "ntk"
            x = x @ layer.weight / (np.sqrt(x.shape[1]) if ntk else 1) + layer.bias
            found.append((layer, x))
        elif isinstance(layer, pynn.Activation):
            plain = {"selu": pynn.SELU, "mish": pynn.Mish, "relu": pynn.ReLU}[layer.function]
            x = pynn.Sequential(plain(), dtype="float64").forward(x)
    return found


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_every_unit_has_variance_1_and_is_0_among_the_samples(name: str, x: np.ndarray, backend: str) -> None:
    model = table(ACTIVATIONS[name], dtype="float64", seed=3)
    deviations = pynn.data_dependent(model, x, bias="simplex")
    assert len(deviations) == 4
    outputs = affine_outputs(model, x)
    for layer, z in outputs:
        np.testing.assert_allclose(z.std(axis=0), 1, atol=2e-3)
        plain = z - layer.bias
        assert (-layer.bias >= plain.min(axis=0)).all()
        assert (-layer.bias <= plain.max(axis=0)).all()
    means = np.concatenate([z.mean(axis=0) for _, z in outputs])
    # The mean of five samples weighted by shares has the variance Σ p² = 2/(5 + 1) of one sample.
    assert abs(means.mean()) < 0.2
    assert means.std() == pytest.approx(np.sqrt(1 / 3), rel=0.2)
    np.testing.assert_allclose(outputs[-1][1], model.forward(x), rtol=1e-9, atol=1e-9)


def test_the_biases_are_those_of_samples_of_the_batch(rng: np.random.Generator) -> None:
    x = np.array([[0.0], [0.0], [0.0], [1.0]])  # outputs are 0 or w: a bias is -w times the shares of the last sample
    layer = pynn.Affine(2000, parametrization="ntk")
    model = pynn.Sequential(layer, dtype="float64", seed=1)
    pynn.data_dependent(model, x, bias="simplex")
    np.testing.assert_allclose(np.abs(layer.weight), 1 / x.std(), rtol=2e-3)
    share = -layer.bias / layer.weight[0]
    assert share.min() >= 0
    assert share.max() <= 1
    assert (share == 0).mean() == pytest.approx(0.75**5, abs=0.04)  # none of five draws is the last sample
    assert share.mean() == pytest.approx(0.25, abs=0.03)


def test_it_is_a_function_of_seed_and_batch(x: np.ndarray, both_backends: tuple[str, ...]) -> None:
    found = []
    for backend in both_backends:
        pynn.use_backend(backend)
        models = [table(pynn.PSELU, seed=seed) for seed in (0, 0, 1)]
        for model in models:
            pynn.data_dependent(model, x, bias="simplex")
        np.testing.assert_array_equal(models[0].parameters, models[1].parameters)
        assert (models[0].layers[1].bias != models[2].layers[1].bias).any()
        found.append(models[0].parameters.copy())
    np.testing.assert_allclose(found[0], found[1], rtol=1e-3, atol=1e-4)


def test_units_that_do_not_vary_keep_their_weights(x: np.ndarray) -> None:
    dead, zero = pynn.Affine(6), pynn.Affine(4, initializer="zeros")
    model = pynn.Sequential(dead, pynn.ReLU(), zero, dtype="float64")
    model.build((12,))
    dead.weight[:, 2] = 0
    before = dead.weight[:, 3].copy()
    pynn.data_dependent(model, x, bias="simplex")
    np.testing.assert_array_equal(dead.weight[:, 2], 0)
    assert dead.bias[2] == 0
    assert (dead.weight[:, 3] != before).all()
    np.testing.assert_array_equal(zero.weight, 0)
    np.testing.assert_array_equal(zero.bias, 0)
    x[:, 1:] = 0
    x[:, 0] = np.where(np.arange(200) < 100, -1, 1)
    only = pynn.Affine(4)
    model = pynn.Sequential(pynn.Affine(3), pynn.ReLU(), only, dtype="float64", seed=2)
    model.build((12,))
    model.layers[0].weight[0] = [1, 2, 0]
    pynn.data_dependent(model, x, bias="simplex")
    with pytest.raises(ValueError, match="unit 2"):
        pynn.data_dependent(model, x)


def test_frozen_layers_those_without_a_bias_and_those_left_out(x: np.ndarray) -> None:
    model = pynn.Sequential(
        pynn.Affine(9, use_bias=False), pynn.Tanh(), pynn.Affine(8), pynn.Tanh(), pynn.Affine(7), pynn.Tanh(), Own(),
        pynn.Affine(5), dtype="float64",
    )  # fmt: skip
    model.build((12,))
    model.layers[2].bias = np.arange(8)
    model.layers[2].freeze("bias")
    left = model.layers[4].weight.copy()
    deviations = pynn.data_dependent(model, x, bias="simplex", leave="affine3")
    assert list(deviations) == ["affine1", "affine2", "own1", "affine4"]
    np.testing.assert_array_equal(model.layers[2].bias, np.arange(8))
    np.testing.assert_array_equal(model.layers[4].weight, left)
    for name, outputs in pre_activations(model, x).items():
        if name != "affine3":
            np.testing.assert_allclose(outputs.std(axis=0), 1, atol=2e-3, err_msg=name)


@pytest.mark.parametrize("bias", ["zero-mean", "simplex"])
def test_new_weights_are_drawn_where_asked_for(bias: str, x: np.ndarray) -> None:
    fresh, trained = (pynn.Sequential(*hidden(30, pynn.ReLU), pynn.Affine(3), dtype="float64") for _ in range(2))
    trained.build((12,))
    trained.parameters[...] = 1
    for model in (fresh, trained):
        pynn.data_dependent(model, x, bias=bias, start=pynn.Normal(1))
    np.testing.assert_allclose(fresh.layers[0].weight, trained.layers[0].weight, rtol=1e-9)
    directions = trained.layers[0].weight / np.linalg.norm(trained.layers[0].weight, axis=0)
    assert np.abs(directions.mean()) < 0.1


def test_the_units_of_an_image_or_a_sequence_are_measured_over_all_positions(rng: np.random.Generator) -> None:
    x = rng.standard_normal((30, 4, 6))
    layer = pynn.Affine(10, parametrization="ntk")
    model = pynn.Sequential(layer, pynn.PMish(), pynn.Flatten(), pynn.Affine(2), dtype="float64")
    pynn.data_dependent(model, x, bias="simplex")
    z = (x @ layer.weight / np.sqrt(6)).reshape(-1, 10)
    np.testing.assert_allclose(z.std(axis=0), 1, atol=2e-3)
    assert (layer.bias != 0).all()


def test_what_does_not_fit_is_refused_and_nothing_changes(x: np.ndarray) -> None:
    model = relu()
    model.build((12,))
    before = model.parameters.copy()
    for settings, message in (
        ({"bias": "simplices"}, "bias is 'simplices', expected one of zero-mean, simplex"),
        ({"bias": "simplex", "mean": 0.1}, "mean is 0.1, which only bias='zero-mean' takes"),
    ):
        with pytest.raises(ValueError, match=message):
            pynn.data_dependent(model, x, **settings)  # type: ignore[arg-type]
    np.testing.assert_array_equal(model.parameters, before)
    stubborn = pynn.Sequential(pynn.Affine(5), Stubborn())
    with pytest.raises(ValueError, match=r"stubborn1: .*does its output not follow its weight"):
        pynn.data_dependent(stubborn, x, bias="simplex")
    with pytest.raises(ValueError, match="does not have a column for each of 4 units; use lsuv"):
        pynn.data_dependent(pynn.Sequential(pynn.Maxout(4)), x, bias="simplex")
