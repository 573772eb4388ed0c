"""Losses of sequences (N, T, C) and images of labels: values, gradients, accuracy, predictions, metrics, weights."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import gradients
import numpy as np
import pytest

import pynn

N, T, C = 7, 4, 5
OF_LABELS: dict[str, Any] = {
    "softmax_cross_entropy": pynn.SoftmaxCrossEntropy,
    "smoothed": lambda: pynn.SoftmaxCrossEntropy(0.2),
    "focal": pynn.Focal,
    "hinge": lambda: pynn.Hinge(0.3),
    "squared_hinge": pynn.SquaredHinge,
}
PLACES = [(T,), (1,), (2, 3)]


def outputs_and_labels(rng: np.random.Generator, places: tuple[int, ...] = (T,)) -> tuple[np.ndarray, np.ndarray]:
    return rng.standard_normal((N, *places, C)), rng.integers(0, C, (N, *places))


@pytest.mark.parametrize("places", PLACES)
@pytest.mark.parametrize("name", OF_LABELS)
def test_every_place_counts_as_a_sample(name: str, places: Any, backend: str, rng: np.random.Generator) -> None:
    outputs, labels = outputs_and_labels(rng, places)
    loss, rows = OF_LABELS[name](), OF_LABELS[name]()
    value = loss.forward(outputs, labels)
    assert value == rows.forward(outputs.reshape(-1, C), labels.ravel())
    np.testing.assert_array_equal(loss.backward().reshape(-1, C), rows.backward())
    assert loss.backward().shape == outputs.shape
    right = outputs.argmax(axis=-1) == labels
    assert loss.hits == pytest.approx(right.mean() * N)
    np.testing.assert_array_equal(loss.predict(outputs), outputs.argmax(axis=-1))
    np.testing.assert_array_equal(loss.correct(outputs, labels), right)


@pytest.mark.parametrize("name", OF_LABELS)
def test_the_weight_of_a_sample_is_that_of_its_places(name: str, backend: str, rng: np.random.Generator) -> None:
    outputs, labels = outputs_and_labels(rng)
    weights = np.arange(N) / 3
    loss, each = OF_LABELS[name](), OF_LABELS[name]()
    alone = np.array([each.forward(outputs[i : i + 1], labels[i : i + 1]) for i in range(N)])
    assert loss.forward(outputs, labels, weights) == pytest.approx((weights * alone).mean())
    right = outputs.argmax(axis=-1) == labels
    assert loss.hits == pytest.approx(weights @ right.mean(axis=1))
    found = loss.backward().copy()
    for i in range(N):
        each.forward(outputs[i : i + 1], labels[i : i + 1])
        np.testing.assert_allclose(found[i], weights[i] * each.backward()[0] / N, rtol=1e-12, atol=1e-15)


@pytest.mark.parametrize("name", OF_LABELS)
def test_gradients_match_central_differences(name: str, backend: str) -> None:
    rng = np.random.default_rng(8)
    model = pynn.Sequential(gradients.PassThrough(), dtype="float64")
    x, y = outputs_and_labels(rng)
    gradients.check(model, OF_LABELS[name](), x, y)


def test_softmax_cross_entropy_of_sequences_follows_torch(backend: str, rng: np.random.Generator, torch: Any) -> None:
    outputs, labels = outputs_and_labels(rng)
    there = torch.tensor(outputs, requires_grad=True)
    value = torch.nn.functional.cross_entropy(there.permute(0, 2, 1), torch.tensor(labels))
    value.backward()
    loss = pynn.SoftmaxCrossEntropy()
    assert loss.forward(outputs, labels) == pytest.approx(value.item())
    np.testing.assert_allclose(loss.backward(), there.grad.numpy(), rtol=1e-12, atol=1e-15)


@pytest.mark.parametrize("kind", [pynn.SquaredError, pynn.AbsoluteError, pynn.Huber, pynn.BinaryCrossEntropy])
def test_elementwise_losses_are_sums_over_a_samples_outputs(kind: Any, backend: str, rng: np.random.Generator) -> None:
    outputs, targets = rng.standard_normal((N, T, C)), rng.random((N, T, C))
    loss, flat = kind(), kind()
    assert loss.forward(outputs, targets) == flat.forward(outputs.reshape(N, -1), targets.reshape(N, -1))
    np.testing.assert_array_equal(loss.backward().reshape(N, -1), flat.backward())
    gradients.check(pynn.Sequential(gradients.PassThrough(), dtype="float64"), kind(), outputs, targets)


def test_outputs_in_another_memory_order_have_their_gradient(backend: str, rng: np.random.Generator) -> None:
    outputs, labels = outputs_and_labels(rng)
    loss, plain = pynn.SoftmaxCrossEntropy(), pynn.SoftmaxCrossEntropy()
    turned = np.asfortranarray(outputs)
    assert loss.forward(turned, labels) == plain.forward(outputs, labels)
    np.testing.assert_array_equal(loss.backward(), plain.backward())


# Whole models -------------------------------------------------------------------------------------


def tagged(rng: np.random.Generator, count: int = 120) -> tuple[np.ndarray, np.ndarray]:
    """Sequences whose label at a step tells whether the number before was larger: 0, 1, 2 at the beginning."""
    x = rng.standard_normal((count, 6, 1)).astype(np.float32)
    y = np.concatenate([np.full((count, 1), 2), (x[:, 1:, 0] < x[:, :-1, 0]).astype(int)], axis=1)
    return x, y


def tagger() -> pynn.Sequential:
    return pynn.Sequential(pynn.Conv1d(16, padding="causal"), pynn.ReLU(), pynn.Affine(16), pynn.ReLU(), pynn.Affine(3))


def test_a_tagger_is_fitted_evaluated_and_saved(backend: str, rng: np.random.Generator, tmp_path: Path) -> None:
    x, y = tagged(rng)
    model = tagger()
    history = model.fit(
        x, y, validation=tagged(rng, 50), optimizer=pynn.Adam(0.02), epochs=60, batch_size=30, progress=False
    )
    predicted, shares = model.predict(x), model.predict_proba(x)
    assert (predicted.shape, shares.shape) == ((120, 6), (120, 6, 3))
    np.testing.assert_allclose(shares.sum(axis=-1), 1, rtol=1e-5)
    np.testing.assert_array_equal(predicted, shares.argmax(axis=-1))
    found = model.evaluate(x, y, metrics=["accuracy", "top2", "precision", "recall", "f1"])
    assert found["accuracy"] == pytest.approx((predicted == y).mean())
    assert found["accuracy"] > 0.95
    assert history["val_accuracy"][-1] > 0.9
    assert found["loss"] == pytest.approx(-np.log(np.take_along_axis(shares, y[..., None], -1)).mean(), rel=1e-4)
    flat, labels = shares.reshape(-1, 3), y.ravel()
    assert found["top2"] == pytest.approx((np.argsort(-flat, axis=1)[:, :2] == labels[:, None]).any(axis=1).mean())
    recall = [np.mean(predicted[y == label] == label) for label in range(3)]
    precision = [np.mean(y[predicted == label] == label) for label in range(3)]
    assert found["recall"] == pytest.approx(np.mean(recall))
    assert found["precision"] == pytest.approx(np.mean(precision))
    model.save(tmp_path / "model.safetensors")
    np.testing.assert_array_equal(pynn.load(tmp_path / "model.safetensors").predict(x), predicted)


def test_labels_of_places_have_any_names(backend: str, rng: np.random.Generator, tmp_path: Path) -> None:
    x, numbers = tagged(rng, 60)
    names = np.array(["fell", "rose", "start"])
    model, plain = tagger(), tagger()
    model.fit(x, names[numbers], epochs=3, progress=False)
    plain.fit(x, numbers, epochs=3, progress=False)
    np.testing.assert_array_equal(model.predict(x), names[plain.predict(x)])
    assert model.evaluate(x, names[numbers]) == plain.evaluate(x, numbers)
    np.testing.assert_array_equal(model.input_gradient(x, names[numbers]), plain.input_gradient(x, numbers))
    model.save(tmp_path / "model.safetensors")
    np.testing.assert_array_equal(pynn.load(tmp_path / "model.safetensors").predict(x), model.predict(x))
    part = tagger()
    part.partial_fit(x, np.full((60, 6), "fell"), classes=names)
    part.partial_fit(x, names[numbers], classes=names)
    assert set(part.predict(x).ravel()) <= set(names)


def test_sample_weights_are_those_of_repeated_samples(backend: str, rng: np.random.Generator) -> None:
    x, y = tagged(rng, 20)
    model = tagger()
    model.fit(x, y, epochs=1, progress=False)
    weights = np.arange(20) % 3
    metrics = ["accuracy", "top2", "recall", "precision"]
    weighted = model.evaluate(x, y, sample_weight=weights, metrics=metrics)
    repeated = model.evaluate(x.repeat(weights, axis=0), y.repeat(weights, axis=0), metrics=metrics)
    assert weighted == {name: pytest.approx(value, rel=1e-5) for name, value in repeated.items()}


def test_images_of_labels(backend: str, rng: np.random.Generator) -> None:
    x = rng.standard_normal((60, 5, 6, 2)).astype(np.float32)
    y = (x.sum(axis=-1) > 0).astype(int)
    model = pynn.Sequential(pynn.Conv2d(8), pynn.ReLU(), pynn.Conv2d(2, 1))
    model.fit(x, y, optimizer=pynn.Adam(0.02), epochs=40, batch_size=20, progress=False)
    assert model.evaluate(x, y)["accuracy"] > 0.95
    assert model.predict(x).shape == (60, 5, 6)


def test_a_custom_loss_counts_its_hits_by_places(backend: str, rng: np.random.Generator) -> None:
    class Reversed(pynn.SoftmaxCrossEntropy):
        def predict(self, outputs: np.ndarray) -> np.ndarray:
            return 2 - super().predict(outputs)

    x, y = tagged(rng, 20)
    model = tagger()
    model.fit(x, y, loss=Reversed(), epochs=1, progress=False)
    right = model.predict(x) == y
    assert model.evaluate(x, y)["accuracy"] == pytest.approx(right.mean())
    weights = np.arange(20.0)
    assert model.evaluate(x, y, sample_weight=weights)["accuracy"] == pytest.approx(
        weights @ right.mean(axis=1) / weights.sum()
    )


def test_an_ensemble_of_taggers_averages_their_probabilities(backend: str, rng: np.random.Generator) -> None:
    x, y = tagged(rng, 40)
    models = [tagger() for _ in range(2)]
    for number, model in enumerate(models):
        model.context.seed = number
        model.fit(x, y, epochs=2, progress=False)
    ensemble = pynn.Ensemble(models)
    mean = np.mean([model.predict_proba(x) for model in models], axis=0)
    np.testing.assert_allclose(ensemble.predict_proba(x), mean, rtol=1e-4)
    np.testing.assert_array_equal(ensemble.predict(x), mean.argmax(axis=-1))
    assert ensemble.evaluate(x, y)["accuracy"] == pytest.approx((mean.argmax(axis=-1) == y).mean())


def test_partial_fit_checks_the_classes_of_places(rng: np.random.Generator) -> None:
    x, y = tagged(rng, 20)
    tagger().partial_fit(x, y, classes=[0, 1, 2])
    with pytest.raises(ValueError, match=r"y\[3\] is 3, expected a label of 0\.\.2"):
        tagger().partial_fit(x, y, classes=[0, 1, 2, 3])


# What is refused ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("y", "error", "says"),
    [
        (np.zeros(7, int), ValueError, r"\(N, 4\), a label for each position of the outputs \(N, 4, 5\); .*Flatten"),
        (np.zeros((7, 3), int), ValueError, r"y has shape \(7, 3\), expected \(N, 4\)"),
        (np.zeros((7, 4, 5), int), ValueError, r"one-hot rows become labels by y\.argmax\(axis=-1\)"),
        (np.zeros((7, 4, 1), int), ValueError, r"become .* by y\[\.\.\., 0\]"),
        (np.full((7, 4), 0.5), TypeError, r"expected integer class labels 0\.\.4"),
        (np.full((7, 4), 5), ValueError, r"y\[0, 0\] is 5, expected a label of 0\.\.4: the model has 5 outputs"),
    ],
)  # fmt: skip
def test_labels_that_do_not_fit_are_refused(y: Any, error: Any, says: str, rng: np.random.Generator) -> None:
    model = pynn.Sequential(pynn.Affine(5))
    x = rng.standard_normal((7, 4, 3))
    with pytest.raises(error, match=says):
        model.fit(x, y, progress=False)
    assert not model.built
    with pytest.raises(error, match=says):
        pynn.SoftmaxCrossEntropy().forward(np.zeros((7, 4, 5)), y)


def test_labels_of_another_shape_are_refused_by_the_loss_itself(backend: str) -> None:
    for name in ("softmax_cross_entropy", "focal", "hinge"):
        for shape in ((4, 7), (28,), (7, 2, 2)):  # as many as there are places
            with pytest.raises(ValueError, match=r"y has shape .*, expected \(N, 4\)"):
                OF_LABELS[name]().forward(np.zeros((7, 4, 5)), np.zeros(shape, np.int64))


def test_forgotten_flatten_is_named_for_numbers_too() -> None:
    for y in (np.zeros(7), np.zeros((7, 1))):
        with pytest.raises(ValueError, match=r"expected \(N, 8, 1\) like the outputs; .* put Flatten\(\) before"):
            pynn.Sequential(pynn.Affine(1)).fit(np.zeros((7, 8, 8)), y, loss="l2", progress=False)


@pytest.mark.parametrize("count", [4, 7])  # as many samples as steps: nothing is broadcast
def test_class_weights_are_refused(count: int, rng: np.random.Generator) -> None:
    x, y = rng.standard_normal((count, 4, 3)), rng.integers(0, 5, (count, 4))
    for class_weight in ("balanced", {0: 2.0}, np.ones(5)):
        with pytest.raises(
            TypeError, match=rf"class_weight needs one label per sample, but y has shape \({count}, 4\)"
        ):
            pynn.Sequential(pynn.Affine(5)).fit(x, y, class_weight=class_weight, progress=False)
    with pytest.raises(ValueError, match=r"sample_weight has shape .*, expected"):
        pynn.Sequential(pynn.Affine(5)).fit(x, y, sample_weight=np.ones((count, 4)), progress=False)
    with pytest.raises(ValueError, match=r"stratify=False"):
        pynn.Sequential(pynn.Affine(5)).fit(x, y, validation=pynn.Split(0.3), progress=False)
