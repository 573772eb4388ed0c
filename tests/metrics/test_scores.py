"""Metrics of probabilities, rankings, labels and numbers against scikit-learn, as functions and in models."""

from __future__ import annotations

import math
import warnings
from typing import Any

import numpy as np
import pytest

import pynn
from pynn import metrics

PROBABLE = ["log_loss", "brier", "calibration_error"]
RANKED = ["roc_auc", "average_precision"]
LABELLED = ["balanced_accuracy", "error"]
ALL = [*PROBABLE, *RANKED, *LABELLED]
weighted_or_not = pytest.mark.parametrize("weighted", [False, True])


@pytest.fixture
def sklearn() -> Any:
    return pytest.importorskip("sklearn.metrics")


def data(count: int, classes: int, weighted: bool, ties: bool = True) -> tuple[np.ndarray, np.ndarray, Any]:
    """Labels, probabilities with many ties, and weights, some of them 0."""
    rng = np.random.default_rng(count + classes)
    y = np.r_[np.arange(classes), rng.integers(0, classes, count - classes)]
    logits = rng.normal(size=(count, classes)) + np.eye(classes)[y]
    p = np.exp(np.round(logits) if ties else logits)
    weights = rng.uniform(0, 2, count) * (rng.random(count) > 0.2) if weighted else None
    if weights is not None:
        weights[:classes] = 1
    return y, p / p.sum(axis=1, keepdims=True), weights


# Functions beside scikit-learn's ------------------------------------------------------------------


@weighted_or_not
@pytest.mark.parametrize("ties", [False, True])
@pytest.mark.parametrize("classes", [2, 3, 6])
@pytest.mark.parametrize("count", [7, 60, 501])
def test_functions_are_scikit_learns(count: int, classes: int, ties: bool, weighted: bool, sklearn: Any) -> None:
    y, p, weight = data(count, classes, weighted, ties)
    options, scores, said = {"sample_weight": weight}, p[:, 1] if classes == 2 else p, p.argmax(axis=1)
    exact = {"rel": 1e-12, "abs": 1e-12}
    assert metrics.log_loss(y, p, **options) == pytest.approx(sklearn.log_loss(y, p, **options), **exact)
    assert metrics.brier(y, p, **options) == pytest.approx(sklearn.brier_score_loss(y, p, **options), **exact)
    auc = sklearn.roc_auc_score(y, scores, multi_class="ovr", **options)
    assert metrics.roc_auc(y, p, **options) == pytest.approx(auc, **exact)
    precision = sklearn.average_precision_score(y, scores, **options)
    assert metrics.average_precision(y, p, **options) == pytest.approx(precision, **exact)
    balanced = sklearn.balanced_accuracy_score(y, said, **options)
    assert metrics.balanced_accuracy(y, said, **options) == pytest.approx(balanced, **exact)
    assert metrics.error(y, said, **options) == pytest.approx(sklearn.zero_one_loss(y, said, **options), **exact)
    if classes == 2:
        for name in [*PROBABLE, *RANKED]:
            judge = getattr(metrics, name)
            for one in (scores, scores[:, None], scores.tolist()):
                assert judge(y, one, **options) == pytest.approx(judge(y, p, **options), **exact)
            assert judge(2 * y - 1, scores, **options) == judge(y == 1, scores, **options)
            assert judge(np.array(["no", "yes"])[y], scores, **options) == judge(y, scores, **options)


@weighted_or_not
def test_functions_of_numbers_are_scikit_learns(weighted: bool, rng: np.random.Generator, sklearn: Any) -> None:
    for shape in ((31,), (31, 1), (31, 3)):
        y, f = rng.normal(size=shape), rng.normal(size=shape)
        y[3] = 0
        options = {"sample_weight": rng.uniform(0, 2, 31) if weighted else None}
        mape = sklearn.mean_absolute_percentage_error(y, f, **options)
        assert metrics.mape(y, f, **options) == pytest.approx(mape, rel=1e-12)
        for level in (0.1, 0.5, 0.97):
            expected = sklearn.mean_pinball_loss(y, f, alpha=level, **options)
            assert metrics.pinball(y, f, level, **options) == pytest.approx(expected, rel=1e-12)


@weighted_or_not
def test_answers_are_averaged_over_columns(weighted: bool, rng: np.random.Generator, sklearn: Any) -> None:
    y, p = rng.integers(0, 2, (40, 3)), np.round(rng.uniform(0, 1, (40, 3)), 1)
    options = {"sample_weight": rng.uniform(0, 2, 40) if weighted else None}
    for name in RANKED:
        expected = getattr(sklearn, f"{name}_score")(y, p, **options)
        assert getattr(metrics, name)(y, p, **options) == pytest.approx(expected, rel=1e-12)
    for name, one in (("log_loss", sklearn.log_loss), ("brier", sklearn.brier_score_loss)):
        expected = np.mean([one(y[:, k], p[:, k], **options) for k in range(3)])
        assert getattr(metrics, name)(y, p, **options) == pytest.approx(expected, rel=1e-12)


@weighted_or_not
@pytest.mark.parametrize("bins", [1, 4, 15])
@pytest.mark.parametrize("classes", [2, 4])
def test_calibration_error_by_a_plain_loop(classes: int, bins: int, weighted: bool) -> None:
    y, p, weight = data(300, classes, weighted)
    weights = np.ones(300) if weight is None else weight
    expected, said, top = 0.0, p.argmax(axis=1), p.max(axis=1)
    for number in range(bins):
        inside = (top > number / bins) & (top <= (number + 1) / bins)
        if weights[inside].sum():
            right, sure = (np.average(v[inside], weights=weights[inside]) for v in (said == y, top))
            expected += weights[inside].sum() / weights.sum() * abs(right - sure)
    found = metrics.calibration_error(y, p, bins=bins, sample_weight=weight)
    assert found == pytest.approx(expected, rel=1e-12)
    assert expected > 0.01


def test_equal_scores_and_perfect_ones() -> None:
    y = np.array([0, 1, 1, 0, 1])
    assert metrics.roc_auc(y, np.full(5, 0.3)) == 0.5
    assert metrics.average_precision(y, np.full(5, 0.3)) == 0.6
    assert metrics.roc_auc(y, y) == metrics.average_precision(y, y) == 1
    assert metrics.roc_auc(y, -y) == 0
    assert metrics.brier(y, y) == metrics.calibration_error(y, y) == metrics.error(y, y) == 0
    assert metrics.log_loss(y, y.astype(float)) == pytest.approx(0, abs=1e-15)
    assert metrics.log_loss([1], [0.0], 2) == pytest.approx(-math.log(np.finfo(float).eps))
    assert metrics.log_loss([True], np.zeros(1, np.float32)) == pytest.approx(-math.log(np.finfo(np.float32).eps))


@pytest.mark.parametrize("name", RANKED)
def test_an_absent_class_gives_nan_and_a_warning(name: str) -> None:
    judge = getattr(metrics, name)
    with pytest.warns(UserWarning, match=f"{name} is not defined, hence NaN: the class is absent from the targets"):
        assert math.isnan(judge([0, 0, 0], [0.1, 0.2, 0.3]))
    with pytest.warns(UserWarning, match=f"{name} is not defined.*the class of column 2 is absent"):
        assert math.isnan(judge([0, 1, 1], np.eye(3)))
    with pytest.warns(UserWarning, match="the class is absent"):
        assert math.isnan(judge([0, 1], [0.1, 0.2], sample_weight=[1, 0]))


def test_classes_name_the_columns() -> None:
    y, p = ["b", "c", "b"], np.array([[0.1, 0.7, 0.2], [0.5, 0.3, 0.2], [0.2, 0.2, 0.6]])
    expected = metrics.log_loss([1, 2, 1], p, 3)
    assert metrics.log_loss(y, p, list("abc")) == expected
    assert metrics.log_loss(y, p[:, ::-1], list("cba")) == expected
    with pytest.raises(ValueError, match=r"probabilities is for 3 classes, but y_true has 2, b, c: pass classes="):
        metrics.log_loss(y, p)
    with pytest.raises(ValueError, match=r"y_true\[1\] is 'c', which is not among the classes a, b, d"):
        metrics.log_loss(y, p, list("abd"))


def test_labels_that_may_count_from_0_or_from_1_are_refused() -> None:
    p = np.array([[0.2, 0.7, 0.1], [0.3, 0.1, 0.6]])
    for name in [*PROBABLE, *RANKED]:
        judge = getattr(metrics, name)
        for y, scores in (
            ([1, 2], p),
            ([2.0, 2.0], p),
            ([1, 1], p[:, 1]),
            ([1, 1], p[:, :2] / p[:, :2].sum(1, keepdims=True)),
        ):
            with pytest.raises(
                ValueError, match=r"y_true has the labels .*, which may count from 0 or from 1: pass cl"
            ):
                judge(y, scores)
    assert metrics.log_loss([1, 2], p, [1, 2, 3]) == pytest.approx(-np.log(0.2 * 0.1) / 2)
    assert metrics.log_loss([1, 2], p, 3) == pytest.approx(-np.log(0.7 * 0.6) / 2)
    assert metrics.brier([1, 2], p, [1, 2, 3]) == pytest.approx(
        (0.8**2 + 0.7**2 + 0.1**2 + 0.3**2 + 0.9**2 + 0.6**2) / 2
    )
    assert metrics.log_loss([1, 2, 3], np.eye(3)) == pytest.approx(0, abs=1e-15)  # all occur


def test_one_hot_rows_are_labels(sklearn: Any) -> None:
    for classes in (2, 3):
        y, p, weight = data(60, classes, True)
        for name in [*PROBABLE, *RANKED]:
            judge, rows = getattr(metrics, name), np.eye(classes)[y]
            if name in PROBABLE or classes > 2:  # rankings of two classes are those of the second
                assert judge(rows, p, sample_weight=weight) == pytest.approx(
                    judge(y, p, sample_weight=weight), rel=1e-12
                )
        assert metrics.log_loss(rows, p) == pytest.approx(sklearn.log_loss(rows, p), rel=1e-12)
    p = np.array([[0.7, 0.2, 0.1], [0.1, 0.5, 0.4], [0.2, 0.6, 0.2]])
    assert metrics.log_loss(np.eye(3)[[0, 1, 1]], p) == pytest.approx(-np.log([0.7, 0.5, 0.6]).mean(), rel=1e-12)
    answers = metrics.log_loss(np.eye(3)[[0, 1, 1]], p / 2)  # no classes, as they do not add up to 1
    assert answers == pytest.approx(-np.log(np.where(np.eye(3)[[0, 1, 1]], p / 2, 1 - p / 2)).mean(), rel=1e-12)


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: metrics.log_loss([0, 1], [0.2, 1.2]), ValueError, r"probabilities\[1, 0\] is 1\.2, expected 0\.\.1"),
        (lambda: metrics.brier([0, 1], np.ones((2, 2))), ValueError, r"probabilities\[0\] add up to 2, expected 1"),
        (lambda: metrics.roc_auc([0, 1], [0.2, np.nan]), ValueError, r"y_score\[1\] is nan, expected finite numbers"),
        (lambda: metrics.roc_auc([0, 1, 1], [0.2, 0.3]), ValueError, r"y_true has 3 samples, but y_score has 2"),
        (lambda: metrics.roc_auc([0, 1], ["a", "b"]), TypeError, r"y_score has dtype <U1, expected numbers"),
        (lambda: metrics.roc_auc([], []), ValueError, r"y_score has shape \(0,\), expected \(N,\)"),
        (lambda: metrics.roc_auc([0, 1, 2], [1, 2, 3]), ValueError, r"y_score is for 2 classes, but y_true has 3"),
        (lambda: metrics.roc_auc(np.eye(3)[:, :2], np.eye(3)), ValueError, r"y_true has shape \(3, 2\) and y_score"),
        (lambda: metrics.roc_auc(np.eye(3) * 2, np.eye(3)), ValueError, r"other numbers than 0 and 1"),
        (lambda: metrics.roc_auc([0, 1], [1, 2], sample_weight=[0, 0]), ValueError, r"sample_weight is 0 for all"),
        (lambda: metrics.roc_auc([0.5, 1], [1, 2]), ValueError, r"y_true holds numbers that are not labels"),
        (lambda: metrics.calibration_error([0], [1.0], bins=0), ValueError, r"bins is 0, expected an integer"),
        (lambda: metrics.pinball([0], [1.0], 1), ValueError, r"level is 1, expected 0 < level < 1"),
        (lambda: metrics.mape([0, 1], [1.0]), ValueError, r"y_true has shape \(2,\), but y_pred has \(1,\)"),
        (lambda: metrics.mape(["a"], [1.0]), ValueError, r"y_true is .*, expected numbers \(N,\) or \(N, K\)"),
        (lambda: metrics.mape([np.inf], [1.0]), ValueError, r"y_true\[0\] is inf, expected finite numbers"),
    ],
)
def test_arrays_that_do_not_fit_are_refused(call: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        call()


# Names in models ----------------------------------------------------------------------------------


def trained(x: np.ndarray, y: np.ndarray, units: int, loss: str, **settings: Any) -> pynn.Sequential:
    model = pynn.Sequential(pynn.Affine(units), dtype="float64")
    return model.fit(x, y, loss=loss, epochs=2, batch_size=10, progress=False, **settings) and model  # type: ignore[return-value]


@weighted_or_not
@pytest.mark.parametrize("batch_size", [1, 7, 1000])
@pytest.mark.parametrize("loss", ["softmax_cross_entropy", "focal", "binary_cross_entropy"])
@pytest.mark.parametrize("classes", [2, 4])
def test_models_measure_what_the_functions_say(loss: str, classes: int, batch_size: int, weighted: bool) -> None:
    if loss == "binary_cross_entropy" and classes > 2:
        return
    rng = np.random.default_rng(5)
    y, p, weight = data(53, classes, weighted)
    x = np.log(p) + 0.3 * rng.normal(size=p.shape)
    model = trained(x, y, 1 if loss == "binary_cross_entropy" else classes, loss)
    found = model.evaluate(x, y, batch_size, metrics=ALL, sample_weight=weight)
    assert list(found) == ["loss", *ALL]
    proba, said = model.predict_proba(x), model.predict(x)
    for name in [*PROBABLE, *RANKED]:
        assert found[name] == pytest.approx(getattr(metrics, name)(y, proba, sample_weight=weight), rel=1e-9), name
    for name in LABELLED:
        assert found[name] == pytest.approx(getattr(metrics, name)(y, said, sample_weight=weight), rel=1e-9), name
    by_function = [getattr(metrics, name) for name in ALL]
    assert model.evaluate(x, y, batch_size, metrics=by_function, sample_weight=weight) == found


@weighted_or_not
def test_models_of_attributes(weighted: bool, rng: np.random.Generator, sklearn: Any) -> None:
    x = rng.normal(size=(61, 4))
    y = (x[:, :3] + rng.normal(size=(61, 3)) > 0.4).astype(int)
    weight = rng.uniform(0, 2, 61) if weighted else None
    model = trained(x, y, 3, "binary_cross_entropy")
    found = model.evaluate(x, y, 7, metrics=ALL, sample_weight=weight)
    proba, said = model.predict_proba(x), model.predict(x)
    for name in [*PROBABLE, *RANKED]:
        assert found[name] == pytest.approx(getattr(metrics, name)(y, proba, sample_weight=weight), rel=1e-9), name
    each = [sklearn.balanced_accuracy_score(y[:, k], said[:, k], sample_weight=weight) for k in range(3)]
    assert found["balanced_accuracy"] == pytest.approx(np.mean(each), rel=1e-9)
    assert found["error"] == pytest.approx(np.average((said != y).any(axis=1), weights=weight), rel=1e-9)


def test_scores_without_probabilities_can_be_ranked(rng: np.random.Generator) -> None:
    x = rng.normal(size=(40, 3))
    for y, units, loss in ((np.sign(x[:, 0]), 1, "binary_hinge"), ((x[:, 0] > 0).astype(int), 2, "hinge")):
        model = trained(x, y, units, loss)
        outputs = x @ model.layers[0].weight + model.layers[0].bias
        score = outputs[:, 0] if units == 1 else outputs[:, 1] - outputs[:, 0]
        found = model.evaluate(x, y, 7, metrics=RANKED)
        for name in RANKED:
            assert found[name] == pytest.approx(getattr(metrics, name)(y, score), rel=1e-12)
        with pytest.raises(TypeError, match=r"the metric log_loss needs a loss of class labels or attributes with"):
            model.evaluate(x, y, metrics=["log_loss"])


def test_sure_models_are_told_apart(rng: np.random.Generator) -> None:
    """Logits of 40 and 50, whose probabilities are both 1 in float32, are no tie; log-losses are exact."""
    for loss, outputs in (
        (pynn.BinaryCrossEntropy(), np.array([[40], [50], [45]], np.float32)),
        (pynn.SoftmaxCrossEntropy(), np.array([[0, 40], [0, 50], [0, 45]], np.float32)),
    ):
        y = loss.targets(np.array([0, 1, 1]), outputs.shape[1:])
        measured = [metrics.metric(name) for name in ("log_loss", "average_precision")]
        for one in measured:
            one.begin(loss)
            one.add(outputs, y, None)
        assert measured[0].value() == pytest.approx(40 / 3, rel=1e-6)


def test_sequences_count_each_position(rng: np.random.Generator) -> None:
    x = rng.normal(size=(20, 5, 3))
    y, weight = x.argmax(axis=2), rng.uniform(0, 2, 20)
    model = trained(x, y, 3, "softmax_cross_entropy")
    found = model.evaluate(x, y, 6, metrics=ALL, sample_weight=weight)
    proba, said = model.predict_proba(x).reshape(-1, 3), model.predict(x).ravel()
    for name in ALL:
        expected = getattr(metrics, name)(
            y.ravel(), said if name in LABELLED else proba, sample_weight=np.repeat(weight, 5)
        )
        assert found[name] == pytest.approx(expected, rel=1e-9), name


@pytest.mark.parametrize("loss", ["l2", "l1", "huber", "quantile"])
def test_models_of_numbers(loss: str, rng: np.random.Generator) -> None:
    x = rng.normal(size=(41, 4))
    y, weight = 1e3 + 100 * x[:, 0], rng.uniform(0, 2, 41)
    model = trained(x, y, 1, loss, target_preprocessing=pynn.Standardization())
    found = model.evaluate(
        x,
        y,
        6,
        sample_weight=weight,
        metrics=["mape", "pinball", "rmse", *([] if loss == "quantile" else [metrics.Pinball(0.975)])],
    )
    said = model.predict(x)
    assert found["mape"] == pytest.approx(metrics.mape(y, said, sample_weight=weight), rel=1e-9)
    assert found["pinball"] == pytest.approx(metrics.pinball(y, said, sample_weight=weight), rel=1e-9)
    assert found["rmse"] == pytest.approx(np.sqrt(np.average((y - said) ** 2, weights=weight)), rel=1e-9)
    if loss != "quantile":
        assert found["pinball97_5"] == pytest.approx(metrics.pinball(y, said, 0.975, sample_weight=weight), rel=1e-9)
    for name in ("roc_auc", "log_loss", "balanced_accuracy", "error", "brier", "calibration_error"):
        with pytest.raises(TypeError, match=f"the metric {name} needs a loss of .*labels or attributes"):
            model.evaluate(x, y, metrics=[name])


@pytest.mark.parametrize(
    ("name", "level"), [("pinball90", 0.9), ("pinball97_5", 0.975), ("pinball99_9", 0.999), ("pinball29", 0.29)]
)
def test_a_level_of_pinball_may_be_a_name(name: str, level: float, rng: np.random.Generator) -> None:
    found = metrics.metric(name)
    assert isinstance(found, metrics.Pinball)
    assert (found.name, found.level) == (name, level)
    x = rng.normal(size=(20, 2))
    model = trained(x, x[:, 0], 2, pynn.Quantile((0.1, level)), metrics=[name])  # type: ignore[arg-type]
    expected = metrics.pinball(x[:, 0], model.predict(x)[:, 1], level)
    assert model.evaluate(x, x[:, 0], metrics=[name])[name] == pytest.approx(expected, rel=1e-9)


def test_levels_of_pinball_that_are_none_are_refused() -> None:
    for name in ("pinball0", "pinball100"):
        with pytest.raises(ValueError, match="Pinball: level is"):
            metrics.metric(name)
    with pytest.raises(ValueError, match=r"'pinball_9' is unknown.*expected one of accuracy, top5 and pinball90 \(or"):
        metrics.metric("pinball_9")


def test_early_stopping_knows_which_way_is_better(rng: np.random.Generator) -> None:
    x = rng.normal(size=(90, 4))
    cases: list[tuple[np.ndarray, int, str, list[str]]] = [
        ((x[:, 0] > 0).astype(int), 2, "softmax_cross_entropy", ALL),
        (10 + x[:, 0], 1, "l2", ["mae", "mse", "rmse", "mape", "pinball", "r2"]),
    ]
    for y, units, loss, names in cases:
        for name in names:
            stopping = pynn.EarlyStopping(f"val_{name}", patience=30)
            model = trained(x, y, units, loss, metrics=names, validation=0.4, callbacks=[stopping])
            values = model.history[f"val_{name}"]  # type: ignore[index]
            better = max if name in (*RANKED, "balanced_accuracy", "r2") else min
            assert stopping.best == better(values)


def test_outputs_of_nan_are_never_the_best() -> None:
    for loss, outputs, y in (
        (pynn.SoftmaxCrossEntropy(), np.full((3, 2), np.nan), np.array([0, 1, 1])),
        (pynn.BinaryCrossEntropy(), np.full((3, 1), np.nan), np.array([[0.0], [1], [1]])),
    ):
        for name in ALL:
            one = metrics.metric(name)
            one.begin(loss)
            one.add(np.zeros_like(outputs), y, None)
            with warnings.catch_warnings():
                warnings.simplefilter("error")
                one.add(outputs, y, None)
                assert math.isnan(one.value()), name


def test_they_go_on_in_the_middle_of_an_epoch(rng: np.random.Generator, tmp_path: Any) -> None:
    x = rng.normal(size=(60, 4))
    y = (x[:, 0] + rng.normal(size=60) > 0).astype(int)

    class Stop(pynn.Callback):
        def on_step_end(self, trainer: pynn.Trainer) -> None:
            if trainer.step == 9:
                trainer.stop("now")

    settings: dict[str, Any] = {"metrics": ALL, "validation": 0.2}
    expected = trained(x, y, 2, "softmax_cross_entropy", **settings)
    trained(x, y, 2, "softmax_cross_entropy", checkpoint=tmp_path, callbacks=[Stop()], **settings)
    model = trained(x, y, 2, "softmax_cross_entropy", checkpoint=tmp_path, resume=True, **settings)
    assert model.context.step == expected.context.step > 9
    for name in ALL:
        assert model.history[name] == expected.history[name]  # type: ignore[index]


def test_rankings_of_sure_models_do_not_tie() -> None:
    model = pynn.Sequential(pynn.Affine(2, use_bias=False))
    model.build((1,))
    model.layers[0].weight[...] = [[0, 1]]
    x, y = np.array([[40.0], [50], [45], [60]]), np.array([0, 1, 0, 1])
    measured = model.evaluate(x, y, metrics=["roc_auc", "average_precision"])
    assert measured["roc_auc"] == measured["average_precision"] == 1
