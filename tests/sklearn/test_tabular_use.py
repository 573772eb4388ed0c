"""The estimators for tables at work: inside scikit-learn's tools, in files and copies."""

from __future__ import annotations

import copy
import pickle
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("sklearn")
pd = pytest.importorskip("pandas")

import joblib  # noqa: E402
from sklearn import config_context  # noqa: E402
from sklearn.base import clone  # noqa: E402
from sklearn.calibration import CalibratedClassifierCV  # noqa: E402
from sklearn.compose import ColumnTransformer, TransformedTargetRegressor, make_column_selector  # noqa: E402
from sklearn.inspection import permutation_importance  # noqa: E402
from sklearn.metrics import get_scorer  # noqa: E402
from sklearn.model_selection import GridSearchCV, cross_val_predict, cross_val_score, cross_validate  # noqa: E402
from sklearn.pipeline import make_pipeline  # noqa: E402
from sklearn.preprocessing import OrdinalEncoder, StandardScaler  # noqa: E402

from pynn.sklearn import TabularClassifier, TabularRegressor  # noqa: E402

RNG = np.random.default_rng(1)
TOWNS = np.array(["Bath", "Leeds", "York"])
FRAME = pd.DataFrame({"a": RNG.normal(size=150), "b": RNG.normal(size=150), "town": TOWNS[RNG.integers(0, 3, 150)]})
NUMBERS = FRAME["a"].to_numpy() + 2 * (FRAME["town"] == "Bath").to_numpy()
LABELS = np.where(NUMBERS - NUMBERS.mean() > 0, "yes", "no")
BOTH = pytest.mark.parametrize("kind", [TabularClassifier, TabularRegressor])


def quick(kind: Any, **settings: Any) -> Any:
    usual = {"preset": "fast", "epochs": 25, "hidden_layer_sizes": (24,), "random_state": 0}
    return kind(**{**usual, **settings})


def targets(kind: Any) -> np.ndarray:
    return LABELS if kind is TabularClassifier else NUMBERS


@pytest.mark.parametrize("workers", ["loky", "threading"])
@BOTH
def test_searches_and_folds_in_processes_and_threads(kind: Any, workers: str) -> None:
    if workers == "loky" and sys.platform == "win32":
        pytest.skip("a test module cannot be imported by name there")
    y = targets(kind)
    alone = cross_val_score(quick(kind), FRAME, y, cv=3)
    with joblib.parallel_backend(workers):
        together = cross_val_score(quick(kind), FRAME, y, cv=3, n_jobs=2)
        search = GridSearchCV(quick(kind), {"epochs": [1, 25], "preset": ["full", "fast"]}, cv=3, n_jobs=2)
        search.fit(FRAME, y)
    np.testing.assert_array_equal(alone, together)
    assert search.best_score_ > 0.8
    assert search.best_params_["epochs"] == 25
    assert not np.isnan(search.cv_results_["mean_test_score"]).any()


@BOTH
def test_pipelines_and_column_transformers(kind: Any) -> None:
    y = targets(kind)
    steps = [("scaled", StandardScaler(), ["b", "a"]), ("town", OrdinalEncoder(), make_column_selector("town"))]
    for output in ("default", "pandas"):
        columns = ColumnTransformer(steps, verbose_feature_names_out=False).set_output(transform=output)
        pipeline = make_pipeline(columns, quick(kind)).fit(FRAME, y)
        assert pipeline.score(FRAME, y) > 0.75
        fitted = pipeline[-1]
        assert fitted.n_features_in_ == 3
        assert hasattr(fitted, "feature_names_in_") is (output == "pandas")
        if output == "pandas":
            assert fitted.feature_names_in_.tolist() == ["b", "a", "town"]
    passed = ColumnTransformer([("drop", "drop", ["b"])], remainder="passthrough").set_output(transform="pandas")
    assert make_pipeline(passed, quick(kind)).fit(FRAME, y).score(FRAME, y) > 0.85


def test_calibration_importance_and_scorers() -> None:
    calibrated = CalibratedClassifierCV(quick(TabularClassifier), cv=2, method="isotonic").fit(FRAME, LABELS)
    assert calibrated.predict_proba(FRAME).shape == (150, 2)
    assert calibrated.score(FRAME, LABELS) > 0.85
    fitted = quick(TabularClassifier).fit(FRAME, LABELS)
    assert get_scorer("neg_log_loss")(fitted, FRAME, LABELS) > -0.5
    assert get_scorer("roc_auc")(fitted, FRAME, LABELS) > 0.9
    probabilities = cross_val_predict(quick(TabularClassifier), FRAME, LABELS, cv=3, method="predict_proba")
    np.testing.assert_allclose(probabilities.sum(axis=1), 1, rtol=1e-5)
    for kind in (TabularClassifier, TabularRegressor):
        y = targets(kind)
        found = permutation_importance(quick(kind).fit(FRAME, y), FRAME, y, n_repeats=3, random_state=0)
        importance = dict(zip(FRAME, found.importances_mean, strict=True))
        assert min(importance["a"], importance["town"]) > 5 * abs(importance["b"])


def test_targets_may_be_transformed() -> None:
    y = np.exp(NUMBERS)
    regressor = TransformedTargetRegressor(quick(TabularRegressor), func=np.log, inverse_func=np.exp).fit(FRAME, y)
    assert np.corrcoef(np.log(regressor.predict(FRAME)), NUMBERS)[0, 1] > 0.95


@BOTH
def test_metadata_are_routed(kind: Any) -> None:
    y, weights = targets(kind), RNG.integers(1, 3, 150)
    with config_context(enable_metadata_routing=True):
        estimator = quick(kind).set_fit_request(sample_weight=True, validation=True)
        estimator.set_score_request(sample_weight=True)
        pipeline = make_pipeline(
            ColumnTransformer([("all", "passthrough", ["a", "town"])]), quick(kind).set_fit_request(sample_weight=True)
        )
        pipeline.fit(FRAME, y, sample_weight=weights)
        scores = cross_validate(
            estimator, FRAME, y, cv=2, return_estimator=True,
            params={"sample_weight": weights, "validation": (FRAME[:40], y[:40])},
        )  # fmt: skip
    plain = quick(kind).fit(FRAME[["a", "town"]].to_numpy(), y, sample_weight=weights)
    np.testing.assert_array_equal(pipeline[-1].models_[0].parameters, plain.models_[0].parameters)
    for one, score in zip(scores["estimator"], scores["test_score"], strict=True):
        assert np.isfinite(score)
        if kind is TabularClassifier:  # the accuracy on the rows of validation
            assert one.validation_score_ == pytest.approx(one.score(FRAME[:40], y[:40]), abs=1e-6)


@pytest.mark.parametrize("settings", [{}, {"n_ens": 2, "preset": "full", "epochs": 6}], ids=str)
@BOTH
def test_copies_and_files_predict_the_same_bits(kind: Any, settings: dict[str, Any], tmp_path: Path) -> None:
    y = targets(kind)
    estimator = quick(kind, **settings).fit(FRAME, y)
    joblib.dump(estimator, tmp_path / "estimator.joblib")
    others = [
        pickle.loads(pickle.dumps(estimator)),
        copy.deepcopy(estimator),
        joblib.load(tmp_path / "estimator.joblib"),
    ]
    for other in others:
        np.testing.assert_array_equal(other.predict(FRAME), estimator.predict(FRAME))
        if kind is TabularClassifier:
            np.testing.assert_array_equal(other.predict_proba(FRAME), estimator.predict_proba(FRAME))
        else:
            np.testing.assert_array_equal(other.predict_interval(FRAME), estimator.predict_interval(FRAME))
        assert other.get_params() == estimator.get_params()
        assert vars(other).keys() == vars(estimator).keys()
        assert other.models_[0] is not estimator.models_[0]
    fresh = clone(estimator)
    assert fresh.get_params() == estimator.get_params()
    assert "models_" not in vars(fresh)
    np.testing.assert_array_equal(fresh.fit(FRAME, y).predict(FRAME), estimator.predict(FRAME))


def test_the_encoder_gives_frames_where_it_is_asked_to() -> None:
    encoder = quick(TabularRegressor).fit(FRAME, NUMBERS).encoder_
    framed = copy.deepcopy(encoder).set_output(transform="pandas").transform(FRAME)
    assert list(framed.columns) == encoder.get_feature_names_out().tolist()
    np.testing.assert_array_equal(framed.to_numpy(), encoder.transform(FRAME))
