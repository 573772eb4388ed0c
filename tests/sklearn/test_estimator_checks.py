"""scikit-learn's own checks of estimators: none is expected to fail."""

from __future__ import annotations

from typing import Any

import pytest

pytest.importorskip("sklearn")

from sklearn.utils.estimator_checks import parametrize_with_checks

import pynn
from pynn.sklearn import MLPClassifier, MLPRegressor, TabularClassifier, TabularRegressor

pytestmark = pytest.mark.filterwarnings("ignore")  # the checks fit for a few epochs, on data without a scale

# They compare predictions for batches of several sizes to 1e-7: NumPy's float32 products depend on those sizes.
BY_BATCH = ("check_methods_subset_invariance", "check_methods_sample_order_invariance")


def run(estimator: Any, check: Any) -> None:
    """Run the check, if the backend's rounding lets it hold."""
    name = getattr(check, "func", check).__name__
    if name in BY_BATCH and isinstance(estimator, TabularRegressor) and pynn.kernels.backend() == "numpy":
        pytest.skip("NumPy's float32 products depend on the size of the batch in the last bit")
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
    run(estimator, check)
