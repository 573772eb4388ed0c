"""What `fit` and predictions refuse, with nothing changed; and what they take over."""

from __future__ import annotations

import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest
from small_fits import Points, assert_same, network, trained

import pynn


def _with(x: np.ndarray, place: tuple[int, int], value: float) -> np.ndarray:
    x = x.copy()
    x[place] = value
    return x


WRONG: dict[str, tuple[Callable[[np.ndarray, np.ndarray], dict[str, Any]], type[Exception], str]] = {
    "NaN": (lambda x, y: {"x": _with(x, (3, 1), np.nan)}, ValueError, r"^x\[3, 1\] is nan, expected finite numbers"),
    "infinity": (lambda x, y: {"x": _with(x, (0, 2), -np.inf)}, ValueError, r"^x\[0, 2\] is -inf, expected finite"),
    "no samples": (lambda x, y: {"x": x[:0], "y": y[:0]}, ValueError, r"^x is empty: its shape is \(0, 4\)"),
    "no features": (lambda x, y: {"x": x[:, :0]}, ValueError, r"input_shape is \(0,\), expected sizes of at least 1"),
    "fewer targets": (lambda x, y: {"y": y[:9]}, ValueError, r"^x has 30 samples but y has 9, expected one target for"),
    "text": (lambda x, y: {"x": x.astype(str)}, TypeError, r"^x has dtype <U\d+, expected numbers"),
    "complex": (lambda x, y: {"x": x.astype(complex)}, TypeError, r"^x has dtype complex128, expected numbers"),
    "label too high": (lambda x, y: {"y": y + (y == 2) * (np.arange(30) > 9)}, ValueError,
                       r"^y\[11\] is 3, expected a label of 0\.\.2.*y 4 classes; use a last layer of 4 units"),
    "float labels": (lambda x, y: {"y": y / 2}, TypeError,
                     r"^y has dtype float64, expected integer class labels.*for regression use loss='l2'"),
    "batch_size 0": (lambda x, y: {"batch_size": 0}, ValueError, r"^batch_size is 0, expected an integer of at least"),
    "batch_size 2.5": (lambda x, y: {"batch_size": 2.5}, ValueError, r"^batch_size is 2\.5, expected an integer"),
    "epochs -1": (lambda x, y: {"epochs": -1}, ValueError, r"^epochs is -1, expected an integer of at least 0"),
    "epochs 1.5": (lambda x, y: {"epochs": 1.5}, ValueError, r"^epochs is 1\.5, expected an integer"),
    "epochs True": (lambda x, y: {"epochs": True}, ValueError, r"^epochs is True, expected an integer"),
    "seed -1": (lambda x, y: {"seed": -1}, ValueError, r"^seed is -1, expected"),
    "seed 2^64": (lambda x, y: {"seed": 2**64}, ValueError, r"^seed is 18446744073709551616, expected"),
    "seed 0.5": (lambda x, y: {"seed": 0.5}, ValueError, r"^seed is 0\.5, expected"),
    "loss": (lambda x, y: {"loss": "mse"}, ValueError, r"^loss is 'mse', use 'l2', .*expected one of"),
    "optimizer": (lambda x, y: {"optimizer": "adamax"}, ValueError, r"^optimizer is 'adamax', use 'adam', .*expected"),
    "optimizer class": (lambda x, y: {"optimizer": pynn.Adam}, TypeError, r"^optimizer is .*; write Adam\(\)"),
    "penalty": (lambda x, y: {"penalty": 0.1}, TypeError, r"^penalty is 0\.1, expected"),
    "progress": (lambda x, y: {"progress": "bar"}, ValueError, r"^progress is 'bar', expected True, False or 'auto'"),
    "validation no pair": (lambda x, y: {"validation": x}, TypeError, r"^validation is ndarray, expected a pair"),
    "validation no share": (lambda x, y: {"validation": 1.5}, ValueError, r"^validation: share is 1\.5, exp"),
    "validation text": (lambda x, y: {"validation": "0.2"}, TypeError, r"^validation is str, expected a pair"),
    "metrics": (lambda x, y: {"metrics": ["f2"]}, ValueError, r"^metrics: 'f2' is unknown, expected one of acc"),
    "validation of four": (lambda x, y: {"validation": (x, y, y, y)}, TypeError, r"^validation .*expected a pair"),
    "validation shape": (
        lambda x, y: {"validation": (x[:, :3], y)}, ValueError, r"^validation x has shape \(30, 3\), expected \(N, 4\)"
    ),
    "validation lengths": (
        lambda x, y: {"validation": (x, y[:3])}, ValueError, r"^validation x has 30 samples but validation y has 3"
    ),
    "validation NaN": (lambda x, y: {"validation": (x * np.nan, y)}, ValueError, r"^validation x\[0, 0\] is nan"),
    "validation labels": (lambda x, y: {"validation": (x, y + 5)}, ValueError, r"^validation.*y\[0\] is 5"),
    "validation empty": (lambda x, y: {"validation": (x[:0], y[:0])}, ValueError, r"^validation x is empty"),
}  # fmt: skip


@pytest.mark.parametrize("case", WRONG)
def test_a_fit_that_is_refused_changes_nothing(case: str, points: Points) -> None:
    """On a model that is not built it leaves it so; on one that was trained it leaves everything as it was."""
    change, error, message = WRONG[case]
    x, y = points

    def call(model: pynn.Sequential) -> None:
        model.fit(**{"x": x, "y": y, "epochs": 2, "batch_size": 10, "progress": False, **change(x, y)})

    fresh = network()
    with pytest.raises(error, match=message):
        call(fresh)
    assert not fresh.built
    assert fresh.optimizer is None
    assert fresh.fit(x[:, :3], y, epochs=1, batch_size=10, progress=False).epochs == 1

    if case == "no features":
        return
    model, expected = trained(x, y), trained(x, y)
    loss, optimizer = model.loss, model.optimizer
    with pytest.raises(error, match=message):
        call(model)
    assert model.loss is loss
    assert model.optimizer is optimizer
    assert_same(model, expected)


def test_a_refused_fit_leaves_an_optimizer_to_the_model_that_claimed_it_meanwhile(points: Points) -> None:
    x, y = points
    optimizer, other = pynn.Adam(0.01), network()

    class Claiming:
        """Samples whose reading takes so long that another model's run begins with the same optimizer."""

        def __array__(self, dtype: Any = None, copy: Any = None) -> np.ndarray:
            if not other.built:
                other.fit(x, y, epochs=1, progress=False, optimizer=optimizer)
            return x

    with pytest.raises(ValueError, match="already trains another model"):
        network().fit(Claiming(), y, epochs=1, progress=False, optimizer=optimizer)
    assert optimizer._parameters is other.parameters
    steps, moments = optimizer.steps, optimizer.first.copy()
    other.partial_fit(x, y)
    assert optimizer.steps > steps
    assert not np.array_equal(optimizer.first, moments)


def test_a_refused_fit_does_not_replace_the_models_loss(points: Points) -> None:
    model = trained(*points)
    loss = model.loss
    with pytest.raises(ValueError, match="batch_size"):
        model.fit(*points, loss=pynn.SoftmaxCrossEntropy(), batch_size=0, progress=False)
    assert model.loss is loss


def test_inputs_of_another_shape_after_building_are_refused(points: Points) -> None:
    model = trained(*points)
    for call in (model.fit, model.evaluate):
        with pytest.raises(ValueError, match=r"x has shape \(30, 3\), expected \(N, 4\): the model was built for such"):
            call(points[0][:, :3], points[1])


def test_images_into_affine_are_refused_with_a_hint(points: Points) -> None:
    model = pynn.Sequential(pynn.Affine(3))
    with pytest.raises(ValueError, match=r"layer 0 \(Affine\): .*\(2, 2, 1\); put Flatten\(\) before it"):
        model.fit(points[0].reshape(30, 2, 2, 1), points[1], batch_size=10, progress=False)
    assert not model.built
    with pytest.raises(ValueError, match=r"y has shape \(30,\), expected \(N, 2\), .*one label, put Flatten\(\)"):
        model.fit(points[0].reshape(30, 2, 2), points[1], batch_size=10, progress=False)  # without channels
    assert not model.built


def test_batchnorm_on_batches_of_one_is_refused(points: Points) -> None:
    with pytest.raises(ValueError, match=r"batchnorm1: a training batch of 1 sample has no variance.*at least 2"):
        network().fit(*points, batch_size=1, progress=False)


@pytest.mark.parametrize("method", ["predict", "predict_proba"])
@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_predictions_refuse_what_is_not_finite(method: str, value: float, points: Points) -> None:
    with pytest.raises(ValueError, match=rf"x\[1, 0\] is {value}, expected finite numbers"):
        getattr(trained(*points), method)(_with(points[0], (1, 0), value))


@pytest.mark.parametrize("method", ["predict", "predict_proba", "evaluate"])
@pytest.mark.parametrize("batch_size", [0, -1, 2.5, "7", True])
def test_batch_sizes_of_predictions_are_checked(method: str, batch_size: Any, points: Points) -> None:
    model = trained(*points)
    arguments = points if method == "evaluate" else points[:1]
    with pytest.raises(ValueError, match=rf"batch_size is {batch_size!r}, expected an integer of at least 1"):
        getattr(model, method)(*arguments, batch_size=batch_size)


@pytest.mark.parametrize("method", ["predict", "predict_proba"])
@pytest.mark.parametrize(
    ("x", "error", "message"),
    [
        (np.zeros((0, 4)), ValueError, r"x is empty: its shape is \(0, 4\)"),
        (np.zeros(4), ValueError, r"x has shape \(4,\), expected \(N, 4\)"),
        (3.0, ValueError, r"x is a single number"),
        ("text", TypeError, r"x has dtype <U4, expected numbers"),
        (None, TypeError, r"x has dtype object, expected numbers"),
    ],
)
def test_predictions_refuse_what_is_no_batch(
    method: str, x: Any, error: type[Exception], message: str, points: Points
) -> None:
    with pytest.raises(error, match=message):
        getattr(trained(*points), method)(x)


@pytest.mark.parametrize("method", ["predict", "evaluate"])
def test_a_model_that_is_not_built_says_so_rather_than_guess(method: str, points: Points) -> None:
    model = network()
    with pytest.raises(RuntimeError, match=f"{method} was called on a model that is not built yet: fit it"):
        getattr(model, method)(*(points[:1] if method == "predict" else points))
    assert not model.built


def test_two_threads_may_predict_with_one_model(points: Points) -> None:
    """Layers reuse their buffers: without a lock each thread reads the other's numbers."""
    model = trained(*points)
    parts = [points[0][:15], points[0][15:]]
    expected = [model.predict_proba(part) for part in parts]

    def right(which: int) -> bool:
        return all(np.array_equal(model.predict_proba(parts[which]), expected[which]) for _ in range(300))

    with ThreadPoolExecutor(2) as pool:
        assert all(pool.map(right, (0, 1)))


def test_weights_that_are_replaced_rather_than_written_into_are_taken_over(points: Points) -> None:
    model, other = trained(*points), trained(*points)
    weight = next(layer for layer in model.layers if isinstance(layer, pynn.Affine)).weight
    for one in (model, other):
        layer = next(layer for layer in one.layers if isinstance(layer, pynn.Affine))
        if one is model:
            layer.weight = np.zeros(weight.shape)
        else:
            layer.weight[...] = 0
    model.tensors()
    assert_same(model, other)
    model.fit(*points, epochs=2, batch_size=10, progress=False)
    other.fit(*points, epochs=2, batch_size=10, progress=False)
    assert_same(model, other)
    model.parameters *= 2
    np.testing.assert_array_equal(model.parameters, 2 * other.parameters)


def test_training_works_where_there_is_no_stderr(points: Points, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stderr", None)
    assert network().fit(*points, epochs=1, batch_size=10).epochs == 1


def test_a_second_fit_keeps_the_models_own_loss(points: Points) -> None:
    loss = pynn.SoftmaxCrossEntropy()
    model = network()
    model.fit(*points, loss=loss, epochs=1, batch_size=10, progress=False)
    model.fit(*points, epochs=1, batch_size=10, progress=False)
    assert model.loss is loss


@pytest.mark.parametrize("call", ["fit", "evaluate", "predict"])
def test_float64_numbers_too_large_for_float32_are_refused(call: str, points: Points) -> None:
    """Silently turned into infinity they would give NaN, and predictions of class 0."""
    x = _with(points[0].astype(np.float64), (4, 2), 1e300)
    model = trained(*points)
    arguments = (x,) if call == "predict" else (x, points[1])
    settings = {"batch_size": 10, "progress": False} if call == "fit" else {}
    with pytest.raises(ValueError, match=r"x\[4, 2\] is 1e\+300, .*float32"):
        getattr(model, call)(*arguments, **settings)
    wide = network(dtype="float64")
    wide.build((4,))
    assert wide.predict(x).shape == (30,)
