"""Penalties: values, gradients, what they count, and what they do to training."""

from __future__ import annotations

from typing import Any

import gradients
import numpy as np
import pytest

import pynn

Points = tuple[np.ndarray, np.ndarray]


def network(**settings: Any) -> pynn.Sequential:
    model = pynn.Sequential(pynn.Affine(5), pynn.BatchNorm(), pynn.ReLU(), pynn.Affine(3), **settings)
    model.build((4,))
    return model


@pytest.mark.parametrize(
    ("penalty", "value", "gradient"),
    [
        (pynn.L1(0.5), 0.5 * 6, [0.5, -0.5, 0, 0.5]),
        (pynn.L2(0.5), 0.25 * 14, [0.5, -1, 0, 1.5]),
        (pynn.L1(0), 0, [0, 0, 0, 0]),
        (pynn.L2(0), 0, [0, 0, 0, 0]),
    ],
    ids=repr,
)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_values_and_gradients_are_those_worked_by_hand(
    penalty: pynn.regularizers.Penalty, value: float, gradient: list[float], dtype: str
) -> None:
    model = pynn.Sequential(pynn.Affine(2), dtype=dtype)
    model.build((2,))
    layer = model.layers[0]
    layer.weight[...] = [[1, -2], [0, 3]]
    layer.bias[...] = 100
    layer.dweight[...], layer.dbias[...] = 10, 20
    assert penalty.apply(model) == value
    np.testing.assert_array_equal(layer.dweight.ravel(), 10 + np.array(gradient))
    np.testing.assert_array_equal(layer.dbias, [20, 20])


@pytest.mark.parametrize("penalty", [pynn.L1(0.3), pynn.L2(0.3)], ids=repr)
def test_gradients_of_the_penalized_loss_match_central_differences(
    penalty: pynn.regularizers.Penalty, rng: np.random.Generator
) -> None:
    model, x = gradients.smooth([pynn.Affine(5), pynn.Tanh(), pynn.Affine(3)], (4,))
    for layer in (model.layers[0], model.layers[2]):
        layer.weight += np.copysign(0.1, layer.weight)  # away from the kink of |w|
    gradients.check(model, pynn.SoftmaxCrossEntropy(), x, rng.integers(0, 3, 6), penalty)


def test_biases_gammas_and_betas_are_left_out() -> None:
    model = network()
    for name, value in model.tensors().items():
        value[...] = 0 if name.endswith(".weight") else 7
    model.gradients.fill(0)
    for penalty in (pynn.L1(1), pynn.L2(1)):
        assert penalty.apply(model) == 0
    assert not model.gradients.any()


def test_an_own_parameter_may_be_left_out() -> None:
    class Shift(pynn.Layer):
        def build(self, input_shape: tuple[int, ...]) -> tuple[int, ...]:
            self.add_parameter("counted", input_shape, pynn.Constant(2))
            self.add_parameter("free", input_shape, pynn.Constant(5), penalized=False)
            return input_shape

    model = pynn.Sequential(Shift())
    model.build((3,))
    assert pynn.L1(1).apply(model) == 6


@pytest.mark.parametrize("penalty", [pynn.L1(0.01), pynn.L2(0.01)], ids=repr)
def test_the_loss_that_is_reported_includes_the_penalty(penalty: pynn.regularizers.Penalty, points: Points) -> None:
    x, y = points
    plain, penalized = network(), network()
    loss, optimizer = pynn.SoftmaxCrossEntropy(), pynn.SGD(0)
    expected = penalty.apply(penalized)
    difference = penalized.train_step(x, y, loss, optimizer, penalty) - plain.train_step(x, y, loss, pynn.SGD(0))
    assert difference == pytest.approx(expected, rel=1e-5)
    with_penalty, without = (
        network().fit(x, y, optimizer=pynn.SGD(0), penalty=one, epochs=1, batch_size=30, progress=False)
        for one in (penalty, None)
    )
    assert with_penalty["loss"][0] - without["loss"][0] == pytest.approx(expected, rel=1e-5)
    assert with_penalty["accuracy"] == without["accuracy"]


def test_evaluation_leaves_the_penalty_out(points: Points) -> None:
    model = network()
    history = model.fit(
        *points, validation=points, optimizer=pynn.SGD(0), penalty=pynn.L2(100), epochs=1, batch_size=30, progress=False
    )
    assert history["loss"][0] > 100 > 10 > history["val_loss"][0]
    assert model.evaluate(*points)["loss"] == history["val_loss"][0]


def test_l2_with_sgd_is_weight_decay() -> None:
    """One step of SGD with L2(λ) shrinks the weights by 1 - η·λ, on top of the plain step."""
    rng = np.random.default_rng(1)
    x, y = rng.normal(size=(20, 4)), rng.integers(0, 3, 20)
    plain, decayed = network(dtype="float64"), network(dtype="float64")
    start = plain.layers[0].weight.copy()
    plain.train_step(x, y, pynn.SoftmaxCrossEntropy(), pynn.SGD(0.1))
    decayed.train_step(x, y, pynn.SoftmaxCrossEntropy(), pynn.SGD(0.1), pynn.L2(0.5))
    np.testing.assert_allclose(decayed.layers[0].weight, plain.layers[0].weight - 0.1 * 0.5 * start, rtol=1e-12)
    np.testing.assert_array_equal(decayed.layers[1].gamma, plain.layers[1].gamma)


def test_strong_penalties_shrink_the_weights(points: Points) -> None:
    sizes = {}
    for name, penalty in {"none": None, "L1": pynn.L1(0.1), "L2": pynn.L2(0.5)}.items():
        model = pynn.Sequential(pynn.Affine(8), pynn.Tanh(), pynn.Affine(3))
        model.fit(*points, optimizer=pynn.SGD(0.05), penalty=penalty, epochs=100, batch_size=30, progress=False)
        sizes[name] = sum(float(np.abs(weight).sum()) for weight, _ in model.penalized())
    assert sizes["L1"] < 0.5 * sizes["none"]
    assert sizes["L2"] < 0.5 * sizes["none"]


@pytest.mark.parametrize("kind", [pynn.L1, pynn.L2])
@pytest.mark.parametrize("value", [-1, float("nan"), float("inf")])
def test_strengths_out_of_range_are_refused(kind: type[pynn.regularizers.Penalty], value: float) -> None:
    with pytest.raises(ValueError, match=rf"{kind.__name__}: strength is {value}, expected a finite number"):
        kind(value)


@pytest.mark.parametrize("value", ["0.1", None])
def test_strengths_that_are_no_numbers_are_refused(value: Any) -> None:
    with pytest.raises((TypeError, ValueError), match=r"L2: strength is .*, expected a finite number"):
        pynn.L2(value)


@pytest.mark.parametrize(
    ("choice", "message"),
    [
        (pynn.L2, r"penalty is <class .*expected .*Penalty"),
        ("l2", r"penalty is 'l2', expected .*Penalty"),
        (1e-4, r"penalty is 0\.0001, expected .*Penalty"),
    ],
)
def test_what_is_no_penalty_is_refused(choice: Any, message: str, points: Points) -> None:
    model = pynn.Sequential(pynn.Affine(3))
    with pytest.raises(TypeError, match=message):
        model.fit(*points, penalty=choice, batch_size=10, progress=False)
    assert not model.built


def test_repr_is_the_source() -> None:
    assert [repr(pynn.L1(0.5)), repr(pynn.L2(strength=1e-4))] == ["L1(strength=0.5)", "L2(strength=0.0001)"]
