"""Estimators at work: inside scikit-learn's tools, in files and copies, with callbacks and own layers."""

from __future__ import annotations

import copy
import pickle
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("sklearn")

import joblib
from sklearn import config_context
from sklearn.base import clone
from sklearn.calibration import CalibratedClassifierCV
from sklearn.exceptions import ConvergenceWarning, NotFittedError
from sklearn.inspection import permutation_importance
from sklearn.metrics import get_scorer
from sklearn.model_selection import GridSearchCV, cross_val_score, cross_validate
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import pynn
from pynn.sklearn import MLPClassifier, MLPRegressor

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

RNG = np.random.default_rng(1)
X = RNG.normal(size=(120, 4))
Y = np.where(X[:, 0] + X[:, 1] > 0, "yes", "no")


def quick(**settings: Any) -> MLPClassifier:
    usual = {"hidden_layer_sizes": (16,), "max_iter": 40, "learning_rate_init": 0.02, "random_state": 0}
    return MLPClassifier(**{**usual, **settings})


# Inside scikit-learn --------------------------------------------------------------------------------


@pytest.mark.parametrize("workers", ["loky", "threading"])
def test_searches_and_folds_in_processes_and_threads(workers: str) -> None:
    if workers == "loky" and sys.platform == "win32":
        pytest.skip("a test module cannot be imported by name there")
    alone = cross_val_score(quick(), X, Y, cv=3)
    with joblib.parallel_backend(workers):
        together = cross_val_score(quick(), X, Y, cv=3, n_jobs=2)
        search = GridSearchCV(quick(), {"alpha": [1e-4, 10.0], "activation": ["relu", "gelu"]}, cv=3, n_jobs=2)
        search.fit(X, Y)
    np.testing.assert_array_equal(alone, together)
    assert search.best_score_ > 0.9
    assert search.best_params_["alpha"] == 1e-4
    assert not np.isnan(search.cv_results_["mean_test_score"]).any()


def test_pipeline_calibration_and_importance() -> None:
    pipeline = make_pipeline(StandardScaler(), quick())
    assert pipeline.fit(X * 50 + 3, Y).score(X * 50 + 3, Y) > 0.95
    calibrated = CalibratedClassifierCV(quick(), cv=2, method="isotonic").fit(X, Y)
    assert calibrated.predict_proba(X).shape == (120, 2)
    assert calibrated.score(X, Y) > 0.9
    importance = permutation_importance(quick().fit(X, Y), X, Y, n_repeats=3, random_state=0).importances_mean
    assert importance[:2].min() > importance[2:].max()
    assert get_scorer("neg_log_loss")(quick().fit(X, Y), X, Y) > -0.3
    regressor = MLPRegressor(max_iter=100, learning_rate_init=0.02, random_state=0)
    assert cross_val_score(regressor, X, X @ [1, 2, 0, 0], cv=3).min() > 0.9


def test_metadata_are_routed() -> None:
    weights = RNG.random(120)
    with config_context(enable_metadata_routing=True):
        estimator = quick(early_stopping=True).set_fit_request(sample_weight=True, validation=True)
        estimator.set_score_request(sample_weight=False)
        pipeline = make_pipeline(StandardScaler().set_fit_request(sample_weight=False), estimator)
        pipeline.fit(X, Y, sample_weight=weights, validation=(X[:30], Y[:30]))
        scores = cross_validate(
            estimator, X, Y, cv=2, return_estimator=True, params={"sample_weight": weights, "validation": (X, Y)}
        )
    assert pipeline[-1].t_ == 120 * pipeline[-1].n_iter_  # all of X is trained on
    assert all(one.t_ == 60 * one.n_iter_ for one in scores["estimator"])
    assert "classes" in inspected(quick().set_partial_fit_request)


def inspected(function: Any) -> set[str]:
    import inspect

    return set(inspect.signature(function).parameters)


def test_validation_data_go_through_a_pipeline() -> None:
    with config_context(enable_metadata_routing=True):
        estimator = quick(early_stopping=True).set_fit_request(X_val=True, y_val=True)
        pipeline = make_pipeline(StandardScaler(), estimator, transform_input=["X_val"])
        pipeline.fit(X * 100, Y, X_val=X[:50] * 100, y_val=Y[:50])
    scaled = StandardScaler().fit_transform(X * 100)
    other = quick(early_stopping=True).fit(scaled, Y, validation=(scaled[:50], Y[:50]))
    assert pipeline[-1].validation_scores_ == other.validation_scores_


# Files and copies -----------------------------------------------------------------------------------


def everywhere(estimator: Any, folder: Path) -> list[Any]:
    joblib.dump(estimator, folder / "estimator.joblib")
    loaded = joblib.load(folder / "estimator.joblib")
    return [pickle.loads(pickle.dumps(estimator)), copy.deepcopy(estimator), copy.copy(estimator), loaded]


@pytest.mark.parametrize("kind", ["classifier", "several labels", "regressor", "partial"])
def test_copies_and_files_predict_the_same_bits(kind: str, tmp_path: Path) -> None:
    several = np.column_stack([X[:, 0] > 0, X[:, 1] > 0]).astype(int)
    estimator = {
        "classifier": lambda: quick(early_stopping=True, batch_norm=True, dropout=0.1).fit(X, Y),
        "several labels": lambda: quick().fit(X, several),
        "regressor": lambda: MLPRegressor("huber", max_iter=5, random_state=0).fit(X, X[:, :2]),
        "partial": lambda: quick().partial_fit(X, Y, classes=["no", "yes", "?"]),
    }[kind]()
    for other in everywhere(estimator, tmp_path):
        np.testing.assert_array_equal(other.predict(X), estimator.predict(X))
        if kind != "regressor":
            np.testing.assert_array_equal(other.predict_proba(X), estimator.predict_proba(X))
        assert other.get_params() == estimator.get_params()
        assert vars(other).keys() == vars(estimator).keys()
        assert other.model_ is not estimator.model_
        other.partial_fit(X, several if kind == "several labels" else X[:, :2] if kind == "regressor" else Y) if (
            not other.early_stopping
        ) else other.fit(X, Y)
    assert clone(estimator).get_params() == estimator.get_params()
    assert "model_" not in vars(clone(estimator))


def test_a_pickle_holds_parameters_only() -> None:
    estimator = MLPClassifier((8,), max_iter=2, random_state=0).fit(RNG.normal(size=(5000, 4)), np.arange(5000) % 2)
    size = len(pickle.dumps(estimator))
    assert size < 4 * estimator.model_.parameter_count + 6000
    assert isinstance(estimator.__getstate__()["model_"]["bytes"], bytes)
    assert not any(isinstance(value, np.ndarray) and value.size > 10 for value in estimator.__getstate__().values())
    again = pynn.from_bytes(estimator.__getstate__()["model_"]["bytes"])
    np.testing.assert_array_equal(again.parameters, estimator.model_.parameters)


class Doubling(pynn.Layer):
    """A layer of the user's own."""

    def build(self, input_shape: tuple[int, ...]) -> tuple[int, ...]:
        return input_shape

    def forward(self, x: Any, training: bool = False) -> Any:
        return 2 * x

    def backward(self, dy: Any) -> Any:
        return 2 * dy


def test_own_layers_are_copied_trained_and_pickled(tmp_path: Path) -> None:
    layers = [pynn.Residual(pynn.Affine(4), Doubling()), pynn.Affine(8), pynn.LayerNorm(), pynn.GELU()]
    estimator = quick(layers=layers).fit(X, Y)
    assert estimator.score(X, Y) > 0.9
    assert not layers[1].context.built
    assert estimator.n_layers_ == 4
    assert [weight.shape for weight in estimator.coefs_] == [(4, 4), (4, 8), (8, 1)]
    for other in everywhere(estimator, tmp_path):
        np.testing.assert_array_equal(other.predict_proba(X), estimator.predict_proba(X))
    by_function = quick(layers=lambda: copy.deepcopy(layers)).fit(X, Y)
    np.testing.assert_array_equal(by_function.model_.parameters, estimator.model_.parameters)
    clone(estimator).fit(X, Y)


def test_copies_while_another_thread_trains() -> None:
    """Each copy has weights between two steps: those of an epoch's end are among the losses seen."""
    estimator = quick(max_iter=400, n_iter_no_change=1000, tol=0, hidden_layer_sizes=(64, 64))
    estimator.fit(X, Y)
    thread = threading.Thread(target=estimator.set_params(warm_start=True).fit, args=(X, Y))
    thread.start()
    copies = []
    while thread.is_alive() and len(copies) < 20:
        copies.append(pickle.loads(pickle.dumps(estimator)))
    thread.join()
    assert copies
    for one in copies:
        assert np.isfinite(one.model_.parameters).all()
        assert one.score(X, Y) > 0.9


# Pynn's own ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "settings",
    [
        {"dropout": 0.2}, {"batch_norm": True}, {"batch_norm": True, "batch_size": 17, "dropout": 0.1},
        {"activation": "mish"}, {"activation": pynn.LeakyReLU(0.2)}, {"loss": "focal"}, {"loss": "hinge"},
        {"loss": pynn.SoftmaxCrossEntropy(label_smoothing=0.1)}, {"loss": "binary_hinge"}, {"loss": "log_loss"},
        {"class_weight": "balanced"}, {"dtype": "float32"}, {"hidden_layer_sizes": [8, 8]}, {"hidden_layer_sizes": 8},
    ],
    ids=str,
)  # fmt: skip
def test_everything_that_scikit_learn_does_not_have(settings: dict[str, Any], backend: str) -> None:
    estimator = quick(**settings).fit(X, Y)
    assert estimator.score(X, Y) > 0.9
    again = quick(**settings).fit(X, Y)
    np.testing.assert_array_equal(estimator.model_.parameters, again.model_.parameters)
    hinge = "hinge" in str(settings.get("loss"))
    assert hasattr(estimator, "predict_proba") is not hinge
    if not hinge:
        np.testing.assert_allclose(estimator.predict_proba(X).sum(axis=1), 1, rtol=1e-5)


def test_a_last_batch_of_one_sample_is_left_out_for_batch_normalization() -> None:
    estimator = quick(batch_norm=True, batch_size=17).fit(X[:103], Y[:103])
    assert estimator.score(X, Y) > 0.9


@pytest.mark.parametrize("loss", ["squared_error", "absolute_error", "l1", "l2", "huber", pynn.Huber(0.5)])
def test_losses_of_numbers(loss: Any) -> None:
    y = X @ [1.0, 0.5, 0, 0]
    regressor = MLPRegressor(loss, (32,), max_iter=150, learning_rate_init=0.01, random_state=0).fit(X, y)
    assert regressor.score(X, y) > 0.95
    np.testing.assert_allclose(regressor.model_.predict(X), regressor.predict(X), rtol=1e-6)


@pytest.mark.skipif("quantile" not in pynn.losses.LOSSES, reason="there is no loss of quantiles")
def test_several_quantiles() -> None:
    y = X[:, 0] + RNG.normal(size=120) / 10
    loss = pynn.losses.LOSSES["quantile"](levels=(0.1, 0.5, 0.9))  # type: ignore[call-arg]
    regressor = MLPRegressor(loss, max_iter=200, learning_rate_init=0.01, random_state=0, early_stopping=True)
    low, middle, high = regressor.fit(X, y).predict(X).T
    assert np.mean(low < y) > 0.7
    assert np.mean(y < high) > 0.7
    assert regressor.score(X, y) == pytest.approx(1 - ((y - middle) ** 2).sum() / ((y - y.mean()) ** 2).sum(), abs=1e-5)
    assert regressor.n_outputs_ == 3
    with pytest.raises(ValueError, match="MultiOutputRegressor"):
        regressor.fit(X, X[:, :2])


def test_validation_data_of_ones_own() -> None:
    part = slice(0, 40)
    plain = quick().fit(X[40:], Y[40:])
    watched = quick().fit(X[40:], Y[40:], validation=(X[part], Y[part]))
    np.testing.assert_array_equal(plain.model_.parameters, watched.model_.parameters)
    assert len(watched.validation_scores_) == watched.n_iter_
    assert watched.validation_scores_[-1] == watched.score(X[part], Y[part])
    assert watched.best_validation_score_ == max(watched.validation_scores_)
    assert plain.validation_scores_ is None
    weights = RNG.random(40)
    early = quick(early_stopping=True, max_iter=300).fit(X[40:], Y[40:], X_val=X[part], y_val=Y[part],
                                                         sample_weight_val=weights)  # fmt: skip
    assert early.score(X[part], Y[part], weights) == pytest.approx(early.best_validation_score_)
    assert early.n_iter_ < 300
    assert early.t_ == 80 * early.n_iter_


def test_scores_of_validation_data_are_scikit_learns() -> None:
    y = X[:, :2] @ [[1.0, 2], [0.5, -1]]
    weights = RNG.random(40)
    regressor = MLPRegressor(max_iter=5, random_state=0).fit(X, y, validation=(X[:40], y[:40], weights))
    assert regressor.validation_scores_[-1] == pytest.approx(regressor.score(X[:40], y[:40], weights))
    several = np.column_stack([X[:, 0] > 0, X[:, 1] > 0]).astype(int)
    classifier = quick(max_iter=5).fit(X, several, validation=(X[:40], several[:40], weights))
    assert classifier.validation_scores_[-1] == pytest.approx(classifier.score(X[:40], several[:40], weights))


def test_pynns_callbacks_see_the_run(tmp_path: Path) -> None:
    seen = []
    callbacks = [
        lambda trainer: seen.append((trainer.values["val_accuracy"], trainer.values["val_loss"])),
        pynn.CSVLogger(tmp_path / "run.csv"),
        pynn.Monitor(),
        pynn.EarlyStopping("val_loss", patience=3),
    ]
    estimator = quick(callbacks=callbacks, max_iter=2000, n_iter_no_change=10_000, dropout=0.1)
    estimator.fit(X[40:], Y[40:], validation=(X[:40], Y[:40]))
    assert len(seen) == estimator.n_iter_ < 2000
    assert [score for score, _ in seen] == estimator.validation_scores_
    assert len((tmp_path / "run.csv").read_text().splitlines()) == estimator.n_iter_ + 1
    assert str(pynn.diagnose(estimator.model_))


def test_verbose_prints_what_scikit_learn_prints(capsys: pytest.CaptureFixture[str]) -> None:
    quick(verbose=True, max_iter=2, early_stopping=True).fit(X, Y)
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("Iteration 1, loss = 0.")
    assert lines[1].startswith("Validation score: ")
    quick(verbose=True, max_iter=500, tol=10, n_iter_no_change=2).fit(X, Y)
    last = capsys.readouterr().out.splitlines()[-1]
    assert last == "Training loss did not improve more than tol=10.000000 for 2 consecutive epochs. Stopping."


def test_a_run_that_diverges_is_a_value_error() -> None:
    with pytest.raises(ValueError, match="not finite"):
        MLPRegressor(solver="sgd", learning_rate_init=1e6, max_iter=50).fit(X * 1e3, X[:, 0] * 1e6)


def test_ctrl_c_leaves_the_epochs_so_far() -> None:
    def interrupt(trainer: Any) -> None:
        if trainer.epoch == 3:
            raise KeyboardInterrupt

    with pytest.warns(UserWarning, match="Training interrupted by user"):
        estimator = quick(callbacks=[interrupt]).fit(X, Y)
    assert estimator.n_iter_ == 3
    assert estimator.predict(X).shape == (120,)


class Recorder:
    """A callback of scikit-learn's protocol."""

    def __init__(self, stop_after: int | None = None) -> None:
        self.stop_after, self.events, self.scores = stop_after, [], []

    def setup(self, estimator: Any, context: Any) -> None:
        self.events.append("setup")

    def teardown(self, estimator: Any, context: Any) -> None:
        self.events.append("teardown")

    def on_fit_task_begin(self, estimator: Any, context: Any) -> None:
        self.events.append(f"begin {context.task_name}")

    def on_fit_task_end(self, estimator: Any, context: Any, *, X: Any, y: Any, fitted_estimator: Any) -> bool:
        self.events.append(f"end {context.task_name}")
        self.scores.append(fitted_estimator.score(X, y))
        return self.stop_after is not None and len(self.scores) >= self.stop_after


@pytest.mark.parametrize("solver", ["adam", "lbfgs"])
def test_scikit_learns_callbacks(solver: str) -> None:
    pytest.importorskip("sklearn.callback")
    recorder = Recorder(stop_after=3)
    estimator = quick(solver=solver).set_callbacks(recorder).fit(X, Y)
    assert estimator.n_iter_ == 3
    assert recorder.events[0] == "setup"
    assert recorder.events[1] == "begin fit"
    assert recorder.events[-2:] == ["end fit", "teardown"]
    assert recorder.events.count("begin epoch") == recorder.events.count("end epoch") == 3
    assert recorder.scores[-1] == estimator.score(X, Y)
    recorder = Recorder()
    with pytest.raises(ValueError, match="not measured"):
        quick(callbacks=[pynn.EarlyStopping("val_loss")]).set_callbacks(recorder).fit(X, Y)
    assert recorder.events[-1] == "teardown"


# Import --------------------------------------------------------------------------------------------


def run(code: str) -> str:
    return subprocess.run([sys.executable, "-P", "-c", code], capture_output=True, text=True, check=True).stdout.strip()


def test_it_is_imported_only_when_it_is_asked_for() -> None:
    loaded = run(
        "import sys, pynn; print('sklearn' in sys.modules, 'sklearn' in dir(pynn));"
        "pynn.sklearn.MLPClassifier; print('sklearn' in sys.modules)"
    )
    assert loaded.split() == ["False", "True", "True"]
    assert run("from pynn import *; import sys; print('sklearn' in sys.modules)") == "False"


def test_without_scikit_learn_the_error_has_the_command() -> None:
    code = "import sys; sys.modules['sklearn'] = None\nimport pynn\n"
    code += "try:\n    pynn.sklearn\nexcept ImportError as error:\n    print(error)"
    assert run(code) == 'pynn.sklearn needs scikit-learn: pip install "pynn-cpu[sklearn]"'


def test_one_class_is_predicted_for_all() -> None:
    x = RNG.normal(size=(60, 3))
    for seed in range(8):
        classifier = MLPClassifier((4,), max_iter=1, random_state=seed).fit(x, ["a"] * 60)
        assert classifier.predict(x).tolist() == ["a"] * 60
        np.testing.assert_array_equal(classifier.predict_proba(x), np.ones((60, 1)))


@pytest.mark.parametrize("kind", [MLPClassifier, MLPRegressor])
def test_a_fit_that_fails_leaves_the_one_before(kind: Any) -> None:
    x, y = RNG.normal(size=(60, 3)), np.arange(60) % 2
    other = np.column_stack([y, y]) if kind is MLPRegressor else np.array(["c", "d"])[y]
    model = kind(hidden_layer_sizes=(4,), max_iter=5, random_state=0).fit(x, y)
    before, names = model.predict(x), set(vars(model))
    with pytest.raises(ValueError, match="features"):
        model.fit(x, other, validation=(x[:, :2], other))
    with pytest.raises(ValueError, match="NaN"):
        model.fit(np.where(x > 0, np.nan, x), other)
    np.testing.assert_array_equal(model.predict(x), before)
    assert set(vars(model)) == names
    fresh = kind(hidden_layer_sizes=(4,))
    with pytest.raises(ValueError, match="features"):
        fresh.fit(x, other, validation=(x[:, :2], other))
    with pytest.raises(NotFittedError):
        fresh.predict(x)


def test_class_weights_count_on_validation_data() -> None:
    x, y = RNG.normal(size=(60, 3)), np.arange(60) % 2
    classifier = MLPClassifier((4,), max_iter=1, class_weight={0: 1, 1: 100}, random_state=0)
    classifier.fit(x, y, validation=(x, y))
    score = np.average(classifier.predict(x) == y, weights=np.where(y, 100, 1))
    assert classifier.validation_scores_ == [pytest.approx(score)]


@pytest.mark.parametrize("kind", [MLPClassifier, MLPRegressor])
def test_early_stopping_needs_samples_that_count(kind: Any) -> None:
    x, y = RNG.normal(size=(100, 3)), np.arange(100) % 2
    weights = np.zeros(100)
    weights[0] = 1
    with pytest.raises(ValueError, match=r"drew \d+ samples to (train on|hold out), and the weights of all are 0"):
        kind(hidden_layer_sizes=(4,), early_stopping=True, random_state=0).fit(x, y, sample_weight=weights)


@pytest.mark.parametrize("kind", [MLPClassifier, MLPRegressor])
def test_early_stopping_may_be_turned_on_and_off(kind: Any) -> None:
    x = RNG.normal(size=(200, 3))
    y = (x[:, 0] > 0).astype(int)
    settings = {"max_iter": 5, "random_state": 0}
    model = kind(hidden_layer_sizes=(4,), early_stopping=True, **settings).fit(x, y)
    model.set_params(early_stopping=False).partial_fit(x, y)
    assert np.isfinite(model.best_loss_)
    model.set_params(early_stopping=True, warm_start=True).fit(x, y)
    best, weights = model.best_validation_score_, model.coefs_[0].copy()
    model.set_params(learning_rate_init=3.0, max_iter=2).fit(x, y)  # which spoils it
    assert model.best_validation_score_ >= best
    if model.best_validation_score_ == best:
        np.testing.assert_array_equal(model.coefs_[0], weights)


@pytest.mark.parametrize("kind", [MLPClassifier, MLPRegressor])
def test_a_callback_may_end_the_first_epoch(kind: Any) -> None:
    x = RNG.normal(size=(100, 3))
    model = kind(hidden_layer_sizes=(4,), batch_size=5, callbacks=[pynn.Deadline(1e-9)])
    with pytest.warns(ConvergenceWarning, match="ended within the first epoch"):
        model.fit(x, np.arange(100) % 2)
    assert model.n_iter_ == 0
    assert np.isnan(model.loss_)


def test_text_in_a_frame_is_named_by_column() -> None:
    pd = pytest.importorskip("pandas")
    frame = pd.DataFrame({"a": [1.0, 2, 3, 4], "town": ["x", "y", "x", "y"]})
    with pytest.raises(ValueError, match="column 'town' holds 'x', expected numbers: take TabularClassifier"):
        MLPClassifier().fit(frame, [0, 1, 0, 1])


def test_class_weight_of_another_kind() -> None:
    with pytest.raises(TypeError, match=r'class_weight is 2, expected "balanced", a dict'):
        MLPClassifier(class_weight=2).fit(RNG.normal(size=(20, 2)), np.arange(20) % 2)


def test_a_loss_belongs_to_one_estimator() -> None:
    loss = pynn.SoftmaxCrossEntropy()
    x, y = RNG.normal(size=(60, 3)), np.arange(60) % 3
    first, second = (MLPClassifier((4,), loss=loss, max_iter=1).fit(x, y) for _ in range(2))
    assert first.model_.loss is not second.model_.loss
    assert first.loss is second.loss is loss
