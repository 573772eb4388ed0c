"""Penalties: values, gradients, what they count, and what they do to training."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import gradients
import numpy as np
import pytest

import pynn
from pynn import regularizers

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
        (pynn.ElasticNet(0.5, 1.5), 0.5 * 6 + 0.75 * 14, [2, -3.5, 0, 5]),
        (pynn.ElasticNet(0.5, 0), 0.5 * 6, [0.5, -0.5, 0, 0.5]),
        (pynn.ElasticNet(0, 0), 0, [0, 0, 0, 0]),
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


@pytest.mark.parametrize("penalty", [pynn.L1(0.3), pynn.L2(0.3), pynn.ElasticNet(0.3, 0.2, biases=True)], ids=repr)
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
    expected = penalty.value(penalized)
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


# Per layer, and biases


def test_a_layers_own_penalty_goes_before_the_models() -> None:
    model = pynn.Sequential(
        pynn.Affine(2, penalty=pynn.L1(3)), pynn.Affine(2), pynn.Affine(2, penalty=pynn.L2(0)), dtype="float64"
    )
    model.build((2,))
    first, second, third = model.layers
    for layer in model.layers:
        layer.weight[...], layer.bias[...] = 2, 5
    assert pynn.L2(1).apply(model) == 3 * 8 + 0.5 * 16
    np.testing.assert_array_equal(first.dweight, np.full((2, 2), 3))
    np.testing.assert_array_equal(second.dweight, np.full((2, 2), 2))
    assert not third.dweight.any()
    assert regularizers.total(model, None) == 24
    second.penalty = pynn.L2(10)  # at any time
    assert regularizers.total(model, None) == 24 + 5 * 16
    first.penalty = second.penalty = None
    assert regularizers.total(model, None) == 0


def test_biases_count_where_they_are_asked_for() -> None:
    model = pynn.Sequential(pynn.Affine(2, penalty=pynn.L1(1, biases=True)), pynn.BatchNorm(), pynn.Affine(2))
    model.build((2,))
    first, norm, last = model.layers
    first.weight[...], first.bias[...], last.weight[...], last.bias[...] = 0, -3, 0, 2
    assert regularizers.total(model, None) == 6
    np.testing.assert_array_equal(first.dbias, [-1, -1])
    assert pynn.L2(1).apply(model) == 6
    assert not last.dbias.any()
    assert pynn.L2(1, biases=True).apply(model) == 6 + 0.5 * (2 * 4 + norm.gamma.size)
    np.testing.assert_array_equal(last.dbias, [2, 2])


def test_training_with_a_layers_own_penalty_is_that_of_the_gradient_by_hand(points: Points) -> None:
    plain, penalized = (
        pynn.Sequential(pynn.Affine(5), pynn.Tanh(), pynn.Affine(3, penalty=penalty), dtype="float64")
        for penalty in (None, pynn.ElasticNet(0.1, 0.2))
    )
    loss = pynn.SoftmaxCrossEntropy()
    value = plain.train_step(*points, loss, pynn.SGD(0.5))
    start = pynn.Sequential(pynn.Affine(5), pynn.Tanh(), pynn.Affine(3), dtype="float64")
    start.build((4,))
    weight = start.layers[2].weight
    expected = 0.1 * np.abs(weight).sum() + 0.1 * (weight**2).sum()
    assert penalized.train_step(*points, loss, pynn.SGD(0.5)) == pytest.approx(value + expected, rel=1e-12)
    assert penalized.penalty_value == pytest.approx(expected, rel=1e-12)
    assert plain.penalty_value is None
    shrunk = plain.layers[2].weight - 0.5 * (0.1 * np.sign(weight) + 0.2 * weight)
    np.testing.assert_allclose(penalized.layers[2].weight, shrunk, rtol=1e-12)
    np.testing.assert_array_equal(penalized.layers[0].weight, plain.layers[0].weight)


def test_own_layers_may_have_a_penalty() -> None:
    class Stretch(gradients.Stretch):
        def __init__(self, penalty: pynn.regularizers.Penalty | None = None) -> None:
            self.penalty = penalty

    model = pynn.Sequential(Stretch(pynn.L1(2)), pynn.Affine(3))
    model.build((4,))
    assert regularizers.total(model, None) == 8
    with pytest.raises(TypeError, match=r"stretch1: penalty is 0\.1, expected a pynn Penalty"):
        model.layers[0].penalty = 0.1
    assert regularizers.total(model, None) == 8


def test_a_layers_penalty_is_saved_with_the_model(tmp_path: Path, points: Points) -> None:
    layers = [
        pynn.Affine(5, penalty=pynn.ElasticNet(0.1, 0.2)), pynn.Affine(4, penalty=pynn.L1(0.5, biases=True)),
        pynn.Affine(3, penalty=pynn.L2(0)), pynn.Affine(3),
    ]  # fmt: skip
    model = pynn.Sequential(*layers)
    model.fit(*points, epochs=1, batch_size=10, progress=False)
    model.save(tmp_path / "model.safetensors")
    loaded = pynn.load(tmp_path / "model.safetensors")
    assert [repr(layer) for layer in loaded.layers] == [repr(layer) for layer in layers]
    assert repr(layers[0]) == "Affine(units=5, penalty=ElasticNet(l1=0.1, l2=0.2))"
    assert regularizers.total(loaded, None) == regularizers.total(model, None) > 0


def test_own_penalties_can_be_loaded(tmp_path: Path) -> None:
    class Half(pynn.L2):
        pass

    model = pynn.Sequential(pynn.Affine(2, penalty=Half(3)))
    model.build((2,))
    model.save(tmp_path / "model.safetensors")
    with pytest.raises(ValueError, match="'Half' is not a pynn class"):
        pynn.load(tmp_path / "model.safetensors")
    assert type(pynn.load(tmp_path / "model.safetensors", own=[Half]).layers[0].penalty) is Half


def test_a_custom_loop_gives_the_bits_of_train_step(points: Points) -> None:
    models = [pynn.Sequential(pynn.Affine(5, penalty=pynn.L1(0.1)), pynn.Tanh(), pynn.Affine(3)) for _ in range(2)]
    loss, penalty = pynn.SoftmaxCrossEntropy(), pynn.L2(0.2)
    models[0].train_step(*points, loss, pynn.SGD(0.5), penalty)
    loss.forward(models[1].forward(points[0], training=True), points[1])
    models[1].backward(loss.backward())
    assert penalty.apply(models[1]) == models[0].penalty_value
    pynn.SGD(0.5).step(models[1])
    np.testing.assert_array_equal(models[1].parameters, models[0].parameters)


# What is reported


def test_history_reports_the_parts_of_the_objective(points: Points) -> None:
    names = ["loss", "data_loss", "penalty", "accuracy"]
    for model, penalty in (
        (network(), pynn.L2(0.5)),
        (pynn.Sequential(pynn.Affine(5, penalty=pynn.L1(0.1)), pynn.Affine(3)), None),
    ):
        model.build((4,))
        start = regularizers.total(model, penalty)
        history = model.fit(
            *points, validation=points, penalty=penalty, optimizer=pynn.SGD(0), epochs=2, batch_size=10, progress=False
        )
        assert list(history)[:4] == names
        assert history["penalty"] == pytest.approx([start] * 2, rel=1e-6)
        for loss, data_loss, extra in zip(*(history[name] for name in names[:3]), strict=True):
            assert loss == pytest.approx(data_loss + extra, rel=1e-12)
        assert model.evaluate(*points)["loss"] == history["val_loss"][-1]
        assert "val_penalty" not in history
    linear = pynn.Sequential(pynn.Affine(3))
    history = linear.fit(
        *points, validation=points, penalty=pynn.L2(7), optimizer=pynn.SGD(0), batch_size=10, epochs=1, progress=False
    )
    assert history["data_loss"] == pytest.approx(history["val_loss"], rel=1e-6)


def test_without_a_penalty_nothing_is_said_of_one(points: Points) -> None:
    model = network()
    model.fit(*points, penalty=pynn.L2(1), epochs=1, batch_size=10, progress=False)
    history = model.fit(*points, epochs=1, batch_size=10, progress=False)
    assert list(history) == ["loss", "accuracy", "learning_rate", "samples_per_second"]
    assert model.penalty_value is None


def test_the_line_of_an_epoch_shows_the_parts(points: Points, capsys: pytest.CaptureFixture[str]) -> None:
    history = network().fit(*points, penalty=pynn.L2(0.5), epochs=1, batch_size=10)
    shown = capsys.readouterr().err
    for name in ("loss", "data_loss", "penalty"):
        assert f"{name} {history[name][0]:.4f}  " in shown


def test_the_objective_falls_at_every_step_though_the_data_loss_need_not() -> None:
    """Full-batch descent with L2: what is minimized is data loss + penalty."""
    rng = np.random.default_rng(2)
    x, weight = rng.normal(size=(40, 5)), 3 * rng.normal(size=(5, 3))
    y = (x @ weight).argmax(axis=1)
    model = pynn.Sequential(pynn.Affine(3), dtype="float64")
    model.build((5,))
    model.layers[0].weight[...] = weight  # right on every sample, but large
    history = model.fit(x, y, optimizer=pynn.SGD(0.05), penalty=pynn.L2(2), epochs=60, batch_size=40, progress=False)
    assert (np.diff(history["loss"]) < 0).all()
    assert (np.diff(history["data_loss"]) > 0).any()


def test_strong_penalties_shrink_the_weights(points: Points) -> None:
    sizes = {}
    for name, penalty in {"none": None, "L1": pynn.L1(0.1), "L2": pynn.L2(0.5)}.items():
        model = pynn.Sequential(pynn.Affine(8), pynn.Tanh(), pynn.Affine(3))
        model.fit(*points, optimizer=pynn.SGD(0.05), penalty=penalty, epochs=100, batch_size=30, progress=False)
        sizes[name] = sum(float(np.abs(layer.weight).sum()) for layer in (model.layers[0], model.layers[2]))
    assert sizes["L1"] < 0.5 * sizes["none"]
    assert sizes["L2"] < 0.5 * sizes["none"]


@pytest.mark.parametrize("kind", [pynn.L1, pynn.L2])
@pytest.mark.parametrize("value", [-1, float("nan"), float("inf")])
def test_strengths_out_of_range_are_refused(kind: type[pynn.regularizers.Penalty], value: float) -> None:
    with pytest.raises(ValueError, match=rf"{kind.__name__}: strength is {value}, expected a finite number"):
        kind(value)


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: pynn.ElasticNet(-1, 0), ValueError, r"ElasticNet: l1 is -1, expected a finite number of at least 0"),
        (lambda: pynn.ElasticNet(0, float("nan")), ValueError, r"ElasticNet: l2 is nan"),
        (lambda: pynn.ElasticNet(0, "1"), ValueError, r"ElasticNet: l2 is '1'"),
        (lambda: pynn.L2(1, biases=1), TypeError, r"L2: biases is 1, expected True or False"),
        (lambda: pynn.ElasticNet(1, 1, biases="no"), TypeError, r"ElasticNet: biases is 'no'"),
        (lambda: pynn.Affine(2, penalty=0.1), TypeError, r"Affine: penalty is 0\.1, expected a pynn Penalty"),
        (lambda: pynn.Affine(2, penalty=pynn.L2), TypeError, r"Affine: penalty is <class .*expected a pynn Penalty"),
    ],
)
def test_bad_settings_are_refused(make: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        make()


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
def test_invalid_penalties_are_refused(choice: Any, message: str, points: Points) -> None:
    model = pynn.Sequential(pynn.Affine(3))
    with pytest.raises(TypeError, match=message):
        model.fit(*points, penalty=choice, batch_size=10, progress=False)
    assert not model.built


def test_repr_is_the_source() -> None:
    assert [repr(pynn.L1(0.5)), repr(pynn.L2(strength=1e-4))] == ["L1(strength=0.5)", "L2(strength=0.0001)"]
    assert repr(pynn.ElasticNet(1, 2, biases=True)) == "ElasticNet(l1=1, l2=2, biases=True)"


def test_measuring_a_penalty_changes_nothing(rng: np.random.Generator) -> None:
    model = pynn.Sequential(pynn.Affine(3), pynn.Affine(2), seed=0)
    assert pynn.L2(0.1).value(model) == 0  # not built yet
    x, y = rng.standard_normal((5, 4)), rng.integers(0, 2, 5)
    model.train_step(x, y, pynn.SoftmaxCrossEntropy(), pynn.SGD(0.1))
    before = model.gradients.copy()
    model.layers[0].freeze()
    value = pynn.L2(0.1).value(model)
    np.testing.assert_array_equal(model.gradients, before)
    np.testing.assert_allclose(value, 0.05 * (np.asarray(model.layers[1].weight) ** 2).sum(), rtol=1e-6)
