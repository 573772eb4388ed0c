"""The estimators train as scikit-learn's of the same names do: the same weights to rounding, the same attributes."""

from __future__ import annotations

import inspect
import warnings
from typing import Any

import numpy as np
import pytest

pytest.importorskip("sklearn")

from sklearn import neural_network
from sklearn.datasets import load_digits, load_iris, make_regression
from sklearn.exceptions import ConvergenceWarning

import pynn
from pynn import sklearn as ours

DIGITS = load_digits()
X, Y = DIGITS.data[:400] / 16, DIGITS.target[:400]
IRIS = load_iris()
NUMBERS, TARGETS = make_regression(200, 8, noise=3, n_targets=3, random_state=0)
TARGETS = TARGETS / 100
WEIGHTS = np.random.default_rng(0).random(200)

CLASSIFIERS: list[tuple[str, dict[str, Any], Any, Any, Any]] = [
    ("default", {}, X, Y, None),
    ("weights", {"batch_size": 30}, X[:200], Y[:200], WEIGHTS),
    ("adaptive", {"solver": "sgd", "learning_rate": "adaptive", "learning_rate_init": 0.1, "tol": 0.05,
                  "n_iter_no_change": 2}, X, Y, None),
    ("invscaling", {"solver": "sgd", "learning_rate": "invscaling", "learning_rate_init": 0.5}, X, Y, None),
    ("momentum", {"solver": "sgd", "nesterovs_momentum": False, "shuffle": False, "batch_size": 37}, X, Y, None),
    ("early", {"activation": "tanh", "early_stopping": True, "alpha": 0.1, "max_iter": 60}, X, Y, None),
    ("logistic", {"activation": "logistic", "hidden_layer_sizes": (20, 10)}, X, Y, None),
    ("identity", {"activation": "identity", "hidden_layer_sizes": ()}, X, Y, None),
    ("binary", {"early_stopping": True, "n_iter_no_change": 3}, IRIS.data, IRIS.target == 1, None),
    ("multilabel", {}, IRIS.data, np.column_stack([IRIS.target == 1, IRIS.target > 0]).astype(int), None),
    ("lbfgs", {"solver": "lbfgs", "activation": "tanh", "hidden_layer_sizes": (5,)}, IRIS.data, IRIS.target, None),
]  # fmt: skip
REGRESSORS: list[tuple[str, dict[str, Any], Any, Any, Any]] = [
    ("default", {}, NUMBERS, TARGETS, None),
    ("single", {"batch_size": 30}, NUMBERS, TARGETS[:, 0], WEIGHTS),
    ("early", {"early_stopping": True, "n_iter_no_change": 4, "max_iter": 80}, NUMBERS, TARGETS, WEIGHTS),
    ("lbfgs", {"solver": "lbfgs", "activation": "tanh", "hidden_layer_sizes": (5,)}, NUMBERS, TARGETS, WEIGHTS),
]


def fitted(theirs: Any, mine: Any, settings: dict[str, Any], x: Any, y: Any, weights: Any) -> tuple[Any, Any]:
    settings = {"max_iter": 15, "random_state": 3, **settings}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        return (
            theirs(**settings).fit(x, y, sample_weight=weights),
            mine(dtype="float64", **settings).fit(x, y, sample_weight=weights),
        )


def expect_alike(theirs: Any, mine: Any) -> None:
    for name in ("coefs_", "intercepts_"):
        for one, other in zip(getattr(theirs, name), getattr(mine, name), strict=True):
            np.testing.assert_allclose(other, one, rtol=1e-5, atol=1e-8)
    for name in ("loss_", "n_iter_", "t_", "n_layers_", "n_outputs_", "out_activation_"):
        assert getattr(mine, name) == pytest.approx(getattr(theirs, name)), name
    for name in ("loss_curve_", "best_loss_", "validation_scores_", "best_validation_score_"):
        if hasattr(theirs, name):
            before, now = getattr(theirs, name), getattr(mine, name)
            assert (now is None) == (before is None)
            if before is not None:
                np.testing.assert_allclose(now, before, rtol=1e-7)


@pytest.mark.parametrize("case", CLASSIFIERS, ids=lambda case: case[0])
def test_classifiers_end_with_the_same_weights(case: tuple[Any, ...]) -> None:
    _, settings, x, y, weights = case
    theirs, mine = fitted(neural_network.MLPClassifier, ours.MLPClassifier, settings, x, y, weights)
    expect_alike(theirs, mine)
    np.testing.assert_array_equal(mine.predict(x), theirs.predict(x))
    np.testing.assert_allclose(mine.predict_proba(x), theirs.predict_proba(x), atol=1e-7)
    np.testing.assert_array_equal(mine.classes_, theirs.classes_)
    assert mine.score(x, y) == theirs.score(x, y)


@pytest.mark.parametrize("case", REGRESSORS, ids=lambda case: case[0])
def test_regressors_end_with_the_same_weights(case: tuple[Any, ...]) -> None:
    _, settings, x, y, weights = case
    theirs, mine = fitted(neural_network.MLPRegressor, ours.MLPRegressor, settings, x, y, weights)
    expect_alike(theirs, mine)
    np.testing.assert_allclose(mine.predict(x), theirs.predict(x), atol=1e-6)
    assert mine.score(x, y) == pytest.approx(theirs.score(x, y))


@pytest.mark.parametrize("warm", [False, True])
def test_fit_again_and_partial_fit_go_on_as_there(warm: bool) -> None:
    settings = {"random_state": 0, "max_iter": 5, "warm_start": warm}
    theirs = neural_network.MLPClassifier(**settings)
    mine = ours.MLPClassifier(dtype="float64", **settings)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        for estimator in (theirs, mine):
            estimator.fit(X, Y).fit(X, Y).partial_fit(X, Y).partial_fit(X[:100], Y[:100])
    expect_alike(theirs, mine)


def test_partial_fit_from_the_start() -> None:
    theirs, mine = neural_network.MLPRegressor(random_state=0), ours.MLPRegressor(random_state=0, dtype="float64")
    for _ in range(3):
        theirs.partial_fit(NUMBERS, TARGETS)
        mine.partial_fit(NUMBERS, TARGETS)
    expect_alike(theirs, mine)


@pytest.mark.parametrize("name", ["MLPClassifier", "MLPRegressor"])
def test_every_argument_is_there_with_its_default(name: str) -> None:
    theirs = inspect.signature(getattr(neural_network, name)).parameters
    mine = inspect.signature(getattr(ours, name)).parameters
    if name == "MLPRegressor" and "loss" not in theirs:  # before scikit-learn 1.7
        mine = {key: value for key, value in mine.items() if key != "loss"}  # type: ignore[assignment]
    assert list(mine)[: len(theirs)] == list(theirs)
    for key, parameter in theirs.items():
        assert mine[key].default == parameter.default, key
        assert mine[key].kind == parameter.kind, key


@pytest.mark.skipif("poisson" not in pynn.losses.LOSSES, reason="there is no loss of counts")
@pytest.mark.parametrize("outputs", [1, 2])
def test_poisson(outputs: int) -> None:
    counts = np.random.default_rng(1).poisson(2, (200, outputs)).astype(float)
    settings = {"loss": "poisson", "batch_size": 30, "early_stopping": outputs == 2}
    y = counts if outputs > 1 else counts[:, 0]
    theirs, mine = fitted(neural_network.MLPRegressor, ours.MLPRegressor, settings, NUMBERS, y, None)
    expect_alike(theirs, mine)
    assert mine.out_activation_ == "exp"
    np.testing.assert_allclose(mine.predict(NUMBERS), theirs.predict(NUMBERS), atol=1e-6)


def test_float32_is_as_good(backend: str) -> None:
    """On both backends; 400 x 64 numbers are more than what is trained in float64."""
    classifier = ours.MLPClassifier(random_state=0, max_iter=30, tol=0, n_iter_no_change=1000)
    theirs = neural_network.MLPClassifier(**{key: getattr(classifier, key) for key in ("random_state", "max_iter")})
    for estimator in (classifier, theirs):
        with pytest.warns(ConvergenceWarning):
            estimator.fit(X, Y)
    assert classifier.model_.dtype == np.float32
    assert classifier.coefs_[0].dtype == np.float32
    assert classifier.score(X, Y) == pytest.approx(theirs.score(X, Y), abs=0.005)
    np.testing.assert_allclose(classifier.loss_curve_, theirs.loss_curve_, rtol=1e-4)
