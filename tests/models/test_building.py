"""Building a model: shapes, names, building anew, what is refused, copies."""

from __future__ import annotations

import copy
import pickle
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import pynn

Points = tuple[np.ndarray, np.ndarray]
ACTIVATIONS = [pynn.Sigmoid, pynn.Tanh, pynn.ReLU, lambda: pynn.LeakyReLU(0.2), lambda: pynn.ELU(0.5)]
ACTIVATIONS += [pynn.SELU, pynn.Softplus]


def network(**settings: Any) -> pynn.Sequential:
    """A model with a block of every odd size: gaps lie between all of them."""
    return pynn.Sequential(pynn.Affine(7), pynn.BatchNorm(), pynn.ReLU(), pynn.Dropout(0.2), pynn.Affine(3), **settings)


def test_build_infers_every_shape() -> None:
    model = pynn.Sequential(
        pynn.BatchNorm(), pynn.Dropout(0.1), pynn.Flatten(), pynn.Affine(7), pynn.ReLU(), pynn.Affine(3)
    )
    assert model.build((4, 5, 2)) == (3,)
    assert model.input_shape == (4, 5, 2)
    assert model.output_shape == (3,)
    assert [layer.output_shape for layer in model.layers] == [(4, 5, 2), (4, 5, 2), (40,), (7,), (7,), (3,)]
    assert [layer.input_shape for layer in model.layers] == [(4, 5, 2), (4, 5, 2), (4, 5, 2), (40,), (7,), (7,)]


def test_the_first_batch_builds_like_build(points: Points) -> None:
    by_hand, by_batch = network(seed=5), network(seed=5)
    by_hand.build((4,))
    by_batch.forward(points[0])
    assert by_batch.built
    np.testing.assert_array_equal(by_hand.parameters, by_batch.parameters)


def test_building_anew_forgets_the_training(points: Points) -> None:
    fresh, model = network(), network()
    fresh.build((6,))
    optimizer = pynn.Adam()
    model.fit(*points, optimizer=optimizer, epochs=2, batch_size=10, validation=points, progress=False)
    model.build((6,))
    assert (model.epoch, model.context.step, model.optimizer) == (0, 0, None)
    assert model.tensors().keys() == fresh.tensors().keys()
    for name, value in fresh.tensors().items():
        np.testing.assert_array_equal(model.tensors()[name], value)
    x = np.tile(points[0], 2)[:, :6]
    for one in (fresh, model):
        one.fit(x, points[1], epochs=2, batch_size=10, progress=False)
    np.testing.assert_array_equal(model.parameters, fresh.parameters)


@pytest.mark.parametrize(
    ("layers", "input_shape", "message"),
    [
        ([pynn.Affine(3)], (8, 8, 1), r"layer 0 \(Affine\): expected vectors.* \(8, 8, 1\); put Flatten\(\) before"),
        ([pynn.ReLU(), pynn.Affine(3)], (8, 8, 3), r"layer 1 \(Affine\): expected vectors .*put Flatten\(\) before"),
        ([pynn.Affine(3)], (), r"layer 0 \(Affine\): expected vectors"),
        ([pynn.BatchNorm()], (), r"layer 0 \(BatchNorm\): expected inputs with features.*\(N, 1\)"),
        ([pynn.Affine(3)], (0,), r"input_shape is \(0,\), expected sizes of at least 1"),
        ([pynn.Affine(3)], 4, r"input_shape is 4, expected a tuple of integers"),
        ([pynn.Affine(3)], "4", r"input_shape is '4', expected a tuple of integers"),
        ([pynn.Affine(3)], (4.0,), r"input_shape is \(4\.0,\), expected a tuple of integers"),
        ([pynn.Affine(3)], None, r"input_shape is None, expected a tuple of integers"),
        ([pynn.Flatten()], (3, -1), r"input_shape is \(3, -1\), expected sizes of at least 1"),
    ],
)  # fmt: skip
def test_shapes_that_a_layer_cannot_take_are_refused_with_its_place(
    layers: list[pynn.Layer], input_shape: Any, message: str
) -> None:
    model = pynn.Sequential(*layers)
    with pytest.raises((TypeError, ValueError), match=message):
        model.build(input_shape)
    assert not model.built


def _fails_on_images() -> pynn.Sequential:
    return pynn.Sequential(pynn.BatchNorm(), pynn.Affine(3))


def _fails_by_name() -> pynn.Sequential:
    return pynn.Sequential(pynn.Affine(3).named("a"), pynn.Affine(3).named("a"))


def _fails_at_drawing() -> pynn.Sequential:
    class Failing(pynn.initializers.Initializer):
        def draw(self, shape: tuple[int, ...], rng: np.random.Generator) -> np.ndarray:
            raise ValueError("nothing to draw")

    return pynn.Sequential(pynn.Affine(3, initializer=Failing()))


def _draws_another_shape() -> pynn.Sequential:
    class Wide(pynn.initializers.Initializer):
        def draw(self, shape: tuple[int, ...], rng: np.random.Generator) -> np.ndarray:
            return np.zeros((*shape, 2))

    return pynn.Sequential(pynn.Affine(3, initializer=Wide()))


@pytest.mark.parametrize("make", [_fails_on_images, _fails_by_name, _fails_at_drawing, _draws_another_shape])
def test_a_failed_build_leaves_the_model_unbuilt(make: Callable[[], pynn.Sequential]) -> None:
    model = make()
    with pytest.raises(ValueError, match=r"."):
        model.build((4, 4, 1) if make is _fails_on_images else (4,))
    assert not model.built
    with pytest.raises(RuntimeError, match="not built yet"):
        _ = model.parameters
    if make is _fails_on_images:
        assert model.build((4,)) == (3,)


def test_another_input_shape_after_building_is_refused() -> None:
    model = network()
    model.build((5,))
    for call in (model.forward, model.predict, model.predict_proba):
        with pytest.raises(ValueError, match=r"x has shape \(2, 4\), expected \(N, 5\)"):
            call(np.zeros((2, 4), np.float32))
    images = pynn.Sequential(pynn.Flatten(), pynn.Affine(2))
    images.build((4, 4, 1))
    with pytest.raises(ValueError, match=r"x has shape \(16,\), expected \(N, 4, 4, 1\)"):
        images.predict(np.zeros(16))


@pytest.mark.parametrize(
    ("layers", "message"),
    [
        ([pynn.Affine(3), pynn.ReLU], r"layer 1 is <class .*expected a pynn Layer; write ReLU\(\)"),
        ([pynn.Affine], r"layer 0 is <class .*; write Affine\(\)"),
        ([10, pynn.ReLU()], r"layer 0 is 10, expected a pynn Layer"),
        (["relu"], r"layer 0 is 'relu', expected a pynn Layer"),
        ([[pynn.Affine(3)]], r"takes the layers one by one; write Sequential\(\*layers\)"),
        ([None], r"layer 0 is None, expected a pynn Layer"),
    ],
)
def test_other_objects_are_refused_as_layers_with_a_hint(layers: list[Any], message: str) -> None:
    with pytest.raises(TypeError, match=message):
        pynn.Sequential(*layers)


def test_the_same_layer_twice_is_refused() -> None:
    layer = pynn.Affine(3)
    with pytest.raises(ValueError, match="the same layer occurs twice in one model"):
        pynn.Sequential(layer, pynn.ReLU(), layer)


def test_the_same_layer_twice_is_refused_inside_another_sequential() -> None:
    layer = pynn.Affine(3)
    with pytest.raises(ValueError, match="the same layer occurs twice in one model"):
        pynn.Sequential(layer, pynn.Sequential(pynn.ReLU(), layer)).build((3,))


def test_a_layer_of_a_built_model_cannot_be_built_into_another() -> None:
    """Its weights are views of one flat vector: two models would each believe that they own them."""
    layer = pynn.Affine(3)
    first, second = pynn.Sequential(layer), pynn.Sequential(layer, pynn.ReLU())
    first.build((4,))
    with pytest.raises(ValueError, match=r"layer 0 \(Affine\).*another model"):
        second.build((4,))
    assert np.shares_memory(layer.weight, first.parameters)
    assert not second.built


def test_two_layers_of_one_name_are_refused() -> None:
    model = pynn.Sequential(pynn.Affine(3).named("a"), pynn.Affine(2).named("a"))
    with pytest.raises(ValueError, match=r"two layers are named 'a'.*named\('\.\.\.'\)"):
        model.build((4,))


def test_layers_get_names_by_kind_and_number_and_keep_their_own() -> None:
    model = pynn.Sequential(pynn.Affine(3), pynn.ReLU(), pynn.Affine(3).named("middle"), pynn.ReLU(), pynn.Affine(2))
    model.build((4,))
    assert [layer.name for layer in model.layers] == ["affine1", "relu1", "middle", "relu2", "affine3"]


def test_an_empty_model_passes_its_input_on() -> None:
    model = pynn.Sequential()
    x = np.ones((2, 3), np.float32)
    np.testing.assert_array_equal(model.forward(x, training=True), x)
    np.testing.assert_array_equal(model.backward(2 * x, input_gradient=True), 2 * x)
    assert model.parameter_count == 0
    assert model.parameters.size == 0


@pytest.mark.parametrize("built", [False, True])
def test_backward_before_forward_is_a_clear_error(built: bool) -> None:
    model = network()
    if built:
        model.build((4,))
    with pytest.raises(RuntimeError, match=r"backward.* must follow forward"):
        model.backward(np.zeros((2, 3), np.float32))


def test_backward_after_building_anew_is_a_clear_error() -> None:
    model = network()
    model.forward(np.ones((2, 4), np.float32), training=True)
    model.build((4,))
    with pytest.raises(RuntimeError, match=r"backward.* must follow forward"):
        model.backward(np.zeros((2, 3), np.float32))


def test_a_copied_model_works_and_leaves_the_first_one_alone(points: Points) -> None:
    """copy.deepcopy is how people keep the best model: it works, or says that it does not."""
    model = network()
    model.fit(*points, epochs=2, batch_size=10, progress=False)
    kept = {name: value.copy() for name, value in model.tensors().items()}
    try:
        other = copy.deepcopy(model)
    except TypeError as error:
        assert "save" in str(error)  # noqa: PT017 (either is right)
        return
    other.fit(*points, epochs=2, batch_size=10, progress=False)
    for name, value in model.tensors().items():
        np.testing.assert_array_equal(value, kept[name])
    model.fit(*points, epochs=2, batch_size=10, progress=False)
    for name, value in model.tensors().items():
        np.testing.assert_array_equal(other.tensors()[name], value)


def test_a_pickled_model_works_or_says_that_it_does_not(points: Points) -> None:
    """Process pools pickle what they are given: no model may come out whose weights are not its parameters."""
    model = network()
    model.fit(*points, epochs=2, batch_size=10, progress=False)
    try:
        other = pickle.loads(pickle.dumps(model))
    except TypeError as error:
        assert "save" in str(error)  # noqa: PT017 (either is right)
        return
    for one in (model, other):
        one.fit(*points, epochs=2, batch_size=10, progress=False)
    for name, value in model.tensors().items():
        np.testing.assert_array_equal(other.tensors()[name], value)
    np.testing.assert_array_equal(other.parameters, model.parameters)
