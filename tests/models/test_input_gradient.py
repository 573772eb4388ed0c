"""input_gradient: of every layer against central differences of the evaluation pass; what stays; what is refused."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import gradients
import numpy as np
import pytest
from gradient_cases import CASES, LOSS_CASES, targets_and_outputs
from gradients import TOLERANCE, PassThrough, differences, relative_error, smooth

import pynn


def trained(model: pynn.Sequential, rng: np.random.Generator) -> None:
    """Running statistics and slopes that are not the first ones."""
    for layer in model.walk():
        if isinstance(layer, pynn.BatchNorm):
            layer.running_mean[...] = rng.normal(0, 0.2, layer.running_mean.shape)
            layer.running_var[...] = rng.uniform(0.5, 2, layer.running_var.shape)


def weighted_outputs(model: pynn.Sequential, x: np.ndarray, dy: np.ndarray) -> float:
    return float((model.forward(x) * dy).sum())


def check(model: pynn.Sequential, x: np.ndarray, rng: np.random.Generator) -> None:
    """The gradient of Σ dy·outputs in evaluation, with all else as it was."""
    trained(model, rng)
    dy = rng.standard_normal((len(x), *model.output_shape))
    before = state(model)
    found = model.input_gradient(x, dy=dy)
    expect_same(model, before)
    numeric = differences(lambda: weighted_outputs(model, x, dy), x)
    assert relative_error(found, numeric) < TOLERANCE


def state(model: pynn.Sequential) -> tuple[Any, ...]:
    tensors = {name: array.copy() for name, array in model.tensors().items()}
    context = {name: value for name, value in vars(model.context).items() if name != "owner"}
    return tensors, model.gradients.copy(), context, model.penalty_value, model.epoch


def expect_same(model: pynn.Sequential, before: tuple[Any, ...]) -> None:
    now = state(model)
    for name, array in now[0].items():
        np.testing.assert_array_equal(array, before[0][name], err_msg=name)
    np.testing.assert_array_equal(now[1], before[1])
    assert now[2:] == before[2:]


@pytest.mark.parametrize("case", CASES)
def test_a_layer_alone(case: str, backend: str, rng: np.random.Generator) -> None:
    make, shape = CASES[case]
    model, x = smooth([PassThrough(), make(), PassThrough()], shape, samples=3)
    model.gradients[...] = rng.standard_normal(model.gradients.shape)
    check(model, x, rng)


@pytest.mark.parametrize("case", CASES)
def test_a_layer_inside_a_network_of_which_a_part_is_frozen(case: str, backend: str, rng: np.random.Generator) -> None:
    make, shape = CASES[case]
    model, x = smooth([pynn.BatchNorm(), pynn.Tanh(), make(), pynn.Flatten(), pynn.Affine(3)], shape, samples=3)
    for frozen in ((0,), (0, 2, 4)):
        model.unfreeze()
        model.freeze(*frozen)
        check(model, x, rng)


def test_random_layers_are_those_of_evaluation_in_training_too(backend: str, rng: np.random.Generator) -> None:
    """After training passes, whose masks and batch statistics are still there."""
    make: list[Callable[[], pynn.Layer]] = [
        lambda: pynn.Dropout(0.5), lambda: pynn.Dropout(0.5, form="vanilla"), lambda: pynn.SpatialDropout(0.5),
        lambda: pynn.GaussianNoise(1.0), lambda: pynn.DropConnect(4, 0.5),
        lambda: pynn.Residual(pynn.Affine(4), pynn.Tanh(), survival=0.6), pynn.BatchNorm,
        lambda: pynn.Residual(pynn.Affine(4), pynn.BatchNorm(), shortcut=pynn.Affine(4), survival=0.3),
    ]  # fmt: skip
    for one in make:
        model, x = smooth([pynn.Affine(4), one(), pynn.Tanh()], (3, 4), samples=3)
        model.forward(x, training=True)
        model.backward(rng.standard_normal((3, 3, 4)))
        check(model, x, rng)
        model.train_step(x, np.zeros((3, 3, 4)), pynn.SquaredError(), pynn.Adam(0.01))
        check(model, x, rng)


@pytest.mark.parametrize("case", LOSS_CASES)
def test_every_loss_gives_each_samples_own_gradient(case: str, backend: str, rng: np.random.Generator) -> None:
    make, kind = LOSS_CASES[case]
    targets, x = targets_and_outputs(kind)
    model = pynn.Sequential(PassThrough(), dtype="float64")
    model.build(x.shape[1:])
    found = model.input_gradient(x, targets, loss=make())
    for sample in range(len(x)):
        part, one = x[sample : sample + 1].copy(), targets[sample : sample + 1]
        numeric = differences(lambda part=part, one=one: make().forward(part, one), part)
        assert relative_error(found[sample : sample + 1], numeric) < TOLERANCE
    for size in (1, 3, 100):
        np.testing.assert_allclose(model.input_gradient(x, targets, loss=make(), batch_size=size), found, rtol=1e-12)


def test_the_hierarchical_pair_and_structures(backend: str, rng: np.random.Generator) -> None:
    layer = pynn.HierarchicalSoftmax(6)
    model, x = smooth([pynn.Affine(4), pynn.Dropout(0.5), pynn.Tanh(), layer], (5,))
    layer.nodes[...] = rng.normal(size=layer.nodes.shape)
    y, before = np.arange(6), state(model)
    found = model.input_gradient(x, y)
    expect_same(model, before)
    numeric = differences(lambda: layer.loss.forward(model.forward(x), y) * len(x), x)
    assert relative_error(found, numeric) < TOLERANCE
    check(model, x, rng)  # of the features, its outputs
    with pytest.raises(ValueError, match="the model's last layer has its own"):
        model.input_gradient(x, y, loss="hinge")

    loss = pynn.StructuredHinge(pynn.ViterbiChain())
    model, x = smooth([pynn.Affine(12), pynn.Transitions(3)], (5,))
    model.parameters += np.random.default_rng(1).normal(size=model.parameters.shape) * (model.parameters != 0)
    y = np.random.default_rng(2).integers(0, 3, (6, 4))
    found = model.input_gradient(x, y, loss=loss)
    numeric = differences(lambda: loss.forward(model.forward(x), y) * len(x), x)
    assert relative_error(found, numeric) < TOLERANCE


PREPROCESSING: dict[str, Callable[[], pynn.Transformer]] = {
    "mean": pynn.MeanSubtraction,
    "mean of all": lambda: pynn.MeanSubtraction(per="all"),
    "standardization": pynn.Standardization,
    "standardization of channels": lambda: pynn.Standardization(per="channel"),
    "range": lambda: pynn.MinMaxScaling((0, 3)),
    "robust": pynn.RobustScaling,
    "smooth clip": pynn.SmoothClip,
    "clip to range": pynn.ClipToRange,
    "robust and clipped": lambda: pynn.Pipeline(pynn.RobustScaling(), pynn.SmoothClip(), pynn.PCA(5)),
    "pca": lambda: pynn.PCA(4),
    "whitening": pynn.Whitening,
    "zca": lambda: pynn.Whitening("zca"),
    "pipeline": lambda: pynn.Pipeline(pynn.Standardization(per="channel"), pynn.PCA(5), pynn.MinMaxScaling()),
}


@pytest.mark.parametrize("name", PREPROCESSING)
def test_the_input_gradient_is_with_respect_to_raw_samples(name: str, backend: str, rng: np.random.Generator) -> None:
    x, y = rng.normal(2, 1, (20, 2, 2, 3)) * [1, 3, 0.5], np.arange(20) % 3
    layers = [pynn.Flatten(), pynn.Affine(6), pynn.Tanh(), pynn.Affine(3)]
    model = pynn.Sequential(*layers, seed=1, dtype="float64")
    model.fit(x, y, preprocessing=PREPROCESSING[name](), epochs=2, progress=False)
    found = model.input_gradient(x, y)
    assert found.shape == x.shape

    def value() -> float:
        return model.evaluate(x, y)["loss"] * len(x)

    assert relative_error(found, differences(value, x)) < TOLERANCE


def test_pixels_are_read_as_0_to_1(backend: str, rng: np.random.Generator) -> None:
    pixels, y = rng.integers(0, 256, (12, 4, 4, 2), np.uint8), np.arange(12) % 2
    for preprocessing in (None, pynn.Standardization(per="channel")):
        model = pynn.Sequential(pynn.Conv2d(3), pynn.ReLU(), pynn.Flatten(), pynn.Affine(2), dtype="float64")
        model.fit(pixels, y, preprocessing=preprocessing, epochs=1, progress=False)
        floats = model.input_gradient(pixels / 255, y)
        np.testing.assert_allclose(model.input_gradient(pixels, y), floats, rtol=1e-9, atol=1e-12)


def test_a_transformer_without_a_way_back_is_refused(points: Any) -> None:
    class Cubes(pynn.Transformer):
        def _learn(self, rows: Any) -> None:
            pass

        def _apply(self, x: np.ndarray) -> np.ndarray:
            return x**3

    model = pynn.Sequential(pynn.Affine(3))
    model.fit(*points, preprocessing=Cubes(), epochs=1, progress=False)
    before = state(model)
    with pytest.raises(TypeError, match=r"Cubes does not define how a gradient passes through it: add a method _back"):
        model.input_gradient(*points)
    expect_same(model, before)
    assert not model.context.inputs_only


def test_steps_along_the_gradient_fool_a_network(backend: str, digits: Any) -> None:
    x, y = digits.train[0][:600], digits.train[1][:600]
    model = pynn.Sequential(
        pynn.Flatten(), pynn.Affine(32), pynn.BatchNorm(), pynn.ReLU(), pynn.Dropout(0.2), pynn.Affine(10)
    )
    model.fit(
        x,
        y,
        epochs=12,
        batch_size=32,
        optimizer=pynn.Adam(0.01),
        preprocessing=pynn.Standardization(per="all"),
        progress=False,
    )
    x, y = digits.test[0] / 255.0, digits.test[1]
    right = (model.predict(x) == y).mean()
    fooled = (model.predict(x + 0.1 * np.sign(model.input_gradient(x, y))) == y).mean()
    noise = np.sign(np.random.default_rng(0).standard_normal(x.shape))
    assert right > 0.9
    assert (model.predict(x + 0.1 * noise) == y).mean() > 0.8
    assert fooled < 0.6


def test_dy_of_one_sample_is_for_all(backend: str, points: Any) -> None:
    x, y = points
    model = pynn.Sequential(pynn.Affine(5), pynn.Tanh(), pynn.Affine(3))
    model.fit(x, y, epochs=1, progress=False)
    one = model.input_gradient(x, dy=[0, 1, 0])
    np.testing.assert_array_equal(one, model.input_gradient(x, dy=np.tile([0.0, 1.0, 0.0], (30, 1))))
    assert one.dtype == np.float32
    np.testing.assert_array_equal(one[4:5], model.input_gradient(x[4:5], dy=[0, 1, 0]))
    before = one.copy()
    model.input_gradient(-x, dy=[1, 0, 0])
    np.testing.assert_array_equal(one, before)  # the array is the caller's


def test_training_goes_on_with_the_same_bits(backend: str, points: Any) -> None:
    x, y = points
    found = []
    for looks in (False, True):
        model = pynn.Sequential(pynn.Affine(8), pynn.BatchNorm(), pynn.ReLU(), pynn.Dropout(0.3), pynn.Affine(3))
        loss, optimizer = pynn.SoftmaxCrossEntropy(), pynn.Adam(0.01)
        for _ in range(5):
            model.train_step(x, y, loss, optimizer)
            if looks:
                model.input_gradient(x, y)
        found.append(model.parameters.tobytes() + b"".join(one.tobytes() for one in model.tensors().values()))
    assert found[0] == found[1]


def test_a_backward_after_it_needs_a_new_forward(points: Any) -> None:
    model = pynn.Sequential(pynn.Affine(3))
    dy = np.ones_like(model.forward(points[0], training=True))
    model.input_gradient(*points)
    with pytest.raises(RuntimeError, match="must follow forward"):
        model.backward(dy)


def test_a_layer_before_all_parameters_and_none_at_all(backend: str, rng: np.random.Generator) -> None:
    for layers in ([pynn.Tanh(), pynn.Affine(2)], [pynn.Tanh()], []):
        model = pynn.Sequential(*layers, dtype="float64")
        model.build((3,))
        check(model, rng.standard_normal((4, 3)), rng)


def test_own_layers_and_losses_take_part(backend: str, rng: np.random.Generator) -> None:
    class Fourth(pynn.Loss):
        def forward(self, outputs: np.ndarray, targets: np.ndarray) -> float:
            self.difference = outputs - targets
            return float((self.difference**4).sum() / len(outputs))

        def backward(self) -> np.ndarray:
            return 4 * self.difference**3 / len(self.difference)

    model, x = smooth([gradients.Stretch(), pynn.Affine(3), gradients.Stretch()], (4,))
    y, before = rng.standard_normal((6, 3)), state(model)
    found = model.input_gradient(x, y, loss=Fourth())
    expect_same(model, before)
    numeric = differences(lambda: Fourth().forward(model.forward(x), y) * len(x), x)
    assert relative_error(found, numeric) < TOLERANCE


@pytest.mark.parametrize(
    ("arguments", "error", "says"),
    [
        ({}, ValueError, "takes y, .* or dy, .*: got neither"),
        ({"y": [0, 1], "dy": [1, 0, 0]}, ValueError, "got both"),
        ({"dy": [1, 0]}, ValueError, r"dy has shape \(2,\), expected \(2, 3\) like the outputs, or \(3,\)"),
        ({"dy": "ab"}, TypeError, "dy has dtype .*, expected numbers"),
        ({"dy": [1, np.nan, 0]}, ValueError, "dy.* is nan"),
        ({"dy": [1, 0, 0], "loss": "l2"}, ValueError, "loss needs y"),
        ({"y": [0, 3]}, ValueError, "expected a label of 0..2"),
        ({"y": [0]}, ValueError, "2 samples but y has 1"),
        ({"y": [0, 1], "batch_size": 0}, ValueError, "batch_size is 0"),
        ({"y": [0, 1], "loss": "mse"}, ValueError, "loss is 'mse'"),
    ],
)  # fmt: skip
def test_arguments_that_do_not_match_are_refused(arguments: dict[str, Any], error: Any, says: str) -> None:
    model = pynn.Sequential(pynn.Affine(3))
    model.build((2,))
    with pytest.raises(error, match=says):
        model.input_gradient(np.ones((2, 2)), **arguments)
    with pytest.raises(ValueError, match="expected finite numbers"):
        model.input_gradient([[np.inf, 0]], [0])
    with pytest.raises(RuntimeError, match="not built yet"):
        pynn.Sequential(pynn.Affine(3)).input_gradient(np.ones((2, 2)), [0, 1])


def test_outside_it_layers_refuse_to_go_back_through_evaluation(rng: np.random.Generator) -> None:
    for layer in (pynn.Dropout(0.5), pynn.BatchNorm(), pynn.SpatialDropout(0.5), pynn.DropConnect(3, 0.5)):
        model = pynn.Sequential(layer)
        x = rng.standard_normal((3, 2, 3)).astype(np.float32)
        y = model.forward(x)
        with pytest.raises(RuntimeError, match="must follow forward"):
            layer.backward(y)
