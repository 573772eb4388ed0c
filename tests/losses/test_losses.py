"""Losses: values, gradients, targets that do not fit, and losses that users write."""

from __future__ import annotations

from typing import Any

import gradients
import numpy as np
import pytest

import pynn

Points = tuple[np.ndarray, np.ndarray]


class SquaredError(pynn.Loss):
    """½·mean over N of |outputs - targets|², as a user writes it."""

    def forward(self, outputs: np.ndarray, targets: np.ndarray) -> float:
        self.difference = outputs - targets
        return float(np.square(self.difference).sum() / (2 * len(outputs)))

    def backward(self) -> np.ndarray:
        return self.difference / len(self.difference)

    def targets(self, y: Any, output_shape: tuple[int, ...]) -> np.ndarray:
        return np.asarray(y, np.float32)

    def correct(self, outputs: np.ndarray, targets: np.ndarray) -> int:
        return int((np.abs(outputs - targets) < 0.5).all(axis=1).sum())


# Softmax cross-entropy ----------------------------------------------------------------------------


@pytest.mark.parametrize(("rows", "classes"), [(1, 2), (5, 3), (7, 10), (3, 1)])
def test_gradient_matches_central_differences(rows: int, classes: int, rng: np.random.Generator) -> None:
    model = pynn.Sequential(pynn.Flatten(), dtype="float64")
    labels = rng.integers(0, classes, rows)
    gradients.check(model, pynn.SoftmaxCrossEntropy(), rng.normal(0, 2, (rows, classes)), labels)


def test_gradient_through_a_network_matches_central_differences(rng: np.random.Generator) -> None:
    model, x = gradients.smooth(
        [pynn.Affine(5), pynn.BatchNorm(), pynn.ReLU(), pynn.Dropout(0.3), pynn.Affine(3)], (4,), samples=8
    )
    gradients.check(model, pynn.SoftmaxCrossEntropy(), x, rng.integers(0, 3, 8))


@pytest.mark.parametrize("classes", [2, 10, 1000])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_loss_of_equal_logits_is_the_logarithm_of_the_number_of_classes(classes: int, dtype: str) -> None:
    loss = pynn.SoftmaxCrossEntropy()
    value = loss.forward(np.full((4, classes), 3.5, dtype), np.zeros(4, np.int64))
    assert value == pytest.approx(np.log(classes), rel=1e-6 if dtype == "float32" else 1e-14)


def test_known_values() -> None:
    """Worked by hand: logits (0, ln 3) give the probabilities 1/4 and 3/4."""
    loss = pynn.SoftmaxCrossEntropy()
    logits = np.array([[0, np.log(3)], [0, np.log(3)]])
    assert loss.forward(logits, np.array([0, 1])) == pytest.approx((np.log(4) + np.log(4 / 3)) / 2, rel=1e-15)
    np.testing.assert_allclose(loss.backward(), np.array([[-3, 3], [1, -1]]) / 8, rtol=1e-14)
    np.testing.assert_allclose(loss.probabilities(logits), [[0.25, 0.75]] * 2, rtol=1e-14)


@pytest.mark.parametrize("shift", [1e6, -1e6])
def test_adding_a_number_to_all_logits_changes_nothing(shift: float, rng: np.random.Generator) -> None:
    loss, logits, labels = pynn.SoftmaxCrossEntropy(), rng.integers(-9, 9, (6, 4)) / 4, rng.integers(0, 4, 6)
    value, gradient = loss.forward(logits, labels), loss.backward().copy()
    assert loss.forward(logits + shift, labels) == value
    np.testing.assert_array_equal(loss.backward(), gradient)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_extreme_logits_give_finite_losses_and_gradients(dtype: str) -> None:
    loss = pynn.SoftmaxCrossEntropy()
    logits = np.array([[1e4, -1e4, 0], [-1e4, 1e4, 0], [3e4, 3e4, -3e4]], dtype)
    assert loss.forward(logits, np.array([0, 0, 2])) == pytest.approx((0 + 2e4 + 6e4 + np.log(2)) / 3, rel=1e-6)
    np.testing.assert_allclose(loss.backward() * 3, [[0, 0, 0], [-1, 1, 0], [0.5, 0.5, -1]], atol=1e-6)


def test_rows_of_the_gradient_sum_to_zero(rng: np.random.Generator) -> None:
    loss = pynn.SoftmaxCrossEntropy()
    loss.forward(rng.normal(0, 3, (50, 7)), rng.integers(0, 7, 50))
    np.testing.assert_allclose(loss.backward().sum(axis=1), 0, atol=1e-16)


def test_losses_and_gradients_follow_torch(rng: np.random.Generator, torch: Any) -> None:
    logits, labels = rng.normal(0, 5, (20, 7)), rng.integers(0, 7, 20)
    loss = pynn.SoftmaxCrossEntropy()
    value = loss.forward(logits, labels)
    t = torch.tensor(logits, requires_grad=True)
    expected = torch.nn.functional.cross_entropy(t, torch.tensor(labels))
    expected.backward()
    assert value == pytest.approx(expected.item(), rel=1e-13)
    np.testing.assert_allclose(loss.backward(), t.grad.numpy(), rtol=1e-12, atol=1e-16)
    np.testing.assert_allclose(
        loss.probabilities(logits), torch.softmax(t, dim=1).detach().numpy(), rtol=1e-12, atol=1e-16
    )


def test_predictions_are_the_largest_logits_and_probabilities_sum_to_1(rng: np.random.Generator) -> None:
    loss, logits = pynn.SoftmaxCrossEntropy(), rng.normal(0, 3, (40, 6))
    before = logits.copy()
    probabilities = loss.probabilities(logits)
    np.testing.assert_allclose(probabilities.sum(axis=1), 1, rtol=1e-14)
    np.testing.assert_array_equal(loss.predict(logits), probabilities.argmax(axis=1))
    assert loss.correct(logits, loss.predict(logits)).sum() == 40
    assert loss.correct(logits, (loss.predict(logits) + 1) % 6).sum() == 0
    np.testing.assert_array_equal(logits, before)


def test_the_gradient_stays_that_of_the_last_forward_when_batch_sizes_change(rng: np.random.Generator) -> None:
    loss = pynn.SoftmaxCrossEntropy()
    for rows in (8, 3, 8):
        logits, labels = rng.normal(size=(rows, 4)), rng.integers(0, 4, rows)
        loss.forward(logits, labels)
        expected = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
        expected[np.arange(rows), labels] -= 1
        np.testing.assert_allclose(loss.backward(), expected / rows, rtol=1e-12, atol=1e-16)


def test_backward_before_forward_is_a_clear_error() -> None:
    with pytest.raises(RuntimeError, match=r"SoftmaxCrossEntropy\.backward\(\) was called before forward"):
        pynn.SoftmaxCrossEntropy().backward()


# Label smoothing and hits -------------------------------------------------------------------------


@pytest.mark.parametrize("smoothing", [0.0, 0.1, 0.9])
def test_label_smoothing_follows_torch(smoothing: float, rng: np.random.Generator, torch: Any) -> None:
    logits, labels = rng.normal(0, 5, (20, 7)), rng.integers(0, 7, 20)
    loss = pynn.SoftmaxCrossEntropy(label_smoothing=smoothing)
    value = loss.forward(logits, labels)
    t = torch.tensor(logits, requires_grad=True)
    expected = torch.nn.functional.cross_entropy(t, torch.tensor(labels), label_smoothing=smoothing)
    expected.backward()
    assert value == pytest.approx(expected.item(), rel=1e-13)
    np.testing.assert_allclose(loss.backward(), t.grad.numpy(), rtol=1e-12, atol=1e-16)


def test_gradient_with_label_smoothing_and_weights_matches_central_differences(rng: np.random.Generator) -> None:
    class Weighted(pynn.SoftmaxCrossEntropy):
        def forward(self, outputs: np.ndarray, targets: Any) -> float:
            return super().forward(outputs, targets, np.array([0.5, 0, 2, 1, 3]))

    model = pynn.Sequential(pynn.Flatten(), dtype="float64")
    gradients.check(model, Weighted(0.2), rng.normal(0, 2, (5, 4)), rng.integers(0, 4, 5))


def test_the_best_logits_with_smoothing_give_the_smoothed_target() -> None:
    """At softmax = t the gradient is 0 and the loss is the entropy of t; far beyond it, the loss grows again."""
    loss = pynn.SoftmaxCrossEntropy(0.3)
    target = np.array([[0.1, 0.8, 0.1]])
    assert loss.forward(np.log(target), np.array([1])) == pytest.approx(-(target * np.log(target)).sum(), rel=1e-14)
    np.testing.assert_allclose(loss.backward(), 0, atol=1e-15)
    assert loss.forward(np.array([[-1e4, 1e4, -1e4]]), np.array([1])) == pytest.approx(0.2 * 2e4, rel=1e-12)


@pytest.mark.parametrize("smoothing", [1, 1.5, -0.1, np.nan, np.inf, "a bit", None])
def test_invalid_label_smoothing_is_refused(smoothing: Any) -> None:
    with pytest.raises(ValueError, match=r"label_smoothing is .*, expected 0 <= label_smoothing < 1"):
        pynn.SoftmaxCrossEntropy(smoothing)


def test_a_single_class_costs_nothing() -> None:
    loss = pynn.SoftmaxCrossEntropy(0.1)
    assert loss.forward(np.array([[3.0], [-1e4]]), np.zeros(2, np.int64)) == 0
    np.testing.assert_array_equal(np.abs(loss.backward()), 0)
    assert loss.hits == 2


def test_hits_are_what_correct_says_also_for_ties(rng: np.random.Generator) -> None:
    loss = pynn.SoftmaxCrossEntropy()
    for _ in range(20):
        logits, labels = rng.integers(-2, 3, (50, 5)) / 2, rng.integers(0, 5, 50)
        loss.forward(logits, labels)
        assert loss.hits == loss.correct(logits, labels).sum()
        loss.forward(logits, labels, np.arange(50.0))
        assert loss.hits == np.arange(50)[loss.correct(logits, labels)].sum()


def test_fit_and_evaluate_take_the_hits_and_do_not_count_again(points: Points, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(*_: Any) -> Any:
        raise AssertionError("the outputs were looked at twice")

    monkeypatch.setattr(pynn.losses.labels.LabelLoss, "predict", refused)
    monkeypatch.setattr(pynn.losses.labels.LabelLoss, "correct", refused)
    model = pynn.Sequential(pynn.Affine(3))
    history = model.fit(*points, validation=points, epochs=20, batch_size=10, optimizer="momentum", progress=False)
    assert history["val_accuracy"][-1] == (model.forward(points[0]).argmax(axis=1) == points[1]).mean()


def test_an_own_way_to_predict_or_to_count_goes_before_the_hits_of_the_kernel(points: Points) -> None:
    class Two(pynn.SoftmaxCrossEntropy):
        def correct(self, outputs: np.ndarray, targets: np.ndarray) -> np.ndarray:
            return (outputs.argsort(axis=1)[:, -2:] == targets[:, None]).any(axis=1)

    class Never(pynn.SoftmaxCrossEntropy):
        def predict(self, outputs: np.ndarray) -> np.ndarray:
            return np.full(len(outputs), -1)

    class Shifted(pynn.SoftmaxCrossEntropy):
        def forward(self, outputs: np.ndarray, targets: np.ndarray) -> float:
            return super().forward(-outputs, targets)

    x, y = points
    found = {}
    for kind in (pynn.SoftmaxCrossEntropy, Two, Never, Shifted):
        model = pynn.Sequential(pynn.Affine(3))
        model.fit(x, y, loss=kind(), optimizer=pynn.SGD(0), epochs=1, batch_size=7, progress=False)
        found[kind] = model.evaluate(x, y)["accuracy"]
        two = (model.forward(x).argsort(axis=1)[:, -2:] == y[:, None]).any(axis=1).mean()
    assert found[pynn.SoftmaxCrossEntropy] == (model.forward(x).argmax(axis=1) == y).mean()
    assert found[Two] == two
    assert found[Never] == 0
    assert found[Shifted] == found[pynn.SoftmaxCrossEntropy]


# Targets ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", ["int8", "uint8", "int16", "int32", "uint32", "int64", "uint64", ">i4", "bool"])
def test_labels_of_every_integer_dtype_are_taken(dtype: str, rng: np.random.Generator) -> None:
    loss, logits, labels = pynn.SoftmaxCrossEntropy(), rng.normal(size=(6, 3)), np.array([0, 1, 1, 0, 0, 1])
    assert loss.forward(logits, labels.astype(dtype)) == loss.forward(logits, labels)


@pytest.mark.parametrize("form", [list, tuple, lambda y: np.repeat(y, 2)[::2]])
def test_labels_may_be_lists_and_strided(form: Any, points: Points) -> None:
    model, expected = (pynn.Sequential(pynn.Affine(3)) for _ in range(2))
    x, y = points
    loss = pynn.SoftmaxCrossEntropy()
    value = model.train_step(x, form(y), loss, pynn.SGD())
    assert value == expected.train_step(x, y, loss, pynn.SGD())


def _too_many(y: np.ndarray) -> np.ndarray:
    """More labels than the model has outputs."""
    return np.arange(len(y))


WRONG_TARGETS = {
    "a label too high": (_too_many, ValueError, r"y\[3\] is 3, expected a label of 0\.\.2: the model has 3"),
    "a negative label": (lambda y: -_too_many(y), ValueError, r"y\[1\] is -1, expected a label of 0\.\.2"),
    "an enormous label": (lambda y: _too_many(y).astype(np.uint64) + np.uint64(2**63), ValueError, r"y\[0\] is 922337"),
    "floats": (lambda y: y / 2, TypeError, r"y has dtype float64, expected integer class labels 0\.\.2"),
    "strings": (lambda y: _too_many(y).astype(str), (TypeError, ValueError),
                r"y has (30 classes, '0', '1', '10', '11', '12' and 25 more, but|dtype <U\d+, expected integer class)"),
    "missing labels": (lambda y: np.array([None] * len(y)), ValueError, r"y\[0\] is nan, expected a label; drop such"),
    "labels of two kinds": (lambda y: np.array(["a", 1, *y[2:]], object), TypeError,
                            r"y (holds int and .*str, expected labels of one kind|has dtype object, expected integer)"),
    "one-hot rows": (lambda y: np.eye(3, dtype=int)[y], ValueError, r"y has shape \(30, 3\).*y\.argmax\(axis=1\)"),
    "one-hot rows of floats": (lambda y: np.eye(3)[y], ValueError, r"y has shape \(30, 3\).*y\.argmax\(axis=1\)"),
    "a cube": (lambda y: y[:, None, None], ValueError, r"y has shape \(30, 1, 1\), expected class labels"),
    "too few": (lambda y: y[:-1], ValueError, r"x has 30 samples but (validation )?y has 29, expected one target for"),
    "one number": (lambda y: 1, ValueError, r"y is a single value, expected one target for each of the 30 samples"),
}  # fmt: skip


@pytest.mark.parametrize("case", WRONG_TARGETS)
@pytest.mark.parametrize("call", ["fit", "evaluate", "validation"])
def test_targets_that_do_not_fit_are_refused_with_a_hint(case: str, call: str, points: Points) -> None:
    change, error, message = WRONG_TARGETS[case]
    x, y = points
    model = pynn.Sequential(pynn.Affine(3))
    model.build((4,))
    calls = {
        "fit": lambda y_wrong: model.fit(x, y_wrong, batch_size=10, progress=False),
        "evaluate": lambda y_wrong: model.evaluate(x, y_wrong),
        "validation": lambda y_wrong: model.fit(x, y, validation=(x, y_wrong), batch_size=10, progress=False),
    }
    with pytest.raises(error, match=("^validation.*" if call == "validation" else "^") + message):
        calls[call](change(y))


def test_outputs_that_are_no_logits_are_refused(points: Points) -> None:
    model = pynn.Sequential(pynn.BatchNorm())
    with pytest.raises(
        ValueError, match=r"y has shape \(30,\), expected \(N, 2\), a label for each position of the outputs"
    ):
        model.fit(points[0].reshape(30, 2, 2), points[1], batch_size=10, progress=False)
    assert not model.built


# By name, and own ones ----------------------------------------------------------------------------


def test_a_loss_goes_by_its_name_too(points: Points) -> None:
    models = [pynn.Sequential(pynn.Affine(3)) for _ in range(3)]
    settings = [{"loss": "softmax_cross_entropy"}, {"loss": pynn.SoftmaxCrossEntropy()}, {}]
    for model, setting in zip(models, settings, strict=True):
        model.fit(*points, epochs=1, batch_size=10, progress=False, **setting)
        np.testing.assert_array_equal(model.parameters, models[0].parameters)


@pytest.mark.parametrize(
    ("choice", "error", "message"),
    [
        ("mse", ValueError, r"loss is 'mse', use 'l2', .*expected one of softmax_cross_entropy, focal, hinge"),
        (pynn.SoftmaxCrossEntropy, TypeError, r"loss is <class .*expected .*; write SoftmaxCrossEntropy\(\)"),
        (7, TypeError, r"loss is 7, expected"),
        (pynn.Adam(), TypeError, r"loss is Adam\(\), expected"),
    ],
)
def test_invalid_losses_are_refused(choice: Any, error: type[Exception], message: str, points: Points) -> None:
    with pytest.raises(error, match=message):
        pynn.Sequential(pynn.Affine(3)).fit(*points, loss=choice, progress=False)


def test_an_own_loss_trains_evaluates_and_predicts(rng: np.random.Generator) -> None:
    x = rng.normal(size=(100, 3)).astype(np.float32)
    y = x @ np.array([[1.0, 0], [2, -1], [0, 3]], np.float32) + 0.5
    model = pynn.Sequential(pynn.Affine(2))
    history = model.fit(
        x,
        y,
        validation=(x, y),
        loss=SquaredError(),
        optimizer=pynn.Adam(0.05),
        epochs=40,
        batch_size=20,
        progress=False,
    )
    assert history["loss"][-1] < 0.001 * history["loss"][0]
    assert history["val_accuracy"][-1] == 1
    np.testing.assert_allclose(model.layers[0].weight, [[1, 0], [2, -1], [0, 3]], atol=0.05)
    np.testing.assert_allclose(model.predict(x), y, atol=0.2)
    assert model.evaluate(x, y)["loss"] < 0.001
    with pytest.raises(TypeError, match="SquaredError has no probabilities"):
        model.predict_proba(x)


GRADIENT_FORMS = {
    "float64, as NumPy makes it of float64 targets": lambda dy: dy.astype(np.float64),
    "Fortran order": np.asfortranarray,
    "strided": lambda dy: np.repeat(dy, 2, axis=1)[:, ::2],
    "read-only": lambda dy: np.frombuffer(dy.tobytes(), dy.dtype).reshape(dy.shape),
    "big-endian": lambda dy: dy.astype(">f4"),
}


@pytest.mark.parametrize("form", GRADIENT_FORMS)
@pytest.mark.parametrize("last", [[], [pynn.BatchNorm]], ids=["affine", "batchnorm"])
def test_the_gradient_of_an_own_loss_may_have_any_form(form: str, last: list[Any], points: Points) -> None:
    class Formed(SquaredError):
        def backward(self) -> np.ndarray:
            return GRADIENT_FORMS[form](super().backward())

    models = []
    for loss in (SquaredError(), Formed()):
        model = pynn.Sequential(pynn.Affine(2), *[make() for make in last])
        model.fit(points[0], points[0][:, :2], loss=loss, epochs=2, batch_size=10, progress=False)
        models.append(model)
    np.testing.assert_array_equal(models[0].parameters, models[1].parameters)


@pytest.mark.parametrize("change", [np.transpose, lambda dy: dy[:5], lambda dy: dy[:, :1], np.sum])
def test_a_gradient_of_another_shape_than_the_outputs_is_refused(change: Any, points: Points) -> None:
    model = pynn.Sequential(pynn.BatchNorm())
    model.forward(points[0], training=True)
    with pytest.raises(ValueError, match=r"dy has shape .*, expected .*\(30, 4\)"):
        model.backward(change(np.ones((30, 4), np.float32)))


@pytest.mark.parametrize("value", [np.ones(3), "1", None])
def test_a_loss_that_is_no_number_is_an_error_that_names_it(value: Any, points: Points) -> None:
    class Unfinished(SquaredError):
        def forward(self, outputs: np.ndarray, targets: np.ndarray) -> Any:
            super().forward(outputs, targets)
            return value

    model = pynn.Sequential(pynn.Affine(4))
    with pytest.raises(TypeError, match=r"Unfinished.*expected a number"):
        model.fit(points[0], points[0], loss=Unfinished(), batch_size=10, progress=False)


def test_an_own_loss_passes_the_gradient_check(rng: np.random.Generator) -> None:
    model, x = gradients.smooth([pynn.Affine(4), pynn.Tanh(), pynn.Affine(2)], (3,))
    gradients.check(model, SquaredError(), x, rng.normal(size=(6, 2)))


def test_a_missing_method_of_an_own_loss_is_named(points: Points) -> None:
    class Half(pynn.Loss):
        pass

    x = points[0]
    with pytest.raises(NotImplementedError, match=r"Half has no forward\("):
        pynn.Sequential(pynn.Affine(3)).fit(x, x[:, :3], loss=Half(), batch_size=10, progress=False)


def test_targets_of_an_own_loss_look_like_the_outputs(points: Points) -> None:
    model = pynn.Sequential(pynn.Affine(3))
    with pytest.raises(ValueError, match=r"y has shape \(30,\), expected \(N, 3\) like the outputs"):
        model.fit(*points, loss=gradients.Projection.__base__(), batch_size=10, progress=False)
    assert not model.built
