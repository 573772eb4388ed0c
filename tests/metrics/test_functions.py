"""Functions as metrics: scikit-learn's, of the whole data, and own ones, by the names of their arguments."""

from __future__ import annotations

import functools
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import pynn

Points = tuple[np.ndarray, np.ndarray]


@pytest.fixture
def sklearn() -> Any:
    return pytest.importorskip("sklearn.metrics")


def fitted(x: np.ndarray, y: np.ndarray, outputs: int, loss: str) -> pynn.Sequential:
    model = pynn.Sequential(pynn.Affine(outputs))
    model.fit(x, y, loss=loss, epochs=3, batch_size=10, progress=False)
    return model


@pytest.mark.usefixtures("backend")
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("batch_size", [1, 7, 1000])
def test_scikit_learns_functions_of_numbers(
    batch_size: int, weighted: bool, points: Points, rng: np.random.Generator, sklearn: Any
) -> None:
    x, y = points[0], points[0] @ np.array([1.0, -2.0, 0.5, 3.0]) + rng.normal(size=30)
    for targets, outputs in ((y, 1), (y[:, None], 1), (np.stack([y, y**2], 1), 2)):
        model = fitted(x, targets, outputs, "l2")
        weights = rng.uniform(0, 2, 30) if weighted else None
        functions = [sklearn.r2_score, sklearn.mean_squared_error, sklearn.median_absolute_error]
        found = model.evaluate(x, targets, batch_size, metrics=[*functions, "r2"], sample_weight=weights)
        said = model.predict(x)
        for function in functions:
            expected = function(targets, said, sample_weight=weights)
            assert found[function.__name__] == pytest.approx(expected, rel=1e-5)
        assert found["r2_score"] == pytest.approx(found["r2"], rel=1e-5)
        assert found["r2_score"] != pytest.approx(sklearn.r2_score(said, targets), rel=1e-2)  # the other order


@pytest.mark.usefixtures("backend")
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("loss", ["softmax_cross_entropy", "hinge"])
def test_scikit_learns_functions_of_labels(
    loss: str, weighted: bool, points: Points, rng: np.random.Generator, sklearn: Any
) -> None:
    x, y = points
    model = fitted(x, y, 3, loss)
    weights = rng.uniform(0, 2, 30) if weighted else None
    macro = functools.partial(sklearn.f1_score, average="macro")
    functions = [sklearn.accuracy_score, sklearn.balanced_accuracy_score, macro, sklearn.matthews_corrcoef,
                 sklearn.top_k_accuracy_score]  # fmt: skip
    found = model.evaluate(x, y, 7, metrics=[*functions, "accuracy", "f1", "top2"], sample_weight=weights)
    said = model.predict(x)
    assert found["accuracy_score"] == pytest.approx(found["accuracy"], rel=1e-6)
    assert found["f1_score"] == pytest.approx(found["f1"], rel=1e-6)
    assert found["top_k_accuracy_score"] == pytest.approx(found["top2"], rel=1e-6)
    expected = sklearn.balanced_accuracy_score(y, said, sample_weight=weights)
    assert found["balanced_accuracy_score"] == pytest.approx(expected, rel=1e-6)


@pytest.mark.usefixtures("backend")
def test_scikit_learns_functions_of_probabilities(points: Points, sklearn: Any) -> None:
    x, y = points
    for classes in (2, 3):
        labels = y % classes
        model = fitted(x, labels, classes, "softmax_cross_entropy")
        shares = model.predict_proba(x).astype(float)
        shares /= shares.sum(axis=1, keepdims=True)
        multi = functools.partial(sklearn.roc_auc_score, multi_class="ovr")
        found = model.evaluate(x, labels, 7, metrics=[multi, sklearn.log_loss])
        scores = shares[:, 1] if classes == 2 else shares
        assert found["roc_auc_score"] == pytest.approx(multi(labels, scores), rel=1e-5)
        assert found["log_loss"] == pytest.approx(sklearn.log_loss(labels, shares), rel=1e-4)
        assert found["log_loss"] == pytest.approx(found["loss"], rel=1e-4)


@pytest.mark.usefixtures("backend")
def test_scikit_learns_functions_of_attributes(points: Points, sklearn: Any) -> None:
    x, y = points
    one = (y > 0).astype(float)
    model = fitted(x, one, 1, "binary_cross_entropy")
    found = model.evaluate(
        x, one, 7, metrics=[sklearn.accuracy_score, sklearn.roc_auc_score, sklearn.brier_score_loss, "accuracy"]
    )
    assert found["accuracy_score"] == found["accuracy"]
    shares = 1 / (1 + np.exp(-x.astype(float) @ model.layers[0].weight - model.layers[0].bias)).ravel()
    assert found["roc_auc_score"] == pytest.approx(sklearn.roc_auc_score(one, shares), rel=1e-6)
    assert found["brier_score_loss"] == pytest.approx(sklearn.brier_score_loss(one, shares), rel=1e-4)
    several = np.eye(3)[y]
    model = fitted(x, several, 3, "binary_cross_entropy")
    found = model.evaluate(x, several, 7, metrics=[sklearn.accuracy_score, sklearn.hamming_loss, "accuracy",
                                                   "multilabel_accuracy", sklearn.roc_auc_score])  # fmt: skip
    assert found["accuracy_score"] == found["accuracy"]
    assert found["hamming_loss"] == pytest.approx(1 - found["multilabel_accuracy"])
    assert 0.5 < found["roc_auc_score"] <= 1


@pytest.mark.usefixtures("backend")
def test_metric_functions_are_measured_over_whole_epochs_of_fit(points: Points, sklearn: Any) -> None:
    x, y = points
    model = pynn.Sequential(pynn.Affine(3))
    history = model.fit(
        x, y, validation=(x, y), metrics=[sklearn.accuracy_score, "accuracy"], epochs=3, batch_size=7, progress=True
    )
    assert list(history["accuracy_score"]) == pytest.approx(list(history["accuracy"]))
    assert list(history["val_accuracy_score"]) == pytest.approx(list(history["val_accuracy"]))


def test_a_resumed_run_goes_on_with_what_they_gathered(tmp_path: Path, points: Points, sklearn: Any) -> None:
    def run(folder: str, stop: int | None, resume: bool = False) -> pynn.History:
        class Stop(pynn.Callback):
            def on_step_end(self, trainer: pynn.Trainer) -> None:
                if trainer.step == stop:
                    trainer.stop("enough")

        model = pynn.Sequential(pynn.Affine(3))
        return model.fit(
            *points, metrics=[sklearn.accuracy_score, "accuracy"], epochs=2, batch_size=7, progress=False,
            callbacks=[Stop()], checkpoint=tmp_path / folder, resume=resume,
        )  # fmt: skip

    whole = run("whole", None)
    run("stopped", 7)
    gone_on = run("stopped", None, resume=True)
    assert gone_on["accuracy_score"] == whole["accuracy_score"]
    assert list(whole["accuracy_score"]) == pytest.approx(list(whole["accuracy"]))


def test_early_stopping_knows_which_way_they_go(points: Points, sklearn: Any) -> None:
    for function in (sklearn.accuracy_score, sklearn.balanced_accuracy_score):
        stopping = pynn.EarlyStopping(f"val_{function.__name__}", mode="max")
        model = pynn.Sequential(pynn.Affine(3))
        model.fit(*points, validation=points, metrics=[function], epochs=2, progress=False, callbacks=[stopping])
        assert stopping.best is not None


def test_metric_functions_of_nan_outputs_are_nan(points: Points, sklearn: Any) -> None:
    x, y = points
    model = fitted(x, y, 3, "softmax_cross_entropy")
    model.layers[0].weight[...] = np.nan
    assert math.isnan(model.evaluate(x, y, metrics=[sklearn.accuracy_score])["accuracy_score"])


def test_metric_functions_that_cannot_measure_are_refused(points: Points, sklearn: Any) -> None:
    x, y = points
    model = fitted(x, y, 3, "softmax_cross_entropy")
    for scorer in (sklearn.get_scorer("accuracy"), sklearn.make_scorer(sklearn.f1_score, average="macro")):
        with pytest.raises(TypeError, match=r"takes an estimator; give the function, sklearn\.metrics\.\w+_score"):
            model.evaluate(x, y, metrics=[scorer])
    with pytest.raises(TypeError, match=r"sklearn's auc\(x, y\), expected a function that compares y_true"):
        model.evaluate(x, y, metrics=[sklearn.auc])
    with pytest.raises(TypeError, match="log_loss needs a loss of probabilities, which Hinge is not"):
        fitted(x, y, 3, "hinge").evaluate(x, y, metrics=[sklearn.log_loss])
    with pytest.raises(TypeError, match="the metric confusion_matrix returned ndarray, expected a number"):
        model.evaluate(x, y, metrics=[sklearn.confusion_matrix])
    numbers = fitted(x, x[:, :1], 1, "l2")
    with pytest.raises(TypeError, match="the metric max_error takes no sample weights"):
        numbers.evaluate(x, x[:, :1], metrics=[sklearn.max_error], sample_weight=np.ones(30))
    with pytest.raises(ValueError, match=r"'kappa' is unknown.*or a function \(sklearn\.metrics\.matthews_corrcoef\)"):
        model.evaluate(x, y, metrics=["kappa"])


# Functions of a level, and pynn's own in a partial ----------------------------------------------------


@pytest.mark.usefixtures("backend")
@pytest.mark.parametrize("crossing", [True, False])
@pytest.mark.parametrize("columns", [1, 2])
def test_functions_of_quantiles_judge_their_level(crossing: bool, columns: int, points: Points, sklearn: Any) -> None:
    x, y = points[0], points[0][:, 0] if columns == 1 else points[0][:, :2] * [1, 100]
    model = pynn.Sequential(pynn.Affine(3)) if columns == 1 else pynn.Sequential(pynn.Affine(6), pynn.Reshape(2, 3))
    loss = pynn.Quantile((0.1, 0.5, 0.9), crossing=crossing)
    model.fit(x, y, loss=loss, target_preprocessing=pynn.Standardization(), epochs=2, progress=False)
    said, weight = model.predict(x), np.linspace(0, 2, 30)
    for level, place in ((0.1, 0), (0.5, 1), (0.9, 2)):
        theirs = functools.partial(sklearn.mean_pinball_loss, alpha=level)
        ours = functools.partial(pynn.metrics.pinball, level=level)
        found = model.evaluate(x, y, 7, metrics=[theirs, ours], sample_weight=weight)
        expected = sklearn.mean_pinball_loss(y, said[..., place], alpha=level, sample_weight=weight)
        assert found["mean_pinball_loss"] == pytest.approx(expected, rel=1e-5)
        assert found[f"pinball{100 * level:g}"] == pytest.approx(expected, rel=1e-5)
    median = model.evaluate(x, y, metrics=[sklearn.mean_pinball_loss, sklearn.r2_score])
    assert median["mean_pinball_loss"] == pytest.approx(np.abs(y - said[..., 1]).mean() / 2, rel=1e-5)
    assert median["r2_score"] == pytest.approx(sklearn.r2_score(y, said[..., 1]), rel=1e-4)

    def furthest(y_true: np.ndarray, y_pred: np.ndarray) -> float:
        return float(np.abs(y_true - y_pred).max())

    expected = np.abs(y - said[..., 1]).max()
    assert model.evaluate(x, y, 30, metrics=[furthest])["furthest"] == pytest.approx(expected, rel=1e-5)
    theirs = functools.partial(sklearn.mean_pinball_loss, alpha=0.7)
    with pytest.raises(ValueError, match=r"the metric mean_pinball_loss needs a quantile of level 0\.7, but there are"):
        model.evaluate(x, y, metrics=[theirs])
    with pytest.raises(ValueError, match=r"the metric d2_pinball_score needs a quantile of level 0\.5, but there are"):
        pynn.Sequential(pynn.Affine(1)).fit(
            x, x[:, 0], loss=pynn.Quantile(0.9), metrics=[sklearn.d2_pinball_score], progress=False
        )


@pytest.mark.usefixtures("backend")
def test_a_partial_of_our_functions_is_the_metric_of_its_name(points: Points) -> None:
    x, y = points
    model = fitted(x, y, 3, "softmax_cross_entropy")
    binned = functools.partial(pynn.metrics.calibration_error, bins=4)
    found = model.evaluate(x, y, 4, metrics=[binned, functools.partial(pynn.metrics.roc_auc)])
    probabilities = model.predict_proba(x)
    assert found["calibration_error"] == pytest.approx(pynn.metrics.calibration_error(y, probabilities, bins=4))
    assert found["roc_auc"] == pytest.approx(pynn.metrics.roc_auc(y, probabilities))
    for function, options, instead in (
        (pynn.metrics.roc_auc, {"classes": [0, 1, 2]}, "'roc_auc'"),
        (pynn.metrics.log_loss, {"sample_weight": [1]}, "'log_loss'"),
        (pynn.metrics.calibration_error, {"classes": 3}, r"functools\.partial\(calibration_error, bins=\.\.\.\)"),
    ):
        message = f"a partial of {function.__name__} with {next(iter(options))}, but the model brings.*give {instead}"
        with pytest.raises(TypeError, match=message):
            model.evaluate(x, y, metrics=[functools.partial(function, **options)])
    with pytest.raises(TypeError, match="a partial of brier with arguments, but the model brings"):
        model.evaluate(x, y, metrics=[functools.partial(pynn.metrics.brier, y)])


# Own functions --------------------------------------------------------------------------------------


def outputs_first(outputs: np.ndarray, targets: np.ndarray) -> float:
    return float((outputs - 2 * targets).mean())


@pytest.mark.usefixtures("backend")
@pytest.mark.parametrize(
    "names",
    [
        "targets, outputs", "target, output", "labels, logits", "y_true, y_pred", "y_true, y_hat", "y, prediction",
        "y_true, scores",
    ],
)  # fmt: skip
def test_arguments_in_the_other_order_are_recognized(names: str, points: Points) -> None:
    x, y = points[0], points[0][:, :2]
    first, second = names.split(", ")
    other: Any = eval(f"lambda {names}: float(({second} - 2 * {first}).mean())")
    other.__name__ = "other"
    model = fitted(x, y, 2, "l2")
    found = model.evaluate(x, y, metrics=[outputs_first, other])
    assert found["other"] == found["outputs_first"]
    assert found["other"] != pytest.approx(float((y - 2 * model.predict(x)).mean()), rel=1e-3)


@pytest.mark.parametrize("names", ["outputs, targets", "y_pred, y_true", "preds, target", "a, b", "*both"])
def test_all_other_names_are_outputs_and_targets(names: str, points: Points) -> None:
    x, y = points[0], points[0][:, :2]
    parts = ("both[0]", "both[1]") if names == "*both" else names.split(", ")
    same: Any = eval(f"lambda {names}: float(({parts[0]} - 2 * {parts[1]}).mean())")
    same.__name__ = "same"
    model = fitted(x, y, 2, "l2")
    found = model.evaluate(x, y, metrics=[outputs_first, same])
    assert found["same"] == found["outputs_first"]


def test_y_true_and_y_pred_of_labels_are_refused_where_they_may_mean_either(points: Points) -> None:
    x, y = points

    def right(y_true: np.ndarray, y_pred: np.ndarray) -> float:
        return float((y_true == y_pred).mean())

    model = fitted(x, y, 3, "softmax_cross_entropy")
    for loss, targets in (("softmax_cross_entropy", y), ("binary_cross_entropy", np.eye(3)[y])):
        with pytest.raises(
            TypeError, match=r"the metric right\(y_true, y_pred\) may want labels.* \(outputs, targets\), in this order"
        ):
            model.fit(x, targets, loss=loss, metrics=[right], epochs=1, progress=False)

    def unsure(targets: np.ndarray, outputs: np.ndarray) -> float:
        return float((outputs.argmax(axis=1) == targets).mean())

    found = model.evaluate(x, y, metrics=[unsure, "accuracy"])
    assert found["unsure"] == found["accuracy"]


def test_a_function_that_cannot_be_called_is_refused_before_training(points: Points) -> None:
    def alone(outputs: np.ndarray) -> float:
        return 0.0

    def three(outputs: np.ndarray, targets: np.ndarray, weights: np.ndarray) -> float:
        return 0.0

    model = pynn.Sequential(pynn.Affine(3))
    for function in (alone, three):
        with pytest.raises(TypeError, match=rf"the metric {function.__name__}\(.* cannot be called with \(outputs, t"):
            model.fit(*points, metrics=[function], progress=False)
    assert not model.built


def test_a_partial_has_the_name_of_its_function(points: Points) -> None:
    def above(outputs: np.ndarray, targets: np.ndarray, least: float) -> float:
        return float((outputs > least).mean())

    x, y = points
    model = fitted(x, y, 3, "softmax_cross_entropy")
    assert "above" in model.evaluate(x, y, metrics=[functools.partial(above, least=0.5)])


# A loss by its name in a step -----------------------------------------------------------------------


@pytest.mark.usefixtures("backend")
@pytest.mark.parametrize("name", ["softmax_cross_entropy", "hinge", "l2"])
def test_a_step_takes_a_loss_by_its_name(name: str, points: Points) -> None:
    x, y = points[0], points[0][:, :3] if name == "l2" else points[1]
    one, other = (pynn.Sequential(pynn.Affine(3)) for _ in range(2))
    first, second, loss = pynn.Adam(0.01), pynn.Adam(0.01), pynn.losses.loss(name)
    for _ in range(3):
        assert one.train_step(x, y, name, first) == other.train_step(x, y, loss, second)
    np.testing.assert_array_equal(one.parameters, other.parameters)


def test_a_step_says_what_is_no_loss_or_optimizer(points: Points) -> None:
    x, y = points
    model, loss = pynn.Sequential(pynn.Affine(3)), pynn.SoftmaxCrossEntropy()
    steps: list[tuple[Any, Any, type[Exception], str]] = [
        ("crossentropy", pynn.SGD(0.1), ValueError, "loss is 'crossentropy', use 'softmax_cross_entropy'"),
        (pynn.SoftmaxCrossEntropy, pynn.SGD(0.1), TypeError, r"expected a pynn Loss; write SoftmaxCrossEntropy\(\)"),
        (3, pynn.SGD(0.1), TypeError, "loss is 3, expected a pynn Loss"),
        (loss, "adam", TypeError, r"optimizer is 'adam', expected an object.*optimizer = pynn\.Adam\(\)"),
        (loss, pynn.Adam, TypeError, r"expected a pynn Optimizer; write Adam\(\)"),
    ]
    for given, optimizer, error, says in steps:
        with pytest.raises(error, match=says):
            model.train_step(x, y, given, optimizer)
    tree = pynn.Sequential(pynn.HierarchicalSoftmax(3))
    with pytest.raises(ValueError, match="the model's last layer has its own"):
        tree.train_step(x, y, "softmax_cross_entropy", pynn.SGD(0.1))


def test_a_step_takes_any_object_with_the_two_passes(points: Points) -> None:
    class Duck:
        def forward(self, outputs: np.ndarray, targets: np.ndarray) -> float:
            self.outputs = outputs
            return float((outputs**2).sum())

        def backward(self) -> np.ndarray:
            return 2 * self.outputs

    x, y = points
    model = pynn.Sequential(pynn.Affine(3))
    first = model.train_step(x, y, Duck(), pynn.SGD(0.001))  # type: ignore[arg-type]
    assert model.train_step(x, y, Duck(), pynn.SGD(0.001)) < first  # type: ignore[arg-type]


@pytest.mark.usefixtures("backend")
@pytest.mark.parametrize("weighted", [False, True])
def test_every_place_of_a_sequence_is_a_sample_of_scikit_learns(
    weighted: bool, rng: np.random.Generator, sklearn: Any
) -> None:
    x, y = rng.normal(size=(12, 4, 5)).astype(np.float32), rng.integers(0, 3, (12, 4))
    model = fitted(x, y, 3, "softmax_cross_entropy")
    weights = rng.uniform(0, 2, 12) if weighted else None
    macro = functools.partial(sklearn.f1_score, average="macro")
    found = model.evaluate(
        x, y, 5, metrics=["accuracy", "f1", sklearn.accuracy_score, macro, sklearn.log_loss], sample_weight=weights
    )
    assert found["accuracy_score"] == pytest.approx(found["accuracy"], rel=1e-6)
    assert found["f1_score"] == pytest.approx(found["f1"], rel=1e-6)
    assert 0 < found["log_loss"] < 5
    matrix = pynn.metrics.confusion_matrix(y.ravel(), model.predict(x).ravel(), 3)
    assert matrix.trace() / matrix.sum() == pytest.approx(model.evaluate(x, y)["accuracy"])
    with pytest.raises(ValueError, match=r"y_true has shape \(12, 4\).*labels of sequences become \(N,\) by \.ravel"):
        pynn.metrics.confusion_matrix(y, model.predict(x))
