"""Layers that users write: what they may do, what is refused, and that none is fused away."""

from __future__ import annotations

from typing import Any

import gradients
import numpy as np
import pytest
from gradients import PassThrough, Projection, Stretch

import pynn

# Layers that users write --------------------------------------------------------------------------


def _fit(points: tuple[np.ndarray, np.ndarray], *layers: pynn.Layer, **settings: Any) -> pynn.Sequential:
    model = pynn.Sequential(*layers, **settings)
    model.fit(*points, epochs=2, batch_size=10, progress=False)
    return model


def test_an_own_layer_trains(points: tuple[np.ndarray, np.ndarray]) -> None:
    model = _fit(points, Stretch(), pynn.Affine(8), pynn.ReLU(), pynn.Affine(3))
    assert np.abs(model.layers[0].factor - 1).max() > 1e-4
    assert model.layers[0].name == "stretch1"
    assert np.shares_memory(model.layers[0].factor, model.parameters)


def test_an_own_init_needs_no_super(points: tuple[np.ndarray, np.ndarray]) -> None:
    class Power(pynn.Layer):
        def __init__(self, exponent: int) -> None:
            self.exponent = exponent

        def forward(self, x: np.ndarray, training: bool) -> np.ndarray:
            self.x = x
            return x**self.exponent

        def backward(self, dy: np.ndarray) -> np.ndarray:
            return dy * self.exponent * self.x ** (self.exponent - 1)

    model, x = gradients.smooth([pynn.Affine(4), Power(3), pynn.Affine(2)], (5,))
    gradients.check(model, Projection(), x)
    assert "Power(exponent=2)" in repr(_fit(points, Power(2), pynn.Affine(3)))


@pytest.mark.parametrize("shape", [(), (1,), (4,), (2, 2), (1, 4)], ids=str)
def test_an_own_parameter_may_have_any_shape(shape: tuple[int, ...], points: tuple[np.ndarray, np.ndarray]) -> None:
    class Shift(pynn.Layer):
        def build(self, input_shape: tuple[int, ...]) -> tuple[int, ...]:
            self.add_parameter("shift", shape, pynn.Normal(0.5))
            return input_shape

        def forward(self, x: np.ndarray, training: bool) -> np.ndarray:
            return x + self.shift.sum()

        def backward(self, dy: np.ndarray) -> np.ndarray:
            self.dshift[...] = dy.sum()
            return dy

    layer = Shift()
    model = _fit(points, layer, pynn.Affine(3))
    assert layer.shift.shape == layer.dshift.shape == shape
    assert np.shares_memory(layer.shift, model.parameters)
    assert np.shares_memory(layer.dshift, model.gradients)
    model64, x = gradients.smooth([Shift(), pynn.Affine(3)], (4,))
    gradients.check(model64, Projection(), x)


class Float64Forward(PassThrough):
    def forward(self, x: np.ndarray, training: bool) -> np.ndarray:
        return x.astype(np.float64)


class Float64Backward(PassThrough):
    def backward(self, dy: np.ndarray) -> np.ndarray:
        return dy.astype(np.float64)


class StridedForward(PassThrough):
    def forward(self, x: np.ndarray, training: bool) -> np.ndarray:
        return np.asfortranarray(x)


class StridedBackward(PassThrough):
    def backward(self, dy: np.ndarray) -> np.ndarray:
        return np.asfortranarray(dy)


PLACES = {
    "first": lambda own: [own, pynn.Affine(4), pynn.ReLU(), pynn.Affine(3)],
    "between affines": lambda own: [pynn.Affine(4), own, pynn.Affine(3)],
    "between batchnorms": lambda own: [pynn.BatchNorm(), own, pynn.BatchNorm(), pynn.Affine(3)],
    "between dropouts": lambda own: [pynn.Affine(4), pynn.Dropout(0.5), own, pynn.Dropout(0.5), pynn.Affine(3)],
    "between reshapes": lambda own: [pynn.Affine(4), pynn.Flatten(), own, pynn.Flatten(), pynn.Affine(3)],
    "before an activation": lambda own: [pynn.Affine(4), own, pynn.ReLU(), pynn.Affine(3)],
    "last": lambda own: [pynn.Affine(3), own],
}


@pytest.mark.parametrize("own", [Float64Forward, Float64Backward, StridedForward, StridedBackward])
@pytest.mark.parametrize("place", PLACES)
def test_an_own_layer_of_other_dtype_or_order_gives_right_results_or_an_error_that_names_it(
    own: type[pynn.Layer], place: str, points: tuple[np.ndarray, np.ndarray]
) -> None:
    expected = _fit(points, *PLACES[place](PassThrough()))
    try:
        model = _fit(points, *PLACES[place](own()))
    except (TypeError, ValueError) as error:
        assert own.__name__.lower() in str(error).lower()  # noqa: PT017 (either is right)
    else:
        np.testing.assert_array_equal(model.parameters, expected.parameters)


class NarrowForward(PassThrough):
    def forward(self, x: np.ndarray, training: bool) -> np.ndarray:
        return x[:, :2].copy()


class NarrowBackward(PassThrough):
    def backward(self, dy: np.ndarray) -> np.ndarray:
        return dy[:, :2].copy()


class SummedForward(PassThrough):
    def forward(self, x: np.ndarray, training: bool) -> np.ndarray:
        return x.sum(axis=0)


class SummedBackward(PassThrough):
    def backward(self, dy: np.ndarray) -> np.ndarray:
        return dy.sum(axis=0)


class TurnedBackward(PassThrough):
    def backward(self, dy: np.ndarray) -> np.ndarray:
        return np.ascontiguousarray(dy.T)


class ListForward(PassThrough):
    def forward(self, x: np.ndarray, training: bool) -> Any:
        return x.tolist()


class NoneForward(PassThrough):
    def forward(self, x: np.ndarray, training: bool) -> Any:
        pass


class NoneBackward(PassThrough):
    def backward(self, dy: np.ndarray) -> Any:
        pass


@pytest.mark.parametrize(
    "own",
    [
        NarrowForward, NarrowBackward, SummedForward, SummedBackward, TurnedBackward,
        ListForward, NoneForward, NoneBackward,
    ],
)  # fmt: skip
@pytest.mark.parametrize("place", [place for place in PLACES if place != "first"])
def test_an_own_layer_that_returns_the_wrong_thing_is_an_error_that_names_it(
    own: type[pynn.Layer], place: str, points: tuple[np.ndarray, np.ndarray]
) -> None:
    with pytest.raises((TypeError, ValueError), match=own.__name__.lower()):
        _fit(points, *PLACES[place](own()))


@pytest.mark.parametrize("shape", [None, 4, "4", [[4]]], ids=repr)
def test_an_own_build_that_returns_no_shape_is_an_error_that_names_the_layer(shape: Any) -> None:
    class Forgetful(PassThrough):
        def build(self, input_shape: tuple[int, ...]) -> Any:
            return shape

    with pytest.raises((TypeError, ValueError), match=r"layer 1 \(Forgetful\).*build"):
        pynn.Sequential(pynn.Affine(4), Forgetful(), pynn.Affine(3)).build((4,))


def test_an_own_layer_whose_gradient_is_not_the_models_is_an_error_or_trains(
    points: tuple[np.ndarray, np.ndarray],
) -> None:
    """`self.dfactor = ...` for `self.dfactor[...] = ...` must not end in a layer that silently never learns."""

    class Rebound(Stretch):
        def backward(self, dy: np.ndarray) -> np.ndarray:
            self.dfactor = (dy * self.x).sum(axis=0)
            return dy * self.factor

    expected = _fit(points, Stretch(), pynn.Affine(3))
    try:
        model = _fit(points, Rebound(), pynn.Affine(3))
    except (AttributeError, RuntimeError, TypeError, ValueError) as error:
        assert "dfactor" in str(error)  # noqa: PT017 (either is right)
    else:
        np.testing.assert_array_equal(model.parameters, expected.parameters)


@pytest.mark.parametrize("method", ["forward", "backward"])
def test_a_missing_method_is_named(method: str, points: tuple[np.ndarray, np.ndarray]) -> None:
    class Half(pynn.Layer):
        if method == "backward":

            def forward(self, x: np.ndarray, training: bool) -> np.ndarray:
                return x

    with pytest.raises(NotImplementedError, match=rf"Half has no {method}\("):
        _fit(points, pynn.Affine(3), Half())


@pytest.mark.parametrize("name", ["weight", "name", "forward", "two words", ""])
def test_parameters_cannot_take_the_names_of_others(name: str) -> None:
    class Twice(PassThrough):
        def build(self, input_shape: tuple[int, ...]) -> tuple[int, ...]:
            self.add_parameter("weight", input_shape)
            self.add_parameter(name, input_shape)
            return input_shape

    with pytest.raises(ValueError, match=rf"Twice.*'{name}'"):
        pynn.Sequential(Twice()).build((4,))


@pytest.mark.parametrize("start", [np.zeros(4), np.zeros(4, int), [0, 0, 0, 0], (0.0,) * 4], ids=repr)
def test_own_state_takes_the_models_dtype(start: Any, points: tuple[np.ndarray, np.ndarray]) -> None:
    class Mean(PassThrough):
        def build(self, input_shape: tuple[int, ...]) -> tuple[int, ...]:
            self.add_state("mean", start)
            return input_shape

        def forward(self, x: np.ndarray, training: bool) -> np.ndarray:
            if training:
                self.mean[...] = 0.9 * self.mean + 0.1 * x.mean(axis=0)
            return x

    model = _fit(points, Mean(), pynn.Affine(3))
    assert model.tensors()["mean1.mean"].dtype == np.float32
    assert not np.shares_memory(model.layers[0].mean, start)
    assert np.abs(model.layers[0].mean).max() > 0


def test_buffers_are_aligned_reused_and_never_mixed_up() -> None:
    layer = PassThrough()
    first = layer.buffer("a", (10, 3))
    assert first.ctypes.data % 64 == 0
    assert layer.buffer("a", (10, 3)) is first
    assert layer.buffer("a", (5, 6)).ctypes.data == first.ctypes.data
    smaller = layer.buffer("a", (4, 3))
    assert smaller.shape == (4, 3)
    assert smaller.ctypes.data == first.ctypes.data
    assert not np.shares_memory(layer.buffer("b", (10, 3)), first)
    larger = layer.buffer("a", (100, 3))
    assert larger.shape == (100, 3)
    assert layer.buffer("a", (10, 3)).ctypes.data == larger.ctypes.data
    for size in range(1, 300):
        assert layer.buffer("a", (size, 2)).shape == (size, 2)


# A user's own classes beside fused kernels --------------------------------------------------------


class Swish(pynn.Activation):
    def forward(self, x: np.ndarray, training: bool) -> np.ndarray:
        self.x = x
        return x / (1 + np.exp(-x))

    def backward(self, dy: np.ndarray) -> np.ndarray:
        s = 1 / (1 + np.exp(-self.x))
        return dy * (s + self.x * s * (1 - s))


class Doubled(pynn.Affine):
    def forward(self, x: np.ndarray, training: bool) -> np.ndarray:
        return 2 * super().forward(x, training)

    def backward(self, dy: np.ndarray) -> np.ndarray | None:
        return super().backward(2 * dy)


@pytest.mark.parametrize("layers", [(pynn.Affine(3), Swish()), (Doubled(3), pynn.ReLU())], ids=["Swish", "Doubled"])
def test_an_own_class_is_not_fused_away(layers: tuple[pynn.Layer, ...], rng: np.random.Generator) -> None:
    model = pynn.Sequential(*layers, dtype="float64")
    x = rng.normal(size=(5, 4))
    y = model.forward(x)
    z = x @ layers[0].weight
    np.testing.assert_allclose(y, z / (1 + np.exp(-z)) if isinstance(layers[1], Swish) else np.maximum(2 * z, 0))
    assert "fused" not in model.summary()
    gradients.check(model, gradients.Projection(), x, np.zeros(5))


def test_gradients_of_own_layers_may_be_added_to(rng: np.random.Generator) -> None:
    class Shift(pynn.Layer):
        def build(self, input_shape: tuple[int, ...]) -> tuple[int, ...]:
            self.add_parameter("shift", input_shape)
            return input_shape

        def forward(self, x: np.ndarray, training: bool) -> np.ndarray:
            return x + self.shift

        def backward(self, dy: np.ndarray) -> np.ndarray:
            self.dshift += dy.sum(axis=0)
            return dy

    model, x = pynn.Sequential(Shift()), rng.normal(size=(5, 4)).astype(np.float32)
    for _ in range(2):
        model.backward(model.forward(x, training=True))
    np.testing.assert_allclose(model.layers[0].dshift, x.sum(axis=0), rtol=1e-5)

    class Wrong(Shift):
        def backward(self, dy: np.ndarray) -> np.ndarray:
            self.dshift = dy.sum()
            return dy

    model = pynn.Sequential(Wrong())
    with pytest.raises(ValueError, match=r"wrong1\.dshift is set to shape \(\), expected \(4,\)$"):
        model.backward(model.forward(x, training=True))


@pytest.mark.parametrize("name", ["context", "state", "declared", "input_shape", "forward", "scale", "not a name"])
def test_names_that_are_taken_are_refused(name: str) -> None:
    class Named(pynn.Layer):
        def __init__(self, scale: float = 1.0) -> None:
            self.scale = scale

        def build(self, input_shape: tuple[int, ...]) -> tuple[int, ...]:
            self.add_parameter(name, input_shape)
            return input_shape

    with pytest.raises(ValueError, match=f"a parameter cannot be named '{name}'"):
        pynn.Sequential(Named()).build((3,))
