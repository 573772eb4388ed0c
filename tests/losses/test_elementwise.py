"""Losses of regression and of attributes: values by hand and by PyTorch, gradients, extremes, targets, training."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import gradients
import numpy as np
import pytest

import pynn

LOSSES: dict[str, type[pynn.Loss]] = {
    "l2": pynn.SquaredError,
    "l1": pynn.AbsoluteError,
    "huber": pynn.Huber,
    "binary_hinge": pynn.BinaryHinge,
    "binary_cross_entropy": pynn.BinaryCrossEntropy,
}
REGRESSION, ATTRIBUTES = ("l2", "l1", "huber"), ("binary_hinge", "binary_cross_entropy")
ALL = REGRESSION + ATTRIBUTES
every = pytest.mark.parametrize("name", LOSSES)


def pair(name: str, rng: np.random.Generator, shape: tuple[int, ...]) -> tuple[np.ndarray, np.ndarray]:
    """Outputs and targets at least 0.1 from every kink."""
    outputs = rng.choice([-3.3, -1.7, -0.6, 0.4, 1.4, 2.9], shape) + rng.uniform(-0.1, 0.1, shape)
    if name == "binary_hinge":
        return outputs, rng.choice([-1.0, 1.0], shape)
    return outputs, rng.uniform(0, 1, shape) if name == "binary_cross_entropy" else np.round(rng.normal(size=shape)) - 5


def test_known_values() -> None:
    f, y = np.array([[1.0, -2.0], [0.5, 3.0]]), np.array([[0.0, 0.0], [1.0, 0.5]])
    assert pynn.SquaredError().forward(f, y) == (1 + 4 + 0.25 + 6.25) / 2
    assert pynn.AbsoluteError().forward(f, y) == (1 + 2 + 0.5 + 2.5) / 2
    assert pynn.Huber().forward(f, y) == (0.5 + 1.5 + 0.125 + 2) / 2
    signs = np.array([[1.0, 1.0], [-1.0, 1.0]])
    hinge = pynn.BinaryHinge()
    assert hinge.forward(f, signs) == (0 + 3 + 1.5 + 0) / 2
    np.testing.assert_array_equal(hinge.backward() * 2, [[0, -1], [1, 0]])
    entropy = pynn.BinaryCrossEntropy()
    assert entropy.forward(np.array([[0, np.log(3)]]), np.array([[1, 0.25]])) == pytest.approx(
        np.log(2) - 0.25 * np.log(0.75) - 0.75 * np.log(0.25), rel=1e-15
    )


@every
@pytest.mark.parametrize("shape", [(1, 1), (5, 3), (4, 2, 3)])
def test_gradient_matches_central_differences(name: str, shape: tuple[int, ...], rng: np.random.Generator) -> None:
    model = pynn.Sequential(gradients.PassThrough(), dtype="float64")
    gradients.check(model, LOSSES[name](), *pair(name, rng, shape))


@pytest.mark.parametrize("delta", [0.25, 3.0])
def test_gradient_of_huber_matches_central_differences_on_both_sides(delta: float, rng: np.random.Generator) -> None:
    model = pynn.Sequential(pynn.Flatten(), dtype="float64")
    outputs = rng.uniform(-6, 6, (8, 5))
    gradients.check(model, pynn.Huber(delta), outputs, np.zeros((8, 5)))


@every
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_elementwise_losses_and_gradients_follow_torch(
    name: str, dtype: str, rng: np.random.Generator, torch: Any
) -> None:
    """PyTorch's means are over all numbers, ours are sums over the outputs: they differ by the factor K = 7."""
    f = torch.nn.functional
    outputs, targets = (array.astype(dtype) for array in pair(name, rng, (20, 7)))
    oracle = {
        "l2": f.mse_loss,
        "l1": f.l1_loss,
        "huber": lambda a, b: f.huber_loss(a, b, delta=1.0),
        "binary_cross_entropy": f.binary_cross_entropy_with_logits,
        "binary_hinge": lambda a, b: f.hinge_embedding_loss(a * b, -torch.ones_like(b)),  # max(0, 1 - a b), the mean
    }[name]
    t = torch.tensor(outputs, requires_grad=True)
    expected = 7 * oracle(t, torch.tensor(targets))
    expected.backward()
    loss = LOSSES[name]()
    rel = 1e-13 if dtype == "float64" else 1e-5
    assert loss.forward(outputs, targets) == pytest.approx(expected.item(), rel=rel)
    np.testing.assert_allclose(loss.backward(), t.grad.numpy(), rtol=10 * rel, atol=rel)


@every
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("backend", pynn.kernels.BACKENDS)
def test_extreme_outputs_give_finite_losses_and_gradients(
    name: str, dtype: str, backend: str, both_backends: tuple[str, ...]
) -> None:
    pynn.use_backend(backend)
    outputs, targets = np.array([[1e4, -1e4], [1e4, 0]], dtype), np.array([[1, 1], [-1, 1]], dtype)
    if name == "binary_cross_entropy":
        targets[1, 0] = 0
    loss = LOSSES[name]()
    expected = {
        "l2": (9999**2 + 2 * 10001**2 + 1) / 2,
        "l1": (9999 + 2 * 10001 + 1) / 2,
        "huber": (9998.5 + 2 * 10000.5 + 0.5) / 2,
        "binary_hinge": (0 + 2 * 10001 + 1) / 2,
        "binary_cross_entropy": (2e4 + np.log(2)) / 2,
    }
    assert loss.forward(outputs, targets) == pytest.approx(expected[name], rel=1e-6)
    assert np.isfinite(loss.backward()).all()


@every
def test_gradients_at_a_kink_are_zero(name: str) -> None:
    outputs = np.ones((3, 2))
    loss = LOSSES[name]()
    assert loss.forward(outputs, np.ones((3, 2))) == pytest.approx(
        2 * np.log1p(np.exp(-1)) if name == "binary_cross_entropy" else 0
    )
    if name != "binary_cross_entropy":
        np.testing.assert_array_equal(np.abs(loss.backward()), 0)


@every
def test_weights_multiply_samples(name: str, rng: np.random.Generator) -> None:
    outputs, targets = pair(name, rng, (12, 3))
    loss, times = LOSSES[name](), np.arange(12) % 4
    rows = np.repeat(np.arange(12), times)
    weighted = loss.forward(outputs, targets, times.astype(float)) * 12
    gradient = loss.backward().copy() * 12
    assert weighted == pytest.approx(loss.forward(outputs[rows], targets[rows]) * len(rows), rel=1e-13)
    loss.forward(outputs, targets)
    np.testing.assert_allclose(gradient, loss.backward() * 12 * times[:, None], rtol=1e-13)


@every
def test_outputs_and_targets_of_any_layout_give_the_same(name: str, rng: np.random.Generator) -> None:
    outputs, targets = pair(name, rng, (6, 4))
    loss = LOSSES[name]()
    expected, gradient = loss.forward(outputs, targets), loss.backward().copy()
    for form in (np.asfortranarray, lambda a: np.repeat(a, 2, axis=1)[:, ::2]):
        assert loss.forward(form(outputs), form(targets)) == expected
        np.testing.assert_array_equal(loss.backward(), gradient)


# Targets ------------------------------------------------------------------------------------------


TARGET_FORMS = {
    "a column": lambda y: y,
    "flat": np.ravel,
    "lists": lambda y: y.tolist(),
    "float32": lambda y: y.astype(np.float32),
    "int8": lambda y: y.astype(np.int8),
    "Fortran order": np.asfortranarray,
    "big-endian": lambda y: y.astype(">f8"),
}


@every
@pytest.mark.parametrize("form", TARGET_FORMS)
def test_targets_of_one_output_may_be_columns_or_flat_in_any_form(name: str, form: str) -> None:
    x = np.random.default_rng(0).normal(size=(30, 4)).astype(np.float32)
    y = np.where(x[:, :1] > 0, 1, -1 if name == "binary_hinge" else 0)
    models = [pynn.Sequential(pynn.Affine(1)) for _ in range(2)]
    for model, targets in zip(models, (y.astype(np.float64), TARGET_FORMS[form](y)), strict=True):
        model.fit(x, targets, loss=name, epochs=2, batch_size=8, progress=False)
    np.testing.assert_array_equal(models[0].parameters, models[1].parameters)
    assert models[0].evaluate(x, TARGET_FORMS[form](y)) == models[0].evaluate(x, y)
    assert models[0].predict(x).shape == (30, 1)


WRONG_TARGETS = {
    "other width": (ALL, lambda y: y[:, :1], ValueError, r"y has shape \(30, 1\), expected \(N, 2\)"),
    "flat": (ALL, lambda y: y[:, 0], ValueError, r"y has shape \(30,\), expected \(N, 2\) like the outputs"),
    "NaN": (ALL, lambda y: y * np.nan, ValueError, r"y\[0, 0\] is nan, expected finite numbers"),
    "text": (ALL, lambda y: y.astype(str), TypeError, r"y has dtype <U\d+, expected numbers"),
    "0 and 1": (("binary_hinge",), lambda y: y * 0, ValueError, r"y\[0, 0\] is 0\.0, expected -1 or 1; convert 0 and"),
    "above 1": (("binary_cross_entropy",), lambda y: y * 2, ValueError, r"y\[0, 0\] is 2\.0, expected 0\.\.1"),
    "signs": (("binary_cross_entropy",), lambda y: -y, ValueError, r"y\[0, 0\] is -1\.0, expected 0\.\.1"),
}


@pytest.mark.parametrize(("case", "name"), [(case, name) for case, row in WRONG_TARGETS.items() for name in row[0]])
def test_targets_that_do_not_fit_are_refused(case: str, name: str) -> None:
    _, change, error, message = WRONG_TARGETS[case]
    x = np.random.default_rng(0).normal(size=(30, 4)).astype(np.float32)
    model = pynn.Sequential(pynn.Affine(2))
    with pytest.raises(error, match=message):
        model.fit(x, change(np.ones((30, 2))), loss=name, progress=False)
    assert not model.built
    with pytest.raises(error, match=message.partition(", expected finite")[0]):  # as in a loop of one's own
        LOSSES[name]().forward(np.ones((30, 2)), change(np.ones((30, 2))))


@every
def test_class_weights_are_refused(name: str) -> None:
    message = f"class_weight needs a loss of class labels, which {LOSSES[name].__name__}"
    with pytest.raises(TypeError, match=message):
        pynn.Sequential(pynn.Affine(2)).fit(np.ones((9, 4)), np.ones((9, 2)), loss=name, class_weight="balanced")


@every
@pytest.mark.parametrize("shape", [(0, 2), (2, 0)])
@pytest.mark.parametrize("backend", pynn.kernels.BACKENDS)
def test_no_rows_or_outputs_are_refused(
    name: str, shape: tuple[int, int], backend: str, both_backends: tuple[str, ...]
) -> None:
    pynn.use_backend(backend)
    with pytest.raises(ValueError, match=rf"outputs has shape \({shape[0]}, {shape[1]}\), expected at least one row"):
        LOSSES[name]().forward(np.ones(shape), np.ones(shape))


@pytest.mark.parametrize("delta", [0, -1, np.nan, np.inf, "1", None])
def test_a_delta_that_means_nothing_is_refused(delta: Any) -> None:
    with pytest.raises(ValueError, match=r"delta is .*, expected a finite positive number"):
        pynn.Huber(delta)


# Training -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", REGRESSION)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_regression_finds_a_linear_map(name: str, dtype: str, rng: np.random.Generator, tmp_path: Path) -> None:
    x = rng.normal(size=(200, 3))
    y = x @ np.array([[1.0, 0], [2, -1], [0, 3]]) + 0.5
    model = pynn.Sequential(pynn.Affine(2), dtype=dtype)
    history = model.fit(
        x, y, validation=(x, y), loss=name, optimizer=pynn.Adam(0.05), epochs=60, batch_size=20, progress=False
    )
    assert "accuracy" not in history
    assert history["val_loss"][-1] < 0.1
    np.testing.assert_allclose(model.predict(x), y, atol=0.3)
    with pytest.raises(TypeError, match="has no probabilities"):
        model.predict_proba(x)
    model.save(tmp_path / "model.safetensors")
    assert pynn.load(tmp_path / "model.safetensors").evaluate(x, y) == model.evaluate(x, y)


def test_outliers_pull_l2_more_than_l1_and_huber() -> None:
    """One number fitted to nine 0s and a 100: the mean 10, the median 0, and between them delta / 9."""
    x, y = np.ones((10, 1)), np.zeros((10, 1))
    y[0] = 100
    found = {}
    for name in REGRESSION:
        model = pynn.Sequential(pynn.Affine(1, use_bias=False), dtype="float64")
        for rate in (0.3, 0.1, 0.03, 0.01, 0.001):
            model.fit(x, y, loss=name, optimizer=pynn.SGD(rate), epochs=400, batch_size=10, progress=False)
        found[name] = float(model.parameters[0])
    assert found == pytest.approx({"l2": 10, "l1": 0, "huber": 1 / 9}, abs=2e-2)


@pytest.mark.parametrize("name", ATTRIBUTES)
def test_attributes_are_learned_and_counted_when_all_are_right(
    name: str, rng: np.random.Generator, tmp_path: Path
) -> None:
    x = rng.normal(size=(300, 4))
    there = x @ rng.normal(size=(4, 3)) > 0
    y = np.where(there, 1, -1 if name == "binary_hinge" else 0)
    model = pynn.Sequential(pynn.Affine(3))
    history = model.fit(
        x, y, validation=(x, y), loss=name, optimizer=pynn.Adam(0.05), epochs=60, batch_size=30, progress=False
    )
    assert history["val_accuracy"][-1] > 0.9
    predicted = model.predict(x)
    assert set(np.unique(predicted)) == set(np.unique(y))
    right = (predicted == y).all(axis=1)
    assert model.evaluate(x, y)["accuracy"] == right.mean()
    weights = np.arange(300)
    weighted = model.evaluate(x, y, sample_weight=weights)["accuracy"]
    assert weighted == pytest.approx(weights[right].sum() / weights.sum(), rel=1e-6)
    model.save(tmp_path / "model.safetensors")
    loaded = pynn.load(tmp_path / "model.safetensors")
    assert loaded.evaluate(x, y) == model.evaluate(x, y)
    if name == "binary_cross_entropy":
        probabilities = model.predict_proba(x)
        np.testing.assert_allclose(probabilities, 1 / (1 + np.exp(-model.forward(x.astype(np.float32)))), rtol=1e-5)
        np.testing.assert_array_equal(probabilities > 0.5, predicted == 1)


def test_shares_as_targets_are_right_on_their_side_of_a_half() -> None:
    loss = pynn.BinaryCrossEntropy()
    outputs = np.array([[2.0, -1], [2, -1], [-2, 1]])
    found = loss.correct(outputs, np.array([[0.9, 0.2], [0.4, 0.2], [0.5, 0.6]]))
    np.testing.assert_array_equal(found, [True, False, True])


@every
def test_the_settings_are_shown_and_the_name_makes_one(name: str) -> None:
    assert repr(LOSSES[name]()) == f"{LOSSES[name].__name__}()"
    assert repr(pynn.Huber(0.5)) == "Huber(delta=0.5)"
    assert type(pynn.losses.loss(name)) is LOSSES[name]
