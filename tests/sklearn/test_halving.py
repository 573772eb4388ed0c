"""scikit-learn's searches with epochs as the resource: random, and by halving."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

pytest.importorskip("sklearn")

from scipy.stats import loguniform
from sklearn.experimental import enable_halving_search_cv  # noqa: F401 (makes the next import work)
from sklearn.model_selection import HalvingGridSearchCV, HalvingRandomSearchCV, RandomizedSearchCV

from pynn.sklearn import MLPClassifier, MLPRegressor, TabularClassifier, TabularRegressor

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

RNG = np.random.default_rng(2)
X = RNG.normal(size=(150, 4))
Y = np.where(X[:, 0] + X[:, 1] > 0, "yes", "no")
Z = X[:, 0] - X[:, 1] ** 2
CLASSIFIERS = [(MLPClassifier, "max_iter", "learning_rate_init"), (TabularClassifier, "epochs", "learning_rate")]
REGRESSORS = [(MLPRegressor, "max_iter", "learning_rate_init"), (TabularRegressor, "epochs", "learning_rate")]


def y_of(kind: Any) -> np.ndarray:
    return Y if "Classifier" in kind.__name__ else Z


@pytest.mark.parametrize(("kind", "epochs", "rate"), CLASSIFIERS + REGRESSORS)
def test_halving_gives_more_epochs_to_fewer_candidates(kind: Any, epochs: str, rate: str) -> None:
    search = HalvingGridSearchCV(
        kind(random_state=0, hidden_layer_sizes=(16,)), {rate: [1e-7, 1e-6, 0.01, 0.03]}, factor=2, cv=3,
        resource=epochs, min_resources=3, max_resources=12, random_state=0, error_score="raise",
    )  # fmt: skip
    search.fit(X, y_of(kind))
    assert search.n_resources_ == [3, 6, 12]
    assert search.n_candidates_ == [4, 2, 1]
    assert search.best_params_[rate] >= 0.01
    assert search.best_params_[epochs] == 12
    trained = search.best_estimator_.n_iter_
    assert np.max(trained) <= 12


def test_random_searches_and_halving_find_a_rate() -> None:
    space = {"learning_rate_init": loguniform(1e-7, 1e-1)}
    estimator = MLPClassifier((16,), max_iter=10, random_state=0)
    random = RandomizedSearchCV(estimator, space, n_iter=8, cv=3, random_state=0, error_score="raise")
    halving = HalvingRandomSearchCV(
        estimator, space, n_candidates=8, factor=2, cv=3, resource="max_iter", min_resources=2, max_resources=16,
        random_state=0, error_score="raise",
    )  # fmt: skip
    for search in (random, halving):
        search.fit(X, Y)
        assert search.best_score_ > 0.85
        assert search.best_params_["learning_rate_init"] > 1e-3


@pytest.mark.parametrize("kind", [MLPClassifier, MLPRegressor])
def test_with_warm_start_more_epochs_go_on_where_fewer_ended(kind: Any) -> None:
    settings: dict[str, Any] = {"hidden_layer_sizes": (16,), "random_state": 0, "n_iter_no_change": 100}
    estimator = kind(max_iter=4, warm_start=True, **settings).fit(X, y_of(kind))
    early = list(estimator.loss_curve_)
    estimator.set_params(max_iter=8).fit(X, y_of(kind))
    assert estimator.loss_curve_[: len(early)] == early
    assert estimator.loss_curve_[-1] < early[-1]
