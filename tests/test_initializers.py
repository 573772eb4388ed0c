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
        (lambda: pynn.Sparse(0), ValueError, r"Sparse: connections is 0, expected an integer of at least 1"),
        (lambda: pynn.Sparse(2.0), ValueError, r"Sparse: connections is 2\.0, expected an integer"),
        (lambda: pynn.Sparse(2, std=-1), ValueError, r"Sparse: std is -1, expected"),
        (lambda: pynn.Orthogonal(True), ValueError, r"Orthogonal: gain is True, expected a finite number"),
        (
            lambda: pynn.RandomWalk("tanh"),
            ValueError,
            r"RandomWalk: activation is 'tanh', expected one of relu, linear",
        ),
        (lambda: pynn.He(uniform=1), TypeError, r"He: uniform is 1, expected True or False"),
    ],
)
def test_settings_that_make_no_sense_are_refused(make: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        make()


@pytest.mark.parametrize("shape", [(300, 200), (3, 5, 40, 60)])
@pytest.mark.parametrize(
    ("kind", "connections", "deviation"),
    [(pynn.Sparse(), 10, 10**-0.5), (pynn.Sparse(15, std=1), 15, 1), (pynn.Sparse(1, std=0.01), 1, 0.01)],
)
def test_a_sparse_unit_has_exactly_its_connections(
    shape: tuple[int, ...], kind: Initializer, connections: int, deviation: float, rng: np.random.Generator
) -> None:
    weight = kind.draw(shape, rng)
    assert weight.shape == shape
    matrix = weight.reshape(-1, shape[-1])
    np.testing.assert_array_equal((matrix != 0).sum(axis=0), connections)
    used = matrix[matrix != 0]
    assert abs(used.std() / deviation - 1) < 5 / math.sqrt(used.size)
    assert abs(used.mean() / deviation) < 5 / math.sqrt(used.size)
    # every input is as likely as any other: binomial counts
    expected = connections * shape[-1] / len(matrix)
    assert abs(((matrix != 0).sum(axis=1).var() / (expected * (1 - connections / len(matrix)))) - 1) < 0.5


def test_a_sparse_unit_with_few_inputs_has_them_all(rng: np.random.Generator) -> None:
    weight = pynn.Sparse(10).draw((4, 5000), rng)
    assert (weight != 0).all()
    assert abs(weight.std() / 0.5 - 1) < 0.05


ORTHOGONAL_SHAPES = [(30, 30), (40, 7), (7, 40), (3, 3, 4, 20), (3, 3, 2, 50), (1, 1), (1, 9), (5,), ()]


@pytest.mark.parametrize("shape", ORTHOGONAL_SHAPES)
@pytest.mark.parametrize("gain", [1, 2**0.5])
def test_orthogonal_weights_keep_lengths(shape: tuple[int, ...], gain: float, rng: np.random.Generator) -> None:
    weight = pynn.Orthogonal(gain).draw(shape, rng)
    assert weight.shape == shape
    matrix = weight.reshape(math.prod(shape[:-1]), -1)
    product = matrix.T @ matrix if matrix.shape[0] >= matrix.shape[1] else matrix @ matrix.T
    np.testing.assert_allclose(product, gain**2 * np.eye(min(matrix.shape)), atol=1e-12)


def test_orthogonal_matrices_are_drawn_evenly(rng: np.random.Generator) -> None:
    # Rotations by any angle and mirror images: without the sign fix, QR gives a first column of one sign only.
    draws = np.array([pynn.Orthogonal().draw((2, 2), rng) for _ in range(2000)])
    assert abs((np.linalg.det(draws) > 0).mean() - 0.5) < 0.06
    for entry in draws.reshape(-1, 4).T:
        quarters = np.histogram(entry, [-1, -(0.5**0.5), 0, 0.5**0.5, 1])[0] / 2000
        np.testing.assert_allclose(quarters, 0.25, atol=0.05)  # cosines of angles spread evenly


@pytest.mark.parametrize("shape", [(40, 7), (7, 40), (3, 3, 4, 20)])
def test_orthogonal_has_the_property_of_torch(torch: Any, shape: tuple[int, ...], rng: np.random.Generator) -> None:
    ours = pynn.Orthogonal(1.5).draw(shape, rng).reshape(-1, shape[-1])
    theirs = torch.empty(shape[-1], math.prod(shape[:-1]), dtype=torch.float64)  # (out, in)
    torch.nn.init.orthogonal_(theirs, gain=1.5)
    np.testing.assert_allclose(
        np.linalg.svd(ours, compute_uv=False), np.linalg.svd(theirs.numpy(), compute_uv=False), rtol=1e-12
    )


def test_a_deep_linear_network_of_orthogonal_weights_keeps_every_length() -> None:
    model = pynn.Sequential(*[pynn.Affine(20, initializer="orthogonal") for _ in range(50)], dtype="float64")
    x = np.random.default_rng(0).standard_normal((5, 20))
    y = model.forward(x, training=True)
    np.testing.assert_allclose(np.linalg.norm(y, axis=1), np.linalg.norm(x, axis=1), rtol=1e-10)
    dx = model.backward(x.copy(), input_gradient=True)
    np.testing.assert_allclose(np.linalg.norm(dx, axis=1), np.linalg.norm(x, axis=1), rtol=1e-10)


@pytest.mark.parametrize(("shape", "n"), [((4, 900), 4), ((25, 2000), 25), ((3, 3, 30, 200), 270)])
def test_random_walk_has_the_deviation_of_the_paper(shape: tuple[int, ...], n: int, rng: np.random.Generator) -> None:
    for activation, g in (
        ("relu", 2**0.5 * math.exp(1.2 / (max(n, 6) - 2.4))),
        ("linear", math.exp(1 / (2 * n))),
    ):
        values = pynn.RandomWalk(activation).draw(shape, rng)
        assert abs(values.std() * math.sqrt(n) / g - 1) < 5 / math.sqrt(2 * values.size)


def walk(
    kind: Initializer, activation: str, depth: int = 40, width: int = 12, trials: int = 300
) -> tuple[float, float]:
    """Mean over random networks of ln(‖gradient at the input‖²/‖gradient at the output‖²), and its standard error."""
    rng = np.random.default_rng(0)
    weights = np.array([[kind.draw((width, width), rng) for _ in range(trials)] for _ in range(depth)])
    h = rng.standard_normal((trials, 1, width))
    slopes = []
    for weight in weights:
        z = h @ weight
        slopes.append(z > 0 if activation == "relu" else np.ones_like(z))
        h = z * slopes[-1]
    gradient = rng.standard_normal(h.shape) * slopes[-1]
    first = np.square(gradient).sum(axis=(1, 2))
    for weight, slope in zip(weights[:0:-1], slopes[-2::-1], strict=True):
        gradient = (gradient @ weight.swapaxes(1, 2)) * slope
    with np.errstate(divide="ignore", invalid="ignore"):
        steps = np.log(np.square(gradient).sum(axis=(1, 2)) / first)
    alive = steps[np.isfinite(steps)]  # a layer of a narrow network may be dead
    assert len(alive) > 0.9 * trials
    return float(alive.mean()), float(alive.std() / math.sqrt(len(alive)))


@pytest.mark.parametrize(("activation", "other"), [("relu", pynn.He()), ("linear", pynn.LeCun())])
def test_the_gradient_walks_without_drift(activation: str, other: Initializer) -> None:
    drift, error = walk(pynn.RandomWalk(activation), activation)
    assert abs(drift) < 4 * error
    drift, error = walk(other, activation)  # falls by 1/width a layer, more than twice that with ReLU
    assert drift < -5 * error


def activations(kind: Initializer | str, activation: Any) -> list[np.ndarray]:
    """The outputs of 10 layers of 500 units for normal inputs."""
    parts: list[pynn.Layer] = []
    for _ in range(10):
        parts += [pynn.Affine(500, initializer=kind), activation()]
    model = pynn.Sequential(*parts)
    model.forward(np.random.default_rng(0).standard_normal((200, 500)))
    return [layer._y for layer in model.layers[::2]]


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["glorot", "lecun", "glorot_uniform", "orthogonal"])
def test_ten_tanh_layers_stay_healthy_with_weights_of_variance_1_over_n(kind: str) -> None:
    for y in activations(kind, pynn.Tanh):
        assert 0.2 < y.std() < 0.7
        assert abs(y.mean()) < 0.02
        assert (np.abs(y) > 0.99).mean() < 0.02  # not saturated


def test_ten_tanh_layers_collapse_with_small_weights_and_saturate_with_large_ones() -> None:
    deviations = [y.std() for y in activations("normal", pynn.Tanh)]
    assert deviations[0] > 0.1
    assert deviations[-1] < 1e-5
    for y in activations(pynn.Normal(1), pynn.Tanh):
        assert (np.abs(y) > 0.99).mean() > 0.85


@pytest.mark.slow
@pytest.mark.parametrize(
    "kind", ["he", "he_uniform", "random_walk", pynn.Orthogonal(2**0.5), pynn.Sparse(100, std=0.02**0.5)]
)
def test_ten_relu_layers_stay_healthy_with_weights_of_variance_2_over_n(kind: Any) -> None:
    for y in activations(kind, pynn.ReLU):
        assert 0.6 < np.square(y).mean() < 1.5  # half of z², whose mean is 2


@pytest.mark.parametrize("kind", ["lecun", "glorot"])
def test_ten_relu_layers_lose_half_of_the_variance_each_with_weights_for_tanh(kind: str) -> None:
    squares = [np.square(y).mean() for y in activations(kind, pynn.ReLU)]
    np.testing.assert_allclose(np.divide(squares[1:], squares[:-1]), 0.5, rtol=0.15)


def test_a_spread_of_zero_gives_zeros(rng: np.random.Generator) -> None:
    for kind in (pynn.Normal(0), pynn.Uniform(0)):
        np.testing.assert_array_equal(kind.draw((2, 3), rng), np.zeros((2, 3)))


SETTINGS = [
    pynn.Constant(0.5), pynn.Normal(0.3), pynn.Uniform(0.3), pynn.He(uniform=True), pynn.Sparse(3, std=0.5),
    pynn.Orthogonal(2), pynn.RandomWalk("linear"),
]  # fmt: skip


@pytest.mark.parametrize("name", [*INITIALIZERS, *SETTINGS], ids=str)
def test_every_initializer_by_name_and_by_object_survives_a_model_file(name: Any, tmp_path: Path) -> None:
    for choice in (name, INITIALIZERS[name]()) if isinstance(name, str) else (name,):
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
        ([pynn.SELU], "lecun"),
        ([pynn.Softplus], "he"),
        ([pynn.GELU], "he"),
        ([pynn.SiLU], "he"),
        ([pynn.Mish], "he"),
        ([pynn.PMish], "he"),
        ([pynn.PSELU], "lecun"),
        ([pynn.Scale, pynn.PMish], "he"),
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


def test_weights_and_biases_take_their_initializers() -> None:
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
        (
            "xavier",
            ValueError,
            r"initializer is 'xavier', use 'glorot'; expected one of zeros, .*, he_uniform",
        ),
        (pynn.He, TypeError, r"initializer is <class .*expected .*; write He\(\)"),
        (0.01, TypeError, r"initializer is 0\.01, expected"),
    ],
)
def test_invalid_initializers_are_refused(choice: Any, error: type[Exception], message: str) -> None:
    for settings in ({"initializer": choice}, {"bias_initializer": choice}):
        with pytest.raises(error, match=message):
            pynn.Sequential(pynn.Affine(3, **settings)).build((2,))


def test_a_missing_draw_is_named() -> None:
    with pytest.raises(NotImplementedError, match=r"Initializer has no draw\(shape, rng\)"):
        Initializer().draw((1,), np.random.default_rng(0))
