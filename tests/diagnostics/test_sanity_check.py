"""sanity_check: its table, what it finds in data and model before a step, and that it changes nothing."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import pynn
from pynn.diagnostics import SEVERITIES, SanityCheck, sanity_check

# fit warns of the same while it builds the model
pytestmark = pytest.mark.filterwarnings("ignore:the model ends with (Softmax|Sigmoid):UserWarning")

# Data and models


def table(seed: int = 0, count: int = 150) -> tuple[np.ndarray, np.ndarray]:
    """Six columns and the place of the largest of the first three."""
    x = np.random.default_rng(seed).standard_normal((count, 6)).astype(np.float32)
    return x, x[:, :3].argmax(axis=1)


def numbers(seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    x, _ = table(seed)
    y = x[:, 0] * x[:, 1] + x[:, 2]
    return x, ((y - y.mean()) / y.std())[:, None]


def network(units: int = 3, *last: pynn.Layer, hidden: pynn.Layer | None = None) -> pynn.Sequential:
    return pynn.Sequential(pynn.Affine(24), hidden or pynn.ReLU(), pynn.Affine(units), *last, seed=0)


def check(model: pynn.Sequential, x: Any, y: Any, **settings: Any) -> SanityCheck:
    return sanity_check(model, x, y, **{"steps": 300, **settings})


# The first loss


@pytest.mark.parametrize(
    ("units", "loss", "expected", "formula"),
    [
        (10, "softmax_cross_entropy", 2.303, "ln 10"),
        (3, "softmax_cross_entropy", 1.099, "ln 3"),
        (10, "hinge", 9.0, "10 - 1"),
        (1, "binary_cross_entropy", 0.6931, "ln 2 per output"),
        (4, "binary_cross_entropy", 2.773, "ln 2 per output"),
        (1, "l2", 1.0, "of the best constant"),
        (2, "l2", 2.0, "of the best constant"),
    ],
)
def test_the_first_loss_is_that_of_constant_outputs(units: int, loss: str, expected: float, formula: str) -> None:
    x, _ = table()
    rng = np.random.default_rng(1)
    if loss == "binary_cross_entropy":
        y = rng.integers(0, 2, (150, units)).astype(np.float32)
    elif loss == "l2":
        y = rng.standard_normal((150, units)).astype(np.float32)
        y = (y - y.mean(axis=0)) / y.std(axis=0)
    else:
        y = np.arange(150) % units
    found = check(network(units), x, y[:, 0] if y.ndim == 2 and units == 1 else y, loss=loss, steps=1)
    first = found.findings[0]
    assert (first.check, first.passed, first.advice) == ("first loss", True, "")
    assert first.expected == f"about {expected:.4g} ({formula})"
    assert 0.5 * expected < float(first.measured) < 2.5 * expected


def test_a_first_loss_far_off_is_named() -> None:
    x, y = table()
    first = check(network(), 1000 * x, y, steps=1).findings[0]
    assert not first.passed
    assert first.advice.startswith("Check the loss, the scale of inputs")
    assert float(first.measured) > 100


def test_the_table_says_what_was_expected_and_measured() -> None:
    found = check(network(), *table())
    assert found
    assert found.passed
    lines = str(found).splitlines()
    assert lines[0].split() == ["check", "expected", "measured"]
    assert [line.split("  ")[0] for line in lines[1:4]] == ["ok"] * 3
    assert "20 samples are learned by heart" in lines[3]
    assert lines[-1] == "nothing is wrong as far as can be seen"
    assert repr(found) == str(found)


def test_the_table_gives_advice_where_something_fails() -> None:
    found = check(network(3, pynn.Softmax()), *table(), steps=50)
    assert not found
    lines = str(found).splitlines()
    failed = next(place for place, line in enumerate(lines) if line.startswith("NO"))
    assert lines[failed + 1].startswith("    ")
    assert "wrong_last_layer" in lines[-1]


@pytest.mark.parametrize("own", [False, True], ids=["the layer's", "that of fit"])
def test_a_penalty_raises_the_loss(own: bool) -> None:
    layer = pynn.Affine(24, penalty=None if own else pynn.L2(0.1))
    model = pynn.Sequential(layer, pynn.ReLU(), pynn.Affine(3), seed=0)
    finding = check(model, *table(), penalty=pynn.L1(0.1) if own else None, steps=1).findings[1]
    assert finding.passed
    assert finding.check == "regularization raises it"
    assert float(finding.measured) > float(finding.expected.removeprefix("over ")) + 0.05


def test_a_penalty_of_zero_is_named() -> None:
    finding = check(network(), *table(), penalty=pynn.L2(0), steps=1).findings[1]
    assert not finding.passed
    assert finding.advice.startswith("The strength of the penalty is 0")


# What is found in data and model

Try = tuple[pynn.Sequential, np.ndarray, Any, dict[str, Any]]


def constant_column(cured: bool) -> Try:
    x, y = table()
    x[:, 4] = x[:, 4] if cured else 7
    return network(), x, y, {}


def equal_columns(cured: bool) -> Try:
    x, y = table()
    x[:, 4] = x[:, 4] if cured else x[:, 1]
    return network(), x, y, {}


def placeholders(cured: bool) -> Try:
    x, y = table()
    x[::12, 4] = 0 if cured else -999
    return network(), x, y, {}


def rare_class(cured: bool) -> Try:
    x, y = table()
    if not cured:
        kept = (y != 2) | (np.arange(150) % 20 == 0)
        x, y = x[kept], y[kept]
    return network(), x, y, {}


def class_without_samples(cured: bool) -> Try:
    x, y = table()
    return network(3 if cured else 4), x, np.where(y == 2, 2 if cured else 3, y), {}


def sorted_and_unshuffled(cured: bool) -> Try:
    x, y = table()
    order = np.argsort(y, kind="stable")
    return network(), x[order], y[order], {"shuffle": cured}


def sorted_numbers(cured: bool) -> Try:
    x, y = numbers()
    order = np.arange(150) if cured else np.argsort(y[:, 0])
    return network(1), x[order], y[order], {"shuffle": False, "batch_size": 30, "loss": "l2"}


def rows_in_both_parts(cured: bool) -> Try:
    x, y = table()
    other = table(seed=1)
    return network(), x, y, {"validation": other if cured else (x[::3], y[::3])}


def validation_of_another_scale(cured: bool) -> Try:
    held, labels = table(seed=1)
    return network(), *table(), {"validation": (held if cured else 255 * held, labels)}


def batches_of_two(cured: bool) -> Try:
    model = pynn.Sequential(pynn.Affine(24), pynn.BatchNorm(), pynn.ReLU(), pynn.Affine(3), seed=0)
    return model, *table(), {"batch_size": 32 if cured else 2}


def softmax_twice(cured: bool) -> Try:
    return network(3, *([] if cured else [pynn.Softmax()])), *table(), {}


def sigmoid_twice(cured: bool) -> Try:
    x, y = table()
    return network(1, *([] if cured else [pynn.Sigmoid()])), x, y == 1, {"loss": "binary_cross_entropy"}


def softmax_of_one(cured: bool) -> Try:
    x, y = table()
    return network(1, *([] if cured else [pynn.Softmax()])), x, y == 1, {"loss": "binary_cross_entropy"}


def relu_last(cured: bool) -> Try:
    return network(3, *([] if cured else [pynn.ReLU()])), *table(), {}


def sigmoid_for_numbers(cured: bool) -> Try:
    return network(1, *([] if cured else [pynn.Sigmoid()])), *numbers(), {"loss": "l2"}


def no_activation(cured: bool) -> Try:
    return network(hidden=pynn.ReLU() if cured else pynn.Dropout(0.1)), *table(), {}


def no_activation_between_convolutions(cured: bool) -> Try:
    x, y = table()
    between = [pynn.Tanh()] if cured else []
    model = pynn.Sequential(
        pynn.Conv2d(4), *between, pynn.Conv2d(4), pynn.Tanh(), pynn.Flatten(), pynn.Affine(3), seed=0
    )
    return model, x.reshape(150, 2, 3, 1), y, {}


def all_frozen(cured: bool) -> Try:
    model = network()
    model.build((6,))
    if not cured:
        model.freeze()
    return model, *table(), {}


def zero_weights(cured: bool) -> Try:
    layer = pynn.Affine(24, initializer=None if cured else "zeros")
    return pynn.Sequential(layer, pynn.ReLU(), pynn.Affine(3), seed=0), *table(), {}


def large_weights(cured: bool) -> Try:
    layer = pynn.Affine(24, initializer=pynn.Normal(0.4 if cured else 40.0))
    return pynn.Sequential(layer, pynn.ReLU(), pynn.Affine(3), seed=0), *table(), {}


def raw_inputs(cured: bool) -> Try:
    x, y = table()
    return network(), x if cured else 1000 * x, y, {}


def raw_targets(cured: bool) -> Try:
    x, y = numbers()
    return network(1), x, y if cured else 250_000 + 90_000 * y, {"loss": "l2"}


def constant_labels(cured: bool) -> Try:
    x, y = table()
    return network(), x, y if cured else np.zeros(150, int), {}


def shuffled_labels(cured: bool) -> Try:
    x, y = table()
    return network(), x, y if cured else np.random.default_rng(2).permutation(y), {}


def labels_as_numbers(cured: bool) -> Try:
    """Clouds of points on a line, whose names come in another order than they lie."""
    rng = np.random.default_rng(0)
    place = rng.integers(0, 5, 150)
    x = np.column_stack([place + rng.normal(0, 0.25, 150), rng.normal(0, 1, 150)]).astype(np.float32) - [[2, 0]]
    label = np.array([0, 3, 1, 4, 2])[place]
    return (network(5), x, label, {}) if cured else (network(1), x, label.astype(float), {"loss": "l2"})


ILL: dict[Callable[[bool], Try], tuple[str, str, str]] = {
    constant_column: ("bad_data", "info", "column 4"),
    equal_columns: ("bad_data", "info", "column 1"),
    placeholders: ("bad_data", "warning", "-999"),
    rare_class: ("imbalance", "info", "classes have from"),
    class_without_samples: ("imbalance", "info", "such as 2"),
    sorted_and_unshuffled: ("order", "warning", "2 times in 150"),
    rows_in_both_parts: ("leakage", "warning", "100%"),
    validation_of_another_scale: ("data_mismatch", "warning", "times its spread"),
    batches_of_two: ("batch_statistics", "warning", "batches have 2 samples"),
    softmax_twice: ("wrong_last_layer", "warning", "Softmax"),
    sigmoid_twice: ("wrong_last_layer", "warning", "Sigmoid"),
    softmax_of_one: ("wrong_last_layer", "error", "softmax over one output"),
    relu_last: ("wrong_last_layer", "warning", "ReLU"),
    sigmoid_for_numbers: ("wrong_last_layer", "error", "sigmoid gives 0 to 1"),
    no_activation: ("missing_activation", "warning", "affine1 and affine2"),
    no_activation_between_convolutions: ("missing_activation", "warning", "conv2d1 and conv2d2"),
    all_frozen: ("frozen", "error", "all 2 layers"),
    zero_weights: ("symmetry", "error", "all its 24 units are 0"),
    large_weights: ("initialization", "warning", "affine1"),
    raw_inputs: ("unscaled_inputs", "warning", "root mean square of x is 9"),
    raw_targets: ("unscaled_targets", "warning", "mean 2.5e+05"),
    constant_labels: ("labels", "error", "all targets are 0"),
    shuffled_labels: ("labels", "warning", "no better than a constant"),
    labels_as_numbers: ("wrong_loss", "warning", "5 whole numbers"),
}


@pytest.mark.parametrize("made", ILL, ids=lambda made: made.__name__)
def test_a_fault_is_named_and_not_where_it_is_cured(made: Callable[[bool], Try]) -> None:
    name, severity, figure = ILL[made]
    model, x, y, settings = made(False)
    found = check(model, x, y, steps=1, **settings).verdicts
    verdict = next((one for one in found if one.name == name), None)
    assert verdict is not None, found
    assert verdict.severity == severity
    assert figure in f"{verdict.where}: {verdict.evidence}"
    if severity != "info":
        assert found.names[0] == name, found
    model, x, y, settings = made(True)
    cured = check(model, x, y, **settings)
    assert name not in [verdict.name for verdict in cured.verdicts], cured
    assert cured, cured


def test_sorted_numbers_are_named() -> None:
    model, x, y, settings = sorted_numbers(False)
    assert check(model, x, y, steps=1, **settings).verdicts.names == ["order"]


@pytest.mark.parametrize("made", ILL, ids=lambda made: made.__name__)
def test_verdicts_are_sentences(made: Callable[[bool], Try]) -> None:
    model, x, y, settings = made(False)
    for verdict in check(model, x, y, steps=1, **settings).verdicts:
        assert verdict.severity in SEVERITIES
        assert verdict.cure.endswith(".")
        assert verdict.cure[0].isupper()
        assert verdict.evidence
        assert not verdict.evidence.endswith(".")
        assert not {"nan", "inf"} & set(verdict.evidence.replace(",", " ").split()), verdict


def test_more_parameters_than_samples_are_no_fault() -> None:
    x, y = table(count=60)
    model = pynn.Sequential(pynn.Affine(200), pynn.ReLU(), pynn.Affine(200), pynn.ReLU(), pynn.Affine(3), seed=0)
    assert check(model, x, y)


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_numbers_that_are_not_finite_are_refused_as_by_fit(value: float) -> None:
    x, y = table()
    x[5, 2] = value
    messages = []
    for call in (lambda model: sanity_check(model, x, y), lambda model: model.fit(x, y, progress=False)):
        with pytest.raises(ValueError, match="5") as caught:
            call(network())
        messages.append(str(caught.value))
    assert messages[0] == messages[1]


@pytest.mark.parametrize("steps", [0, -1, 2.5, "many", None])
def test_steps_are_checked(steps: Any) -> None:
    with pytest.raises((ValueError, TypeError), match="steps"):
        sanity_check(network(), *table(), steps=steps)


# Twenty samples by heart


def by_heart(found: SanityCheck) -> bool:
    assert "learned by heart" in found.findings[-1].check
    return found.findings[-1].passed


class Silent(pynn.Layer):
    """A layer that loses what it is given."""

    def forward(self, x: np.ndarray, training: bool) -> np.ndarray:
        return np.zeros_like(x)

    def backward(self, dy: np.ndarray) -> np.ndarray:
        return np.zeros_like(dy)


class Halved(pynn.Loss):
    """A custom loss: half the squared error."""

    def forward(self, outputs: np.ndarray, targets: np.ndarray) -> float:
        self.error = outputs - targets.reshape(outputs.shape)
        return float(0.5 * np.square(self.error).sum() / len(outputs))

    def backward(self) -> np.ndarray:
        return self.error / len(self.error)


class Uphill(Halved):
    def backward(self) -> np.ndarray:
        return -super().backward()


@pytest.mark.parametrize(
    ("hidden", "last"),
    [(Silent(), None), (None, pynn.Softmax()), (None, Silent()), (None, pynn.ReLU())],
    ids=["silent", "softmax twice", "silent last", "ReLU last"],
)
def test_a_broken_model_does_not_learn_20_samples(hidden: Any, last: Any) -> None:
    x, y = table()
    if isinstance(last, pynn.ReLU):  # all scores begin below 0
        layer = pynn.Affine(3, bias_initializer=pynn.Constant(-9))
        model = pynn.Sequential(pynn.Affine(24), pynn.ReLU(), layer, last, seed=0)
    else:
        model = network(3, *([] if last is None else [last]), hidden=hidden)
    assert not by_heart(check(model, x, y, steps=100))


def test_a_gradient_of_the_wrong_sign_does_not_learn_20_samples() -> None:
    x, y = numbers()
    assert by_heart(check(network(1), x, y, loss=Halved()))
    found = check(network(1), x, y, loss=Uphill(), steps=100)
    assert not by_heart(found)
    assert found.verdicts.names[0] == "wrong_loss"


@pytest.mark.parametrize(
    "settings",
    [
        {}, {"loss": "hinge"}, {"loss": pynn.SoftmaxCrossEntropy(label_smoothing=0.2)}, {"batch_size": 7},
        {"preprocessing": pynn.Standardization()}, {"penalty": pynn.L2(3.0)}, {"class_weight": "balanced"},
        {"optimizer": "sgd"}, {"validation": 0.2}, {"seed": 3},
    ],
    ids=lambda settings: "".join(map(str, settings)) or "plain",
)  # fmt: skip
def test_a_sound_model_learns_20_samples(settings: dict[str, Any], backend: str) -> None:
    assert check(network(), *table(), steps=1000, **settings)


@pytest.mark.parametrize("smoothing", [0.01, 0.1, 0.3])
@pytest.mark.parametrize("classes", [2, 3, 10])
def test_label_smoothing_is_reckoned_with(classes: int, smoothing: float) -> None:
    rng = np.random.default_rng(0)
    y = np.arange(200) % classes
    x = (2 * np.eye(classes)[y] + 0.4 * rng.standard_normal((200, classes))).astype(np.float32)
    loss = pynn.SoftmaxCrossEntropy(label_smoothing=smoothing)
    assert check(network(classes), x, y, loss=loss, steps=1000)


def test_regularization_is_off_while_samples_are_learned() -> None:
    model = pynn.Sequential(
        pynn.GaussianNoise(1.0), pynn.DropConnect(24, 0.5), pynn.ReLU(), pynn.Dropout(0.8),
        pynn.Residual(pynn.Affine(24), pynn.ReLU(), survival=0.3), pynn.Affine(3, penalty=pynn.L2(5)), seed=0,
    )  # fmt: skip
    assert by_heart(check(model, *table()))


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_convolutions_and_every_type_of_numbers_are_checked(dtype: str, backend: str) -> None:
    rng = np.random.default_rng(0)
    y = np.arange(60) % 3
    x = (rng.standard_normal((60, 6, 6, 2)) + y[:, None, None, None] - 1).astype(np.float32)
    model = pynn.Sequential(
        pynn.Conv2d(6), pynn.BatchNorm(), pynn.ReLU(), pynn.MaxPool2d(2), pynn.Flatten(), pynn.Affine(3), seed=0,
        dtype=dtype,
    )  # fmt: skip
    assert check(model, x, y)
    series = pynn.Sequential(pynn.Conv1d(6), pynn.Tanh(), pynn.GlobalAvgPool1d(), pynn.Affine(3), seed=0, dtype=dtype)
    assert check(series, x.reshape(60, 36, 2), y)


def test_custom_layers_are_checked() -> None:
    class Doubles(pynn.Layer):
        def forward(self, x: np.ndarray, training: bool) -> np.ndarray:
            return 2 * x

        def backward(self, dy: np.ndarray) -> np.ndarray:
            return 2 * dy

    assert check(network(3, hidden=pynn.Residual(Doubles(), pynn.Tanh())), *table())
    assert check(pynn.Sequential(Doubles(), pynn.Affine(24), pynn.ReLU(), pynn.Affine(3), seed=0), *table())


# Nothing is changed


@pytest.mark.parametrize("state", ["new", "built", "trained"])
def test_the_model_is_the_same_afterwards(state: str) -> None:
    x, y = table()
    models = []
    for checked in (False, True):
        model = pynn.Sequential(
            pynn.Affine(24), pynn.BatchNorm(), pynn.ReLU(), pynn.Dropout(0.3), pynn.Affine(3), seed=0
        )
        optimizer = pynn.Momentum(pynn.CosineDecay(0.01, 4))
        if state == "built":
            model.build((6,))
        if state == "trained":
            model.fit(x, y, epochs=1, optimizer=optimizer, progress=False, preprocessing=pynn.Standardization())
        before = copy.deepcopy(model), copy.deepcopy(optimizer.state())
        if checked:
            loss = pynn.SoftmaxCrossEntropy(0.1)
            found = check(model, x, y, loss=loss, optimizer=optimizer, penalty=pynn.L2(0.1), validation=0.2, steps=30)
            assert len(found.findings) == 3
            assert model.built == before[0].built
            assert (model.loss, model.history is None) == (model.loss, state != "trained")
            assert str(optimizer.state()) == str(before[1])
            if model.built:
                np.testing.assert_array_equal(model.parameters, before[0].parameters)
        model.fit(x, y, epochs=2, optimizer=optimizer, progress=False)
        models.append(model)
    for name, value in models[0].tensors().items():
        np.testing.assert_array_equal(value, models[1].tensors()[name])
    assert repr(models[0].loss) == repr(models[1].loss)
