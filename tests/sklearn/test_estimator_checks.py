"""scikit-learn's own checks of estimators: none is expected to fail."""

from __future__ import annotations

import functools
from typing import Any

import numpy as np
import pytest

pytest.importorskip("sklearn")

from sklearn.utils.estimator_checks import parametrize_with_checks

import pynn
from pynn.sklearn import MLPClassifier, MLPRegressor, TabularClassifier, TabularRegressor

pytestmark = pytest.mark.filterwarnings("ignore")  # the checks fit for a few epochs, on data without a scale

# They compare predictions for batches of several sizes and orders to 1e-7: NumPy's float32 products depend on the size,
# on some processors on the order too. `test_predictions_do_not_depend_on_the_batch` asks for what float32 allows.
BY_BATCH = ("check_methods_subset_invariance", "check_methods_sample_order_invariance")
TABULAR = (TabularClassifier, TabularRegressor)


@functools.cache
def rounded_by_batch() -> tuple[type, ...]:
    """The estimators whose predictions on NumPy are not the same bits in every batch."""
    rng = np.random.default_rng(0)
    rows = np.repeat(rng.standard_normal((1, 64), np.float32), 40, axis=0) @ rng.standard_normal((64, 64), np.float32)
    return (TabularRegressor,) if (rows == rows[0]).all() else TABULAR


def run(estimator: Any, check: Any) -> None:
    """Run the check, if the backend's rounding lets it hold."""
    name = getattr(check, "func", check).__name__
    if name in BY_BATCH and pynn.kernels.backend() == "numpy" and isinstance(estimator, rounded_by_batch()):
        pytest.skip("NumPy's float32 products depend on the batch in the last bit")
    check(estimator)


@parametrize_with_checks(
    [
        MLPClassifier(max_iter=60),
        MLPRegressor(max_iter=60),
        MLPClassifier((8,), solver="lbfgs", max_iter=30),
        MLPRegressor("huber", (8,), max_iter=60, learning_rate_init=0.01),
        TabularClassifier("fast"),
        TabularRegressor("fast"),
        TabularRegressor("fast", quantiles=[0.9], epochs=20),
        TabularClassifier("simplified", epochs=20),
        TabularRegressor("simplified", epochs=20),
        TabularClassifier("full", epochs=20),
        TabularRegressor("full", epochs=20),
    ]
)
def test_checks_of_scikit_learn(estimator: Any, check: Any) -> None:
    run(estimator, check)


@pytest.mark.slow
@parametrize_with_checks([TabularClassifier("full"), TabularRegressor("full")])
def test_checks_of_scikit_learn_in_full(estimator: Any, check: Any) -> None:
    if pynn.kernels.backend() == "numpy":
        pytest.skip("takes ten minutes on NumPy, which has passed the same checks with fewer epochs")
    run(estimator, check)


@pytest.mark.parametrize("preset", ["fast", "simplified", "full"])
@pytest.mark.parametrize("kind", TABULAR)
def test_predictions_do_not_depend_on_the_batch(kind: type, preset: str) -> None:
    rng = np.random.default_rng(0)
    x = rng.standard_normal((90, 5))
    y = np.digitize(x[:, 0], [-0.5, 0.5]) if kind is TabularClassifier else x[:, 0] + x[:, 1] ** 2
    estimator = kind(preset, epochs=5).fit(x, y)
    predict = estimator.predict_proba if kind is TabularClassifier else estimator.predict
    whole, order = predict(x), rng.permutation(90)
    exact = pynn.kernels.backend() == "native"
    close = {"rtol": 0 if exact else 1e-5, "atol": 0 if exact else 1e-5}
    np.testing.assert_allclose(predict(x[order]), whole[order], **close)
    np.testing.assert_allclose(np.concatenate([predict(x[i : i + 7]) for i in range(0, 90, 7)]), whole, **close)
