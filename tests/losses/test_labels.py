"""Hinge, squared hinge and focal loss: values by hand and by PyTorch, gradients, extreme scores, training."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import gradients
import numpy as np
import pytest

import pynn

Points = tuple[np.ndarray, np.ndarray]
LOSSES = {"hinge": pynn.Hinge, "squared_hinge": pynn.SquaredHinge, "focal": pynn.Focal}
every = pytest.mark.parametrize("name", LOSSES)


def scores_without_kinks(rng: np.random.Generator, rows: int, classes: int) -> np.ndarray:
    """Differences are multiples of 0.7: none is met by a margin of 1."""
    return 0.7 * rng.integers(-4, 5, (rows, classes))


def test_known_values() -> None:
    """Worked by hand: the example of CS231n, "Linear classification", and its square."""
    scores, labels = np.array([[3.2, 5.1, -1.7], [1.3, 4.9, 2.0], [2.2, 2.5, -3.1]]), np.array([0, 1, 2])
    loss = pynn.Hinge()
    assert loss.forward(scores, labels) == pytest.approx((2.9 + 0 + 12.9) / 3, rel=1e-14)
    np.testing.assert_allclose(loss.backward() * 3, [[-1, 1, 0], [0, 0, 0], [1, 1, -2]], rtol=1e-15)
    assert loss.hits == 1
    squared = pynn.SquaredHinge()
    assert squared.forward(scores, labels) == pytest.approx((2.9**2 + 6.3**2 + 6.6**2) / 3, rel=1e-14)
    np.testing.assert_allclose(squared.backward() * 3, [[-5.8, 5.8, 0], [0, 0, 0], [12.6, 13.2, -25.8]], rtol=1e-13)
    focal = pynn.Focal(2)
    assert focal.forward(np.array([[0, np.log(3)]]), np.array([1])) == pytest.approx(np.log(4 / 3) / 16, rel=1e-14)


@every
@pytest.mark.parametrize(("rows", "classes"), [(1, 2), (5, 3), (7, 10), (3, 1)])
def test_gradient_matches_central_differences(name: str, rows: int, classes: int, rng: np.random.Generator) -> None:
    model = pynn.Sequential(pynn.Flatten(), dtype="float64")
    x, labels = scores_without_kinks(rng, rows, classes), rng.integers(0, classes, rows)
    gradients.check(model, LOSSES[name](), x, labels)


@pytest.mark.parametrize("gamma", [0, 0.5, 1, 5])
def test_gradient_of_focal_matches_central_differences_for_every_gamma(gamma: float, rng: np.random.Generator) -> None:
    model = pynn.Sequential(pynn.Flatten(), dtype="float64")
    gradients.check(model, pynn.Focal(gamma), rng.normal(0, 2, (6, 5)), rng.integers(0, 5, 6))


def test_focal_with_gamma_0_is_softmax_cross_entropy(rng: np.random.Generator) -> None:
    logits, labels = rng.normal(0, 4, (30, 6)), rng.integers(0, 6, 30)
    focal, plain = pynn.Focal(0), pynn.SoftmaxCrossEntropy()
    assert focal.forward(logits, labels) == pytest.approx(plain.forward(logits, labels), rel=1e-14)
    np.testing.assert_allclose(focal.backward(), plain.backward(), rtol=1e-12, atol=1e-16)
    np.testing.assert_array_equal(focal.probabilities(logits), plain.probabilities(logits))


@pytest.mark.parametrize("margin", [1.0, 0.25])
@pytest.mark.parametrize(("name", "power"), [("hinge", 1), ("squared_hinge", 2)])
def test_hinge_is_torchs_value_times_the_number_of_classes(
    name: str, power: int, margin: float, rng: np.random.Generator, torch: Any
) -> None:
    """multi_margin_loss divides the sum over the classes by C."""
    scores, labels = rng.normal(0, 2, (20, 7)), rng.integers(0, 7, 20)
    loss = LOSSES[name](margin)
    t = torch.tensor(scores, requires_grad=True)
    expected = 7 * torch.nn.functional.multi_margin_loss(t, torch.tensor(labels), p=power, margin=margin)
    expected.backward()
    assert loss.forward(scores, labels) == pytest.approx(expected.item(), rel=1e-13)
    np.testing.assert_allclose(loss.backward(), t.grad.numpy(), rtol=1e-12, atol=1e-16)


def test_focal_is_what_torch_derives_from_its_definition(rng: np.random.Generator, torch: Any) -> None:
    logits, labels = rng.normal(0, 3, (20, 7)), rng.integers(0, 7, 20)
    t = torch.tensor(logits, requires_grad=True)
    log_p = torch.log_softmax(t, dim=1)[torch.arange(20), torch.tensor(labels)]
    expected = (-((1 - log_p.exp()) ** 2) * log_p).mean()
    expected.backward()
    loss = pynn.Focal()
    assert loss.forward(logits, labels) == pytest.approx(expected.item(), rel=1e-12)
    np.testing.assert_allclose(loss.backward(), t.grad.numpy(), rtol=1e-9, atol=1e-14)


@every
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("backend", pynn.kernels.BACKENDS)
def test_extreme_scores_give_finite_losses_and_gradients(
    name: str, dtype: str, backend: str, both_backends: tuple[str, ...]
) -> None:
    pynn.use_backend(backend)
    scores = np.array([[1e4, -1e4, 0], [-1e4, 1e4, 0], [1e4, 1e4, -1e4], [0, 0, 0]], dtype)
    loss = LOSSES[name]()
    value = loss.forward(scores, np.array([0, 0, 2, 1]))
    expected = {
        "hinge": (0 + 20001 + 10001 + 2 * 20001 + 2) / 4,
        "squared_hinge": (20001**2 + 10001**2 + 2 * 20001**2 + 2) / 4,
        "focal": (2e4 + 2e4 + np.log(2) + np.log(3) * 4 / 9) / 4,
    }
    assert value == pytest.approx(expected[name], rel=1e-6)
    assert np.isfinite(loss.backward()).all()
    np.testing.assert_allclose(loss.backward().sum(axis=1), 0, atol=1e-2 if dtype == "float32" else 1e-9)
    assert loss.hits == 1
    np.testing.assert_array_equal(loss.backward()[0], 0)


@every
@pytest.mark.parametrize("classes", [2, 10, 300])
def test_the_first_loss_is_the_one_to_expect(name: str, classes: int) -> None:
    value = LOSSES[name]().forward(np.zeros((4, classes)), np.arange(4) % 2)
    expected = (1 - 1 / classes) ** 2 * np.log(classes) if name == "focal" else classes - 1
    assert value == pytest.approx(expected, rel=1e-13)


@every
def test_a_single_class_costs_nothing(name: str) -> None:
    loss = LOSSES[name]()
    assert loss.forward(np.array([[3.0], [-1e4]]), np.zeros(2, np.int64)) == 0
    np.testing.assert_array_equal(np.abs(loss.backward()), 0)


@every
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_a_label_loss_learns_the_digits_and_is_measured_by_hits(
    name: str, dtype: str, digits: pynn.datasets.Dataset, tmp_path: Path
) -> None:
    model = pynn.Sequential(pynn.Flatten(), pynn.Affine(64), pynn.ReLU(), pynn.Affine(10), dtype=dtype)
    history = model.fit(
        *digits.train, validation=digits.test, loss=name, class_weight="balanced", epochs=10, batch_size=64,
        progress=False,
    )  # fmt: skip
    assert history["val_accuracy"][-1] > 0.93
    x, y = digits.test
    measured = model.evaluate(x, y)
    assert measured["accuracy"] == (model.predict(x) == y).mean() == history["val_accuracy"][-1]
    model.save(tmp_path / "model.safetensors")
    loaded = pynn.load(tmp_path / "model.safetensors")
    assert type(loaded.loss) is LOSSES[name]
    assert loaded.evaluate(x, y) == measured
    if name == "focal":
        np.testing.assert_allclose(model.predict_proba(x).sum(axis=1), 1, rtol=1e-5)
    else:
        with pytest.raises(TypeError, match=f"{LOSSES[name].__name__} has no probabilities"):
            model.predict_proba(x)


@pytest.mark.parametrize(
    ("loss", "text"),
    [
        (pynn.Hinge(), "Hinge()"), (pynn.Hinge(0.5), "Hinge(margin=0.5)"),
        (pynn.SquaredHinge(2), "SquaredHinge(margin=2)"), (pynn.Focal(), "Focal()"),
        (pynn.Focal(gamma=0.5), "Focal(gamma=0.5)"),
        (pynn.SoftmaxCrossEntropy(), "SoftmaxCrossEntropy()"),
        (pynn.SoftmaxCrossEntropy(0.1), "SoftmaxCrossEntropy(label_smoothing=0.1)"),
    ],
)  # fmt: skip
def test_settings_are_shown_saved_and_loaded(loss: pynn.Loss, text: str, points: Points, tmp_path: Path) -> None:
    model = pynn.Sequential(pynn.Affine(3))
    model.fit(*points, loss=loss, epochs=1, batch_size=10, progress=False)
    model.save(tmp_path / "model.safetensors")
    loaded = pynn.load(tmp_path / "model.safetensors")
    assert repr(loss) == repr(loaded.loss) == text
    assert loaded.evaluate(*points) == model.evaluate(*points)


@pytest.mark.parametrize("value", [-1, np.nan, np.inf, "1", None])
def test_settings_that_mean_nothing_are_refused(value: Any) -> None:
    for make, sentence in (
        (pynn.Focal, "gamma is .*at least 0"),
        (pynn.Hinge, "margin is .*, expected a finite positive number"),
    ):
        with pytest.raises(ValueError, match=sentence):
            make(value)
    with pytest.raises(ValueError, match=r"margin is 0, expected a finite positive number"):
        pynn.SquaredHinge(0)


@every
def test_targets_that_do_not_fit_are_refused(name: str, points: Points) -> None:
    x, y = points
    model = pynn.Sequential(pynn.Affine(3))
    for wrong, error, message in (
        (np.arange(len(y)), ValueError, r"y\[3\] is 3, expected a label of 0\.\.2"),
        (y / 2, TypeError, "y has dtype float64, expected integer class labels"),
        (np.eye(3)[y], ValueError, "one-hot rows become labels"),
    ):
        with pytest.raises(error, match=message):
            model.fit(x, wrong, loss=name, progress=False)
    assert not model.built
