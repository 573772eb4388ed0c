"""Metrics against scikit-learn and NumPy; what is validated; labels, attributes and numbers through fit."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import pynn

Data = tuple[np.ndarray, np.ndarray]
ALL_LABELS = ["accuracy", "top2", "precision", "recall", "f1"]
ALL_ATTRIBUTES = ["accuracy", "multilabel_accuracy", "precision", "recall", "f1"]
ALL_NUMBERS = ["mae", "r2"]


def labels(rng: np.random.Generator, count: int = 53) -> Data:
    """Few samples of one class, none of another."""
    y = np.r_[np.zeros(count - 13, int), np.ones(10, int), [3, 3, 3]]
    return rng.normal(size=(count, 4)).astype(np.float32) + 0.5 * y[:, None].astype(np.float32), y


def fitted(data: Data, outputs: int, loss: str, **settings: Any) -> pynn.Sequential:
    model = pynn.Sequential(pynn.Affine(8), pynn.Tanh(), pynn.Affine(outputs), **settings.pop("model", {}))
    model.fit(*data, loss=loss, **{"epochs": 2, "batch_size": 10, "progress": False, **settings})
    return model


@pytest.fixture
def sklearn() -> Any:
    return pytest.importorskip("sklearn.metrics")


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("batch_size", [1, 7, 1000])
def test_metrics_of_labels_are_scikit_learns(
    batch_size: int, weighted: bool, rng: np.random.Generator, sklearn: Any
) -> None:
    x, y = labels(rng)
    model = fitted((x, y), 5, "softmax_cross_entropy")
    weight = rng.uniform(0, 2, len(y)) if weighted else None
    found = model.evaluate(x, y, batch_size, metrics=ALL_LABELS, sample_weight=weight)
    said, scores = model.predict(x), model.predict_proba(x)
    options = {"average": "macro", "zero_division": 0, "sample_weight": weight}
    assert len(set(said)) > 1
    assert list(found) == ["loss", *ALL_LABELS]
    assert found["accuracy"] == pytest.approx(sklearn.accuracy_score(y, said, sample_weight=weight), rel=1e-6)
    assert found["precision"] == pytest.approx(sklearn.precision_score(y, said, **options), rel=1e-6)
    assert found["recall"] == pytest.approx(sklearn.recall_score(y, said, **options), rel=1e-6)
    assert found["f1"] == pytest.approx(sklearn.f1_score(y, said, **options), rel=1e-6)
    among = [label in np.argsort(-row, kind="stable")[:2] for label, row in zip(y, scores, strict=True)]
    assert found["top2"] == pytest.approx(np.average(among, weights=weight), rel=1e-6)


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("loss", ["binary_cross_entropy", "binary_hinge"])
def test_metrics_of_attributes_are_scikit_learns(
    loss: str, weighted: bool, rng: np.random.Generator, sklearn: Any
) -> None:
    x = rng.normal(size=(41, 4)).astype(np.float32)
    true = (x[:, :3] + 0.7 * rng.normal(size=(41, 3)) > 0.4).astype(int)
    y = true if loss == "binary_cross_entropy" else 2 * true - 1
    weight = rng.uniform(0, 2, 41) if weighted else None
    model = fitted((x, y), 3, loss, epochs=20, optimizer=pynn.Adam(0.02))
    found = model.evaluate(x, y, 6, metrics=ALL_ATTRIBUTES, sample_weight=weight)
    said = (model.predict(x) > 0).astype(int)
    options = {"average": "macro", "zero_division": 0, "sample_weight": weight}
    assert 0 < found["f1"] < 1
    assert found["accuracy"] == pytest.approx(np.average((said == true).all(axis=1), weights=weight), rel=1e-6)
    assert found["multilabel_accuracy"] == pytest.approx(
        np.average((said == true).mean(axis=1), weights=weight), rel=1e-6
    )
    for name in ("precision", "recall", "f1"):
        assert found[name] == pytest.approx(getattr(sklearn, f"{name}_score")(true, said, **options), rel=1e-6)


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("outputs", [1, 3])
@pytest.mark.parametrize("loss", ["l2", "l1", "huber"])
def test_metrics_of_numbers_are_scikit_learns(
    loss: str, outputs: int, weighted: bool, rng: np.random.Generator, sklearn: Any
) -> None:
    x = rng.normal(size=(41, 4)).astype(np.float32)
    y = 1e3 + x[:, :outputs] * np.arange(1, outputs + 1)
    y = y[:, 0] if outputs == 1 else y
    weight = rng.uniform(0, 2, 41) if weighted else None
    model = fitted((x, y), outputs, loss, model={"dtype": "float64"})
    found = model.evaluate(x, y, 6, metrics=ALL_NUMBERS, sample_weight=weight)
    said = model.predict(x)
    assert list(found) == ["loss", *ALL_NUMBERS]
    assert found["mae"] == pytest.approx(sklearn.mean_absolute_error(y, said, sample_weight=weight), rel=1e-9)
    assert found["r2"] == pytest.approx(sklearn.r2_score(y, said, sample_weight=weight), rel=1e-9)


def test_the_edges_of_metrics(rng: np.random.Generator) -> None:
    """One class, constant targets, weights of 0, k beyond the classes: finite numbers."""
    x = rng.normal(size=(12, 4)).astype(np.float32)
    model = fitted((x, np.zeros(12, int)), 3, "softmax_cross_entropy")
    found = model.evaluate(x, np.zeros(12, int), metrics=[*ALL_LABELS, "top9"])
    assert found["top9"] == 1
    assert all(np.isfinite(value) for value in found.values())
    weight = np.r_[np.ones(6), np.zeros(6)]
    part = model.evaluate(x, np.zeros(12, int), 6, metrics=ALL_LABELS, sample_weight=weight)
    assert part == pytest.approx(model.evaluate(x[:6], np.zeros(6, int), metrics=ALL_LABELS), rel=1e-6)
    numbers = fitted((x, np.full(12, 2.0)), 1, "l2")
    assert numbers.evaluate(x, np.full(12, 2.0), metrics=["r2"])["r2"] == 0
    numbers.layers[2].weight[...] = 0
    numbers.layers[2].bias[...] = 2
    assert numbers.evaluate(x, np.full(12, 2.0), metrics=["r2"])["r2"] == 1


def test_equal_scores_are_ranked_by_label() -> None:
    metric = pynn.metrics.TopK(2)
    metric.begin(pynn.SoftmaxCrossEntropy())
    metric.add(np.zeros((4, 4), np.float32), np.arange(4), None)
    assert metric.value() == 0.5


@pytest.mark.parametrize("loss", ["softmax_cross_entropy", "hinge", "focal", "squared_hinge"])
def test_each_epoch_measures_all_of_them_on_both_parts(loss: str, rng: np.random.Generator) -> None:
    data = labels(rng)
    model = fitted(data, 5, loss, validation=data, metrics=ALL_LABELS, optimizer=pynn.SGD(0))
    history = model.history
    assert history is not None
    expected = model.evaluate(*data, metrics=ALL_LABELS)
    names = ["loss", *ALL_LABELS]
    assert list(history) == [*names, *(f"val_{name}" for name in names), "learning_rate", "samples_per_second"]
    for name in names:  # at a rate of 0, an epoch's numbers are those of all data, though batches are of 10 and 3
        assert history[name] == pytest.approx([expected[name]] * 2, rel=1e-5)
        assert history[f"val_{name}"] == pytest.approx([expected[name]] * 2, rel=1e-5)


def test_attributes_and_numbers_train_with_metrics_and_callbacks(rng: np.random.Generator) -> None:
    x = rng.normal(size=(60, 4)).astype(np.float32)
    cases: list[tuple[str, np.ndarray, list[str], str]] = [
        ("binary_cross_entropy", (x[:, :3] > 0).astype(int), ALL_ATTRIBUTES, "val_f1"),
        ("binary_cross_entropy", (x[:, 0] > 0).astype(int), ALL_ATTRIBUTES, "val_multilabel_accuracy"),
        ("binary_hinge", np.sign(x[:, :2]), ALL_ATTRIBUTES, "val_accuracy"),
        ("l2", x[:, :2] @ [[1, 2], [0, 1]], ALL_NUMBERS, "val_r2"),
        ("l1", x[:, 0] * 2, ALL_NUMBERS, "val_mae"),
        ("huber", x[:, :3], ALL_NUMBERS, "val_loss"),
    ]
    for loss, y, metrics, monitor in cases:
        stopping = pynn.EarlyStopping(monitor, patience=30)
        model = fitted(
            (x, y), 1 if y.ndim == 1 else y.shape[1], loss, epochs=60, optimizer=pynn.Adam(0.02), metrics=metrics,
            validation=0.25, callbacks=[stopping],
        )  # fmt: skip
        history = model.history
        assert history is not None
        best = min(history[monitor]) if monitor in ("val_loss", "val_mae") else max(history[monitor])
        assert stopping.best == best
        split = pynn.Split(0.25, stratify=False).places(x, y)[1]
        assert model.evaluate(x[split], y[split], metrics=metrics)[monitor[4:]] == pytest.approx(best, rel=1e-6)
        assert best != history[monitor][0]


# Own ones -----------------------------------------------------------------------------------------


def spread(outputs: np.ndarray, targets: np.ndarray) -> float:
    return float(outputs.std())


def test_an_own_function_is_a_mean_over_batches_by_their_sizes(rng: np.random.Generator) -> None:
    data = labels(rng)
    model = fitted(data, 5, "hinge", metrics=[spread], validation=data)
    assert model.history is not None
    assert list(model.history)[:2] == ["loss", "spread"]
    outputs = [model.forward(data[0][start : start + 20]).std() for start in (0, 20, 40)]
    found = model.evaluate(*data, 20, metrics=[spread])
    assert found["spread"] == pytest.approx((20 * outputs[0] + 20 * outputs[1] + 13 * outputs[2]) / 53, rel=1e-6)


def test_an_own_metric_object_sums_up_as_it_likes(rng: np.random.Generator) -> None:
    class Largest(pynn.metrics.Metric):
        name = "largest_error"

        def reset(self) -> None:
            self.largest = 0.0

        def add(self, outputs: np.ndarray, targets: np.ndarray, weights: np.ndarray | None) -> None:
            self.largest = max(self.largest, float(abs(outputs - targets).max()))

        def value(self) -> float:
            return self.largest

    x = rng.normal(size=(41, 4))
    model = fitted((x, x), 4, "l2", metrics=[Largest()])
    found = model.evaluate(x, x, 7, metrics=[Largest()])["largest_error"]
    assert found == pytest.approx(np.abs(model.predict(x) - x).max(), rel=1e-6)


def test_metrics_go_on_in_the_middle_of_an_epoch(rng: np.random.Generator, tmp_path: Any) -> None:
    data = labels(rng)

    class Stop(pynn.Callback):
        def on_step_end(self, trainer: pynn.Trainer) -> None:
            if trainer.step == 9:
                trainer.stop("now")

    settings: dict[str, Any] = {"metrics": [*ALL_LABELS, spread], "validation": 0.2}
    expected = fitted(data, 5, "hinge", **settings)
    fitted(data, 5, "hinge", checkpoint=tmp_path, callbacks=[Stop()], **settings)
    model = fitted(data, 5, "hinge", checkpoint=tmp_path, resume=True, **settings)
    assert model.context.step == expected.context.step > 9
    for name in expected.history:  # type: ignore[union-attr]
        if name != "samples_per_second":
            assert model.history[name] == expected.history[name]  # type: ignore[index]
    with pytest.raises(ValueError, match="metrics differs"):
        fitted(data, 5, "hinge", checkpoint=tmp_path, resume=True, validation=0.2)


@pytest.mark.parametrize(
    ("metrics", "error", "message"),
    [
        ("accuracy", TypeError, r"metrics is 'accuracy', expected a list, \['accuracy'\]"),
        (["top0"], ValueError, r"metrics: 'top0' is unknown, expected one of accuracy, top5 .*precision, recall, f1"),
        ([3], TypeError, r"metrics holds 3, expected names, pynn\.metrics objects or functions"),
        ([pynn.metrics.F1], TypeError, r"metrics holds .*; write F1\(\)"),
        (["f1", "f1"], ValueError, r"metrics: 'f1' is not a valid name, or occurs twice"),
        ([lambda outputs, targets: 0.0], ValueError, r"metrics: '<lambda>' is not a valid name"),
        (["mae"], TypeError, r"the metric mae needs a loss of numbers, which SoftmaxCrossEntropy is not"),
        (["multilabel_accuracy"], TypeError, r"needs a loss of attributes, which SoftmaxCrossEntropy is not"),
    ],
)
def test_invalid_metrics_are_refused_before_training(
    metrics: Any, error: type[Exception], message: str, rng: np.random.Generator
) -> None:
    model = pynn.Sequential(pynn.Affine(5))
    with pytest.raises(error, match=message):
        model.fit(*labels(rng), metrics=metrics, progress=False)
    assert not model.built
    with pytest.raises(TypeError, match="the metric top5 needs a loss of class labels"):
        model.fit(np.eye(4), np.eye(4, 5), loss="l2", metrics=["top5"], progress=False)
    with pytest.raises(TypeError, match="the metric f1 needs a loss of class labels or attributes"):
        model.fit(np.eye(4), np.eye(4, 5), loss="l2", metrics=["f1"], progress=False)


def test_a_function_that_returns_no_number_is_refused(rng: np.random.Generator) -> None:
    def broken(outputs: np.ndarray, targets: np.ndarray) -> Any:
        return outputs

    with pytest.raises(TypeError, match="the metric broken returned ndarray, expected a number"):
        fitted(labels(rng), 5, "hinge", metrics=[broken])


def test_without_metrics_there_is_the_loss_alone(rng: np.random.Generator) -> None:
    model = fitted(labels(rng), 5, "hinge", metrics=[], validation=0.3)
    assert list(model.history or ()) == ["loss", "val_loss", "learning_rate", "samples_per_second"]
    assert list(model.evaluate(*labels(rng), metrics=[])) == ["loss"]


# Validation ---------------------------------------------------------------------------------------


def seen(data: Data, **settings: Any) -> tuple[list[int], int]:
    """Which samples an epoch trains on, by the first number of each; how many were validated."""
    found: list[int] = []

    class Watched(pynn.Layer):
        def forward(self, x: np.ndarray, training: bool) -> np.ndarray:
            if training:
                found.extend(x[:, 0].astype(int))
            else:
                self.validated = len(x)
            return x

        def backward(self, dy: np.ndarray) -> np.ndarray:
            return dy

    watched = Watched()
    pynn.Sequential(watched, pynn.Affine(3)).fit(*data, epochs=1, batch_size=8, progress=False, **settings)
    return sorted(found), watched.validated


def test_a_share_is_held_out_by_the_seed() -> None:
    y = np.arange(40) % 3
    data = np.arange(40.0)[:, None] + np.zeros((40, 2)), y
    trained, validated = seen(data, validation=0.25)
    assert (len(trained), validated) == (30, 10)
    assert trained == seen(data, validation=0.25)[0]
    assert trained == np.sort(pynn.Split(0.25, stratify=False).places(*data)[0]).tolist()
    assert trained != seen(data, validation=0.25, seed=1)[0]
    assert seen(data, validation=pynn.Split(0.25, stratify=False, seed=1))[0] == seen(data, validation=0.25, seed=1)[0]


def test_a_share_can_be_stratified() -> None:
    y = np.repeat([0, 1, 2], [30, 6, 4])
    data = np.arange(40.0)[:, None] + np.zeros((40, 2)), y
    trained, validated = seen(data, validation=pynn.Split(0.5))
    assert np.bincount(y[trained]).tolist() == [15, 3, 2]
    assert validated == 20
    assert repr(pynn.Split(0.5, seed=3)) == "Split(share=0.5, seed=3)"


def test_several_calls_hold_out_the_same_samples(rng: np.random.Generator) -> None:
    data = labels(rng)
    model = fitted(data, 5, "hinge", validation=0.25)
    model.fit(*data, validation=0.25, epochs=1, batch_size=10, progress=False)
    places = pynn.Split(0.25, stratify=False).places(*data)[1]
    assert model.evaluate(data[0][places], data[1][places])["loss"] == model.history["val_loss"][-1]  # type: ignore[index]


def test_preprocessing_is_fitted_to_the_training_part_alone() -> None:
    rng = np.random.default_rng(3)
    x, y = rng.normal(size=(40, 4)), np.arange(40) % 3
    model = fitted((x, y), 3, "hinge", validation=pynn.Split(0.25), preprocessing=pynn.Standardization())
    train, held_out = pynn.Split(0.25).places(x, y)
    expected = pynn.Standardization().fit(x[train])
    assert model.preprocessing is not None
    np.testing.assert_array_equal(model.preprocessing.transform(x), expected.transform(x))
    found = model.evaluate(x[held_out], y[held_out])
    assert found["loss"] == pytest.approx(model.history["val_loss"][-1], rel=1e-6)  # type: ignore[index]


def test_sample_weights_are_shared_out_with_their_samples(rng: np.random.Generator) -> None:
    x, y = labels(rng)
    weight = rng.uniform(0, 2, len(y))
    model = fitted((x, y), 5, "hinge", validation=0.25, sample_weight=weight)
    train, held_out = pynn.Split(0.25, stratify=False).places(x, y)
    expected = pynn.Sequential(pynn.Affine(8), pynn.Tanh(), pynn.Affine(5))
    expected.fit(
        x[train], y[train], loss="hinge", sample_weight=weight[train], epochs=2, batch_size=10, progress=False,
        validation=(x[held_out], y[held_out], weight[held_out]),
    )  # fmt: skip
    np.testing.assert_array_equal(model.parameters, expected.parameters)
    assert model.history["val_loss"] == expected.history["val_loss"]  # type: ignore[index]


def test_a_function_validates_as_it_likes(rng: np.random.Generator) -> None:
    data = labels(rng)
    calls: list[Any] = []

    def validate(model: pynn.Sequential) -> dict[str, Any]:
        calls.append(model)
        return {"cost": 5 - len(calls), "val_count": np.float32(len(calls))}

    stopping = pynn.EarlyStopping("val_cost", mode="max", patience=2)
    model = fitted(data, 5, "hinge", validation=validate, epochs=5, callbacks=[stopping])
    assert calls == [model] * 3
    assert model.history["val_cost"] == [4, 3, 2]  # type: ignore[index]
    assert model.history["val_count"] == [1, 2, 3]  # type: ignore[index]
    with pytest.raises(
        ValueError, match=r"EarlyStopping: monitor is 'val_loss', which was not measured; there are loss"
    ):
        fitted(data, 5, "hinge", validation=validate, callbacks=[pynn.EarlyStopping()])


@pytest.mark.parametrize(
    ("validation", "error", "message"),
    [
        (0, ValueError, r"validation: share is 0, expected 0 < share < 1"),
        (1.0, ValueError, r"validation: share is 1\.0"),
        (True, TypeError, r"validation is bool, expected a pair"),
        (pynn.Split, TypeError, r"validation is type, expected a pair"),
        (lambda model: 3, TypeError, r"the validation function returned int, expected a dict of numbers by name"),
        (lambda model: {0: 1.0}, TypeError, r"the validation function returned the name 0, expected text"),
        (lambda model: {"a": "b"}, TypeError, r"the validation function returned 'b' for 'a', expected a number"),
    ],
)
def test_data_that_cannot_be_validated_are_refused(
    validation: Any, error: type[Exception], message: str, rng: np.random.Generator
) -> None:
    with pytest.raises(error, match=message):
        fitted(labels(rng), 5, "hinge", validation=validation)
    with pytest.raises(ValueError, match="pass stratify=False"):
        pynn.Sequential(pynn.Affine(2)).fit(np.eye(4), np.eye(4, 2), loss="l2", validation=pynn.Split(0.5))
    with pytest.raises(TypeError, match=r"validation is 0.5: a share needs arrays x and y, not an iterable"):
        pynn.Sequential(pynn.Affine(2)).fit([labels(rng)], validation=0.5, progress=False)


# partial_fit --------------------------------------------------------------------------------------


def test_partial_fits_are_epochs_of_one_run(rng: np.random.Generator) -> None:
    x, y = labels(rng)
    model, expected = (pynn.Sequential(pynn.Affine(5)) for _ in range(2))
    for _ in range(3):
        assert (
            model.partial_fit(x, y, np.arange(5), batch_size=10, optimizer=model.optimizer or pynn.Adam(0.01)) is model
        )
    expected.fit(x, y, epochs=3, batch_size=10, optimizer=pynn.Adam(0.01), progress=False)
    np.testing.assert_array_equal(model.parameters, expected.parameters)
    assert model.optimizer is not None
    assert model.optimizer.steps == 18


def test_partial_fit_takes_what_comes(rng: np.random.Generator) -> None:
    x, y = labels(rng)
    model = pynn.Sequential(pynn.Affine(5))
    for start in range(0, 50, 5):
        model.partial_fit(x[start : start + 5], y[start : start + 5])
    assert (model.epoch, model.context.step) == (10, 10)


@pytest.mark.parametrize(
    ("settings", "error", "message"),
    [
        ({"classes": np.arange(6)}, ValueError, r"y\[5\] is 5, expected a label of 0\.\.4"),
        ({"classes": ["a", "b"]}, ValueError, r"classes has 2 classes, 'a', 'b', but the model has 5 outputs"),
        ({"classes": list("abcde")}, ValueError, r"y\[0\] is \d, which is none of the model's classes, 'a', 'b'"),
        (
            {"classes": [0, 1], "loss": "l2"},
            TypeError,
            r"classes needs a loss of class labels, which SquaredError is",
        ),
    ],
)
def test_classes_are_checked_at_the_first_call(
    settings: dict[str, Any], error: type[Exception], message: str, rng: np.random.Generator
) -> None:
    model = pynn.Sequential(pynn.Affine(5))
    with pytest.raises(error, match=message):
        model.partial_fit(*labels(rng), **settings)
    assert not model.built
