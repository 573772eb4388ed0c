"""Extreme input on both backends: the result is finite, or an error says what is wrong; every public class is found."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import pynn
from pynn.layers import Layer
from pynn.optimizers import OPTIMIZERS
from pynn.preprocessing import Transformer

both_dtypes = pytest.mark.parametrize("dtype", ["float32", "float64"])
CLASSES = [kind for name in pynn.__all__ if inspect.isclass(kind := getattr(pynn, name))]
BASES = {pynn.Loss, Layer, pynn.Optimizer, Transformer}


def public(base: type) -> set[type]:
    """The public classes below this one."""
    return {kind for kind in CLASSES if issubclass(kind, base)} - BASES


def all_finite(*arrays: Any) -> bool:
    return all(bool(np.isfinite(array).all()) for array in arrays)


# Losses: logits of ±1e4, a single class, weights of zero ------------------------------------------

# By what a loss takes as targets of n samples and k outputs.
LABELS: list[Callable[[], pynn.Loss]] = [
    pynn.SoftmaxCrossEntropy, lambda: pynn.SoftmaxCrossEntropy(0.1), pynn.Focal, lambda: pynn.Focal(0),
    lambda: pynn.Focal(0.5), pynn.Hinge, pynn.SquaredHinge,
]  # fmt: skip
ELEMENTWISE: list[Callable[[], pynn.Loss]] = [
    pynn.SquaredError, pynn.AbsoluteError, pynn.Huber, lambda: pynn.Huber(1e4), lambda: pynn.Huber(1e-6),
    pynn.BinaryCrossEntropy, pynn.BinaryHinge,
]  # fmt: skip
PLAIN = {repr(make()): make for make in LABELS + ELEMENTWISE}
OTHERS = {pynn.HierarchicalCrossEntropy, pynn.StructuredHinge}  # in models of their own, below
OTHERS |= {pynn.Quantile, pynn.GaussianNLL, pynn.Poisson, pynn.Gamma, pynn.Tweedie}  # in tests/losses


def test_every_loss_is_tried() -> None:
    assert {type(make()) for make in PLAIN.values()} | OTHERS == public(pynn.Loss)


def targets_of(loss: pynn.Loss, n: int, k: int, last: bool = False) -> np.ndarray:
    if loss.classes((k,)) is not None:
        return np.full(n, k - 1 if last else 0)
    ends = (-1.0, 1.0) if isinstance(loss, pynn.BinaryHinge) else (0.0, 1.0)
    return np.full((n, k), ends[last])


SCORES = {
    "all high": lambda n, k: np.full((n, k), 1e4),
    "all low": lambda n, k: np.full((n, k), -1e4),
    "first high": lambda n, k: np.where(np.arange(n * k).reshape(n, k) % k == 0, 1e4, -1e4),
    "first low": lambda n, k: np.where(np.arange(n * k).reshape(n, k) % k == 0, -1e4, 1e4),
    "mixed": lambda n, k: 1e4 * np.cos(np.arange(n * k).reshape(n, k)),
}


@both_dtypes
@pytest.mark.parametrize("last", [False, True], ids=["first", "last"])
@pytest.mark.parametrize("scores", SCORES)
@pytest.mark.parametrize("name", PLAIN)
def test_scores_of_10000_give_finite_losses_and_gradients(
    name: str, scores: str, last: bool, dtype: str, backend: str
) -> None:
    for k in (1, 3, 17):  # 1: a single class
        loss, outputs = PLAIN[name](), SCORES[scores](6, k).astype(dtype)
        targets = targets_of(loss, 6, k, last)
        value = loss.forward(outputs, targets)
        gradient = loss.backward()
        assert value >= 0
        assert all_finite(value, gradient)
        if loss.classes((k,)) is not None:
            assert np.abs(gradient.sum(axis=1)).max() <= 1e-5 * max(1, np.abs(gradient).max())  # scores count alone
        exact = PLAIN[name]()
        wide = exact.forward(outputs.astype(np.float64), targets)
        assert value == pytest.approx(wide, rel=1e-5, abs=1e-6)
        np.testing.assert_allclose(gradient, exact.backward(), rtol=1e-4, atol=1e-6)


@both_dtypes
@pytest.mark.parametrize("name", [name for name in PLAIN if PLAIN[name]().classes((1,)) is not None])
def test_a_single_class_has_nothing_to_learn(name: str, dtype: str, backend: str) -> None:
    for score in (0.0, 1e4, -1e4, 1e-40):
        loss = PLAIN[name]()
        assert loss.forward(np.full((5, 1), score, dtype), np.zeros(5, np.int64)) == 0
        assert np.abs(loss.backward()).max() <= np.finfo(dtype).eps  # smoothing: (1-s) + s/1 is rounded
    with pytest.raises(ValueError, match=r"labels\[0\] is 1, expected 0\.\.0"):
        PLAIN[name]().forward(np.zeros((5, 1), dtype), np.ones(5, np.int64))


@both_dtypes
@pytest.mark.parametrize("name", PLAIN)
def test_sample_weights_of_zero_give_a_loss_of_zero(name: str, dtype: str, backend: str) -> None:
    for scale in (1.0, 1e4):
        loss, outputs = PLAIN[name](), (scale * np.cos(np.arange(20.0)).reshape(5, 4)).astype(dtype)
        assert loss.forward(outputs, targets_of(loss, 5, 4), np.zeros(5, dtype)) == 0
        assert not loss.backward().any()


@both_dtypes
def test_weights_of_zero_are_an_error_in_training(dtype: str, backend: str) -> None:
    model = pynn.Sequential(pynn.Affine(2), dtype=dtype)
    with pytest.raises(ValueError, match=r"sample_weight is 0 for all 4 samples"):
        model.fit(np.eye(4), [0, 1, 0, 1], sample_weight=np.zeros(4), progress=False)
    assert model.epoch == 0


@both_dtypes
@pytest.mark.parametrize("score", [1e4, -1e4])
def test_hierarchical_scores_of_10000_give_finite_losses_and_gradients(score: float, dtype: str, backend: str) -> None:
    layer = pynn.HierarchicalSoftmax(5)
    model = pynn.Sequential(layer, dtype=dtype)
    model.build((2,))
    layer.nodes[...] = score
    x = np.array([[1, 0], [-1, 0], [0, 0], [0.5, 0.5], [1, -1]], dtype)
    value = layer.loss.forward(model.forward(x, training=True), np.arange(5))
    dx = model.backward(layer.loss.backward(), input_gradient=True)
    assert value >= 0
    assert all_finite(value, dx, model.gradients, layer.loss.probabilities(model.forward(x)))
    assert set(layer.loss.predict(model.forward(x))) <= set(range(5))


@both_dtypes
@pytest.mark.parametrize("labels", [1, 3])
@pytest.mark.parametrize("scores", SCORES)
def test_chains_with_scores_of_10000_give_finite_losses_and_gradients(
    scores: str, labels: int, dtype: str, backend: str
) -> None:
    loss, outputs = pynn.StructuredHinge(pynn.ViterbiChain()), SCORES[scores](3, (4 + labels) * labels)
    outputs = outputs.reshape(3, 4 + labels, labels).astype(dtype)
    value = loss.forward(outputs, np.zeros((3, 4), np.int64))
    assert value >= 0
    assert all_finite(value, loss.backward())
    if labels == 1:  # the only structure there is; its score is added up in another order
        assert value <= 1e-6 * 1e5
        assert not loss.backward().any()


# Zero variance ------------------------------------------------------------------------------------

NORMALIZATIONS: dict[str, Callable[[], Layer]] = {
    "BatchNorm": pynn.BatchNorm, "LayerNorm": pynn.LayerNorm, "GroupNorm": lambda: pynn.GroupNorm(2),
}  # fmt: skip


def test_every_normalization_is_tried() -> None:
    assert {kind.__name__ for kind in public(Layer) if "Norm" in kind.__name__} == NORMALIZATIONS.keys()


@both_dtypes
@pytest.mark.parametrize("value", [0.0, 1.0, -0.1, 1e4, 1e-38])
@pytest.mark.parametrize("shape", [(4,), (2, 3, 4)], ids=["vectors", "images"])
@pytest.mark.parametrize("name", NORMALIZATIONS)
def test_constant_inputs_are_normalized_to_beta(
    name: str, shape: tuple[int, ...], value: float, dtype: str, backend: str
) -> None:
    layer: Any = NORMALIZATIONS[name]()
    model = pynn.Sequential(layer, dtype=dtype)
    model.build(shape)
    layer.beta[...] = [3, -1, 0, 1]
    x = np.full((5, *shape), value, dtype)
    y = model.forward(x, training=True)
    np.testing.assert_allclose(y, np.broadcast_to(layer.beta, y.shape), atol=1e-4)
    dx = model.backward(np.cos(np.arange(y.size)).reshape(y.shape).astype(dtype), input_gradient=True)
    assert all_finite(dx, model.gradients, *layer.state.values(), model.forward(x))


TRANSFORMERS: dict[str, Callable[[], Transformer]] = {
    "MeanSubtraction": pynn.MeanSubtraction,
    "Standardization": pynn.Standardization,
    "MinMaxScaling": pynn.MinMaxScaling,
    "ClipToRange": pynn.ClipToRange,
    "RobustScaling": pynn.RobustScaling,
    "SmoothClip": pynn.SmoothClip,
    "SmoothClip after RobustScaling": lambda: pynn.Pipeline(pynn.RobustScaling(), pynn.SmoothClip()),
    "PCA": pynn.PCA,
    "Whitening": pynn.Whitening,
    "Whitening zca": lambda: pynn.Whitening("zca"),
    "Pipeline": lambda: pynn.Pipeline(pynn.Standardization(), pynn.Whitening()),
}


def test_every_transformer_is_tried() -> None:
    apart = {"TableEncoder"}  # tests/preprocessing/test_table_encoder.py: it has no inverse
    assert {name.split()[0] for name in TRANSFORMERS} | apart == {kind.__name__ for kind in public(Transformer)}


@both_dtypes
@pytest.mark.parametrize("value", [0.0, 0.1, 1e4, -1e30, 1e-40])
@pytest.mark.parametrize("all_features", [False, True], ids=["one feature", "all features"])
@pytest.mark.parametrize("samples", [3, 40])
@pytest.mark.parametrize("name", TRANSFORMERS)
def test_features_that_do_not_vary_are_preprocessed_to_finite_numbers(
    name: str, samples: int, all_features: bool, value: float, dtype: str, backend: str
) -> None:
    x = np.random.default_rng(0).normal(size=(samples, 5)).astype(dtype)
    x[:, slice(None) if all_features else 1] = value
    transformer = TRANSFORMERS[name]()
    y = transformer.fit_transform(x)
    back = transformer.inverse_transform(y)
    assert all_finite(y, back)
    if all_features and name not in ("MinMaxScaling", "ClipToRange", "SmoothClip"):
        np.testing.assert_allclose(y, 0, atol=1e-9 * abs(value))
    if name != "SmoothClip" or abs(value) < 1e4:  # which rounds large numbers to its limit
        np.testing.assert_allclose(back[:, 1], value, rtol=1e-5, atol=1e-6)


# Weights of zero ----------------------------------------------------------------------------------

LAYERS: dict[type, tuple[Callable[[], Layer], tuple[int, ...]]] = {
    pynn.AvgPool1d: (pynn.AvgPool1d, (5, 2)),
    pynn.AvgPool2d: (pynn.AvgPool2d, (4, 5, 2)),
    pynn.Conv1d: (lambda: pynn.Conv1d(3), (5, 2)),
    pynn.Conv2d: (lambda: pynn.Conv2d(3), (4, 5, 2)),
    pynn.DropConnect: (lambda: pynn.DropConnect(4, 0.5), (5,)),
    pynn.Dropout: (lambda: pynn.Dropout(0.5), (5,)),
    pynn.FractionalMaxPool2d: (lambda: pynn.FractionalMaxPool2d(1.5), (4, 5, 2)),
    pynn.GlobalAvgPool1d: (pynn.GlobalAvgPool1d, (5, 2)),
    pynn.GlobalAvgPool2d: (pynn.GlobalAvgPool2d, (4, 5, 2)),
    pynn.GaussianNoise: (lambda: pynn.GaussianNoise(0.1), (5,)),
    pynn.GroupNorm: (lambda: pynn.GroupNorm(2), (6,)),
    pynn.HierarchicalSoftmax: (lambda: pynn.HierarchicalSoftmax(3), (5,)),
    pynn.MaxPool1d: (pynn.MaxPool1d, (5, 2)),
    pynn.MaxPool2d: (pynn.MaxPool2d, (4, 5, 2)),
    pynn.Maxout: (lambda: pynn.Maxout(4), (5,)),
    pynn.Affine: (lambda: pynn.Affine(4), (5,)),
    pynn.Parallel: (lambda: pynn.Parallel(None, pynn.Affine(3)), (5,)),
    pynn.Reshape: (lambda: pynn.Reshape(5, 1), (5,)),
    pynn.Residual: (lambda: pynn.Residual(pynn.Affine(5)), (5,)),
    pynn.Sequential: (lambda: pynn.Sequential(pynn.Affine(4), pynn.ReLU()), (5,)),
    pynn.SpatialDropout: (lambda: pynn.SpatialDropout(0.5), (3, 4)),
    pynn.Transitions: (lambda: pynn.Transitions(3), (4, 3)),
    pynn.Upsample: (pynn.Upsample, (4, 5, 2)),
}


def layer_and_shape(kind: type) -> tuple[Layer, tuple[int, ...]]:
    """A layer of this class; those that are not in the table take no arguments, and any input."""
    make, shape = LAYERS.get(kind, (kind, (5,)))
    return make(), shape


# An embedding refuses numbers that are no codes.
LAYER_KINDS = sorted(public(Layer) - {pynn.Embedding}, key=lambda kind: kind.__name__)
every_layer = pytest.mark.parametrize("kind", LAYER_KINDS, ids=lambda kind: kind.__name__)


def passed(layer: Layer, x: np.ndarray, dtype: str, zero: bool = False) -> list[Any]:
    """Outputs in training and outside it, the input's gradient and those of the parameters."""
    model = pynn.Sequential(layer, dtype=dtype)
    model.build(x.shape[1:])
    if zero:
        model.parameters[...] = 0
    y = model.forward(x, training=True).copy()
    if isinstance(layer, pynn.HierarchicalSoftmax):
        value = layer.loss.forward(model.forward(x, training=True), np.arange(len(x)) % layer.classes)
        return [value, model.backward(layer.loss.backward(), input_gradient=True), model.gradients]
    dy = np.cos(np.arange(y.size)).reshape(y.shape).astype(dtype)
    return [y, model.backward(dy, input_gradient=True), model.gradients, model.forward(x)]


@both_dtypes
@every_layer
def test_parameters_and_inputs_of_zero_give_finite_numbers(kind: type, dtype: str, backend: str) -> None:
    for zero, value in ((True, 1.0), (True, 0.0), (False, 0.0)):
        layer, shape = layer_and_shape(kind)
        x = np.full((4, *shape), value, dtype) * np.cos(np.arange(4).reshape(4, *[1] * len(shape))).astype(dtype)
        assert all_finite(*passed(layer, x, dtype, zero))


@both_dtypes
@pytest.mark.parametrize("name", OPTIMIZERS)
def test_weights_and_gradients_of_zero_stay_zero(name: str, dtype: str, backend: str) -> None:
    model = pynn.Sequential(pynn.Affine(3, initializer="zeros", constraint=pynn.MaxNorm(1)), dtype=dtype)
    model.build((4,))
    optimizer = OPTIMIZERS[name](0.1, weight_decay=0.5)
    for _ in range(5):
        model.gradients.fill(0)
        assert pynn.ElasticNet(1.0, 1.0).apply(model) == 0
        optimizer.step(model)
    assert not model.parameters.any()


# Learning rate 0 ----------------------------------------------------------------------------------


@both_dtypes
@pytest.mark.parametrize("weight_decay", [0.0, 0.5])
@pytest.mark.parametrize("decay_biases", [False, True])
@pytest.mark.parametrize("name", OPTIMIZERS)
def test_a_learning_rate_of_0_changes_no_bit(
    name: str, weight_decay: float, decay_biases: bool, dtype: str, backend: str
) -> None:
    """With weight decay too: coupled it is part of the gradient, decoupled it is η·λ·w."""
    model = pynn.Sequential(pynn.Affine(7), pynn.ReLU(), pynn.Affine(3), dtype=dtype)
    model.build((5,))
    model.parameters *= np.logspace(-30, 30, model.parameters.size)
    before = model.parameters.tobytes()
    optimizer = OPTIMIZERS[name](0, weight_decay=weight_decay, decay_biases=decay_biases)
    for step in range(5):
        model.gradients[...] = np.cos(np.arange(model.parameters.size) + step) * 10.0 ** (2 * step - 4)
        optimizer.step(model)
    assert model.parameters.tobytes() == before


# Noise of rates 0 and 0.99 ------------------------------------------------------------------------

NOISE: dict[str, tuple[Callable[[float], Layer], tuple[int, ...]]] = {
    "Dropout": (pynn.Dropout, (50,)),
    "Dropout vanilla": (lambda rate: pynn.Dropout(rate, form="vanilla"), (50,)),
    "SpatialDropout": (pynn.SpatialDropout, (2, 50)),
    "DropConnect": (lambda rate: pynn.DropConnect(40, rate), (50,)),
}


def test_every_layer_with_a_rate_is_tried() -> None:
    rated = {kind.__name__ for kind in public(Layer) if "rate" in inspect.signature(kind).parameters}
    assert rated == {name.split()[0] for name in NOISE}


@both_dtypes
@pytest.mark.parametrize("name", NOISE)
def test_a_rate_of_0_drops_nothing_and_one_of_99_percent_nearly_all(name: str, dtype: str, backend: str) -> None:
    make, shape = NOISE[name]
    x = np.ones((200, *shape), dtype)
    whole = passed(make(0.0), x, dtype)
    np.testing.assert_array_equal(whole[0], whole[-1])  # in training as outside it
    y, dx, gradients, outside = passed(make(0.99), x, dtype)
    assert all_finite(y, dx, gradients, outside)
    if name != "DropConnect":
        assert 0.98 < (y == 0).mean() < 0.9999
        kept = 1.0 if name == "Dropout vanilla" else 100.0
        np.testing.assert_allclose(y[y != 0], kept, rtol=1e-2)  # rates are multiples of 2^-16
    for rate in (1.0, -0.1, float("nan")):
        with pytest.raises(ValueError, match=r"expected 0 <= rate < 1"):
            make(rate)


@both_dtypes
def test_noise_of_no_and_of_huge_deviation(dtype: str, backend: str) -> None:
    x = np.ones((20, 30), dtype)
    np.testing.assert_array_equal(passed(pynn.GaussianNoise(0), x, dtype)[0], x)
    y, dx, _, outside = passed(pynn.GaussianNoise(1e30), x, dtype)
    assert all_finite(y, dx)
    assert y.astype(np.float64).std() == pytest.approx(1e30, rel=0.2)
    np.testing.assert_array_equal(outside, x)


# Subnormal and huge inputs ------------------------------------------------------------------------

SIZES = {"float32": (1e-45, 1e-40, 1e30), "float64": (5e-324, 1e-310, 1e200)}  # squares of the huge ones are infinite


@pytest.mark.filterwarnings("ignore:.* vary too much for float")  # of BatchNorm: what it predicts is finite
@both_dtypes
@every_layer
def test_subnormal_and_huge_inputs_give_finite_numbers(kind: type, dtype: str, backend: str) -> None:
    layer, shape = layer_and_shape(kind)
    pattern = np.cos(np.arange(4 * np.prod(shape))).reshape(4, *shape)
    for size in SIZES[dtype]:
        layer, _ = layer_and_shape(kind)
        with np.errstate(under="ignore"):
            x = (np.sign(pattern) * np.maximum(np.abs(pattern), 0.5) * size).astype(dtype)
        assert all_finite(*passed(layer, x, dtype)), f"inputs of {size}"


@pytest.mark.parametrize("name", TRANSFORMERS)
def test_inputs_that_no_float64_can_hold_the_square_of_are_preprocessed_or_refused(name: str, backend: str) -> None:
    x = np.array([[1e300, 0], [-1e300, 1], [1e307, 2]])
    transformer = TRANSFORMERS[name]()
    refused = ""
    try:
        assert all_finite(transformer.fit_transform(x))
    except ValueError as error:
        refused = str(error)
    assert not refused or ("scale" in refused and not transformer.fitted)
    tiny = np.array([[5e-324, 0], [1e-310, 1e-320], [0, 2e-323]])
    assert all_finite(TRANSFORMERS[name]().fit_transform(tiny))


@both_dtypes
@pytest.mark.parametrize("name", OPTIMIZERS)
def test_huge_inputs_are_trained_on_or_an_error_leaves_finite_parameters(name: str, dtype: str, backend: str) -> None:
    x = np.cos(np.arange(60.0)).reshape(20, 3).astype(dtype) * (1e30 if dtype == "float32" else 1e300)
    model = pynn.Sequential(pynn.Affine(8), pynn.ReLU(), pynn.Affine(2), dtype=dtype)
    refused = "the loss"
    try:
        model.fit(x, np.arange(20) % 2, optimizer=OPTIMIZERS[name](), epochs=3, progress=False)
    except FloatingPointError as error:
        refused = str(error)
    assert "loss" in refused
    assert all_finite(model.parameters)
