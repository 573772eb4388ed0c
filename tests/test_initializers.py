"""Initializers: the distributions they draw from, and which one a layer takes by default."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import pynn
from pynn.initializers import INITIALIZERS, Initializer

KINDS = {
    "he": (pynn.He(), lambda fan_in, fan_out: math.sqrt(2 / fan_in)),
    "lecun": (pynn.LeCun(), lambda fan_in, fan_out: math.sqrt(1 / fan_in)),
    "glorot": (pynn.Glorot(), lambda fan_in, fan_out: math.sqrt(2 / (fan_in + fan_out))),
    "normal": (pynn.Normal(), lambda fan_in, fan_out: 0.01),
    "normal 0.5": (pynn.Normal(0.5), lambda fan_in, fan_out: 0.5),
}
LIMITS = {
    "he": (pynn.He(uniform=True), lambda fan_in, fan_out: math.sqrt(6 / fan_in)),
    "lecun": (pynn.LeCun(uniform=True), lambda fan_in, fan_out: math.sqrt(3 / fan_in)),
    "glorot": (pynn.Glorot(uniform=True), lambda fan_in, fan_out: math.sqrt(6 / (fan_in + fan_out))),
    "uniform": (pynn.Uniform(), lambda fan_in, fan_out: 0.05),
    "uniform 2": (pynn.Uniform(2), lambda fan_in, fan_out: 2),
}


shapes = pytest.mark.parametrize(
    ("shape", "fan_in", "fan_out"),
    [((300, 200), 300, 200), ((20, 4000), 20, 4000), ((3, 5, 40, 60), 600, 900)],
    ids=["affine", "wide affine", "convolution"],
)


@pytest.mark.parametrize("name", KINDS)
@shapes
def test_draws_are_normal_with_the_right_deviation(
    name: str, shape: tuple[int, ...], fan_in: int, fan_out: int, rng: np.random.Generator
) -> None:
    kind, deviation = KINDS[name]
    values = kind.draw(shape, rng)
    assert values.shape == shape
    assert values.dtype == np.float64
    scaled = values / deviation(fan_in, fan_out)
    noise = 1 / math.sqrt(values.size)
    assert abs(scaled.mean()) < 5 * noise
    assert abs(scaled.std() - 1) < 5 * noise
    assert abs((np.abs(scaled) < 1).mean() - 0.6827) < 5 * noise  # a normal law, not a uniform one (0.577)
    assert np.abs(scaled).max() > 3


@pytest.mark.parametrize("name", LIMITS)
@shapes
def test_uniform_draws_fill_the_range_evenly(
    name: str, shape: tuple[int, ...], fan_in: int, fan_out: int, rng: np.random.Generator
) -> None:
    kind, limit = LIMITS[name]
    values = kind.draw(shape, rng)
    assert values.shape == shape
    assert values.dtype == np.float64
    scaled = values / limit(fan_in, fan_out)
    assert np.abs(scaled).max() <= 1
    tenths = np.histogram(scaled, 10, (-1, 1))[0] / values.size
    np.testing.assert_allclose(tenths, 0.1, atol=5 * math.sqrt(0.09 / values.size))
    assert abs(scaled.var() * 3 - 1) < 5 / math.sqrt(values.size)


@pytest.mark.parametrize("name", ["he", "lecun", "glorot"])
def test_normal_and_uniform_forms_have_one_variance(name: str) -> None:
    normal, uniform = INITIALIZERS[name](), INITIALIZERS[f"{name}_uniform"]()
    assert type(normal) is type(uniform)
    assert repr(uniform) == f"{type(normal).__name__}(uniform=True)"
    variances = [kind.draw((300, 700), np.random.default_rng(1)).var() for kind in (normal, uniform)]
    assert abs(variances[0] / variances[1] - 1) < 0.02


@pytest.mark.parametrize("uniform", [False, True])
@pytest.mark.parametrize("name", ["he", "glorot"])
def test_moments_are_those_of_torch(torch: Any, name: str, uniform: bool, rng: np.random.Generator) -> None:
    family = {"he": "kaiming", "glorot": "xavier"}[name]
    theirs = torch.empty(300, 200)  # (out, in)
    settings = {"nonlinearity": "relu"} if name == "he" else {}
    fill = getattr(torch.nn.init, f"{family}_{'uniform' if uniform else 'normal'}_")
    fill(theirs, generator=torch.Generator().manual_seed(0), **settings)
    ours = INITIALIZERS[name + "_uniform" * uniform]().draw((200, 300), rng)
    for moment in (2, 4):
        expected = float((theirs.double() ** moment).mean())
        assert abs((ours**moment).mean() / expected - 1) < 0.1


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: pynn.Normal(-1), ValueError, r"Normal: std is -1, expected a finite number of at least 0"),
        (lambda: pynn.Normal("x"), ValueError, r"Normal: std is 'x', expected"),
        (lambda: pynn.Uniform(float("nan")), ValueError, r"Uniform: limit is nan, expected"),
        (lambda: pynn.Uniform(None), ValueError, r"Uniform: limit is None, expected"),
        (lambda: pynn.Constant(float("inf")), ValueError, r"Constant: value is inf, expected a finite number"),
        (lambda: pynn.He(1), TypeError, r"He: uniform is 1, expected True or False"),
    ],
)
def test_settings_that_make_no_sense_are_refused(make: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        make()


def test_a_spread_of_zero_gives_zeros(rng: np.random.Generator) -> None:
    for kind in (pynn.Normal(0), pynn.Uniform(0)):
        np.testing.assert_array_equal(kind.draw((2, 3), rng), np.zeros((2, 3)))


@pytest.mark.parametrize("name", INITIALIZERS)
def test_every_initializer_by_name_and_by_object_survives_a_model_file(name: str, tmp_path: Path) -> None:
    for choice in (name, INITIALIZERS[name]()):
        model = pynn.Sequential(pynn.Affine(4, initializer=choice, bias_initializer="constant"))
        model.build((6,))
        model.save(tmp_path / "model.safetensors")
        again = pynn.load(tmp_path / "model.safetensors")
        assert repr(again) == repr(model)
        np.testing.assert_array_equal(again.layers[0].bias, np.full(4, np.float32(0.01)))
        again.build((6,))  # new weights, by the initializer that was loaded
        np.testing.assert_array_equal(again.parameters, model.parameters)


def test_constants_are_constant() -> None:
    rng = np.random.default_rng(0)
    np.testing.assert_array_equal(pynn.Zeros().draw((2, 3), rng), np.zeros((2, 3)))
    np.testing.assert_array_equal(pynn.Constant().draw((2,), rng), [0.01, 0.01])
    np.testing.assert_array_equal(pynn.Constant(-1.5).draw((2, 3), rng), np.full((2, 3), -1.5))


@pytest.mark.parametrize("name", INITIALIZERS)
def test_the_same_generator_state_gives_the_same_draw(name: str) -> None:
    kind = INITIALIZERS[name]()
    draws = [kind.draw((4, 5), np.random.default_rng(seed)) for seed in (1, 1, 2)]
    np.testing.assert_array_equal(draws[0], draws[1])
    assert name in ("zeros", "constant") or (draws[0] != draws[2]).any()


@pytest.mark.parametrize(
    ("after", "expected"),
    [
        ([pynn.ReLU], "he"),
        ([pynn.LeakyReLU], "he"),
        ([pynn.ELU], "he"),
        ([pynn.Tanh], "glorot"),
        ([pynn.Sigmoid], "glorot"),
        ([], "lecun"),
        ([lambda: pynn.Affine(2), pynn.ReLU], "lecun"),
        ([pynn.BatchNorm, pynn.ReLU], "he"),
        ([pynn.BatchNorm, lambda: pynn.Dropout(0.5), pynn.Flatten, pynn.Tanh], "glorot"),
        ([lambda: pynn.Dropout(0.5), lambda: pynn.Affine(2), pynn.ReLU], "lecun"),
        ([pynn.Tanh, pynn.ReLU], "glorot"),
    ],
)
def test_affine_takes_the_initializer_that_suits_the_activation_after_it(after: list[Any], expected: str) -> None:
    by_default = pynn.Sequential(pynn.Affine(40), *[make() for make in after], dtype="float64")
    named = pynn.Sequential(pynn.Affine(40, initializer=expected), *[make() for make in after], dtype="float64")
    by_default.build((30,))
    named.build((30,))
    np.testing.assert_array_equal(by_default.layers[0].weight, named.layers[0].weight)
    deviation = KINDS[expected][1](30, 40)
    assert abs(by_default.layers[0].weight.std() / deviation - 1) < 5 / math.sqrt(1200)


def test_weights_and_biases_take_the_initializers_that_are_given() -> None:
    model = pynn.Sequential(pynn.Affine(3, initializer=pynn.Constant(0.25), bias_initializer=pynn.Constant(-1)))
    model.build((2,))
    np.testing.assert_array_equal(model.layers[0].weight, np.full((2, 3), np.float32(0.25)))
    np.testing.assert_array_equal(model.layers[0].bias, [-1, -1, -1])


def test_biases_start_at_zero_and_normalizations_at_the_identity() -> None:
    model = pynn.Sequential(pynn.Affine(3), pynn.BatchNorm())
    model.build((2,))
    affine, norm = model.layers
    for value, expected in [
        (affine.bias, 0), (norm.gamma, 1), (norm.beta, 0), (norm.running_mean, 0), (norm.running_var, 1)
    ]:  # fmt: skip
        np.testing.assert_array_equal(value, np.full(3, expected))


def test_an_own_initializer_draws() -> None:
    class Diagonal(Initializer):
        def __init__(self, value: float) -> None:
            self.value = value

        def draw(self, shape: tuple[int, ...], rng: np.random.Generator) -> np.ndarray:
            return np.eye(*shape) * self.value

    model = pynn.Sequential(pynn.Affine(3, initializer=Diagonal(2)))
    model.build((3,))
    np.testing.assert_array_equal(model.layers[0].weight, 2 * np.eye(3))
    assert "Affine(units=3, initializer=Diagonal(value=2))" in repr(model)


def test_a_draw_of_the_wrong_shape_is_an_error() -> None:
    class Flat(Initializer):
        def draw(self, shape: tuple[int, ...], rng: np.random.Generator) -> np.ndarray:
            return np.zeros(math.prod(shape))

    model = pynn.Sequential(pynn.Affine(3, initializer=Flat()))
    with pytest.raises(ValueError, match=r"Flat.*\(6,\).*\(2, 3\)"):
        model.build((2,))
    assert not model.built


@pytest.mark.parametrize(
    ("choice", "error", "message"),
    [
        ("xavier", ValueError, r"initializer is 'xavier', expected one of zeros, constant, normal, .*, he_uniform"),
        (pynn.He, TypeError, r"initializer is <class .*expected .*; write He\(\)"),
        (0.01, TypeError, r"initializer is 0\.01, expected"),
    ],
)
def test_what_is_no_initializer_is_refused(choice: Any, error: type[Exception], message: str) -> None:
    for settings in ({"initializer": choice}, {"bias_initializer": choice}):
        with pytest.raises(error, match=message):
            pynn.Sequential(pynn.Affine(3, **settings)).build((2,))


def test_a_missing_draw_is_named() -> None:
    with pytest.raises(NotImplementedError, match=r"Initializer has no draw\(shape, rng\)"):
        Initializer().draw((1,), np.random.default_rng(0))
