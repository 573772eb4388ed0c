"""Second-order training: quadratics in one step, SciPy's own answers, what is measured, Ctrl-C, bad input."""

from __future__ import annotations

import sys
from typing import Any

import numpy as np
import pytest

import pynn
from pynn import regularizers
from pynn.models.second_order import METHODS, _hessian, _Objective, _Run

Points = tuple[np.ndarray, np.ndarray]
WITH_SCIPY = tuple(method for method in METHODS if method != "Newton")


class SquaredError(pynn.Loss):
    """½·mean over samples of the squared distance."""

    def forward(self, outputs: np.ndarray, targets: np.ndarray) -> float:
        self.difference = outputs - targets
        return float((self.difference**2).sum() / (2 * len(outputs)))

    def backward(self) -> np.ndarray:
        return self.difference / len(self.difference)


@pytest.fixture
def line(rng: np.random.Generator) -> Points:
    """Targets near a linear function of 5 numbers."""
    x = rng.standard_normal((40, 5))
    return x, x @ rng.standard_normal((5, 2)) + 3 + 0.1 * rng.standard_normal((40, 2))


def network(*layers: pynn.Layer, **settings: Any) -> pynn.Sequential:
    settings = {"dtype": "float64", "seed": 1, **settings}
    return pynn.Sequential(*(layers or (pynn.Affine(6), pynn.Tanh(), pynn.Affine(3))), **settings)


def minimized(model: pynn.Sequential, data: Points, **settings: Any) -> pynn.History:
    if settings.get("method") != "Newton":
        pytest.importorskip("scipy")
    return pynn.minimize(model, *data, **{"progress": False, **settings})


def softmax_objective(x: np.ndarray, y: np.ndarray, l2: float, hidden: int = 0) -> Any:
    """Loss and gradient of (D → C), or (D → hidden → C) with tanh, written by hand; for SciPy."""
    n, d = x.shape
    classes = y.max() + 1
    sizes = [(d, hidden), (hidden,), (hidden, classes), (classes,)] if hidden else [(d, classes), (classes,)]
    ends = np.cumsum([np.prod(size) for size in sizes])

    def objective(point: np.ndarray) -> tuple[float, np.ndarray]:
        blocks = [part.reshape(size) for part, size in zip(np.split(point, ends[:-1]), sizes, strict=True)]
        inside = np.tanh(x @ blocks[0] + blocks[1]) if hidden else x
        logits = inside @ blocks[-2] + blocks[-1]
        logits -= logits.max(axis=1, keepdims=True)
        logs = logits - np.log(np.exp(logits).sum(axis=1, keepdims=True))
        value = -logs[np.arange(n), y].mean() + l2 / 2 * sum((block**2).sum() for block in blocks[::2])
        delta = (np.exp(logs) - np.eye(classes)[y]) / n
        gradients = [inside.T @ delta + l2 * blocks[-2], delta.sum(axis=0)]
        if hidden:
            delta = delta @ blocks[2].T * (1 - inside**2)
            gradients = [x.T @ delta + l2 * blocks[0], delta.sum(axis=0), *gradients]
        return float(value), np.concatenate([part.ravel() for part in gradients])

    return objective


def packed(model: pynn.Sequential) -> np.ndarray:
    return np.concatenate([block.ravel() for block in model.tensors().values()])


# Quadratics


def test_newton_needs_one_step_on_a_quadratic(line: Points) -> None:
    x, y = line
    model = network(pynn.Affine(2))
    history = minimized(model, line, loss=SquaredError(), method="Newton", tolerance=1e-9)
    assert history.epochs == 1
    assert history["gradient"][0] < 1e-9
    solution = np.linalg.lstsq(np.column_stack([x, np.ones(len(x))]), y, rcond=None)[0]
    np.testing.assert_allclose(model.layers[0].weight, solution[:-1], rtol=1e-8)
    np.testing.assert_allclose(model.layers[0].bias, solution[-1], rtol=1e-8)


def test_newton_solves_ridge_regression_in_one_step(line: Points) -> None:
    x, y = line
    model = network(pynn.Affine(2, use_bias=False))
    minimized(model, line, loss=SquaredError(), penalty=pynn.L2(0.3), method="Newton", steps=1)
    solution = np.linalg.solve(x.T @ x / len(x) + 0.3 * np.eye(5), x.T @ y / len(x))
    np.testing.assert_allclose(model.layers[0].weight, solution, rtol=1e-7)


@pytest.mark.parametrize("method", METHODS)
def test_every_method_finds_the_bottom_of_a_quadratic(method: str, line: Points) -> None:
    x, y = line
    model = network(pynn.Affine(2))
    history = minimized(model, line, loss=SquaredError(), method=method, tolerance=1e-7)
    solution = np.linalg.lstsq(np.column_stack([x, np.ones(len(x))]), y, rcond=None)[0]
    np.testing.assert_allclose(model.layers[0].weight, solution[:-1], atol=1e-6)
    assert history["gradient"][-1] <= 1e-7
    assert (np.diff(history["loss"]) <= 0).all()


def test_the_hessian_of_a_quadratic_is_that_worked_by_hand(line: Points) -> None:
    x, y = line
    model = network(pynn.Affine(1))
    model.build((5,))
    run = _Run(_Objective(model, SquaredError(), x, y[:, :1], None, 40), 1, 0, False)
    extended = np.column_stack([x, np.ones(len(x))])
    np.testing.assert_allclose(_hessian(run, run.best), extended.T @ extended / len(x), atol=1e-9)


def test_newton_finds_its_way_where_the_hessian_is_indefinite(points: Points) -> None:
    """A small network at its start: undamped steps would climb or diverge."""
    x, y = points[0].astype(np.float64), np.random.default_rng(3).integers(0, 3, 30)
    model = network()
    model.build((4,))
    objective = _Objective(model, pynn.SoftmaxCrossEntropy(), x, y, pynn.L2(1e-3), 30)
    assert np.linalg.eigvalsh(_hessian(_Run(objective, 1, 0, False), objective.point)).min() < -1e-3
    history = minimized(model, (x, y), penalty=pynn.L2(1e-3), method="Newton", tolerance=1e-9, steps=200)
    assert (np.diff(history["loss"]) < 0).all()
    assert history["gradient"][-1] <= 1e-9


class Barrier(pynn.Loss):
    """w - ln w: a minimum at 1, nothing below 0."""

    def forward(self, outputs: np.ndarray, targets: np.ndarray) -> float:
        self.outputs = outputs.copy()
        with np.errstate(invalid="ignore"):
            return float((outputs - np.log(outputs)).mean())

    def backward(self) -> np.ndarray:
        return (1 - 1 / self.outputs) / len(self.outputs)


def test_newton_takes_shorter_steps_where_the_loss_is_not_finite() -> None:
    model = network(pynn.Affine(1, use_bias=False))
    model.build((1,))
    model.layers[0].weight[...] = 3  # from where a whole step leads to -3
    history = minimized(model, (np.ones((4, 1)), np.ones((4, 1))), loss=Barrier(), method="Newton", tolerance=1e-9)
    assert model.layers[0].weight == pytest.approx(1, abs=1e-8)
    assert 1 < history.epochs < 20


# SciPy as an oracle


def test_lbfgs_goes_the_way_of_scipy_on_an_objective_by_hand(points: Points) -> None:
    optimize = pytest.importorskip("scipy.optimize")
    x, y = points[0].astype(np.float64), points[1]
    model = network()
    model.build((4,))
    start = packed(model)
    history = minimized(model, (x, y), penalty=pynn.L2(0.01), steps=15, tolerance=0)
    losses: list[float] = []
    objective = softmax_objective(x, y, 0.01, hidden=6)
    found = optimize.minimize(
        objective, start, jac=True, method="L-BFGS-B", callback=lambda point: losses.append(objective(point)[0]),
        options={"maxiter": 15, "ftol": 0, "gtol": 0},
    )  # fmt: skip
    np.testing.assert_allclose(history["loss"], losses, rtol=1e-6)
    np.testing.assert_allclose(packed(model), found.x, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("method", METHODS)
def test_every_method_finds_the_one_minimum_of_a_convex_problem(method: str, points: Points) -> None:
    optimize = pytest.importorskip("scipy.optimize")
    x, y = points[0].astype(np.float64), points[1]
    model = network(pynn.Affine(3))
    history = minimized(model, (x, y), penalty=pynn.L2(0.1), method=method, tolerance=1e-7)
    found = optimize.minimize(softmax_objective(x, y, 0.1), np.zeros(15), jac=True, method="BFGS", tol=1e-9)
    assert history["loss"][-1] == pytest.approx(found.fun, rel=1e-10)
    np.testing.assert_allclose(model.layers[0].weight.ravel(), found.x[:12], atol=1e-5)


def test_newton_cg_trains_a_float32_model(points: Points) -> None:
    x, y = points
    model = network(pynn.Affine(3), dtype="float32")
    history = minimized(model, (x, y), penalty=pynn.L2(0.1), method="Newton-CG", tolerance=1e-5)
    exact = minimized(network(pynn.Affine(3)), (x, y), penalty=pynn.L2(0.1), method="Newton-CG", tolerance=1e-9)
    assert history["gradient"][-1] < 1e-5
    assert history["loss"][-1] == pytest.approx(exact["loss"][-1], rel=1e-6)


def test_both_backends_find_the_same(points: Points, both_backends: tuple[str, ...]) -> None:
    ends = []
    for backend in both_backends:
        pynn.use_backend(backend)
        model = network()
        history = minimized(model, points, penalty=pynn.L2(0.01), steps=8)
        ends.append((model.parameters.copy(), history["loss"]))
    for one, other in zip(*ends, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-6, atol=1e-9)


def test_minimize_learns_the_digits_in_float32(digits: pynn.datasets.Dataset) -> None:
    model = pynn.Sequential(pynn.Flatten(), pynn.Affine(10))
    history = minimized(model, digits.train, penalty=pynn.L2(1e-3), steps=30)
    assert model.evaluate(*digits.test)["accuracy"] > 0.93
    assert history["loss"][-1] < 0.2 * history["loss"][0]


# What is measured


def test_history_has_one_number_a_step(points: Points) -> None:
    model = network()
    history = minimized(model, points, penalty=pynn.L2(0.01), steps=5)
    assert list(history) == ["loss", "data_loss", "penalty", "accuracy", "gradient", "passes"]
    assert history.epochs == 5
    measured = model.evaluate(*points)
    assert history["data_loss"][-1] == pytest.approx(measured["loss"], rel=1e-12)
    assert history["accuracy"][-1] == measured["accuracy"]
    assert history["penalty"][-1] == pytest.approx(regularizers.total(model, pynn.L2(0.01)), rel=1e-12)
    assert history["loss"][-1] == pytest.approx(history["data_loss"][-1] + history["penalty"][-1], rel=1e-12)
    assert history["passes"][0] >= 2
    assert (np.diff(history["passes"]) >= 1).all()
    assert list(minimized(network(), points, steps=1)) == ["loss", "accuracy", "gradient", "passes"]


@pytest.mark.parametrize("batch_size", [1, 7, 29, 30, 1000])
def test_the_pieces_change_the_result_by_rounding_alone(batch_size: int, points: Points) -> None:
    whole, pieces = network(), network()
    expected = minimized(whole, points, penalty=pynn.L2(0.01), steps=3)
    found = minimized(pieces, points, penalty=pynn.L2(0.01), steps=3, batch_size=batch_size)
    np.testing.assert_allclose(found["loss"], expected["loss"], rtol=1e-9)
    np.testing.assert_allclose(pieces.parameters, whole.parameters, atol=1e-8)


def test_layers_penalties_count(points: Points) -> None:
    one = network(pynn.Affine(3, penalty=pynn.L2(0.1)))
    other = network(pynn.Affine(3))
    assert minimized(one, points)["loss"] == minimized(other, points, penalty=pynn.L2(0.1))["loss"]
    np.testing.assert_array_equal(one.parameters, other.parameters)


def test_the_gaps_of_the_flat_vector_stay_zero(points: Points) -> None:
    model = network()
    minimized(model, points, steps=3)
    gaps = np.ones(len(model.parameters), bool)
    gaps[_Objective(model, model.loss, *points, None, 30).places] = False
    assert 0 < gaps.sum() == len(model.parameters) - model.parameter_count
    assert not model.parameters[gaps].any()


def test_dropout_is_off_and_comes_back(points: Points) -> None:
    with_dropout, without = (
        network(pynn.Affine(6), pynn.Tanh(), *between, pynn.Affine(3)) for between in ([pynn.Dropout(0.5)], [])
    )
    expected = minimized(without, points, steps=4)
    for model in (with_dropout, without):
        model.build((4,))
    with_dropout.parameters = without.parameters
    assert minimized(with_dropout, points, steps=4)["loss"] == minimized(without, points, steps=4)["loss"]
    assert with_dropout.layers[2].rate == 0.5
    assert expected.epochs == 4


def test_batch_normalization_takes_all_samples_at_once(points: Points) -> None:
    x, y = points[0].astype(np.float64), points[1]
    model = network(pynn.Affine(6), pynn.BatchNorm(), pynn.Tanh(), pynn.Affine(3))
    history = minimized(model, (x, y), penalty=pynn.L2(0.01), steps=10)
    assert (np.diff(history["loss"]) < 0).all()
    affine, norm = model.layers[:2]
    inputs = x @ affine.weight + affine.bias
    np.testing.assert_allclose(norm.running_mean, inputs.mean(axis=0), rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(norm.running_var, inputs.var(axis=0, ddof=1), rtol=1e-9)
    assert norm.momentum == 0.9
    other = network(pynn.Affine(6), pynn.BatchNorm(), pynn.Tanh(), pynn.Affine(3))
    with pytest.raises(ValueError, match="needs all 30 samples in one batch, but batch_size is 29; pass batch_size=30"):
        minimized(other, (x, y), batch_size=29)
    assert not other.built


def test_the_model_goes_on_with_fit(points: Points) -> None:
    model = network(dtype="float32")
    model.fit(*points, epochs=2, batch_size=10, progress=False)
    before = model.evaluate(*points)["loss"], model.epoch, model.context.step
    minimized(model, points, steps=5)
    after = model.evaluate(*points)["loss"]
    assert after < before[0]
    assert (model.epoch, model.context.step) == before[1:]
    model.fit(*points, epochs=2, batch_size=10, progress=False)
    assert model.epoch == 4


def test_steps_and_tolerance_stop_it(points: Points) -> None:
    assert minimized(network(), points, steps=0).epochs == 0
    assert minimized(network(), points, steps=3).epochs == 3
    assert minimized(network(), points, tolerance=1e3).epochs == 0
    model = network(pynn.Affine(3))
    history = minimized(model, points, penalty=pynn.L2(0.1), tolerance=1e-3)
    assert history["gradient"][-1] <= 1e-3 < history["gradient"][-2]
    assert minimized(model, points, penalty=pynn.L2(0.1), tolerance=1e-3).epochs == 0


def test_a_line_a_step_is_shown(points: Points, capsys: pytest.CaptureFixture[str]) -> None:
    history = minimized(network(), points, steps=2, progress="auto")
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 2
    assert lines[1].startswith(f"step 2/2: loss {history['loss'][1]:.4f}  accuracy {history['accuracy'][1]:.4f}  grad")
    minimized(network(), points, steps=2)
    assert capsys.readouterr().err == ""


# Where it ends early


class Interrupted(pynn.SoftmaxCrossEntropy):
    """Ctrl-C in one of its passes; writes down what it gave."""

    def __init__(self, passes: int, error: type[BaseException] = KeyboardInterrupt) -> None:
        self.passes, self.error = passes, error
        self.given: list[float] = []

    def forward(self, outputs: np.ndarray, targets: np.ndarray) -> float:
        if len(self.given) == self.passes:
            if self.error is not FloatingPointError:
                raise self.error
            return float("nan")
        self.given.append(super().forward(outputs, targets))
        return self.given[-1]


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("error", [KeyboardInterrupt, FloatingPointError])
@pytest.mark.parametrize("passes", [1, 80])
def test_the_best_parameters_stay_where_it_is_interrupted(
    method: str, error: type[BaseException], passes: int, points: Points
) -> None:
    model = network()
    model.build((4,))
    before = model.evaluate(*points)["loss"]
    loss = Interrupted(passes, error)
    with pytest.raises(error):
        minimized(model, points, loss=loss, method=method, steps=10_000, tolerance=0)
    after = pynn.SoftmaxCrossEntropy().forward(model.forward(points[0]), points[1])
    if passes == 1 or method == "Newton":  # whose first Hessian takes 102 passes
        assert after == before
    else:
        assert after < 0.9 * before
        assert np.isclose(after, loss.given, rtol=1e-12).any()


def test_a_loss_that_is_not_finite_at_the_start_is_an_error(points: Points) -> None:
    model = network()
    model.build((4,))
    before = model.parameters.copy()
    with pytest.raises(FloatingPointError, match=r"the loss is nan at the start.*Scale the inputs"):
        minimized(model, points, loss=Interrupted(0, FloatingPointError), method="Newton")
    np.testing.assert_array_equal(model.parameters, before)


# Bad input


@pytest.mark.parametrize(
    ("settings", "error", "message"),
    [
        ({"method": "Adam"}, ValueError, r"method is 'Adam', expected one of L-BFGS-B, BFGS, CG, Newton-CG, Newton"),
        ({"steps": -1}, ValueError, r"steps is -1"),
        ({"steps": 1.5}, ValueError, r"steps is 1\.5"),
        ({"tolerance": -1}, ValueError, r"tolerance is -1, expected a finite number of at least 0"),
        ({"tolerance": "small"}, ValueError, r"tolerance is 'small'"),
        ({"batch_size": 0}, ValueError, r"batch_size is 0"),
        ({"penalty": 0.1}, TypeError, r"penalty is 0\.1, expected a pynn Penalty"),
        ({"progress": "bar"}, ValueError, r"progress is 'bar'"),
        ({"loss": "squared"}, ValueError, r"loss is 'squared'"),
    ],
)
def test_bad_settings_are_refused(
    settings: dict[str, Any], error: type[Exception], message: str, points: Points
) -> None:
    model = network()
    with pytest.raises(error, match=message):
        minimized(model, points, **{"method": "Newton", **settings})
    assert not model.built


def test_bad_data_are_refused(points: Points) -> None:
    x, y = points
    model = network()
    for data, message in (((x, y[:3]), "30 samples but y has 3"), ((x, np.arange(30)), r"expected a label of 0\.\.2")):
        with pytest.raises(ValueError, match=message):
            minimized(model, data, method="Newton")
        assert not model.built


def test_models_that_are_too_large_are_refused(points: Points) -> None:
    model = network(pynn.Affine(300), pynn.Affine(3))
    with pytest.raises(ValueError, match=r"has 2,403 parameters, but Newton takes at most 2,000.*use L-BFGS-B"):
        minimized(model, points, method="Newton")
    assert not model.built
    with pytest.raises(ValueError, match=r"Newton needs a model of dtype float64 .*, this one is float32"):
        minimized(network(dtype="float32"), points, method="Newton")
    with pytest.raises(ValueError, match=r"BFGS takes at most 10,000"):
        minimized(network(pynn.Affine(2000), pynn.Affine(3)), points, method="BFGS")


@pytest.mark.parametrize("method", WITH_SCIPY)
def test_without_scipy_it_says_what_to_install(method: str, points: Points, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "scipy", None)
    model = network()
    with pytest.raises(ImportError, match=rf'the method {method} needs SciPy: pip install "pynn-cpu\[scipy\]"'):
        pynn.minimize(model, *points, method=method, progress=False)
    assert not model.built
    pynn.minimize(model, *points, method="Newton", steps=1, penalty=pynn.L2(0.1), progress=False)


def test_frozen_parameters_stay_and_noise_layers_are_off(points: Points) -> None:
    model = network(pynn.Affine(6), pynn.Tanh(), pynn.GaussianNoise(0.3), pynn.DropConnect(5, 0.3), pynn.Affine(3))
    model.build(points[0].shape[1:])
    model.layers[0].freeze()
    before = model.layers[0].weight.copy()
    losses = minimized(model, points, steps=6)["loss"]
    np.testing.assert_array_equal(model.layers[0].weight, before)
    assert losses == sorted(losses, reverse=True)  # noise would not let it fall at every step
    assert losses[-1] < 0.9 * losses[0]
    assert (model.layers[2].std, model.layers[3].rate) == (0.3, 0.3)
