"""`layer.weight = W` and its like copy into place: what is set is what trains, is measured and is saved."""

from __future__ import annotations

import copy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import pynn
from pynn.layers.base import Layer

Points = tuple[np.ndarray, np.ndarray]


class Scale(pynn.Layer):
    """An own layer with a parameter and a state."""

    def build(self, input_shape: tuple[int, ...]) -> tuple[int, ...]:
        self.add_parameter("factor", input_shape, pynn.Constant(1))
        self.add_state("count", 0.0)
        return input_shape

    def forward(self, x: np.ndarray, training: bool) -> np.ndarray:
        self.count = self.count + 1
        self.x = x
        return self.factor * x

    def backward(self, dy: np.ndarray) -> np.ndarray:
        self.dfactor = (dy * self.x).sum(axis=0)
        return dy * self.factor


CHAINS: dict[str, Callable[[], list[Layer]]] = {
    "affine": lambda: [pynn.Affine(3)],
    "normalized": lambda: [pynn.Affine(5), pynn.BatchNorm(), pynn.ReLU(), pynn.Affine(3), pynn.LayerNorm()],
    "maxout": lambda: [pynn.Maxout(5), pynn.PReLU(per_feature=True), pynn.Affine(3)],
    "own": lambda: [Scale(), pynn.Affine(3)],
    "block": lambda: [pynn.Residual(pynn.Affine(4), pynn.Tanh(), shortcut=pynn.Affine(4)), pynn.DropConnect(3, 0.2)],
    "tree": lambda: [pynn.Affine(6), pynn.HierarchicalSoftmax(3)],
    "chain": lambda: [pynn.Affine(2 * 3), pynn.Transitions(3)],
}


def _loss(name: str, model: pynn.Sequential) -> tuple[pynn.Loss, np.ndarray]:
    if name == "chain":
        return pynn.StructuredHinge(pynn.ViterbiChain()), np.zeros((30, 2), np.int64)
    return (model.own_loss() or pynn.SoftmaxCrossEntropy()), np.arange(30) % 3


@pytest.mark.parametrize("name", CHAINS)
def test_every_array_that_is_set_trains_as_if_it_were_written_into(name: str, points: Points, backend: str) -> None:
    results = []
    for assigned in (True, False):
        model = pynn.Sequential(*CHAINS[name](), seed=1)
        model.build((4,))
        loss, y = _loss(name, model)
        loss = model.own_loss() or loss
        vector, gradients, optimizer = model.parameters, model.gradients, pynn.Momentum(0.05)
        optimizer.step(model)  # it has claimed the vector
        for number, layer in enumerate(model.walk()):
            for word, array in layer._arrays().items():
                values = np.random.default_rng(number).uniform(0.5, 1.5, array.shape)  # float64
                if assigned:
                    setattr(layer, word, values)
                    assert getattr(layer, word) is array
                else:
                    array[...] = values
        before = model.parameters.copy()
        for _ in range(3):
            model.train_step(points[0], y, loss, optimizer)
        assert model.parameters is vector
        assert model.gradients is gradients
        assert np.abs(model.parameters - before).max() > 1e-4
        results.append([model.parameters.copy(), model.gradients.copy(), *map(np.copy, model.tensors().values())])
    for one, other in zip(*results, strict=True):
        np.testing.assert_array_equal(one, other)


def test_the_example_of_an_own_loop(points: Points, backend: str) -> None:
    x, y = points
    model = pynn.Sequential(pynn.Affine(3))
    model.build((4,))
    affine: Any = model.layers[0]
    weights = np.random.default_rng(0).normal(size=(4, 3))
    affine.weight = weights
    loss, optimizer = pynn.SoftmaxCrossEntropy(), pynn.SGD(0.5)
    for _ in range(3):
        loss.forward(model.forward(x, training=True), y)
        model.backward(loss.backward())
        optimizer.step(model)
    assert np.abs(affine.weight - weights).max() > 0.01
    np.testing.assert_array_equal(model.tensors()["affine1.weight"], affine.weight)
    np.testing.assert_allclose(model.forward(x), x @ affine.weight + affine.bias, rtol=1e-5)


def test_augmented_assignments_change_the_array_itself() -> None:
    model = pynn.Sequential(pynn.Affine(3), pynn.BatchNorm())
    model.build((4,))
    affine, norm = model.layers
    held, before = affine.weight, affine.weight.copy()
    affine.weight *= 2
    affine.weight -= 0.5 * affine.dweight
    norm.running_mean += 3
    affine.dweight += 1
    assert affine.weight is held
    np.testing.assert_array_equal(held, 2 * before)
    np.testing.assert_array_equal(norm.running_mean, 3)
    assert model.gradients.sum() == 12
    model.parameters *= 0
    model.gradients *= 0
    assert not affine.weight.any()
    assert not affine.dweight.any()


REFUSED: dict[str, tuple[Any, type[Exception], str]] = {
    "turned": (np.ones((3, 4)), ValueError, r"weight is set to shape \(3, 4\), expected \(4, 3\); .*its \.T"),
    "a row": (np.ones(3), ValueError, r"shape \(3,\), expected \(4, 3\)$"),
    "more axes": (np.ones((1, 4, 3)), ValueError, r"shape \(1, 4, 3\), expected \(4, 3\)$"),
    "none": (None, TypeError, r"set to None, expected numbers of shape \(4, 3\)"),
    "text": ("he", TypeError, "set to 'he', expected numbers"),
    "complex": (np.ones((4, 3), complex), TypeError, "dtype complex128, expected numbers"),
    "objects": (np.ones((4, 3), object), TypeError, "dtype object, expected numbers"),
    "masked": (np.ma.masked_less(np.ones((4, 3)), 0), TypeError, "masked array"),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_arrays_that_do_not_fit_are_refused_at_the_assignment(name: str) -> None:
    value, error, message = REFUSED[name]
    model = pynn.Sequential(pynn.Affine(3))
    model.build((4,))
    before = model.parameters.copy()
    with pytest.raises(error, match=message):
        model.layers[0].weight = value
    with pytest.raises(error, match=message):
        model.tensors()["affine1.weight"] = value
    np.testing.assert_array_equal(model.parameters, before)


def test_a_single_number_fills_any_array_except_a_gradient() -> None:
    model = pynn.Sequential(pynn.Affine(3), pynn.BatchNorm())
    model.build((4,))
    affine, norm = model.layers
    affine.bias, norm.running_var = 2, 0.5
    np.testing.assert_array_equal(affine.bias, [2, 2, 2])
    np.testing.assert_array_equal(norm.running_var, 0.5)
    with pytest.raises(ValueError, match=r"affine1\.dweight is set to shape \(\), expected \(4, 3\)$"):
        affine.dweight = 1.0  # a sum over too many axes
    model.gradients = 0
    assert not model.gradients.any()


def test_the_flat_vectors_are_set_whole_and_their_gaps_stay_0(points: Points) -> None:
    model, other = (pynn.Sequential(pynn.Affine(5), pynn.Affine(3), seed=seed) for seed in (0, 1))
    model.build((4,))
    other.build((4,))
    model.parameters = other.parameters
    np.testing.assert_array_equal(model.predict_proba(points[0]), other.predict_proba(points[0]))
    for name in ("parameters", "gradients"):
        setattr(model, name, np.ones(model.parameters.size))
        assert getattr(model, name).sum() == model.parameter_count < model.parameters.size
        for wrong in (np.ones(3), np.ones((1, model.parameters.size)), other.parameters[:-1]):
            with pytest.raises(
                ValueError, match=rf"model\.{name} is set to shape .*, expected \({model.parameters.size},\)"
            ):
                setattr(model, name, wrong)
    with pytest.raises(RuntimeError, match="not built yet"):
        pynn.Sequential(pynn.Affine(3)).gradients = 0


def test_a_tensor_is_set_by_name() -> None:
    model = pynn.Sequential(pynn.Affine(3), pynn.BatchNorm())
    model.build((4,))
    tensors = model.tensors()
    tensors["batchnorm1.running_mean"] = [1, 2, 3]
    np.testing.assert_array_equal(model.layers[1].running_mean, [1, 2, 3])
    tensors["affine1.weight"] *= 0
    assert not model.layers[0].weight.any()
    with pytest.raises(KeyError, match=r"no tensor 'affine1\.kernel', expected one of affine1\.weight, aff"):
        tensors["affine1.kernel"] = 0
    kept = dict(tensors)
    kept["more"] = np.ones(1)  # a dict of one's own
    with pytest.raises(TypeError, match="does not support item assignment"):
        model.layers[1].state["running_mean"] = np.ones(3)  # type: ignore[index]


def test_weights_before_the_layer_is_built_are_refused() -> None:
    """Whether or not another layer of the class was built before."""

    class Own(Scale):
        pass

    for _ in range(2):
        model = pynn.Sequential(Own())
        model.layers[0].factor = np.ones(4)  # type: ignore[attr-defined]
        with pytest.raises(ValueError, match=r"factor was set before the layer was built.*model\.build\(input_shape\)"):
            model.build((4,))
        fresh = Own()
        fresh.factor = None  # a placeholder, as many constructors have
        pynn.Sequential(fresh).build((4,))
        np.testing.assert_array_equal(fresh.factor, 1)


def test_a_layer_without_the_parameter_keeps_the_default_of_its_class() -> None:
    before = pynn.Affine(3, use_bias=False)
    with_bias, after = pynn.Affine(3), pynn.Affine(3, use_bias=False)
    model = pynn.Sequential(before, with_bias, after)
    assert before.bias is None
    model.build((4,))
    assert before.bias is None
    assert after.bias is None
    assert pynn.Affine(3).bias is None
    assert with_bias.bias is not None
    assert not hasattr(pynn.Affine(3), "weight")
    model.unbuild()
    assert with_bias.bias is None


def test_a_name_may_be_a_parameter_in_one_layer_and_a_number_in_another(points: Points) -> None:
    class Maybe(Scale):
        def __init__(self, trained: bool) -> None:
            self.trained = trained

        def build(self, input_shape: tuple[int, ...]) -> tuple[int, ...]:
            if self.trained:
                return super().build(input_shape)
            self.factor, self.count = 2.0, 0
            return input_shape

        def backward(self, dy: np.ndarray) -> np.ndarray:
            return super().backward(dy) if self.trained else dy * self.factor

    model = pynn.Sequential(Maybe(True), Maybe(False), Maybe(True), pynn.Affine(3))
    model.fit(*points, epochs=1, progress=False)
    assert model.layers[1].factor == 2.0
    assert model.layers[0].factor.shape == (4,)


@pytest.mark.parametrize("first", [True, False])
@pytest.mark.parametrize("default", [{}, {"factor": None}])
def test_a_number_that_was_set_before_another_layer_has_the_parameter_stays(
    first: bool, default: dict[str, Any], points: Points
) -> None:
    """In a class whose parameter no layer had before: Python would look for it in the class first."""

    def build(self: Any, input_shape: tuple[int, ...]) -> tuple[int, ...]:
        if self.trained:
            self.add_parameter("factor", input_shape, pynn.Constant(3))
        else:
            self.factor = 2.0
        return input_shape

    def made(trained: bool) -> Any:
        layer = kind()
        layer.trained = trained
        return layer

    methods = {"forward": lambda self, x, training: self.factor * x, "backward": lambda self, dy: dy}
    kind = type("Factor", (pynn.Layer,), {"build": build, **methods, **default})
    one, other = made(first), made(not first)
    model = pynn.Sequential(one, other)
    np.testing.assert_array_equal(model.forward(points[0]), 6 * points[0])
    number = other if first else one
    assert number.factor == 2.0
    number.factor = 4.0
    np.testing.assert_array_equal(model.forward(points[0]), 12 * points[0])
    if default:
        assert kind().factor is None
    state = number.__getstate__()
    assert state["factor"] == 4.0
    assert not any(name.startswith("_value_of_") for name in state)
    assert copy.deepcopy(number).factor == 4.0


@pytest.mark.parametrize("kind", ["method", "property"])
def test_a_parameter_does_not_take_the_place_of_a_method(kind: str) -> None:
    class Method(pynn.Layer):
        def build(self, input_shape: tuple[int, ...]) -> tuple[int, ...]:
            self.add_parameter("scale", input_shape)
            return input_shape

    Method.scale = property(lambda self: 1) if kind == "property" else lambda self: 1  # type: ignore[attr-defined]
    with pytest.raises(ValueError, match="cannot be named 'scale'"):
        pynn.Sequential(Method()).build((4,))


def test_assigned_values_are_saved(points: Points, tmp_path: Path, backend: str) -> None:
    model = pynn.Sequential(pynn.Affine(3), pynn.BatchNorm())
    model.fit(*points, epochs=1, progress=False)
    model.layers[0].weight = np.eye(4, 3)
    model.layers[1].running_mean = [1, 2, 3]
    model.save(tmp_path / "model.safetensors")
    again = pynn.load(tmp_path / "model.safetensors")
    np.testing.assert_array_equal(again.layers[0].weight, np.eye(4, 3))
    np.testing.assert_array_equal(again.layers[1].running_mean, [1, 2, 3])
    np.testing.assert_array_equal(again.predict_proba(points[0]), model.predict_proba(points[0]))


def test_an_own_state_is_the_models(points: Points) -> None:
    model = pynn.Sequential(Scale(), pynn.Affine(3))
    model.fit(*points, epochs=3, batch_size=10, progress=False)
    assert model.tensors()["scale1.count"] == 9
    assert model.tensors()["scale1.count"].dtype == np.float32


def test_the_slope_of_a_prelu_goes_by_alpha_too() -> None:
    model = pynn.Sequential(pynn.PReLU())
    model.build((4,))
    layer: Any = model.layers[0]
    layer.alpha = 0.5
    np.testing.assert_array_equal(model.parameters[:1], 0.5)
    assert layer.alpha is layer.slope


@pytest.mark.parametrize(
    ("layer", "name", "value", "message"),
    [
        (pynn.Affine(3), "units", 0, "Affine: units is 0, expected an integer of at least 1"),
        (pynn.Dropout(0.5), "form", "Vanilla", "Dropout: form is 'Vanilla', expected one of inverted, vanilla"),
        (pynn.Dropout(0.5), "rate", 1, r"Dropout: rate is 1, expected 0 <= rate < 1"),
        (pynn.Conv2d(3), "kernel", [3, 0], r"Conv2d: kernel is \[3, 0\], expected an integer of at least 1"),
        (pynn.Conv1d(3), "padding", "casual", "Conv1d: padding is 'casual', expected"),
        (pynn.BatchNorm(), "momentum", 2, "BatchNorm: momentum is 2, expected"),
        (pynn.Parallel(None, pynn.ReLU()), "columns", [3, None], "Parallel: columns.*3, expected a slice"),
    ],
)
def test_settings_that_were_set_since_are_checked_when_it_is_built(
    layer: Any, name: str, value: Any, message: str
) -> None:
    setattr(layer, name, value)
    with pytest.raises((ValueError, TypeError), match=message):
        pynn.Sequential(layer).build((4,))
    with pytest.raises((ValueError, TypeError), match=message):
        layer.build((4,))
