"""First weights from a batch: `lsuv` and `data_dependent`."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from first_weights import Counter, Own, Stubborn, hidden, pre_activations, relu, ways

import pynn

MODELS: dict[str, Any] = {
    "relu": relu,
    "float64": lambda: relu(dtype="float64"),
    "sigmoid": lambda: pynn.Sequential(*[part for _ in range(4) for part in hidden(30, pynn.Sigmoid)], pynn.Affine(3)),
    "leaky": lambda: pynn.Sequential(*hidden(30, pynn.LeakyReLU), *hidden(30, pynn.ELU), pynn.Affine(1)),
    "no bias": lambda: pynn.Sequential(*hidden(30, pynn.ReLU, use_bias=False), pynn.Affine(3, use_bias=False)),
    "batch normalization": lambda: pynn.Sequential(
        pynn.BatchNorm(), pynn.Affine(30), pynn.BatchNorm(), pynn.ReLU(), pynn.Affine(30), pynn.ReLU(),
        pynn.BatchNorm(), pynn.Affine(3),
    ),
    "dropout": lambda: pynn.Sequential(
        pynn.Dropout(0.5), *hidden(30, pynn.ReLU), pynn.Dropout(0.9), pynn.Affine(30), pynn.Dropout(0.5), pynn.ReLU(),
        pynn.Affine(3),
    ),
    "own": lambda: pynn.Sequential(*hidden(30, pynn.ReLU), Own(), pynn.ReLU(), Counter(), pynn.Affine(3)),
    "nested": lambda: pynn.Sequential(
        pynn.Sequential(*hidden(30, pynn.ReLU), pynn.Affine(10)), pynn.ReLU(), pynn.Affine(3)
    ),
}  # fmt: skip
models = pytest.mark.parametrize("make", MODELS.values(), ids=MODELS.keys())


@pytest.fixture
def x(rng: np.random.Generator) -> np.ndarray:
    """200 samples of 12 numbers with unlike means and spreads."""
    return rng.standard_normal((200, 12)) * np.linspace(0.5, 4, 12) + np.linspace(-2, 3, 12)


@models
@pytest.mark.parametrize("start", ["orthogonal", None, pynn.Normal(7)])
def test_lsuv_brings_every_layer_to_variance_1(make: Any, start: Any, x: np.ndarray) -> None:
    model = make()
    deviations = pynn.lsuv(model, x, start=start, tolerance=0.01)
    found = pre_activations(model, x)
    assert list(deviations) == list(found)
    for name, outputs in found.items():
        assert abs(outputs.var() - 1) < 0.011, name
        assert abs(deviations[name] - outputs.std()) < 1e-3, name


@models
@pytest.mark.parametrize("mean", [0, 0.1])
def test_data_dependent_normalizes_every_unit(make: Any, mean: float, x: np.ndarray) -> None:
    model = make()
    deviations = pynn.data_dependent(model, x, mean=mean)
    found = pre_activations(model, x)
    assert list(deviations) == list(found)
    biased = {layer.name for layer in model.walk() if getattr(layer, "bias", None) is not None}
    for name, outputs in found.items():
        np.testing.assert_allclose(outputs.std(axis=0), 1, atol=2e-3, err_msg=name)
        if name in biased:
            np.testing.assert_allclose(outputs.mean(axis=0), mean, atol=2e-3, err_msg=name)


def test_lsuv_starts_from_orthogonal_weights_and_only_scales_them(x: np.ndarray) -> None:
    model = relu(dtype="float64")
    pynn.lsuv(model, x)
    for layer in model.layers[::2]:
        weight = layer.weight if layer.weight.shape[0] >= layer.weight.shape[1] else layer.weight.T
        product = weight.T @ weight
        np.testing.assert_allclose(product / product[0, 0], np.eye(len(product)), atol=1e-12)
        np.testing.assert_array_equal(layer.bias, 0)
    kept = relu(dtype="float64")
    kept.build((12,))
    before = [layer.weight.copy() for layer in kept.layers[::2]]
    pynn.lsuv(kept, x, start=None)
    for layer, weight in zip(kept.layers[::2], before, strict=True):
        ratio = layer.weight / weight
        np.testing.assert_allclose(ratio, ratio[0, 0], rtol=1e-12)


def test_data_dependent_keeps_the_directions_of_the_weights(x: np.ndarray) -> None:
    model = relu(dtype="float64")
    model.build((12,))
    before = model.layers[2].weight.copy()
    pynn.data_dependent(model, x)
    ratio = model.layers[2].weight / before
    np.testing.assert_allclose(ratio, np.broadcast_to(ratio[0], ratio.shape), rtol=1e-9)
    assert np.ptp(ratio[0]) > 0  # a factor a unit


def test_lsuv_is_a_function_of_seed_and_batch(x: np.ndarray) -> None:
    first, again, other = relu(), relu(), relu(seed=1)
    for model in (first, again, other):
        pynn.lsuv(model, x)
    np.testing.assert_array_equal(first.parameters, again.parameters)
    assert (first.layers[0].weight != other.layers[0].weight).any()


@ways
def test_both_backends_come_to_the_same_weights(way: Any, x: np.ndarray, both_backends: tuple[str, ...]) -> None:
    found = []
    for backend in both_backends:
        pynn.use_backend(backend)
        model = MODELS["batch normalization"]()
        way(model, x)
        found.append(model.parameters.copy())
    np.testing.assert_allclose(found[0], found[1], rtol=1e-3, atol=1e-4)


@ways
def test_large_biases_take_more_than_one_scaling(way: Any, x: np.ndarray) -> None:
    biases = pynn.Normal(0.4)
    model = pynn.Sequential(
        pynn.Affine(60, bias_initializer=biases), pynn.ReLU(), pynn.Affine(60, bias_initializer=biases)
    )
    way(model, x, **({"tolerance": 0.01} if way is pynn.lsuv else {}))
    for outputs in pre_activations(model, x).values():
        assert abs(outputs.var() - 1) < 0.011


@ways
def test_images_are_taken_as_they_are(way: Any, rng: np.random.Generator) -> None:
    x = rng.integers(0, 256, (50, 6, 5, 3)).astype(np.uint8)
    model = pynn.Sequential(pynn.Flatten(), *hidden(20, pynn.ReLU), pynn.Affine(4))
    deviations = way(model, x)
    assert model.input_shape == (6, 5, 3)
    assert all(abs(deviation - 1) < 0.06 for deviation in deviations.values())
    for outputs in pre_activations(model, x / 255).values():
        assert abs(outputs.var() - 1) < 0.11


class Pointwise(pynn.Layer):
    """A convolution of 1×1 pixel over images (N, H, W, C), with a bias."""

    def build(self, input_shape: tuple[int, ...]) -> tuple[int, ...]:
        self.add_parameter("weight", (1, 1, input_shape[-1], 6), pynn.Normal(0.1))
        self.add_parameter("bias", (6,), pynn.Constant(0.5), penalized=False)
        return (*input_shape[:-1], 6)

    def forward(self, x: np.ndarray, training: bool) -> np.ndarray:
        self.x = x
        return x @ self.weight[0, 0] + self.bias

    def backward(self, dy: np.ndarray) -> np.ndarray:
        self.dweight[0, 0] = np.einsum("nhwc,nhwk->ck", self.x, dy)
        self.dbias[...] = dy.sum(axis=(0, 1, 2))
        return dy @ self.weight[0, 0].T


@ways
def test_units_of_convolutions_are_measured_over_all_positions(way: Any, rng: np.random.Generator) -> None:
    x = rng.standard_normal((20, 5, 4, 3)) * [1, 2, 3] + 1
    first, second = Pointwise(), Pointwise()
    model = pynn.Sequential(first, pynn.ReLU(), second, pynn.Flatten(), pynn.Affine(4), dtype="float64")
    way(model, x, **({"tolerance": 1e-6} if way is pynn.lsuv else {"balance": False}))
    z = x @ first.weight[0, 0] + first.bias
    for outputs in (z, np.maximum(z, 0) @ second.weight[0, 0] + second.bias):
        if way is pynn.lsuv:
            assert abs(outputs.var() - 1) < 1e-5
        else:
            np.testing.assert_allclose(outputs.mean(axis=(0, 1, 2)), 0, atol=1e-3)
            np.testing.assert_allclose(outputs.std(axis=(0, 1, 2)), 1, atol=1e-3)


@ways
def test_only_weights_and_biases_change(way: Any, x: np.ndarray) -> None:
    norm, counter, dropout = pynn.BatchNorm(), Counter(), pynn.Dropout(0.5)
    model = pynn.Sequential(pynn.Affine(10), norm, pynn.ReLU(), dropout, counter, pynn.Affine(3))
    model.build((12,))
    outputs = model.forward(x).copy()
    counter.calls[...] = 5
    way(model, x)
    assert counter.seen  # running statistics are those of the batch meanwhile
    assert counter.calls == 5
    np.testing.assert_array_equal(norm.running_mean, np.zeros(10))
    np.testing.assert_array_equal(norm.running_var, np.ones(10))
    np.testing.assert_array_equal(norm.gamma, np.ones(10))
    assert model.context.step == 0
    assert not any("forward" in vars(layer) for layer in model.walk())
    assert (model.forward(x) != outputs).any()


@ways
def test_fused_activations_are_fused_again(way: Any, x: np.ndarray) -> None:
    model = relu()
    way(model, x)
    assert [layer.kind for layer in model._active] == ["Affine"] * 4
    expected = pre_activations(model, x)["affine4"]
    np.testing.assert_allclose(model.forward(x), expected, rtol=1e-4, atol=1e-5)
    first = model.layers[0].forward(x.astype(np.float32), False)
    assert (first >= 0).all()
    assert (first == 0).any()


@ways
def test_the_model_trains_and_is_saved_afterwards(way: Any, points: Any, tmp_path: Path) -> None:
    x, y = points
    model = pynn.Sequential(*hidden(20, pynn.ReLU), *hidden(20, pynn.ReLU), pynn.Affine(3))
    way(model, x)
    started = model.parameters.copy()
    model.save(tmp_path / "model.safetensors")
    np.testing.assert_array_equal(pynn.load(tmp_path / "model.safetensors").parameters, started)
    history = model.fit(x, y, optimizer=pynn.Adam(0.01), epochs=20, batch_size=10, progress=False)
    assert history["loss"][-1] < history["loss"][0]


@ways
def test_arrays_that_somebody_put_in_place_are_taken_over(way: Any, x: np.ndarray) -> None:
    model = pynn.Sequential(pynn.Affine(7))
    model.build((12,))
    model.layers[0].weight = np.ones((12, 7)) * np.arange(1, 8)
    way(model, x, **({"start": None} if way is pynn.lsuv else {}))
    assert model.layers[0].weight.base is not None
    assert abs(pre_activations(model, x)["affine1"].var() - 1) < 0.11


@ways
def test_layers_that_are_left_out_stay_as_they_are(way: Any, x: np.ndarray) -> None:
    model = pynn.Sequential(*hidden(30, pynn.ReLU), pynn.Affine(20).named("trained"), Stubborn(), pynn.Affine(3))
    model.build((12,))
    before = model.parameters.copy()
    deviations = way(model, x, leave=["trained", "stubborn1"])
    assert list(deviations) == ["affine1", "affine3"]
    found = pre_activations(pynn.Sequential(model.layers[0]), x)
    assert abs(found["affine1"].var() - 1) < 0.11
    assert abs(model.forward(x).var() - 1) < 0.11
    left = np.zeros(before.shape, bool)
    for layer, parameter, start in model._places:
        if layer.name in ("trained", "stubborn1"):
            left[start : start + math.prod(parameter.shape)] = True
    np.testing.assert_array_equal(model.parameters[left], before[left])
    assert (model.parameters != before).any()
    one = relu()
    assert list(way(one, x, leave="affine2")) == ["affine1", "affine3", "affine4"]


def test_ten_layers_keep_their_variance_with_lsuv_where_small_weights_lose_it(x: np.ndarray) -> None:
    def deep() -> pynn.Sequential:
        return pynn.Sequential(*[part for _ in range(10) for part in hidden(50, pynn.Tanh)])

    small, scaled = deep(), deep()
    assert small.forward(x).std() < 1e-6
    pynn.lsuv(scaled, x)
    assert 0.4 < scaled.forward(x).std() < 0.9


def ratios(model: pynn.Sequential, x: np.ndarray) -> np.ndarray:
    """‖gradient‖/‖weight‖ of each affine layer, for random gradients of the outputs, averaged over 30 draws."""
    generator = np.random.default_rng(5)
    layers = [layer for layer in model.walk() if isinstance(layer, pynn.Affine)]
    squares = np.zeros(len(layers))
    for _ in range(30):
        y = model.forward(x, training=True)
        model.backward(generator.standard_normal(y.shape))
        squares += [np.square(layer.dweight).sum() / np.square(layer.weight).sum() for layer in layers]
    return np.sqrt(squares / 30)


BALANCED: dict[str, Any] = {
    "relu": lambda **settings: pynn.Sequential(
        *hidden(100, pynn.ReLU), *hidden(10, pynn.LeakyReLU), *hidden(60, pynn.ReLU), pynn.Affine(4), **settings
    ),
    "no bias": lambda **settings: pynn.Sequential(
        *hidden(100, pynn.ReLU, use_bias=False), *hidden(20, pynn.ReLU), pynn.Affine(4, use_bias=False), **settings
    ),
    "linear": lambda **settings: pynn.Sequential(pynn.Affine(50), pynn.Affine(5), pynn.Affine(30), **settings),
    "dropout": lambda **settings: pynn.Sequential(
        *hidden(100, pynn.ReLU), pynn.Dropout(0.2), *hidden(20, pynn.ReLU), pynn.Affine(4), **settings
    ),
}


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("case", BALANCED)
def test_balance_gives_all_layers_one_rate_and_keeps_the_outputs(case: str, dtype: str, x: np.ndarray) -> None:
    plain, balanced = BALANCED[case](dtype=dtype), BALANCED[case](dtype=dtype)
    pynn.data_dependent(plain, x, mean=0.1)
    pynn.data_dependent(balanced, x, mean=0.1, balance=True)
    unlike, alike = ratios(plain, x), ratios(balanced, x)
    assert unlike.max() / unlike.min() > 1.7
    assert alike.max() / alike.min() < 1.2
    np.testing.assert_allclose(balanced.forward(x), plain.forward(x), rtol=1e-3, atol=1e-4)


def test_balance_leaves_running_statistics_alone(x: np.ndarray) -> None:
    norm = pynn.BatchNorm()
    model = pynn.Sequential(norm, *hidden(50, pynn.ReLU), pynn.Affine(4))  # before the weights: nothing to disturb
    pynn.data_dependent(model, x, balance=True)
    np.testing.assert_array_equal(norm.running_mean, 0)
    np.testing.assert_array_equal(norm.running_var, 1)


@pytest.mark.parametrize("built", [False, True])
@pytest.mark.parametrize(
    "make",
    [
        lambda: pynn.Sequential(*hidden(50, pynn.Tanh), *hidden(10, pynn.Tanh), pynn.Affine(4)),
        lambda: pynn.Sequential(pynn.Affine(50), pynn.BatchNorm(), pynn.ReLU(), pynn.Affine(4)),
    ],
    ids=["tanh", "batch normalization"],
)
def test_layers_that_do_not_pass_on_a_scaling_are_not_balanced(make: Any, built: bool, x: np.ndarray) -> None:
    model = make()
    if built:
        model.build((12,))
        before = model.parameters.copy()
    with pytest.raises(ValueError, match=r"the model cannot be balanced: its outputs changed.*Leave out balance=True"):
        pynn.data_dependent(model, x, balance=True)
    assert model.built == built
    if built:
        np.testing.assert_array_equal(model.parameters, before)


def test_a_layer_without_a_gradient_is_not_balanced(x: np.ndarray) -> None:
    class Blocked(pynn.Layer):
        def forward(self, x: np.ndarray, training: bool) -> np.ndarray:
            return x

        def backward(self, dy: np.ndarray) -> np.ndarray:
            return 0 * dy

    with pytest.raises(ValueError, match=r"affine1: its weight gets no finite gradient"):
        pynn.data_dependent(pynn.Sequential(pynn.Affine(5), Blocked(), pynn.Affine(4)), x, balance=True)
