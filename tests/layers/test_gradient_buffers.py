"""The arrays that a chain's layers share for their gradients: few, never two gradients in one, the same bits."""

from __future__ import annotations

import copy
import pickle
import tracemalloc
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
import pytest

import pynn
from pynn.layers import Chain, Layer
from pynn.layers.buffers import GradientBuffers

IMAGES, VECTORS = (8, 8, 3), (12,)


class Passes(Layer):
    """Hands on dy itself."""

    def forward(self, x: np.ndarray, training: bool) -> np.ndarray:
        return x

    def backward(self, dy: np.ndarray) -> np.ndarray:
        return dy


class Views(Passes):
    """Hands on a view of dy whose owner numpy cannot see."""

    def backward(self, dy: np.ndarray) -> np.ndarray:
        return np.asarray(memoryview(dy))  # type: ignore[arg-type]


class Owns(Passes):
    """Has a gradient buffer of its own, as own layers always could."""

    def backward(self, dy: np.ndarray) -> np.ndarray:
        dx = self.buffer("dx", dy.shape)
        np.multiply(dy, 2, out=dx)
        return dx


class Reads(pynn.Residual):
    """Reads dy once more after its layers had it."""

    def backward(self, dy: np.ndarray) -> np.ndarray:
        before = dy.copy()
        dx = super().backward(dy)
        np.testing.assert_array_equal(dy, before)
        assert dx is not None
        return np.asarray(dx + dy)


class Branches(Chain):
    """y = the sum of what its layers make of x: their gradients are there together."""

    def build(self, input_shape: tuple[int, ...]) -> tuple[int, ...]:
        super().build(input_shape)
        return self.layers[0].output_shape

    def forward(self, x: np.ndarray, training: bool) -> np.ndarray:
        return np.asarray(sum(layer.forward(x, training) for layer in self.layers))

    def backward(self, dy: np.ndarray) -> np.ndarray:
        gradients: Any = [layer.backward(dy) for layer in self.layers]
        return np.asarray(sum(gradients))


class Two(Layer):
    """An own layer with two branches of several layers in it."""

    def __init__(self) -> None:
        self.first = Chain(pynn.Affine(12), pynn.Tanh(), pynn.Affine(12))
        self.second = pynn.Residual(pynn.Affine(12), pynn.Tanh(), pynn.LayerNorm())

    def children(self) -> tuple[Layer, ...]:
        return self.first, self.second

    def build(self, input_shape: tuple[int, ...]) -> tuple[int, ...]:
        for one in self.children():
            one.context = self.context
            one.output_shape = one.build(input_shape)
        return input_shape

    def forward(self, x: np.ndarray, training: bool) -> np.ndarray:
        return self.first.forward(x, training) + self.second.forward(x, training)

    def backward(self, dy: np.ndarray) -> np.ndarray:
        before = dy.copy()
        first, second = self.first.backward(dy), self.second.backward(dy)
        np.testing.assert_array_equal(dy, before)
        assert first is not None
        assert second is not None
        return first + second


def _block(channels: int, stride: int = 1, survival: float = 1.0) -> list[Layer]:
    body = pynn.Conv2d(channels, stride=stride), pynn.BatchNorm(), pynn.ReLU(), pynn.Conv2d(channels), pynn.BatchNorm()
    return [pynn.Residual(*body, shortcut="auto", survival=survival), pynn.ReLU()]


def _side(channels: int) -> pynn.Sequential:
    return pynn.Sequential(pynn.Conv2d(channels, 1), pynn.ReLU(), pynn.Conv2d(channels, 1), pynn.GroupNorm(2))


CHAINS: dict[str, tuple[Callable[[], list[Layer]], tuple[int, ...]]] = {
    "affine": (lambda: [pynn.Affine(9), pynn.ReLU(), pynn.Affine(7), pynn.Tanh(), pynn.Affine(20)], VECTORS),
    "normalized": (lambda: [pynn.Affine(9), pynn.BatchNorm(), pynn.ReLU(), pynn.Dropout(0.3), pynn.Affine(9),
                            pynn.LayerNorm(), pynn.GELU(), pynn.Dropout(0), pynn.GaussianNoise(0.1)], VECTORS),
    "units": (lambda: [pynn.Maxout(8, 3), pynn.Affine(12), pynn.PReLU(), pynn.DropConnect(12, 0.4), pynn.ReLU(),
                       pynn.DropConnect(9, 0.4), pynn.SiLU(), pynn.Softmax(), pynn.Affine(6)], VECTORS),
    "table": (lambda: [pynn.Scale(), pynn.Affine(9, parametrization="ntk"), pynn.PSELU(), pynn.Dropout(0.2),
                       pynn.Affine(12, parametrization="ntk"), pynn.PMish(), pynn.Affine(5)], VECTORS),
    "pools": (lambda: [pynn.Conv2d(4), pynn.ReLU(), pynn.MaxPool2d(), pynn.Conv2d(6), pynn.PReLU(per_feature=True),
                       pynn.FractionalMaxPool2d(1.5), pynn.SpatialDropout(0.2), pynn.AvgPool2d(2, 1), pynn.Flatten(),
                       pynn.Affine(5)], IMAGES),
    "flat": (lambda: [pynn.Flatten(), pynn.Affine(10), pynn.ReLU(), pynn.Affine(5)], IMAGES),
    "blocks": (lambda: [pynn.Conv2d(4), *_block(4), *_block(6, 2), *_block(6), pynn.GlobalAvgPool2d()], IMAGES),
    "depth": (lambda: [pynn.Conv2d(4), *_block(4, 1, 0.5), *_block(6, 2, 0.5), *_block(6, 1, 0.4),
                       pynn.Residual(pynn.Conv2d(6), pynn.Conv2d(6), survival=0.5), pynn.GlobalAvgPool2d()], IMAGES),
    "nested": (lambda: [pynn.Sequential(pynn.Conv2d(4), pynn.ReLU(), pynn.Sequential(pynn.Conv2d(4), pynn.BatchNorm())),
                        pynn.Residual(pynn.Residual(pynn.Conv2d(4), pynn.ELU(), pynn.Conv2d(4)), pynn.Conv2d(6),
                                      pynn.ReLU(), pynn.Residual(pynn.Dropout(0)), shortcut=_side(6)), pynn.Tanh(),
                        pynn.Residual(pynn.GroupNorm(3)), pynn.GlobalAvgPool2d()], IMAGES),
    "own": (lambda: [pynn.Affine(12), pynn.ReLU(), Passes(), pynn.Affine(12), Views(), pynn.Tanh(), pynn.Affine(12),
                     Owns(), pynn.Residual(pynn.Affine(12), Views(), pynn.LayerNorm(), Passes()), pynn.Affine(12)],
            VECTORS),
    "own branches": (lambda: [pynn.Affine(12), Two(), pynn.Affine(12), Branches(
        pynn.Affine(12), pynn.Tanh(), pynn.Sequential(pynn.Affine(12), pynn.Sigmoid(), pynn.Affine(12))),
        pynn.Affine(12), Reads(pynn.Affine(12), pynn.Tanh(), pynn.Affine(12), pynn.LayerNorm())], VECTORS),
    "tree": (lambda: [pynn.Affine(12), pynn.Tanh(), pynn.Affine(9), pynn.HierarchicalSoftmax(11)], VECTORS),
    "scores": (lambda: [pynn.Affine(12), pynn.Tanh(), pynn.Affine(12), pynn.Transitions(3)], VECTORS),
}  # fmt: skip


def _fresh(self: GradientBuffers, shape: tuple[int, ...], dtype: Any, alive: Iterable[Any]) -> np.ndarray:
    return np.full(shape, np.nan, dtype)  # never used twice: nothing can be written over


def _steps(name: str, dtype: str = "float32") -> list[np.ndarray]:
    """Parameters, gradients and the input's gradient after some steps, with batches that shrink and grow."""
    make, shape = CHAINS[name]
    model = pynn.Sequential(*make(), seed=3, dtype=dtype)
    generator, optimizer, found = np.random.default_rng(1), pynn.Momentum(0.01), []
    for count in (4, 4, 7, 2, 4):
        x = generator.standard_normal((count, *shape)).astype(dtype)
        outputs = model.forward(x, training=True)
        if name == "tree":
            loss: pynn.Loss = model.loss
            loss.forward(outputs, np.arange(count))
        else:
            loss = pynn.SquaredError()
            loss.forward(outputs, np.ones_like(outputs))
        dx = model.backward(loss.backward(), input_gradient=True)
        assert dx is not None
        found.append(dx.copy())
        model.train_step(x, np.arange(count) if name == "tree" else np.ones_like(outputs), loss, optimizer)
        found += [model.gradients.copy(), model.parameters.copy()]
    assert np.isfinite(found[-1]).all()
    assert found[-2].any()
    return found


@pytest.mark.parametrize("name", CHAINS)
def test_shared_buffers_change_no_bit(name: str, backend: str, monkeypatch: pytest.MonkeyPatch) -> None:
    shared = _steps(name)
    monkeypatch.setattr(GradientBuffers, "take", _fresh)  # nothing is found in `views` either
    for ours, fresh in zip(shared, _steps(name), strict=True):
        np.testing.assert_array_equal(ours, fresh)
    monkeypatch.setattr(Layer, "gradient_buffer", lambda self, name, shape, *alive: self.buffer(name, shape))
    for ours, owned in zip(shared, _steps(name), strict=True):
        np.testing.assert_array_equal(ours, owned)


def _trained(model: pynn.Sequential, shape: tuple[int, ...], steps: int = 2) -> GradientBuffers:
    x, y = np.random.default_rng(0).standard_normal((4, *shape)).astype("f"), np.arange(4)
    for _ in range(steps):
        model.train_step(x, y, pynn.SoftmaxCrossEntropy(), pynn.Momentum(0.01))
    assert model._shared is not None
    assert not model._shared.keeping
    return model._shared


@pytest.mark.parametrize(
    ("make", "count"),
    [
        (lambda: pynn.models.vgg_small(dropout=0), 2),
        (pynn.models.resnet20, 4),
        (lambda: pynn.Sequential(pynn.Conv2d(8), pynn.ReLU(), pynn.Conv2d(8), pynn.ReLU(), pynn.GlobalAvgPool2d()), 3),
    ],
)
def test_a_deep_model_has_a_few_of_them(make: Callable[[], pynn.Sequential], count: int) -> None:
    model = make()
    shared = _trained(model, (32, 32, 3))
    assert len(shared.vectors) == count
    largest = max(
        (4 * int(np.prod(layer.output_shape)) for layer in model.walk() if hasattr(layer, "output_shape")),
        default=0,
    )
    assert max(map(len, shared.vectors)) <= largest
    assert not any(name in ("dx", "dz") for layer in model.walk() for name in layer._buffers)


def test_a_second_step_allocates_none(native: None) -> None:
    model = pynn.models.resnet20()
    shared = _trained(model, (32, 32, 3))
    places = [vector.ctypes.data for vector in shared.vectors]
    tracemalloc.start()
    try:
        _trained(model, (32, 32, 3))
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert [vector.ctypes.data for vector in shared.vectors] == places
    data = 4 * 32 * 32 * 3 * 12  # what _trained makes itself: the batch in float64 and float32
    state = 2 * model.parameters.nbytes  # a new optimizer's
    assert peak < data + state + 200_000 < 4 * sum(vector.nbytes for vector in shared.vectors)


def test_a_layer_alone_and_an_own_one_own_their_buffers() -> None:
    x = np.ones((2, 3), np.float32)
    layer = pynn.ReLU()
    layer.forward(x, True)
    assert layer.backward(x) is layer.gradient_buffer("dx", (2, 3), x) is layer.buffer("dx", (2, 3))
    own = Passes()
    pynn.Sequential(pynn.Affine(3), own).build((3,))
    assert own.gradient_buffer("dx", (2, 3), x) is own.buffer("dx", (2, 3))


def test_no_two_that_are_alive_overlap() -> None:
    shared, dtype = GradientBuffers(), np.dtype(np.float32)
    outside = np.zeros(6, np.float32)
    first = shared.take((4, 6), dtype, (outside,))
    second = shared.take((6, 4), dtype, (first[1:],))
    third = shared.take((2, 3), dtype, (first.reshape(3, 8), second.ravel()[5:]))
    assert len(shared.vectors) == 3
    for one, other in ((first, second), (first, third), (second, third)):
        assert not np.shares_memory(one, other)
    assert shared.take((4, 6), dtype, ()) is first
    with shared.kept(first), shared.kept(second):
        larger = shared.take((50,), dtype, ())  # the third gives way, those that are kept stay
        assert not np.shares_memory(larger, first)
        assert not np.shares_memory(larger, second)
        assert sorted(map(len, shared.vectors)) == [24, 24, 50]
    assert np.shares_memory(shared.take((2, 3), dtype, ()), first)
    for size in range(1, 600):
        shared.take((size,), dtype, ())
    assert len(shared.views) <= 257
    assert len(shared.vectors) == 3


def test_the_input_gradient_lasts_until_the_next_call_that_asks_for_it(points: tuple[np.ndarray, np.ndarray]) -> None:
    model, x = pynn.Sequential(*(pynn.Affine(4) for _ in range(4))), points[0]
    dy = np.ones((30, 4), np.float32)
    model.forward(x, training=True)
    first = model.backward(dy, input_gradient=True)
    assert first is not None
    before = first.copy()
    model.forward(-x, training=True)
    model.backward(2 * dy)
    np.testing.assert_array_equal(first, before)
    model.backward(first)  # it may be the next gradient as well
    np.testing.assert_array_equal(first, before)
    again = model.backward(first.copy(), input_gradient=True)
    assert again is not None
    expected = again.copy()
    first[...] = before
    np.testing.assert_array_equal(model.backward(first, input_gradient=True), expected)


def test_an_error_in_a_block_keeps_nothing(points: tuple[np.ndarray, np.ndarray]) -> None:
    class Fails(Passes):
        fails = True

        def backward(self, dy: np.ndarray) -> np.ndarray:
            if self.fails:
                raise RuntimeError("as asked")
            return dy

    x, y = points
    fails = Fails()
    model = pynn.Sequential(pynn.Affine(4), pynn.Residual(pynn.Affine(4), fails, pynn.Affine(4)), pynn.ReLU())
    step: list[Any] = [x, y, pynn.SoftmaxCrossEntropy(), pynn.SGD(0.1)]
    with pytest.raises(RuntimeError, match="as asked"):
        model.train_step(*step)
    assert model._shared is not None
    assert not model._shared.keeping
    fails.fails = False
    model.train_step(*step)
    assert len(model._shared.vectors) <= 3


def test_copies_have_their_own_and_files_have_none() -> None:
    model = pynn.models.resnet20()
    shared = _trained(model, (16, 16, 3))
    for other in (copy.deepcopy(model), copy.copy(model), pickle.loads(pickle.dumps(model))):
        assert other._shared is not None
        assert other._shared is not shared
        assert not other._shared.vectors
        inside = {id(layer._shared) for layer in other.walk()}
        assert inside == {id(other._shared)}
        np.testing.assert_array_equal(other.parameters, model.parameters)
        _trained(other, (16, 16, 3))
        assert len(other._shared.vectors) == 4
    model.unbuild()
    assert all(layer._shared is None for layer in model.walk())
    assert len(_trained(model, (16, 16, 3)).vectors) == 4
