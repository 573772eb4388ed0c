"""A layer without a model, and layers that hold layers."""

from __future__ import annotations

import copy
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from gradients import differences, relative_error

import pynn
from pynn.layers.base import Layer

Points = tuple[np.ndarray, np.ndarray]
Shape = tuple[int, ...]

ALONE: dict[str, tuple[Callable[[], Any], Shape]] = {
    "affine": (lambda: pynn.Affine(3), (5,)),
    "maxout": (lambda: pynn.Maxout(3), (5,)),
    "dropconnect": (lambda: pynn.DropConnect(3, 0.0), (5,)),
    "prelu": (lambda: pynn.PReLU(per_feature=True), (5,)),
    "pselu": (pynn.PSELU, (5,)),
    "pmish": (pynn.PMish, (2, 5)),
    "scale": (pynn.Scale, (5,)),
    "relu": (pynn.ReLU, (5,)),
    "batchnorm": (pynn.BatchNorm, (5,)),
    "layernorm": (pynn.LayerNorm, (5,)),
    "groupnorm": (lambda: pynn.GroupNorm(2), (3, 3, 4)),
    "conv2d": (lambda: pynn.Conv2d(3), (4, 5, 2)),
    "maxpool": (lambda: pynn.MaxPool2d(2), (4, 4, 2)),
    "fractional": (lambda: pynn.FractionalMaxPool2d(1.5), (5, 5, 2)),
    "global": (pynn.GlobalAvgPool2d, (4, 4, 2)),
    "flatten": (pynn.Flatten, (4, 4, 2)),
    "conv1d": (lambda: pynn.Conv1d(3), (6, 2)),
    "pool1d": (lambda: pynn.MaxPool1d(2), (6, 2)),
    "upsample": (lambda: pynn.Upsample(2), (2, 3, 2)),
    "reshape": (lambda: pynn.Reshape(2, 3), (6,)),
    "dropout": (lambda: pynn.Dropout(0.3), (5,)),
    "softmax": (pynn.Softmax, (5,)),
    "transitions": (lambda: pynn.Transitions(3), (6,)),
    "residual": (lambda: pynn.Residual(pynn.Affine(4), pynn.Tanh(), pynn.Affine(5), pynn.Sigmoid()), (5,)),
    "parallel": (lambda: pynn.Parallel(pynn.Affine(3), pynn.Tanh(), columns=[[2, 0], slice(1, 5)]), (5,)),
    "periodic": (lambda: pynn.PeriodicEmbedding(3), (5,)),
    "projected": (lambda: pynn.Residual(pynn.Affine(4), pynn.Tanh(), shortcut="auto"), (5,)),
}


@pytest.mark.parametrize("name", ALONE)
def test_a_layer_alone_is_built_run_and_checked(name: str, backend: str, rng: np.random.Generator) -> None:
    make, shape = ALONE[name]
    layer = make()
    for inner in layer.walk():
        inner.context.dtype = np.dtype(np.float64)
    out_shape = layer.build(shape)
    assert layer.input_shape == shape
    assert layer.output_shape == out_shape
    x = rng.normal(size=(4, *shape))
    r = rng.normal(size=(4, *out_shape))

    def loss() -> float:
        return float((layer.forward(x, True) * r).sum())

    loss()
    dx = layer.backward(r).copy()
    found = [(getattr(inner, one.name), getattr(inner, f"d{one.name}").copy())
             for inner in layer.walk() for one in inner.declared]  # fmt: skip
    assert relative_error(dx, differences(loss, x)) < 1e-6
    for values, gradient in found:
        assert np.abs(gradient).max() > 0
        assert relative_error(gradient, differences(loss, values)) < 1e-6


def test_a_layer_alone_runs_forward_and_backward(backend: str) -> None:
    layer = pynn.Affine(3)
    assert layer.build((5,)) == (3,)
    assert layer.weight.shape == (5, 3)
    assert layer.weight.dtype == np.float32
    assert 0.1 < layer.weight.std() < 1
    x = np.ones((2, 5), np.float32)
    np.testing.assert_allclose(layer.forward(x, False), x @ layer.weight + layer.bias, rtol=1e-5)
    layer.weight = np.eye(5, 3)
    layer.forward(x, True)
    layer.backward(np.ones((2, 3), np.float32))
    np.testing.assert_allclose(layer.dweight, 2)
    np.testing.assert_allclose(layer.dbias, 2)
    assert repr(layer) == "Affine(units=3)"
    again = layer.weight
    assert layer.build((4,)) == (3,)  # anew
    assert layer.weight.shape == (4, 3)
    assert again.shape == (5, 3)


@pytest.mark.parametrize(
    ("shape", "error", "message"),
    [
        (5, TypeError, "input_shape is 5, expected a tuple of integers"),
        ((2.5,), TypeError, r"input_shape is \(2\.5,\), expected a tuple of integers"),
        ((0,), ValueError, r"input_shape is \(0,\), expected sizes of at least 1"),
        ((2, 2, 2), ValueError, r"expected vectors"),
    ],
)
def test_a_shape_that_is_none_is_refused_and_the_layer_can_be_built_after(
    shape: Any, error: type[Exception], message: str
) -> None:
    layer = pynn.Affine(3)
    with pytest.raises(error, match=message):
        layer.build(shape)
    assert layer.build((5,)) == (3,)


def test_a_model_takes_over_what_was_built_alone(points: Points, backend: str) -> None:
    layer, norm = pynn.Affine(5), pynn.BatchNorm()
    layer.build((4,))
    layer.weight = np.arange(20.0).reshape(4, 5)
    norm.build((5,))
    norm.running_mean = 7
    model = pynn.Sequential(layer, norm, pynn.Affine(3), seed=3)
    with pytest.raises(ValueError, match=r"labels|classes"):
        model.fit(points[0], np.arange(30) % 9, progress=False)  # fails, and is not built
    assert not model.built
    model.build((4,))
    np.testing.assert_array_equal(layer.weight, np.arange(20.0).reshape(4, 5))
    np.testing.assert_array_equal(norm.running_mean, 7)
    assert np.shares_memory(layer.weight, model.parameters)
    before = layer.weight.copy()
    model.fit(*points, epochs=1, progress=False)
    assert not np.array_equal(layer.weight, before)
    reference = pynn.Sequential(pynn.Affine(5), pynn.BatchNorm(), pynn.Affine(3), seed=3)
    model.unbuild()
    model.build((4,))
    reference.build((4,))
    np.testing.assert_array_equal(model.layers[2].weight, reference.layers[2].weight)  # drawn by the model's seed


def test_a_layer_of_a_model_is_built_by_the_model(points: Points) -> None:
    model = pynn.Sequential(pynn.Affine(3))
    model.fit(*points, epochs=1, progress=False)
    before = model.predict_proba(points[0])
    with pytest.raises(ValueError, match=r"affine1 is part of a model that is built; model\.build\(input_shape\)"):
        model.layers[0].build((7,))
    np.testing.assert_array_equal(model.predict_proba(points[0]), before)


def test_two_models_cannot_share_a_layer(points: Points) -> None:
    layer = pynn.Affine(3)
    first = pynn.Sequential(layer)
    first.build((4,))
    with pytest.raises(ValueError, match=r"\(Affine\) belongs to another model that is built; .*deepcopy"):
        pynn.Sequential(layer).build((4,))
    del first  # nobody knows whether its weights are still wanted
    with pytest.raises(ValueError, match="belongs to another model that is built"):
        pynn.Sequential(layer).build((4,))


# Layers that hold layers --------------------------------------------------------------------------


class Gate(pynn.Layer):
    """y = tanh(a(x)) · sigmoid(b(x)), its layers in attributes."""

    def __init__(self, units: int) -> None:
        self.units = units
        self.value = pynn.Affine(units)
        self.gate = [pynn.Affine(units), pynn.Sigmoid()]
        self.tanh = pynn.Tanh()

    def build(self, input_shape: Shape) -> Shape:
        shape = self.value.build(input_shape)
        self.gate[0].build(input_shape)
        return shape

    def forward(self, x: np.ndarray, training: bool) -> np.ndarray:
        self.a = self.tanh.forward(self.value.forward(x, training), training)
        self.b = self.gate[1].forward(self.gate[0].forward(x, training), training)
        return self.a * self.b

    def backward(self, dy: np.ndarray) -> np.ndarray:
        left: Any = self.value.backward(self.tanh.backward(dy * self.b))  # type: ignore[arg-type]
        right: Any = self.gate[0].backward(self.gate[1].backward(dy * self.a))  # type: ignore[arg-type]
        return left + right


class Adds(pynn.Layer):
    """Its gradient is added to, as many write it."""

    def build(self, input_shape: Shape) -> Shape:
        self.add_parameter("shift", input_shape)
        return input_shape

    def forward(self, x: np.ndarray, training: bool) -> np.ndarray:
        return x + self.shift

    def backward(self, dy: np.ndarray) -> np.ndarray:
        self.dshift += dy.sum(axis=0)
        return dy


class Deep(pynn.Layer):
    """Own layers, a chain and a dict of layers inside."""

    def __init__(self, units: int = 4, inner: Layer | None = None) -> None:
        self.units = units
        self.inner = pynn.BatchNorm() if inner is None else inner
        self.parts = {"gate": Gate(units), "adds": Adds()}
        self.chain = pynn.Sequential(pynn.Affine(units), pynn.ReLU(), pynn.Residual(pynn.Affine(units), pynn.Tanh()))

    def build(self, input_shape: Shape) -> Shape:
        shape = input_shape
        for layer in self.order():
            shape = layer.build(shape)
        return shape

    def order(self) -> list[Layer]:
        return [self.parts["gate"], self.inner, self.parts["adds"], self.chain]

    def forward(self, x: np.ndarray, training: bool) -> np.ndarray:
        for layer in self.order():
            x = layer.forward(x, training)
        return x

    def backward(self, dy: Any) -> Any:
        for layer in reversed(self.order()):
            dy = layer.backward(dy)
        return dy


class Net(pynn.Sequential):
    """A model of one's own, with one more layer beside its chain."""

    def __init__(self, units: int) -> None:
        super().__init__(pynn.Affine(units), pynn.ReLU(), Deep(units))
        self.units = units


def holder(**settings: Any) -> pynn.Sequential:
    return pynn.Sequential(Gate(6), Deep(5), pynn.Dropout(0.1), pynn.Affine(3), **settings)


NAMES = [
    "affine1.weight", "affine1.bias", "affine2.weight", "affine2.bias",
    "batchnorm1.gamma", "batchnorm1.beta", "batchnorm1.running_mean", "batchnorm1.running_var",
    "affine3.weight", "affine3.bias", "affine4.weight", "affine4.bias", "adds1.shift",
    "affine5.weight", "affine5.bias", "affine6.weight", "affine6.bias", "affine7.weight", "affine7.bias",
]  # fmt: skip


def test_the_gradients_of_layers_inside_are_right(backend: str, rng: np.random.Generator) -> None:
    model = holder(dtype="float64", seed=2)
    x, y, loss = rng.normal(size=(7, 4)), np.arange(7) % 3, pynn.SoftmaxCrossEntropy()
    model.build((4,))
    assert sorted(model.tensors()) == sorted(NAMES)
    assert model.parameter_count == sum(model.tensors()[name].size for name in NAMES if "running" not in name)
    with model.same_masks():
        for _ in range(2):  # gradients that are added to start from 0 every time
            loss.forward(model.forward(x, training=True), y)
            dx = model.backward(loss.backward(), input_gradient=True)
        gradients = model.gradients.copy()
        assert dx is not None
        dx = dx.copy()

        def value() -> float:
            return loss.forward(model.forward(x, training=True), y)

        for layer in model.walk():
            for parameter in layer.declared:
                held = getattr(layer, parameter.name)
                start = (held.ctypes.data - model.parameters.ctypes.data) // held.itemsize
                found = gradients[start : start + held.size].reshape(held.shape)
                assert relative_error(found, differences(value, held)) < 1e-6, f"{layer.name}.{parameter.name}"
        assert relative_error(dx, differences(value, x)) < 1e-6


def test_layers_inside_a_custom_layer_are_fitted_saved_loaded_and_copied(
    points: Points, tmp_path: Path, backend: str
) -> None:
    model = holder(seed=4)
    history = model.fit(*points, epochs=40, progress=False, optimizer=pynn.Adam(0.02))
    assert history["loss"][-1] < 0.5 * history["loss"][0]
    model.layer("batchnorm1").freeze()
    model.layers[1].parts["gate"].value.named("inside")  # type: ignore[attr-defined]
    model.layer("inside").learning_rate_factor = 0.5
    model.layer("affine5").penalty = pynn.L2(0.1)
    model.save(tmp_path / "model.safetensors")
    loaded = pynn.load(tmp_path / "model.safetensors", own=[Gate, Deep, Adds])
    assert loaded.layer("batchnorm1").frozen
    assert loaded.layer("inside").learning_rate_factor == 0.5
    assert repr(loaded.layer("affine5").penalty) == repr(model.layer("affine5").penalty)
    assert list(loaded.tensors()) == list(model.tensors())
    model.optimizer = None
    for other in (loaded, copy.deepcopy(model), copy.copy(model), pickle.loads(pickle.dumps(model))):
        np.testing.assert_array_equal(other.predict_proba(points[0]), model.predict_proba(points[0]))
        twin = copy.deepcopy(model)
        for one in (other, twin):
            one.fit(*points, epochs=2, progress=False)
        np.testing.assert_array_equal(other.parameters, twin.parameters)
    assert "Gate(units=6)" in model.summary()
    assert "Affine(units=6)" in model.summary()


def test_layers_inside_are_frozen(points: Points) -> None:
    model = holder()
    model.fit(*points, epochs=1, progress=False)
    model.layers[0].freeze()
    model.layer("batchnorm1").freeze()
    before = {name: array.copy() for name, array in model.tensors().items()}
    model.fit(*points, epochs=2, progress=False, optimizer=pynn.SGD(0.1))
    same = {name for name, array in model.tensors().items() if np.array_equal(array, before[name])}
    assert {name for name in same if name.startswith(("affine1.", "affine2.", "batchnorm1."))} == {
        name for name in NAMES if name.startswith(("affine1.", "affine2.", "batchnorm1."))
    }
    assert "affine3.weight" not in same
    assert "adds1.shift" not in same


def test_a_custom_model_is_saved_inside_another(points: Points, tmp_path: Path) -> None:
    model = pynn.Sequential(Net(4), pynn.Affine(3))
    model.fit(*points, epochs=1, progress=False)
    model.layer("affine1").freeze()
    model.save(tmp_path / "model.safetensors")
    loaded = pynn.load(tmp_path / "model.safetensors", own=[Net, Deep, Gate, Adds])
    assert loaded.layer("affine1").frozen
    np.testing.assert_array_equal(loaded.predict_proba(points[0]), model.predict_proba(points[0]))
    alone = Net(4)
    alone.fit(*points, epochs=1, progress=False)
    assert copy.deepcopy(alone).predict(points[0]).shape == alone.predict(points[0]).shape


def test_a_layer_passed_to_the_constructor_is_in_the_file(points: Points, tmp_path: Path) -> None:
    model = pynn.Sequential(Deep(4, inner=pynn.LayerNorm(epsilon=1e-3)), pynn.Affine(3))
    model.fit(*points, epochs=1, progress=False)
    model.layer("layernorm1").freeze()
    model.save(tmp_path / "model.safetensors")
    loaded = pynn.load(tmp_path / "model.safetensors", own=[Gate, Deep, Adds])
    assert loaded.layer("layernorm1").epsilon == 1e-3  # type: ignore[attr-defined]
    assert loaded.layer("layernorm1").frozen
    np.testing.assert_array_equal(loaded.predict_proba(points[0]), model.predict_proba(points[0]))


def test_a_layer_with_layers_inside_can_be_built_alone(rng: np.random.Generator, backend: str) -> None:
    layer, x = Deep(3), rng.normal(size=(6, 4)).astype(np.float32)
    assert layer.build((4,)) == (3,)
    y = layer.forward(x, True).copy()
    layer.backward(np.ones_like(y))
    assert all(getattr(inner, f"d{one.name}").any() for inner in layer.walk() for one in inner.declared)
    model = pynn.Sequential(layer, seed=9)
    model.build((4,))
    np.testing.assert_array_equal(model.forward(x, training=True), y)


def test_a_layer_that_is_made_in_build_gets_the_models_seed_and_dtype() -> None:
    class Late(pynn.Layer):
        def build(self, input_shape: Shape) -> Shape:
            self.inner = pynn.Sequential(pynn.Affine(3), pynn.BatchNorm())
            return self.inner.build(input_shape)

        def forward(self, x: np.ndarray, training: bool) -> np.ndarray:
            return self.inner.forward(x, training)

        def backward(self, dy: np.ndarray) -> Any:
            return self.inner.backward(dy)

    weights = []
    for seed in (0, 1, 1):
        model = pynn.Sequential(Late(), seed=seed, dtype="float64")
        model.build((4,))
        assert {array.dtype for array in model.tensors().values()} == {np.dtype(np.float64)}
        weights.append(model.tensors()["affine1.weight"].copy())
        model.train_step(np.ones((3, 4)), np.arange(3), pynn.SoftmaxCrossEntropy(), pynn.SGD(0.1))
    assert not np.array_equal(weights[0], weights[1])
    np.testing.assert_array_equal(weights[1], weights[2])


def test_a_layer_inside_that_is_not_built_is_named() -> None:
    class Forgets(Gate):
        def build(self, input_shape: Shape) -> Shape:
            return self.value.build(input_shape)

    for build in (Forgets(3).build, pynn.Sequential(Forgets(3)).build):
        with pytest.raises(ValueError, match=r"the Affine inside Forgets was not built: expected self\.NAME\.build"):
            build((4,))


def test_a_model_inside_an_own_layer_is_not_taken_from_its_owner(points: Points) -> None:
    class Student(pynn.Layer):
        def __init__(self, teacher: pynn.Sequential) -> None:
            self.teacher = teacher

        def build(self, input_shape: Shape) -> Shape:
            return input_shape

        def forward(self, x: np.ndarray, training: bool) -> np.ndarray:
            return x + self.teacher.forward(x).mean()

        def backward(self, dy: np.ndarray) -> np.ndarray:
            return dy

    class Reads(Student):
        def children(self) -> tuple[Layer, ...]:
            return ()

    teacher = pynn.Sequential(pynn.Affine(3))
    teacher.fit(*points, epochs=1, progress=False)
    before = teacher.predict_proba(points[0])
    for build in (Student(teacher).build, pynn.Sequential(Student(teacher), pynn.Affine(3)).build):
        with pytest.raises(ValueError, match="model that is built"):
            build((4,))
    pynn.Sequential(Reads(teacher), pynn.Affine(3)).fit(*points, epochs=1, progress=False)
    np.testing.assert_array_equal(teacher.predict_proba(points[0]), before)


def test_a_layer_that_stands_in_two_places_is_refused(points: Points) -> None:
    class Tied(pynn.Layer):
        def __init__(self, source: pynn.Affine) -> None:
            self.source = source

    source = pynn.Affine(4)
    with pytest.raises(ValueError, match=r"occurs twice .* only reads another layer has to override children\(\)"):
        pynn.Sequential(source, Tied(source)).build((4,))
